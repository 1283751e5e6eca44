"""The personal account as its owner sees it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from backend.projects.schemas import ProjectSummary
from backend.users.schemas import Locale, Name, UserAnswer


class AccountAnswer(UserAnswer):
    permissions: list[str] = Field(
        description="What this token allows; inside a project its role narrows it further.",
        examples=[["me:read", "services:read"]],
    )
    projects: list[ProjectSummary]


class AccountChange(BaseModel):
    """Only what is given is changed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Ada Lovelace", "locale": "ru"}]}
    )

    # The defaults are never read; as factories they stay out of the document, and null is refused.
    name: Name = Field(default_factory=str)
    locale: Locale = Field(default_factory=lambda: "en")
