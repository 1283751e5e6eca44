"""What goes in and out about push to deploy."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from backend.hooks.watching import LONGEST, MOST
from backend.services.schemas import Payload, ReleaseName


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be one line without control characters")
    return value


Pattern = Annotated[str, Field(max_length=LONGEST), AfterValidator(_one_line)]
OutcomeName = Literal["deployed", "removed", "ping", "ignored", "refused"]
Reason = Literal[
    "off",
    "event",
    "tag",
    "ref",
    "branch_deleted",
    "other_branch",
    "branch_unknown",
    "other_repository",
    "skipped",
    "nothing_watched",
    "overtaken",
    "suspended",
    "insufficient_funds",
    "plan_not_in_currency",
    "project_full",
    "name_taken",
    "previews_off",
    "previews_full",
    "pull_unchanged",
    "pull_closed",
    "pull_draft",
    "fork",
    "fork_unreachable",
    "other_target",
    "unreadable",
    "forge_unknown",
    "secret_missing",
    "signature_missing",
    "signature_wrong",
    "signature_old",
]


class PushPatch(Payload):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"watch_paths": ["apps/web/", "!apps/web/**/*.md"]}]}
    )

    enabled: StrictBool | None = Field(default=None, description="Whether pushes deploy; needs a secret.")
    watch_paths: list[Pattern] | None = Field(
        default=None,
        max_length=MOST,
        description="Patterns as in a .gitignore: a push deploys if it changes a file that they match."
        " An empty list watches everything.",
        examples=[["apps/web/"]],
    )


class WebhookView(BaseModel):
    url: str = Field(examples=["https://panel.example.com/api/v1/webhooks/0199c2d4-9f3e-7c51-b2a4-3d5e6f7"])
    secret_set_at: datetime


class DeployHookView(BaseModel):
    created_at: datetime
    last_used_at: datetime | None


class PushView(BaseModel):
    enabled: bool = Field(description="Whether pushes deploy.")
    ref: str | None = Field(
        description="What the service deploys: only pushes to a branch of this name count. Null means the"
        " repository's default branch.",
        examples=["main"],
    )
    watch_paths: list[str] = Field(examples=[["apps/web/"]])
    webhook: WebhookView | None = Field(description="Null until there is a secret.")
    deploy_hook: DeployHookView | None = Field(description="Null until there is one.")


class WebhookSecret(BaseModel):
    url: str = Field(description="What the forge calls.", examples=["https://panel.example.com/api/v1/…"])
    secret: str = Field(
        description="What it signs with. This is the only time it is shown.", examples=["whsec_…"]
    )


class DeployHookAddress(BaseModel):
    url: str = Field(
        description="POST to it deploys. Whoever knows it can do that, and it is shown only now.",
        examples=["https://panel.example.com/api/v1/deploy-hooks/gavan_deploy_…"],
    )


class DeliveryView(BaseModel):
    id: UUID
    received_at: datetime
    forge: Literal["github", "gitlab", "gitea", "bitbucket"] | None = Field(
        description="Null for a call of the deploy hook, and for what was not recognised."
    )
    event: str = Field(description="As the forge calls it.", examples=["push"])
    branch: str | None = Field(examples=["main"])
    commit: str | None = Field(examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])
    subject: str | None = Field(description="First line of its message.", examples=["Show the tides"])
    outcome: OutcomeName
    reason_code: Reason | None = Field(description="Why nothing was deployed.")
    reason_parameters: dict[str, str] | None = Field(
        description="What the words of the reason are made of.",
        examples=[{"branch": "next", "deployed": "main"}],
    )
    deployment: ReleaseName | None = Field(description="What it started, unless that is gone.")


class Delivered(BaseModel):
    """The answer to a forge, which keeps it where its users look for what went wrong."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "outcome": "deployed",
                    "reason_code": None,
                    "deployment_id": "0197a2c4-5d3e-7b1a-9c2f-1e0d8b7a6c5e",
                    "job_id": "0197a2c4-5d3e-7b1a-9c2f-1e0d8b7a6c5d",
                }
            ]
        }
    )

    outcome: OutcomeName
    reason_code: Reason | None = Field(description="Why nothing is deployed; null if something is.")
    deployment_id: UUID | None
    job_id: UUID | None
