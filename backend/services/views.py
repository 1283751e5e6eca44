"""Services and deployments as the API shows them: one select and one shape each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, any_, func, join, select
from sqlalchemy.orm import aliased

from backend.config import get_settings
from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment, whole
from backend.jobs.models import OPEN, Job
from backend.projects.models import Project, ProjectMember
from backend.services.models import (
    ENDED_BADLY,
    SERVED,
    Deployment,
    DeploymentState,
    Order,
    Service,
    ServiceStatus,
)
from backend.services.sources import SOURCE_COLUMNS, shape_source
from backend.stacks.models import Stack, StackService
from backend.users.models import User

STEPS = (
    DeploymentState.FETCHING,
    DeploymentState.BUILDING,
    DeploymentState.RELEASING,
    DeploymentState.CHECKING,
)
STEPS_OF_ROLLBACK = (DeploymentState.RELEASING, DeploymentState.CHECKING)
MASK = "••••••••"

_live = aliased(Deployment)
_previewed = aliased(Service)
_stack = aliased(Stack)
_active_job = (
    select(Job.id)
    .where(Job.service_id == Service.id, Job.state.in_([str(state) for state in OPEN]))
    .order_by(Job.id)
    .limit(1)
    .correlate(Service)
    .scalar_subquery()
)
_service_columns = (
    Service.id,
    Service.project_id,
    Service.name,
    Service.status,
    Service.status_reason,
    Service.status_reason_code,
    Service.status_reason_parameters,
    Service.template_id,
    Service.plan_id,
    *(getattr(Service, name) for name in SOURCE_COLUMNS),
    Service.health_path,
    Service.health_kind,
    Service.health_command,
    Service.health_timeout_seconds,
    Service.release_command,
    Service.public,
    _stack.id.label("stack_id"),
    _stack.name.label("stack_name"),
    Service.suspended_at,
    Service.preview_of,
    Service.preview_number,
    _previewed.name.label("preview_of_name"),
    Service.created_at,
    Service.updated_at,
    _live.id.label("live_id"),
    _live.number.label("live_number"),
    _live.commit.label("live_commit"),
    _live.commit_subject.label("live_commit_subject"),
    _live.finished_at.label("live_at"),
    _active_job.label("active_job_id"),
)


def select_services() -> AnySelect:
    statement = select(*_service_columns).outerjoin(_live, _live.id == Service.live_deployment_id)
    statement = statement.outerjoin(_previewed, _previewed.id == Service.preview_of)
    statement = statement.outerjoin(StackService, StackService.service_id == Service.id)
    statement = statement.outerjoin(_stack, _stack.id == StackService.stack_id)
    return statement.where(Service.deleted_at.is_(None))


def shape_service(row: Mapping[str, Any]) -> dict[str, Any]:
    live_id = row["live_id"]
    return {
        "id": row["id"],
        "project_id": row["project_id"],
        "name": row["name"],
        "status": row["status"],
        "status_reason": row["status_reason"],
        "status_reason_code": row["status_reason_code"],
        "status_reason_parameters": row["status_reason_parameters"],
        "url": get_settings().app_url(row["name"]),
        "template_id": row["template_id"],
        "plan_id": row["plan_id"],
        "source": shape_source(row),
        "health_path": row["health_path"],
        "health_kind": row["health_kind"],
        "health_command": row["health_command"],
        "health_timeout_seconds": row["health_timeout_seconds"],
        "release_command": row["release_command"],
        "live_deployment": live_id
        and {
            "id": live_id,
            "number": row["live_number"],
            "commit": row["live_commit"],
            "commit_subject": row["live_commit_subject"],
            "live_at": row["live_at"],
        },
        "active_job_id": row["active_job_id"],
        "suspended_at": row["suspended_at"],
        "public": row["public"],
        "stack": row["stack_id"] and {"id": row["stack_id"], "name": row["stack_name"]},
        "preview": row["preview_of"]
        and {
            "of": row["preview_of"],
            "of_name": row["preview_of_name"],
            "number": row["preview_number"],
        },
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
    }


def shape_admin_service(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **shape_service(row),
        "project_name": row["project_name"],
        "owner_email": row["owner_email"],
    }


def _contains(column: Any) -> Any:
    return lambda value: func.strpos(column, value) > 0


def _equals(column: Any) -> Any:
    return lambda value: column == value


def _among(column: Any) -> Any:
    def condition(values: Any) -> ColumnElement[bool]:
        return column == any_(values)

    return condition


_service_filters = {
    "project_id": _equals(Service.project_id),
    "project_ids": _among(Service.project_id),
    "status": _equals(Service.status),
    "name": _equals(Service.name),
    "q": _contains(Service.name),
}
_service_sorts = {"created_at": Sort(Service.created_at, moment), "name": Sort(Service.name)}

SERVICES = Listing(
    select_services(),
    id_column=Service.id,
    filters=_service_filters,
    sorts=_service_sorts,
    shape=shape_service,
)

_owner = (
    select(User.email)
    .join(ProjectMember, ProjectMember.user_id == User.id)
    .where(ProjectMember.project_id == Service.project_id, ProjectMember.role == "owner")
    .order_by(ProjectMember.created_at)
    .limit(1)
    .correlate(Service)
    .scalar_subquery()
)
ADMIN_SERVICES = Listing(
    select_services()
    .join(Project, Project.id == Service.project_id)
    .add_columns(Project.name.label("project_name"), _owner.label("owner_email")),
    id_column=Service.id,
    filters=_service_filters,
    sorts=_service_sorts,
    shape=shape_admin_service,
)

_build = aliased(Deployment)
_restored = aliased(Deployment)
_newest_job = (
    select(Job.id)
    .where(Job.deployment_id == Deployment.id)
    .order_by(Job.id.desc())
    .limit(1)
    .correlate(Deployment)
    .scalar_subquery()
)


def select_deployments() -> AnySelect:
    return select(
        *(getattr(Deployment, name) for name in _DEPLOYMENT_COLUMNS),
        _newest_job.label("job_id"),
        (
            func.coalesce(Service.live_deployment_id == Deployment.id, False)
            & (Service.status == ServiceStatus.RUNNING)
        ).label("is_live"),
        (
            Deployment.state.in_([str(state) for state in SERVED])
            & _build.build_kept
            & Deployment.id.is_distinct_from(Service.live_deployment_id)
            & (Service.status != ServiceStatus.DELETING)
        ).label("can_roll_back"),
        Deployment.restores_id,
        _restored.number.label("restores_number"),
    ).select_from(
        join(Deployment, Service, Service.id == Deployment.service_id)
        .join(_build, _build.id == Deployment.build_id)
        .outerjoin(_restored, _restored.id == Deployment.restores_id)
    )


_DEPLOYMENT_COLUMNS = (
    "id",
    "service_id",
    "number",
    "trigger",
    "state",
    "reason_code",
    "reason",
    "reason_parameters",
    *SOURCE_COLUMNS,
    "source_digest",
    "commit",
    "commit_subject",
    "build_kind",
    "steps",
    "created_at",
    "started_at",
    "finished_at",
)


def shape_deployment(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in (*_DEPLOYMENT_COLUMNS, "job_id", "is_live", "can_roll_back")}
    shaped["source"] = shape_source({name: shaped.pop(name) for name in SOURCE_COLUMNS})
    restores = row["restores_id"]
    shaped["restores"] = restores and {"id": restores, "number": row["restores_number"]}
    shaped["steps"] = _steps(STEPS_OF_ROLLBACK if restores else STEPS, row["state"], row["steps"])
    return shaped


def _steps(
    names: Sequence[DeploymentState], state: str, entered: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    known = {step["name"]: step for step in entered}
    last = entered[-1]["name"] if entered else None
    ended_badly = DeploymentState(state) in ENDED_BADLY
    steps = []
    for name in names:
        step = known.get(name)
        if step is None:
            condition = "pending"
        elif name == state:
            condition = "active"
        elif ended_badly and name == last:
            condition = "failed"
        else:
            condition = "done"
        steps.append(
            {
                "name": name,
                "state": condition,
                "started_at": step and step["started_at"],
                "finished_at": step and step["finished_at"],
            }
        )
    return steps


DEPLOYMENTS = Listing(
    select_deployments(),
    id_column=Deployment.id,
    filters={"service_id": _equals(Deployment.service_id)},
    sorts={"number": Sort(Deployment.number, whole)},
    shape=shape_deployment,
)


def service_of(service_id: UUID) -> AnySelect:
    return select_services().where(Service.id == service_id)


def deployment_of(deployment_id: UUID) -> AnySelect:
    return select_deployments().where(Deployment.id == deployment_id)


ORDERS = Listing(
    select(
        Order.id,
        Order.project_id,
        Order.template_id,
        Order.plan_id,
        Order.price_minor,
        Order.currency,
        Order.service_id,
        Order.deployment_id,
        Order.job_id,
        Order.created_at,
    ),
    id_column=Order.id,
    filters={"project_ids": _among(Order.project_id), "id": _equals(Order.id)},
    sorts={"created_at": Sort(Order.created_at, moment)},
)
