"""All versions of all templates, read from their files: `templates/<id>/<version>.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from backend.stacks.blueprint import Blueprint, TemplateService

FOLDER = Path(__file__).with_name("templates")


class TemplateInvalid(Exception):
    """Names the file, and what is wrong with it."""


class Library:
    def __init__(self, blueprints: dict[str, dict[int, Blueprint]]) -> None:
        self._blueprints = blueprints

    def __iter__(self) -> Iterator[Blueprint]:
        """The newest of each."""
        return (versions[max(versions)] for _, versions in sorted(self._blueprints.items()))

    def versions(self, template_id: str) -> list[int]:
        return sorted(self._blueprints.get(template_id, {}))

    def newest(self, template_id: str) -> Blueprint | None:
        versions = self._blueprints.get(template_id)
        return versions[max(versions)] if versions else None

    def get(self, template_id: str, version: int) -> Blueprint | None:
        return self._blueprints.get(template_id, {}).get(version)


def read(folder: Path) -> Library:
    """Raises `TemplateInvalid`."""
    found: dict[str, dict[int, Blueprint]] = {}
    for file in sorted(folder.glob("*/*.toml")):
        try:
            blueprint = Blueprint.model_validate(tomllib.loads(file.read_text()))
        except (ValidationError, ValueError) as error:
            raise TemplateInvalid(f"{file.parent.name}/{file.name}: {error}") from None
        if (blueprint.id, str(blueprint.version)) != (file.parent.name, file.stem):
            raise TemplateInvalid(f"{file.parent.name}/{file.name}: id and version are not those of the path")
        found.setdefault(blueprint.id, {})[blueprint.version] = blueprint
    for versions in found.values():
        _check_upgrades([versions[number] for number in sorted(versions)])
    return Library(found)


def _check_upgrades(versions: list[Blueprint]) -> None:
    """Data outlives versions only if it stays where it is."""
    gone: set[str] = set()
    for before, after in pairwise(versions):
        gone |= before.services.keys() - after.services.keys()
        for message in _obstacles(before, after, gone):
            raise TemplateInvalid(f"{after.id}/{after.version}.toml: {message}")


def _obstacles(before: Blueprint, after: Blueprint, gone: set[str]) -> Iterator[str]:
    if before.main != after.main:
        yield f"the main service has to stay {before.main}"
    for name in before.services.keys() & after.services.keys():
        if _kept(before.services[name]) != _kept(after.services[name]):
            yield f"{name} has to have the address and the volumes of the version before"
    if back := gone & after.services.keys():
        yield f"{min(back)} was dropped before: that service may still be there, so take another name"
    for name, parameter in after.parameters.items():
        if name not in before.parameters and parameter.required and parameter.default is None:
            yield f"the new parameter {name} needs a default"


def _kept(service: TemplateService) -> object:
    return service.public, {name: volume.path for name, volume in service.volumes.items()}


@lru_cache
def library() -> Library:
    return read(FOLDER)
