"""What falkit.toml, or `[tool.falkit]` in pyproject.toml, says: options by name, and rules."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import click
from click.core import ParameterSource

from falkit_mock.cli import new_name
from falkit_mock.core.settings import is_url
from falkit_mock.faults import RuleError
from falkit_mock.faults.rulebook import read_output, read_rules
from falkit_mock.faults.rules import Rule, parse_text
from falkit_spec import JSON
from falkit_spec.cli.project import ConfigError, beside, find_config, read_table, shown
from falkit_spec.errors import near_misses
from falkit_spec.types import is_array, is_object

if TYPE_CHECKING:
    from falkit_mock.cli.seeding import Seed

_META = "falkit.config"
_RULES = "write each as [[rules]] with fault = NAME"
_OUTPUT = 'write "ID=FILE.json", a list of such, or [output] with "ID" = "FILE.json"'
# Binary digits of a number; Python writes none of many more.
_LONGEST = 10_000
# What a file can't say, and why.
_NOT_HERE = {
    "config": "a file can't name another",
    "fault": _RULES,
    "help": "it is of the command line alone",
    "page": "it is of the command line alone; no-page = true leaves the page out",
    "update-baseline": "it is of the command line alone",
    "rule": f"did you mean rules? {_RULES}",
}


class Config(NamedTuple):
    """What a file says."""

    path: Path
    # By the option's name without its dashes.
    options: Mapping[str, Any]
    rules: tuple[Rule, ...]
    outputs: tuple[Rule, ...] = ()
    seed: Seed | None = None

    @property
    def shown(self) -> str:
        """The path as a person in the working directory would write it."""
        return shown(self.path)


def read_config(path: Path) -> Config:
    """Read a file; raise ConfigError."""
    table = read_table(path)
    rules: Any = table.pop("rules", [])
    # Lazy: most mocks have no file.
    from falkit_mock.cli.seeding import Seed

    seed = Seed.read(path, table.pop("uploads", []), table.pop("jobs", []))
    if not is_array(rules) or not all(is_object(each) or isinstance(each, str) for each in rules):
        raise ConfigError(f"{shown(path)}: rules: {_RULES}")
    outputs = table.pop("output", [])
    texts = [*outputs.values()] if is_object(outputs) else _as_list(outputs)
    if not all(isinstance(each, str) for each in texts):
        raise ConfigError(f"{shown(path)}: output: {_OUTPUT}")
    folder = beside(path, "")
    folder = "" if folder == os.curdir else folder
    try:
        read = read_rules(cast("list[str | dict[str, JSON]]", rules), partial(_rule, path=path))
        pinned = [rule for each in _as_list(outputs) for rule in read_output(each, folder)]
    except RuleError as error:
        raise ConfigError(f"{shown(path)}: {error}") from None
    return Config(path, table, tuple(read), tuple(pinned), seed)


def _rule(source: str | Mapping[str, JSON], *, path: Path) -> Rule:
    """Read a rule; a path of an output in it is relative to the file."""
    table = parse_text(source) if isinstance(source, str) else {**source}
    place = table.get("output")
    if isinstance(place, str) and place and not place.lstrip().startswith("{"):
        table["output"] = beside(path, place)
    return Rule.read(table, None)


def use_config(ctx: click.Context, value: str | None, known: Iterable[str]) -> None:
    """Make a file's options the command's defaults; `known` are the options of all commands."""
    path = Path(value) if value is not None else find_config(Path.cwd())
    if path is None:
        return
    config = ctx.meta[_META] = read_config(path)
    ctx.default_map = {**(ctx.default_map or {}), **_defaults(ctx, config, known)}


def config_of(ctx: click.Context) -> Config | None:
    """Return the file that was read, if one was."""
    found: Config | None = ctx.meta.get(_META)
    return found


def seed_of_config() -> Seed | None:
    """Return what the file that was read puts into a mock, if one was."""
    config = config_of(click.get_current_context())
    return None if config is None else config.seed


def in_file(message: str) -> str:
    """Return an error that begins with an option's name, after the file's if the file gave it."""
    ctx = click.get_current_context()
    config, name = config_of(ctx), message.partition(":")[0]
    param = _by_option(ctx.command).get(name)
    if config is None or param is None:
        return message
    from_file = ctx.get_parameter_source(str(param.name)) is ParameterSource.DEFAULT_MAP
    return f"{config.shown}: {message}" if from_file else message


def _defaults(ctx: click.Context, config: Config, known: Iterable[str]) -> dict[str, Any]:
    own = _by_option(ctx.command)
    # One file serves all commands, each of which has options that others lack.
    every = {*known, *own}
    found: dict[str, Any] = {}
    for key, value in config.options.items():
        name = key.replace("_", "-")
        if name in _NOT_HERE:
            raise ConfigError(f"{config.shown}: {key}: {_NOT_HERE[name]}")
        if name not in every:
            if new := new_name(f"--{name}", [f"--{each}" for each in every]):
                raise ConfigError(f"{config.shown}: {key}: is now called {new[2:]}")
            near = near_misses(name, every)
            meant = f"did you mean {near[0]}?" if near else "`falkit serve --help` lists them"
            raise ConfigError(f"{config.shown}: {key}: no option has this name; {meant}")
        if name in own:
            param = own[name]
            assert param.name is not None
            found[param.name] = _checked(ctx, config, key, param, value)
            if isinstance(param.type, click.Path):
                places: Any = found[param.name]
                found[param.name] = (
                    [beside(config.path, place) for place in places]
                    if param.multiple
                    else places
                    if is_url(places)
                    else beside(config.path, places)
                )
    return found


def _checked(ctx: click.Context, config: Config, key: str, param: click.Option, value: Any) -> Any:
    if param.multiple:
        value = _as_list(value)
    for each in value if param.multiple else [value]:
        if problem := _type_problem(param, each):
            raise ConfigError(str(RuleError(key, each, problem).at(config.shown)))
    try:
        param.type_cast_value(ctx, value)
    except click.BadParameter as error:
        raise ConfigError(f"{config.shown}: {key}: {error.message.rstrip('.')}") from None
    return value


def _type_problem(param: click.Option, value: Any) -> str | None:
    """Say what a value should be that the command line would make something else of."""
    truth = isinstance(value, bool)
    if param.is_flag:
        return None if truth else "is neither true nor false"
    if isinstance(param.type, click.Path):
        return None if isinstance(value, str) else "is no path"
    if isinstance(param.type, click.types.IntParamType):
        whole = isinstance(value, int) and not truth and value.bit_length() < _LONGEST
        return None if whole else "isn't a whole number"
    return "isn't text" if truth or is_array(value) or is_object(value) else None


def _as_list(value: Any) -> list[Any]:
    if is_object(value):
        return [f"{name}={each}" for name, each in value.items()]
    return [*value] if is_array(value) else [value]


def _by_option(command: click.Command) -> dict[str, click.Option]:
    return {
        word.lstrip("-"): param
        for param in command.params
        if isinstance(param, click.Option)
        for word in param.opts
    }
