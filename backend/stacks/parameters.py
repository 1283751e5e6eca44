"""What was given for a template's parameters, checked and as texts; and the secrets that are made for it."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping
from typing import Any

from email_validator import EmailNotValidError, validate_email

from backend.exceptions import Invalid, invalid_field
from backend.stacks.blueprint import Blueprint, Parameter, Secret

_ALPHABETS = {"letters": string.ascii_letters + string.digits, "hex": "0123456789abcdef"}


def check(blueprint: Blueprint, given: Mapping[str, Any]) -> dict[str, str]:
    """By name, with defaults. Raises `Invalid` that names the parameter and never quotes what was given."""
    for name in given:
        if name not in blueprint.parameters:
            raise _refuse(name, "The template has no such parameter.", "parameter_unknown")
    return {name: _checked(name, it, given.get(name)) for name, it in blueprint.parameters.items()}


def check_numbers(blueprint: Blueprint, given: Mapping[str, Any]) -> dict[str, str]:
    """Those that decide how much there will be; the others as empty texts, for a form that is half filled."""
    return {
        name: _checked(name, it, given.get(name)) if it.type == "number" else ""
        for name, it in blueprint.parameters.items()
    }


def _checked(name: str, parameter: Parameter, value: Any) -> str:
    value = parameter.default if value is None or value == "" else value
    if value is None:
        if parameter.required:
            raise _refuse(name, "Please fill this in.", "parameter_missing")
        return "false" if parameter.type == "boolean" else ""
    if parameter.type == "boolean":
        if not isinstance(value, bool):
            raise _refuse(name, "This is true or false.", "parameter_type")
        return "true" if value else "false"
    if parameter.type == "number":
        if isinstance(value, bool) or not isinstance(value, int):
            raise _refuse(name, "This is a whole number.", "parameter_type")
        if not parameter.minimum <= value <= parameter.maximum:
            message = f"This is between {parameter.minimum} and {parameter.maximum}."
            bounds = {"least": parameter.minimum, "most": parameter.maximum}
            raise invalid_field(["body", "parameters", name], message, "parameter_range", bounds)
        return str(value)
    if not isinstance(value, str):
        raise _refuse(name, "This is a text.", "parameter_type")
    return _text(name, parameter, value)


def _text(name: str, parameter: Parameter, value: str) -> str:
    if len(value) > parameter.max_length:
        raise _refuse(name, f"At most {parameter.max_length} characters.", "parameter_length")
    if any(ord(sign) < 32 or ord(sign) == 127 or "\ud800" <= sign <= "\udfff" for sign in value):
        raise _refuse(name, "It is one line, without control characters.", "parameter_characters")
    if parameter.type == "choice" and value not in {choice.value for choice in parameter.choices}:
        raise _refuse(name, "This is none of the choices.", "parameter_choice")
    if parameter.pattern is not None and not re.fullmatch(parameter.pattern, value):
        raise _refuse(name, "This does not have the form that it needs.", "parameter_pattern")
    if parameter.type == "email":
        try:
            return validate_email(value, check_deliverability=False).normalized
        except EmailNotValidError:
            raise _refuse(name, "This is no e-mail address.", "parameter_email") from None
    return value


def generate(secret: Secret) -> str:
    alphabet = _ALPHABETS[secret.alphabet]
    return "".join(secrets.choice(alphabet) for _ in range(secret.length))


def _refuse(name: str, message: str, code: str) -> Invalid:
    return invalid_field(["body", "parameters", name[:100]], message, code)
