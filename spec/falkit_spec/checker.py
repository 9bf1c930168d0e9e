"""jsonschema's validator, made to agree with the compiled one and with Pydantic on numbers."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import cast

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.protocols import Validator

from falkit_spec.tame import tame
from falkit_spec.types import JSON, Object, is_finite, is_number

# jsonschema writes the value into each message, which fails for numbers of thousands of
# digits and for nesting without end.
UNSPEAKABLE = (RecursionError, ValueError, OverflowError, TypeError)


def plain_words(schema: Object, value: JSON) -> list[str]:
    """Say all that is wrong with a value in jsonschema's words, each after its path."""
    try:
        errors = sorted(Checker(schema).iter_errors(value), key=lambda error: str(error.json_path))
        return [f"{error.json_path}: {error.message}" for error in errors]
    except UNSPEAKABLE:
        _, odd = tame(value)
        return [f"${''.join(f'[{part!r}]' for part in path)}: {words.msg}" for path, words in odd]


def _is_number(_checker: object, value: object) -> bool:
    return is_number(value) and is_finite(value)


def _is_integer(_checker: object, value: object) -> bool:
    return is_number(value) and (isinstance(value, int) or value.is_integer())


def _multiple_of(
    _validator: Validator, step: JSON, value: JSON, _schema: JSON
) -> Iterable[ValidationError]:
    # jsonschema divides floats, for which 0.3 is no multiple of 0.1; Pydantic and the compiled
    # validator take numbers as they are written.
    known = is_number(step) and is_number(value) and is_finite(value)
    if known and _exact(cast("float", value)) % _exact(cast("float", step)):
        yield ValidationError(f"{value} is not a multiple of {step}")


def _exact(number: float) -> Fraction:
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def _checker() -> type[Validator]:
    checker = Draft202012Validator.TYPE_CHECKER
    checker = checker.redefine("number", _is_number).redefine("integer", _is_integer)
    extended: object = validators.extend(  # type: ignore[no-untyped-call]  # the stub has no types
        Draft202012Validator, {"multipleOf": _multiple_of}, type_checker=checker
    )
    return cast("type[Validator]", extended)


Checker = _checker()
