"""What goes out about the trail."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

ResultName = Literal["done", "refused", "failed"]


class AuditPerson(BaseModel):
    id: UUID
    name: str | None = Field(description="As it is now; null when the account is gone.")
    email: str | None
    deleted: bool


class AuditClient(BaseModel):
    id: str
    name: str | None


class AuditProject(BaseModel):
    id: UUID
    name: str | None


class AuditObject(BaseModel):
    type: str = Field(examples=["service"])
    id: str | None
    name: str | None = Field(description="As it was then.")


class AuditView(BaseModel):
    id: UUID
    created_at: datetime
    action: str = Field(examples=["service.ordered"])
    result: ResultName
    user: AuditPerson | None = Field(description="Whose account was used; null is the system or a stranger.")
    acting: AuditPerson | None = Field(description="The supporter who used it, if it was not the user.")
    client: AuditClient | None
    address: str | None
    user_agent: str | None
    request_id: str | None
    project: AuditProject | None
    object: AuditObject | None
    before: dict[str, Any] | None = Field(description="Only what changed, as it was.")
    after: dict[str, Any] | None = Field(description="Only what changed, as it is since.")
