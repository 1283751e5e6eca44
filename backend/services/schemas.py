"""What the API takes and gives about services."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from backend.jobs.views import ReasonParameters
from backend.sources.schemas import AccessibleSourceIn, Payload, Source, SourcePatch, no_controls


def _path(value: str) -> str:
    if not value.startswith("/") or value.startswith("//") or not value.isascii() or " " in value:
        raise ValueError("must be a path such as /health")
    return no_controls(value)


def one_command(value: str) -> str:
    """For the shell, so it may have several lines."""
    if any(character < " " and character not in "\n\t" for character in value) or "\x7f" in value:
        raise ValueError("must hold no control characters")
    if not value.isprintable() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("must hold no half of a surrogate pair")
    return value.strip()


HealthPath = Annotated[
    str,
    Field(min_length=1, max_length=500, description="A new release serves once it answers here below 500."),
    AfterValidator(_path),
]
HEALTH_PATH = "/"
HealthKindName = Literal["http", "tcp", "command"]
HealthCommand = Annotated[
    str,
    Field(
        max_length=1000,
        description="Run in a new unit until it ends with exit status 0, where `health_kind` is `command`.",
        examples=["python manage.py check"],
    ),
    AfterValidator(one_command),
]
HealthTimeout = Annotated[
    int,
    Field(
        ge=5, le=900, strict=True, description="For how long a release may take to be well.", examples=[60]
    ),
]
CatalogueId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        pattern=r"^[a-z0-9-]+$",
        description="Of the catalogue: `GET /api/v1/plans`, `GET /api/v1/templates`.",
    ),
]
# Longer ones pass the schema, so that the answer can say in particular what is wrong with a name.
ServiceName = Annotated[
    str,
    Field(
        max_length=200,
        description="Becomes the first label of the address; unique in the installation.",
        json_schema_extra={"minLength": 3, "maxLength": 40, "pattern": "^[a-z][a-z0-9]*(-[a-z0-9]+)*$"},
    ),
]


CouponCode = Annotated[
    str, Field(max_length=100, description="Lowers the price; see `GET …/orders/preview` for what it gives.")
]


def _example(body: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class OrderIn(Payload):
    model_config = _example(
        {
            "template_id": "git-app",
            "plan_id": "dinghy",
            "name": "hello",
            "source": {"repo_url": "https://git.example.com/me/hello.git", "ref": "main"},
            "variables": {"GREETING": "Ahoy"},
        }
    )

    project_id: UUID | None = Field(default=None, description="Without it, your personal project.")
    template_id: CatalogueId
    plan_id: CatalogueId
    name: ServiceName
    source: AccessibleSourceIn | None = Field(
        default=None, description="Not needed for templates with an example."
    )
    health_kind: HealthKindName = "http"
    health_path: HealthPath = HEALTH_PATH
    health_command: HealthCommand | None = None
    health_timeout_seconds: HealthTimeout | None = None
    variables: dict[str, str] = Field(
        default_factory=dict, description="Environment of the app; sealed at rest."
    )
    coupon: CouponCode | None = None


ReleaseCommand = Annotated[
    str,
    Field(
        max_length=4000,
        description="Runs once before each new release starts, in its build and with its variables; if it"
        " fails, so does the deployment. It takes the place of `release` in a Procfile.",
        examples=["python manage.py migrate"],
    ),
    AfterValidator(one_command),
]


class ServicePatch(Payload):
    """Only what is given is changed."""

    model_config = _example(
        {
            "source": {"repo_url": "https://git.example.com/me/hello.git", "ref": "next"},
            "health_path": "/health",
            "plan_id": "cutter",
        }
    )

    # The defaults are never read; as factories they stay out of the document, and null is refused.
    source: SourcePatch = Field(default_factory=SourcePatch)
    health_kind: HealthKindName | None = Field(
        default=None, description="What each unit of `web` is asked; null asks for `health_path`."
    )
    health_command: HealthCommand | None = None
    health_timeout_seconds: HealthTimeout | None = None
    health_path: HealthPath | None = Field(
        default_factory=lambda: None, description=f"Null: `{HEALTH_PATH}`."
    )
    release_command: ReleaseCommand | None = Field(
        default_factory=lambda: None, description="Null or empty: what the Procfile says, if it does."
    )
    plan_id: CatalogueId = Field(default_factory=str)


class VariablesIn(Payload):
    model_config = _example({"variables": {"GREETING": "Ahoy", "API_TOKEN": None}})

    variables: dict[str, str | None] = Field(
        description="The whole set; null keeps the value that is stored, what is left out is removed."
    )


class DeploymentIn(Payload):
    """A deployment takes the service's present source, plan and variables."""

    model_config = _example({"rebuild": False})

    rebuild: bool = Field(
        default=False,
        description="Build anew, although a build of the same commit, folder and options is kept.",
    )


class RollbackIn(Payload):
    model_config = _example({"deployment_id": "0199c2d4-9f3e-7c51-b2a4-3d5e6f708192"})

    deployment_id: UUID = Field(description="The release to bring back: one that says `can_roll_back`.")


Number = Annotated[int, Field(description="Counts a service's deployments from 1.", examples=[3])]
CommitId = Annotated[
    str | None, Field(description="Full id.", examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"])
]
CommitSubject = Annotated[
    str | None, Field(description="First line of its message.", examples=["Show the tides"])
]


class LiveDeployment(BaseModel):
    id: UUID
    number: Number
    commit: CommitId
    commit_subject: CommitSubject
    live_at: datetime | None


ServiceStatusName = Literal["pending", "running", "stopped", "crashed", "failed", "deleting"]


class PreviewOf(BaseModel):
    of: UUID = Field(description="The service whose pull request it shows.")
    of_name: str = Field(examples=["hello"])
    number: int = Field(description="Of the pull request.", examples=[12])


class StackOf(BaseModel):
    id: UUID
    name: str = Field(examples=["tides"])


class ServiceView(BaseModel):
    id: UUID
    project_id: UUID
    name: str = Field(examples=["hello"])
    status: ServiceStatusName
    status_reason: str | None = Field(description="Why it does not run, in English.")
    status_reason_code: str | None = Field(examples=["unit_exited"])
    status_reason_parameters: ReasonParameters
    url: str = Field(examples=["http://hello.localhost:8080"])
    template_id: str = Field(examples=["git-app"])
    plan_id: str = Field(examples=["dinghy"])
    source: Source
    health_path: str = Field(description="Asked before a release serves.", examples=["/"])
    health_kind: HealthKindName
    health_command: str | None = Field(examples=["python manage.py check"])
    health_timeout_seconds: int | None = Field(description="Null is the installation's own.")
    release_command: str | None = Field(
        description="Set to run before each release starts; null where the Procfile decides.",
        examples=["python manage.py migrate"],
    )
    live_deployment: LiveDeployment | None
    active_job_id: UUID | None
    suspended_at: datetime | None = Field(
        description="Since when it stands still for want of money: it cannot be started or deployed."
    )
    public: bool = Field(
        description="Whether `url` leads to it; else only services of its project reach it, by its name."
    )
    stack: StackOf | None = Field(description="Null for a service that was ordered by itself.")
    preview: PreviewOf | None = Field(description="Null for a service that somebody ordered.")
    created_at: datetime
    updated_at: datetime


class AdminServiceView(ServiceView):
    project_name: str = Field(examples=["Ada's project"])
    owner_email: str | None = Field(description="Of the project's first owner.", examples=["ada@example.com"])


DeploymentStateName = Literal[
    "queued",
    "fetching",
    "building",
    "releasing",
    "checking",
    "live",
    "rolled_back",
    "failed",
    "cancelled",
    "superseded",
]


class Step(BaseModel):
    name: Literal["fetching", "building", "releasing", "checking"]
    state: Literal["pending", "active", "done", "failed"]
    started_at: datetime | None
    finished_at: datetime | None


class ReleaseName(BaseModel):
    id: UUID
    number: Number


class DeploymentView(BaseModel):
    id: UUID
    service_id: UUID
    number: Number
    trigger: str = Field(description="What asked for it.", examples=["order", "manual", "rollback"])
    state: DeploymentStateName = Field(
        description="`live` stays when a later deployment replaces the release, `rolled_back` says that a"
        " rollback did."
    )
    restores: ReleaseName | None = Field(description="Of a rollback: the release that it brings back.")
    reason_code: str | None = Field(examples=["build_failed"])
    reason: str | None = Field(description="Why it did not go well, in English.")
    reason_parameters: ReasonParameters
    source: Source
    source_digest: str | None = Field(
        description="Of the image or archive that it was made from.",
        examples=["sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
    )
    commit: CommitId
    commit_subject: CommitSubject
    build_kind: str | None = Field(description="What was recognised.", examples=["python"])
    steps: list[Step]
    job_id: UUID | None
    is_live: bool = Field(description="Whether this release serves now.")
    can_roll_back: bool = Field(
        description="Whether it served before and is kept, so that a rollback can bring it back."
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


MadeFrom = Literal["commit", "repo_url", "ref", "root", "image", "source_digest", "port"]
HealthSetting = Literal["health_kind", "health_path", "health_command", "health_timeout_seconds"]
RunsAs = Literal["command", "plan_id", "restart_policy"] | HealthSetting


class SettingChange(BaseModel):
    name: MadeFrom | RunsAs
    before: str | None = Field(examples=["/"])
    after: str | None = Field(examples=["/health"])


class VariableChange(BaseModel):
    name: str = Field(examples=["GREETING"])
    change: Literal["added", "removed", "changed"]


class ReleaseChanges(BaseModel):
    deployment_id: UUID
    against: ReleaseName | None = Field(description="What it is compared with; null if nothing was live yet.")
    settings: list[SettingChange]
    variables: list[VariableChange] = Field(description="Of the environment: names only, never values.")
    unlike_service: list[VariableChange] = Field(
        description="How the service's present variables differ from this release's: what the next"
        " deployment would take instead."
    )
    files: list[VariableChange] = Field(description="Secret files: paths only, never their content.")


class VariableView(BaseModel):
    name: str = Field(examples=["GREETING"])
    masked: str = Field(description="In place of the value, which is never given out.", examples=["••••••••"])
    updated_at: datetime


class Variables(BaseModel):
    items: list[VariableView]


class OrderView(BaseModel):
    id: UUID
    project_id: UUID
    template_id: str = Field(examples=["git-app"])
    plan_id: str = Field(examples=["dinghy"])
    price_minor: int = Field(description="Per month as ordered, in the minor unit.", examples=[300])
    currency: str = Field(description="ISO 4217.", examples=["EUR"])
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
