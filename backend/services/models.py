"""A service, its deployments, its variables, and the order that made it."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Id, Timestamps, now
from backend.engines.errors import Reason
from backend.engines.scale import HealthKind, Restart


class ServiceStatus(enum.StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    STOPPED = "stopped"
    CRASHED = "crashed"
    FAILED = "failed"
    DELETING = "deleting"


class Desired(enum.StrEnum):
    """What the customer asked for last; the reconciler holds the engine to it."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class DeploymentState(enum.StrEnum):
    QUEUED = "queued"
    FETCHING = "fetching"
    BUILDING = "building"
    RELEASING = "releasing"
    CHECKING = "checking"
    LIVE = "live"
    """Went live; it may have been replaced since."""
    ROLLED_BACK = "rolled_back"
    """Was live until a rollback replaced it."""
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        return self in FINAL


SERVED = frozenset({DeploymentState.LIVE, DeploymentState.ROLLED_BACK})
ENDED_BADLY = frozenset({DeploymentState.FAILED, DeploymentState.CANCELLED, DeploymentState.SUPERSEDED})
FINAL = SERVED | ENDED_BADLY


class SourceKind(enum.StrEnum):
    GIT = "git"
    IMAGE = "image"
    ARCHIVE = "archive"


class Service(Timestamps, Base):
    __tablename__ = "services"
    __table_args__ = (
        CheckConstraint(
            "status IN ('pending','running','stopped','crashed','failed','deleting')", name="status"
        ),
        CheckConstraint("desired IN ('running','stopped','deleted')", name="desired"),
        CheckConstraint("source_kind IN ('git','image','archive')", name="source_kind"),
        CheckConstraint(
            "(source_kind = 'git') = (repo_url <> '') AND (source_kind = 'image') = (image IS NOT NULL)",
            name="source",
        ),
        CheckConstraint("port BETWEEN 1 AND 65535", name="port"),
        CheckConstraint("restart_policy IN ('always','on-failure','never')", name="restart_policy"),
        CheckConstraint("health_kind IN ('http','tcp','command')", name="health_kind"),
        # The name is a host name, so it is unique in the whole installation.
        Index("uq_services_name", "name", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index(
            "ix_services_project_created",
            "project_id",
            "created_at",
            "id",
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index(
            "ix_services_project_name",
            "project_id",
            "name",
            "id",
            postgresql_where=text("deleted_at IS NULL"),
        ),
        Index("ix_services_created", "created_at", "id", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_services_routed", "routed_deployment_id"),
        Index("ix_services_price_id", "price_id"),
        Index("ix_services_archive_id", "archive_id"),
        Index("ix_services_status", "status", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_services_preview_of", "preview_of"),
        CheckConstraint("(preview_of IS NULL) = (preview_number IS NULL)", name="preview"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(String(40))
    template_id: Mapped[str] = mapped_column(ForeignKey("templates.id"))
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"))
    price_id: Mapped[UUID | None] = mapped_column(ForeignKey("prices.id", use_alter=True))
    """What it pays: of the plan that is live, which `plan_id` may be about to follow."""
    source_kind: Mapped[str] = mapped_column(String(10), default=SourceKind.GIT)
    repo_url: Mapped[str] = mapped_column(String(2000), default="")
    """Empty where the source is no repository."""
    ref: Mapped[str | None] = mapped_column(String(200))
    root: Mapped[str] = mapped_column(String(500), default="")
    image: Mapped[str | None] = mapped_column(String(500))
    """`registry/name:tag` or `@sha256:…`, as its owner writes it."""
    archive_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("source_archives.id", ondelete="SET NULL", use_alter=True)
    )
    port: Mapped[int | None]
    """On which an image of its owner's listens; without it what the image says."""
    build_options: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    """`dockerfile`, `target` and `arguments` of a build by Dockerfile, as far as they are set."""
    ssh_host_key: Mapped[str | None] = mapped_column(String(200))
    """`<algorithm> SHA256:<digest>` of the source's ssh server, since the first visit."""
    health_path: Mapped[str] = mapped_column(String(500))
    health_kind: Mapped[str] = mapped_column(String(10), default=HealthKind.HTTP)
    health_command: Mapped[str | None] = mapped_column(String(1000))
    health_timeout_seconds: Mapped[int | None]
    """For how long a release may take to be well; without it as the settings say."""
    restart_policy: Mapped[str] = mapped_column(String(10), default=Restart.ALWAYS)
    run_as: Mapped[str | None] = mapped_column(String(40))
    """The user of its image as whom it runs, if not the one that the image says."""
    public: Mapped[bool] = mapped_column(default=True)
    """Whether the edge has an address for it; without, only its project's services reach it."""
    release_command: Mapped[str | None] = mapped_column(String(4000))
    """What runs before each new release starts, in place of the Procfile's `release`."""
    desired: Mapped[str] = mapped_column(String(10), default=Desired.RUNNING)
    status: Mapped[str] = mapped_column(String(12), default=ServiceStatus.PENDING)
    status_reason: Mapped[str | None] = mapped_column(String(2000))
    status_reason_code: Mapped[str | None] = mapped_column(String(60))
    status_reason_parameters: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
    live_deployment_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("deployments.id", ondelete="SET NULL", use_alter=True)
    )
    routed_deployment_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("deployments.id", ondelete="SET NULL", use_alter=True)
    )
    """Whom the edge asks; differs from the live one only while a release is being checked."""
    deployments_count: Mapped[int] = mapped_column(Integer, default=0)
    preview_of: Mapped[UUID | None] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    """The service whose pull request it shows."""
    preview_number: Mapped[int | None]
    """Of that pull request."""
    apart: Mapped[bool] = mapped_column(default=False)
    """It runs a stranger's code, and so shares neither network nor build caches with its project."""
    suspended_at: Mapped[datetime | None]
    """Since when it stands still because nobody pays for it; `desired` stays what its customer wants."""
    deleted_at: Mapped[datetime | None]

    @property
    def realm(self) -> UUID:
        """What the engine is told as its project: whose network and build caches it shares."""
        return self.id if self.apart else self.project_id

    @property
    def should_run(self) -> bool:
        return self.desired == Desired.RUNNING and self.suspended_at is None

    @property
    def should_stand_still(self) -> bool:
        return self.desired == Desired.STOPPED or (
            self.suspended_at is not None and self.desired == Desired.RUNNING
        )

    def becomes(self, status: ServiceStatus, reason: Reason | None = None) -> None:
        self.status = status
        self.status_reason = reason.message[:2000] if reason else None
        self.status_reason_code = reason.code if reason else None
        self.status_reason_parameters = (reason.parameters or None) if reason else None


class ServiceProcess(Base):
    """What a service shall run of one process. `web` without a row runs once, others not at all."""

    __tablename__ = "service_processes"
    __table_args__ = (CheckConstraint("replicas >= 0", name="replicas"),)

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(30), primary_key=True)
    replicas: Mapped[int]
    command: Mapped[str | None] = mapped_column(String(4000))
    """Its owner's, in place of the Procfile's."""


def become(service: Service, kind: SourceKind) -> None:
    """Of another kind of source nothing stays that this one has no use for."""
    if service.source_kind == kind:
        return
    service.source_kind = kind
    service.repo_url, service.image, service.archive_id, service.port = "", None, None, None
    service.ref, service.root = None, ""


class ServiceVariable(Base):
    __tablename__ = "service_variables"

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), primary_key=True)
    sealed: Mapped[str] = mapped_column(Text)
    updated_at: Mapped[datetime] = mapped_column(default=now)


def _own_id(context: Any) -> UUID:
    own: UUID = context.get_current_parameters()["id"]
    return own


class Deployment(Base):
    """One attempt to bring a release live, and the snapshot that it is made from."""

    __tablename__ = "deployments"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued','fetching','building','releasing','checking','live','rolled_back','failed',"
            "'cancelled','superseded')",
            name="state",
        ),
        CheckConstraint("source_kind IN ('git','image','archive')", name="source_kind"),
        CheckConstraint("restores_id IS NULL OR build_id <> id", name="build"),
        CheckConstraint("NOT build_kept OR build_id = id", name="build_kept"),
        UniqueConstraint("service_id", "number"),
        Index("ix_deployments_build_kept", "service_id", postgresql_where=text("build_kept")),
        Index(None, "build_id"),
        Index(None, "archive_id"),
        Index(None, "restores_id"),
    )

    id: Mapped[Id]
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="CASCADE"))
    number: Mapped[int]
    trigger: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(12), default=DeploymentState.QUEUED)
    reason_code: Mapped[str | None] = mapped_column(String(60))
    reason: Mapped[str | None] = mapped_column(String(2000))
    reason_parameters: Mapped[dict[str, str | int] | None] = mapped_column(JSONB(none_as_null=True))
    source_kind: Mapped[str] = mapped_column(String(10), default=SourceKind.GIT)
    repo_url: Mapped[str] = mapped_column(String(2000), default="")
    ref: Mapped[str | None] = mapped_column(String(200))
    root: Mapped[str] = mapped_column(String(500), default="")
    image: Mapped[str | None] = mapped_column(String(500))
    archive_id: Mapped[UUID | None] = mapped_column(ForeignKey("source_archives.id", ondelete="SET NULL"))
    source_digest: Mapped[str | None] = mapped_column(String(80))
    """`sha256:…` of the image or the archive: what a tag stood for when this was deployed."""
    port: Mapped[int | None]
    image_port: Mapped[int | None]
    """What its build says, whatever was chosen."""
    build_options: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)
    rebuild: Mapped[bool] = mapped_column(default=False)
    """Whether it is built although a kept build is of the same source."""
    health_path: Mapped[str] = mapped_column(String(500))
    health_kind: Mapped[str] = mapped_column(String(10), default=HealthKind.HTTP)
    health_command: Mapped[str | None] = mapped_column(String(1000))
    health_timeout_seconds: Mapped[int | None]
    restart_policy: Mapped[str] = mapped_column(String(10), default=Restart.ALWAYS)
    run_as: Mapped[str | None] = mapped_column(String(40))
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"))
    environment: Mapped[str | None] = mapped_column(Text)
    """The variables of this release as sealed JSON; gone when the service is deleted."""
    build_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id"), default=_own_id)
    """The deployment that made the build which this one runs: itself, unless a kept one is of the same source
    or it is a rollback."""
    build_kept: Mapped[bool] = mapped_column(default=False)
    """Whether its own build went live and is still there for a rollback; see `retention.py`."""
    restores_id: Mapped[UUID | None] = mapped_column(ForeignKey("deployments.id"))
    """Of a rollback: the release that it brings back."""
    commit: Mapped[str | None] = mapped_column(String(64))
    commit_subject: Mapped[str | None] = mapped_column(String(200))
    build_kind: Mapped[str | None] = mapped_column(String(20))
    command: Mapped[str | None] = mapped_column(String(4000))
    release_command: Mapped[str | None] = mapped_column(String(4000))
    """As the service had it when this was asked for, or as its Procfile has it once it is built."""
    release_began_at: Mapped[datetime | None]
    release_began_seq: Mapped[int | None]
    """How far the log was when the release command began: what it prints comes after that."""
    released_at: Mapped[datetime | None]
    """When the release command had succeeded."""
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    processes: Mapped[dict[str, str]] = mapped_column(JSONB, default=dict)
    """Command by name of what its source says it runs beside `web`."""
    commands: Mapped[dict[str, str]] = mapped_column(JSONB, default=dict)
    """By name, those of its owner's own when this was deployed; they win."""
    scale: Mapped[dict[str, int] | None] = mapped_column(JSONB(none_as_null=True))
    """How many units of each process it was given last; None before it was started."""
    address: Mapped[str | None] = mapped_column(String(100))
    """Of its first unit of `web`."""
    addresses: Mapped[list[str]] = mapped_column(JSONB, default=list)
    """Of all units of `web` that visitors are led to."""
    status_told: Mapped[str | None] = mapped_column(String(10))
    """What its commit's forge was last to be told of it; see `backend.statuses`."""
    engine: Mapped[str | None] = mapped_column(String(20))
    """That has the release; another one knows nothing of it."""
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSONB, default=list)
    """`[{"name", "started_at", "finished_at"}]` in the order they were entered."""
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class DeploymentLogLine(Base):
    __tablename__ = "deployment_log_lines"

    deployment_id: Mapped[UUID] = mapped_column(
        ForeignKey("deployments.id", ondelete="CASCADE"), primary_key=True
    )
    seq: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(default=now)
    text: Mapped[str] = mapped_column(Text)


class Order(Base):
    """What was asked for, and at which price per month, with its discount and before tax."""

    __tablename__ = "orders"
    __table_args__ = (
        Index("ix_orders_project_created", "project_id", "created_at", "id"),
        Index("ix_orders_service", "service_id"),
    )

    id: Mapped[Id]
    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id", ondelete="RESTRICT"))
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"))
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id", ondelete="RESTRICT"))
    deployment_id: Mapped[UUID] = mapped_column(ForeignKey("deployments.id", ondelete="RESTRICT"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="RESTRICT"))
    template_id: Mapped[str] = mapped_column(ForeignKey("templates.id"))
    plan_id: Mapped[str] = mapped_column(ForeignKey("plans.id"))
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime] = mapped_column(default=now)
