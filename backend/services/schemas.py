"""What the API takes and gives about services."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _no_controls(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("control characters are not possible here")
    return value


def _path(value: str) -> str:
    if not value.startswith("/") or value.startswith("//") or not value.isascii() or " " in value:
        raise ValueError("must be a path such as /health")
    return _no_controls(value)


def _branch(value: str) -> str:
    if value.startswith(("-", "/", ".")) or ".." in value or value.endswith((".lock", "/")):
        raise ValueError("is not a branch name")
    if any(character in value for character in " ~^:?*[\\"):
        raise ValueError("is not a branch name")
    return _no_controls(value)


RepoUrl = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_no_controls)]
Branch = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_branch)]
HealthPath = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_path)]
CatalogueId = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9-]+$")]


class Payload(BaseModel):
    model_config = ConfigDict(extra="forbid")


def _example(body: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class SourceIn(Payload):
    repo_url: RepoUrl = Field(description="https or http address of a git repository.")
    branch: Branch | None = Field(default=None, description="Without it, the repository's default branch.")


class OrderIn(Payload):
    model_config = _example(
        {
            "template_id": "git-app",
            "plan_id": "dinghy",
            "name": "hello",
            "source": {"repo_url": "https://git.example.com/me/hello.git", "branch": "main"},
            "variables": {"GREETING": "Ahoy"},
        }
    )

    project_id: UUID | None = Field(default=None, description="Without it, your personal project.")
    template_id: CatalogueId
    plan_id: CatalogueId
    name: Annotated[str, Field(max_length=200, description="Becomes the first label of the address.")]
    source: SourceIn | None = Field(default=None, description="Not needed for templates with an example.")
    health_path: HealthPath = "/"
    variables: dict[str, str] = Field(default_factory=dict)


class ServicePatch(Payload):
    model_config = _example(
        {
            "source": {"repo_url": "https://git.example.com/me/hello.git", "branch": "next"},
            "health_path": "/health",
            "plan_id": "cutter",
        }
    )

    source: SourceIn | None = None
    health_path: HealthPath | None = None
    plan_id: CatalogueId | None = None


class VariablesIn(Payload):
    model_config = _example({"variables": {"GREETING": "Ahoy", "API_TOKEN": None}})

    variables: dict[str, str | None] = Field(
        description="The whole set; null keeps the value that is stored, what is left out is removed."
    )


class DeploymentIn(Payload):
    """Nothing yet: a deployment takes the service's present source, plan and variables."""

    model_config = _example({})


class Source(BaseModel):
    repo_url: str
    branch: str | None


class LiveDeployment(BaseModel):
    id: UUID
    number: int
    commit: str | None
    commit_subject: str | None
    live_at: datetime | None


ServiceStatusName = Literal["pending", "running", "stopped", "crashed", "failed", "deleting"]


class ServiceView(BaseModel):
    id: UUID
    project_id: UUID
    name: str = Field(examples=["hello"])
    status: ServiceStatusName
    status_reason: str | None
    url: str = Field(examples=["http://hello.localhost:8080"])
    template_id: str
    plan_id: str
    source: Source
    health_path: str
    live_deployment: LiveDeployment | None
    active_job_id: UUID | None
    created_at: datetime
    updated_at: datetime


class AdminServiceView(ServiceView):
    project_name: str
    owner_email: str | None


DeploymentStateName = Literal[
    "queued", "fetching", "building", "releasing", "checking", "live", "failed", "cancelled", "superseded"
]


class Step(BaseModel):
    name: Literal["fetching", "building", "releasing", "checking"]
    state: Literal["pending", "active", "done", "failed"]
    started_at: datetime | None
    finished_at: datetime | None


class DeploymentView(BaseModel):
    id: UUID
    service_id: UUID
    number: int
    trigger: str = Field(examples=["order"])
    state: DeploymentStateName
    reason_code: str | None = Field(examples=["build_failed"])
    reason: str | None
    source: Source
    commit: str | None
    commit_subject: str | None
    build_kind: str | None
    steps: list[Step]
    job_id: UUID | None
    is_live: bool = Field(description="Whether this release serves now.")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class VariableView(BaseModel):
    name: str
    masked: str
    updated_at: datetime


class Variables(BaseModel):
    items: list[VariableView]


class DeploymentLogLineView(BaseModel):
    seq: int
    at: datetime
    text: str


class DeploymentLog(BaseModel):
    lines: list[DeploymentLogLineView]
    next: int = Field(description="Pass it as `after` for what comes later.")
    finished: bool = Field(description="The deployment ended and this is its last line.")


class ServiceLogLine(BaseModel):
    cursor: str
    text: str


class ServiceLog(BaseModel):
    lines: list[ServiceLogLine]
    next: str
    truncated: bool = Field(description="The asked position was rotated away.")


class OrderView(BaseModel):
    id: UUID
    project_id: UUID
    template_id: str
    plan_id: str
    price_minor: int
    currency: str
    service_id: UUID
    deployment_id: UUID
    job_id: UUID
    created_at: datetime


class Accepted(BaseModel):
    """Work that was accepted; `Location` names its job."""

    job_id: UUID
    service_id: UUID
    deployment_id: UUID | None = None


class OrderAccepted(Accepted):
    order_id: UUID
    service: ServiceView
    deployment: DeploymentView
