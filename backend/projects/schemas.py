"""What goes out about projects."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

ProjectRole = Literal["owner", "developer", "billing", "viewer"]


class ProjectSummary(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    role: ProjectRole = Field(description="What you are in it.")


class ProjectAnswer(ProjectSummary):
    personal: bool = Field(description="The one that everyone owns from the start.")
    created_at: datetime
