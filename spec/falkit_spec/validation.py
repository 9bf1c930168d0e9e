"""What is wrong with a value by a JSON Schema, in jsonschema's words: outputs, files and more."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import cast

from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.protocols import Validator

from falkit_spec.types import JSON, Object, is_finite, is_number, sanitize

# jsonschema writes the value into each message, which fails for numbers of thousands of
# digits and for nesting without end.
_MESSAGE_FAILURES = (RecursionError, ValueError, OverflowError, TypeError)


def describe_errors(schema: Object, value: JSON) -> list[str]:
    """List all that is wrong with a value in jsonschema's words, each after its path."""
    try:
        errors = SchemaValidator(schema).iter_errors(value)
        ordered_errors = sorted(errors, key=lambda error: str(error.json_path))
        return [f"{error.json_path}: {error.message}" for error in ordered_errors]
    except _MESSAGE_FAILURES:
        _, replaced = sanitize(value)
        return [f"${''.join(f'[{part!r}]' for part in path)}: {why}" for path, (_, why) in replaced]


def _is_number(_checker: object, value: object) -> bool:
    return is_number(value) and is_finite(value)


def _is_integer(_checker: object, value: object) -> bool:
    return is_number(value) and (isinstance(value, int) or value.is_integer())


def _multiple_of(
    _validator: Validator, step: JSON, value: JSON, _schema: JSON
) -> Iterable[ValidationError]:
    # jsonschema divides floats, for which 0.3 is not a multiple of 0.1; Pydantic and the compiled
    # validator take numbers as they are written.
    known = is_number(step) and is_number(value) and is_finite(value)
    if known and Fraction(repr(value)) % Fraction(repr(step)):
        yield ValidationError(f"{value} is not a multiple of {step}")


_CHECKER = Draft202012Validator.TYPE_CHECKER
SchemaValidator = cast(
    "type[Validator]",
    validators.extend(  # type: ignore[no-untyped-call]  # the stub has no types
        Draft202012Validator,
        {"multipleOf": _multiple_of},
        type_checker=_CHECKER.redefine("number", _is_number).redefine("integer", _is_integer),
    ),
)
