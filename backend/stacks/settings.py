"""Settings of the catalogue's templates."""

from __future__ import annotations

from pydantic import field_validator
from pydantic_settings import BaseSettings

from backend.engines import imagenames
from backend.engines.errors import EngineError


class TemplateSettings(BaseSettings):
    template_registry: str = ""

    @field_validator("template_registry")
    @classmethod
    def _is_place_of_images(cls, value: str) -> str:
        if not value:
            return value
        try:
            name = imagenames.parse(f"{value}/image:1")
        except EngineError as error:
            raise ValueError(f"cannot stand before an image's name: {error}") from None
        # Else it is read as a folder of the usual registry.
        if name.host != value.partition("/")[0].lower():
            raise ValueError("must begin with a registry's host, as in mirror.example.com:5000/hub")
        return value
