"""What goes in and out about commit statuses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from backend.sources.schemas import Payload, Token, Username
from backend.statuses.forges import ForgeName

ApiUrl = Annotated[str, Field(min_length=1, max_length=300)]
Trouble = Literal[
    "off",
    "token_missing",
    "token_elsewhere",
    "token_refused",
    "not_permitted",
    "repository_unknown",
    "commit_unknown",
    "refused",
    "redirected",
    "too_many",
    "forge_trouble",
    "timed_out",
    "unreachable",
    "certificate",
    "address_forbidden",
]
SaidName = Literal["pending", "success", "failure", "cancelled"]


class CommitStatusPatch(Payload):
    """Only what is given is changed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"enabled": True, "forge": "github", "token": "ghp_example"}]}
    )

    # The defaults are never read; as factories they stay out of the document.
    enabled: StrictBool = Field(
        default_factory=bool, description="Whether deployments are told to the forge; needs a token."
    )
    forge: ForgeName = Field(
        default_factory=lambda: "github", description="Whose API it is; guessed from the repository's host."
    )
    api_url: ApiUrl | None = Field(
        default_factory=lambda: None,
        description="Where that API is, if not where this forge has it. Null: there.",
        examples=["https://git.example.com/api/v1"],
    )
    use_source_token: StrictBool = Field(
        default_factory=bool,
        description="Whether the source's token is used as long as there is none of its own; only at the"
        " forge that the source is read from.",
    )
    token: Token | None = Field(
        default_factory=lambda: None,
        description="May set statuses of commits; sealed at rest, never shown again. Null removes it.",
    )
    username: Username = Field(
        default_factory=str, description="Beside a token that is a password, as Bitbucket's may be."
    )


class StatusToken(BaseModel):
    host: str = Field(description="Whom it is shown to, and nobody else.", examples=["api.github.com"])
    set_at: datetime


class SaidView(BaseModel):
    commit: str = Field(examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])
    context: str = Field(examples=["gavan/hello"])
    said: SaidName
    delivery: Literal["queued", "sending", "sent", "dead"] = Field(
        description="`dead`: refused, or tried often enough."
    )
    attempts: int = Field(examples=[1])
    error_code: Trouble | None
    http_status: int | None = Field(description="Which the forge last answered.", examples=[201])
    deployment_id: UUID | None
    changed_at: datetime
    sent_at: datetime | None


class CommitStatusView(BaseModel):
    enabled: bool = Field(description="Whether deployments are told to the forge.")
    forge: ForgeName
    api_url: str | None = Field(description="The one that was given.")
    effective_api_url: str | None = Field(
        description="The one that is asked; null where the source is no repository.",
        examples=["https://api.github.com"],
    )
    use_source_token: bool = Field(description="As long as there is no token of its own.")
    source_token_fits: bool = Field(description="Whether the source has a token, of this very forge.")
    token: StatusToken | None
    username: str = Field(examples=[""])
    context: str = Field(description="How the forge names it.", examples=["gavan/hello"])
    preview_context: str = Field(description="Of previews.", examples=["gavan/hello/preview"])
    last: SaidView | None = Field(description="The newest that was, or is, to be said.")


class StatusCheck(BaseModel):
    ok: bool = Field(description="The forge answers, and knows the repository by this token.")
    error_code: Trouble | None
    http_status: int | None = Field(examples=[200])
    may_tell: bool | None = Field(
        description="Whether the token may set statuses; null where the forge does not say."
    )
