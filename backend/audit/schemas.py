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
    email: str | None = Field(description="As it is now; null when the account is gone, and for a supporter.")
    deleted: bool = Field(description="Whether the account is gone.")


class AuditClient(BaseModel):
    id: str = Field(description="The `client_id`.", examples=["panel"])
    name: str | None = Field(description="As it is now; null when the application is gone.")


class AuditProject(BaseModel):
    id: UUID
    name: str | None = Field(description="As it is now; null when the project is gone.")


class AuditObject(BaseModel):
    type: str = Field(examples=["service"])
    id: str | None = Field(description="An id, or a name that does not change; null for what has neither.")
    name: str | None = Field(description="As it was then.")


class AuditView(BaseModel):
    id: UUID
    created_at: datetime
    action: str = Field(examples=["service.ordered"])
    result: ResultName
    user: AuditPerson | None = Field(description="Whose account was used; null is the system or a stranger.")
    acting: AuditPerson | None = Field(description="The supporter who used it, if it was not the user.")
    client: AuditClient | None
    address: str | None = Field(
        description="Where the request came from; null for the system, and for a supporter.",
        examples=["203.0.113.7"],
    )
    user_agent: str | None = Field(description="What the program called itself.")
    request_id: str | None = Field(description="`X-Request-Id` of the request: names it in the logs.")
    project: AuditProject | None
    object: AuditObject | None
    before: dict[str, Any] | None = Field(description="Only what changed, as it was.")
    after: dict[str, Any] | None = Field(description="Only what changed, as it is since.")
