"""A template's services with names, parameters and secrets filled in: what is to be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

import orjson

from backend.config import Settings, get_settings
from backend.stacks import expressions
from backend.stacks.blueprint import Blueprint, TemplateService
from backend.stacks.models import Stack
from backend.stacks.parameters import generate
from backend.utils.crypto import Vault

WEB = "web"


@dataclass(frozen=True, slots=True)
class Rendered:
    """One service."""

    name: str
    said: TemplateService
    environment: dict[str, str]
    processes: dict[str, tuple[int, str | None]]
    """How many, and its command. Empty for one `web` as its source says."""


def service_name(blueprint: Blueprint, name: str, part: str) -> str:
    return name if part == blueprint.main else f"{name}-{part}"


def render(
    settings: Settings, blueprint: Blueprint, name: str, values: Mapping[str, str]
) -> dict[str, Rendered]:
    """By part, each after those that it needs. `values` has `parameter.…` and `secret.…`."""
    known = {**values, **_services(settings, blueprint, name)}
    return {
        part: Rendered(
            service_name(blueprint, name, part),
            blueprint.services[part],
            {
                variable: expressions.fill(text, known)
                for variable, text in blueprint.services[part].environment.items()
            },
            {
                process: (int(expressions.fill(str(said.replicas), known)), said.command)
                for process, said in blueprint.services[part].processes.items()
            },
        )
        for part in blueprint.in_order
    }


def _services(settings: Settings, blueprint: Blueprint, name: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part, service in blueprint.services.items():
        own = service_name(blueprint, name, part)
        url = settings.app_url(own)
        facts = {
            "name": own,
            # By which the network of the project knows it.
            "host": own,
            "port": str(service.port or ""),
            "url": url,
            "domain": urlsplit(url).hostname or "",
            "scheme": urlsplit(url).scheme,
            "secure": "true" if url.startswith("https:") else "false",
        }
        found |= {f"service.{part}.{fact}": value for fact, value in facts.items()}
    return found


def example_url(settings: Settings, example: str) -> str:
    return f"{settings.panel_url}/examples/{example}.git"


def values_of(stack: Stack, blueprint: Blueprint, given: Mapping[str, str]) -> dict[str, str]:
    """What expressions stand for: parameters as given, and secrets, made as far as they are not yet."""
    present = opened(stack)
    values = {f"parameter.{name}": value for name, value in given.items()}
    for name, secret in blueprint.secrets.items():
        key = f"secret.{name}"
        values[key] = present.get(key) or generate(secret)
    return values


def keep(stack: Stack, blueprint: Blueprint, values: Mapping[str, str]) -> None:
    """Write parameters and secrets down: what is secret sealed, and apart."""
    hidden = {name for name, parameter in blueprint.parameters.items() if parameter.type == "secret"}
    stack.parameters = {
        name: values[f"parameter.{name}"] for name in blueprint.parameters if name not in hidden
    }
    secret = {
        name: value
        for name, value in values.items()
        if name.startswith("secret.") or name.removeprefix("parameter.") in hidden
    }
    stack.sealed = _vault().seal(orjson.dumps(secret).decode(), _identity(stack.id))


def opened(stack: Stack) -> dict[str, str]:
    if stack.sealed is None:
        return {}
    found: dict[str, str] = orjson.loads(_vault().open(stack.sealed, _identity(stack.id)))
    return found


def given_before(stack: Stack, blueprint: Blueprint) -> dict[str, str | int | bool]:
    """Its parameters as whoever ordered gave them, as far as this version asks for them."""
    texts = {**stack.parameters}
    texts |= {name.removeprefix("parameter."): value for name, value in opened(stack).items()}
    found: dict[str, str | int | bool] = {}
    for name, parameter in blueprint.parameters.items():
        if name not in texts:
            continue
        text = texts[name]
        if parameter.type == "number":
            found[name] = int(text) if text else 0
        elif parameter.type == "boolean":
            found[name] = text == "true"
        else:
            found[name] = text
    return found


def _identity(stack_id: UUID) -> str:
    return f"stack:{stack_id}"


def _vault() -> Vault:
    return Vault(get_settings().master_key, "stacks")
