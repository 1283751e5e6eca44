"""Shapes of answers with lines of logs: of a deployment, and of what a service prints."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field


class DeploymentLogLineView(BaseModel):
    seq: int = Field(description="Counts the lines from 1.", examples=[7])
    at: datetime
    text: str = Field(examples=["Built in 4.2 s, 18 MB"])


class DeploymentLog(BaseModel):
    lines: list[DeploymentLogLineView]
    next: int = Field(description="Pass it as `after` for what comes later.")
    finished: bool = Field(description="The deployment ended and this is its last line.")


class ServiceLogLine(BaseModel):
    cursor: str = Field(description="Position just behind the line: pass it as `after`.")
    text: str = Field(examples=["GET / 200"])
    deployment_id: UUID = Field(description="Of the release that printed it.")
    unit: str = Field(description="Which of its units did: process and replica.", examples=["web.1"])
    release: int | None = Field(description="Number of that deployment.", examples=[3])
    release_started_at: datetime | None = Field(description="When that release was first started.")


class ServiceLog(BaseModel):
    lines: list[ServiceLogLine]
    next: str = Field(description="Pass it as `after` for what comes later.")
    truncated: bool = Field(description="The asked position was rotated away.")


class ServiceLogFoundLine(ServiceLogLine):
    cursor: str = Field(description="Where the line begins: pass it as `before`.")


class ServiceLogFound(BaseModel):
    lines: list[ServiceLogFoundLine] = Field(description="The newest first; of the newest unit first.")
    before: str | None = Field(
        description="Pass it as `before` to go on with what is older, also after an answer without lines; "
        "null when everything that is kept has been searched."
    )
