"""Where the images that templates name are taken from: their own registry, or the operator's mirror."""

from __future__ import annotations

from backend.config import Settings


def taken_from(settings: Settings, image: str) -> str:
    """As a service's source names it."""
    return f"{settings.template_registry}/{_path(image)}" if settings.template_registry else image


def is_that(image: str | None, said: str | None) -> bool:
    """Whether a service still has the image that its template named, from whichever mirror it was then."""
    if image is None or said is None:
        return image is said
    return image == said or image.endswith(f"/{_path(said)}")


def _path(image: str) -> str:
    """Without the registry, which a template's image always has."""
    return image.partition("/")[2]
