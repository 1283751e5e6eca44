"""What goes in and out about previews."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from backend.previews.models import DAYS, MOST, ForksName, VariablesName
from backend.services.environment import MAX_NAME, MAX_VARIABLES
from backend.services.schemas import CatalogueId, Payload, ServiceStatusName

VariableName = Annotated[str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
NoPreview = Literal[
    "insufficient_funds",
    "plan_not_in_currency",
    "project_full",
    "previews_full",
    "name_taken",
    "suspended",
    "skipped",
    "fork",
    "fork_unreachable",
    "pull_draft",
    "other_target",
    "branch_unknown",
    "expired",
]


class PreviewSettingsPatch(Payload):
    """Only what is given is changed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"enabled": True, "most": 3, "withheld": ["PAYMENT_KEY"]}]}
    )

    # The defaults are never read; as factories they stay out of the document.
    enabled: StrictBool = Field(
        default_factory=bool, description="Whether pull requests get previews; needs a webhook's secret."
    )
    variables: VariablesName = Field(
        default_factory=lambda: "unmarked",
        description="Which of the service's variables they are made with; `unmarked`: all but `withheld`.",
    )
    withheld: list[VariableName] = Field(
        default_factory=list, max_length=MAX_VARIABLES, description="Variables that are not for previews."
    )
    plan_id: CatalogueId | None = Field(
        default_factory=lambda: None, description="No larger than the service's. Null: the service's own."
    )
    most: int = Field(default_factory=lambda: MOST, strict=True, ge=1, le=50, description="At a time.")
    days: int = Field(
        default_factory=lambda: DAYS,
        strict=True,
        ge=1,
        le=90,
        description="After so many without a push a preview is removed; the next push makes it again.",
    )
    drafts: StrictBool = Field(default_factory=bool, description="Whether drafts have one too.")
    forks: ForksName = Field(
        default_factory=lambda: "never",
        description="Whether requests from forks have one: whoever opens them writes the code that runs.",
    )


class PreviewSettingsView(BaseModel):
    enabled: bool = Field(description="Whether pull requests get previews.")
    variables: VariablesName
    withheld: list[str] = Field(examples=[["PAYMENT_KEY"]])
    plan_id: str | None = Field(description="Null: the service's own.", examples=["dinghy"])
    most: int = Field(description="At a time.")
    days: int = Field(description="How long one stays without a push.")
    drafts: bool = Field(description="Whether drafts have one too.")
    forks: ForksName
    count: int = Field(description="Previews that there are now.")


class PreviewService(BaseModel):
    id: UUID
    name: str = Field(examples=["hello-pr-12"])
    url: str = Field(examples=["http://hello-pr-12.localhost:8080"])
    status: ServiceStatusName
    plan_id: str = Field(examples=["dinghy"])
    expires_at: datetime = Field(description="Unless somebody pushes before.")


class PullRequestView(BaseModel):
    id: UUID
    number: int = Field(examples=[12])
    forge: Literal["github", "gitlab", "gitea", "bitbucket"]
    title: str = Field(examples=["Show the tides"])
    url: str | None = Field(examples=["https://git.example.com/me/hello/pulls/12"])
    branch: str = Field(examples=["tides"])
    target: str = Field(examples=["main"])
    commit: str = Field(examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])
    fork: bool = Field(description="Whether it comes from another repository.")
    state: Literal["open", "closed"]
    preview: PreviewService | None = Field(description="The service that shows it, while there is one.")
    reason_code: NoPreview | None = Field(description="Why it is not shown as it is now.")
    reason_parameters: dict[str, str] | None = Field(
        description="What the words of the reason are made of.", examples=[{"most": "5"}]
    )
    pushed_at: datetime
    closed_at: datetime | None
