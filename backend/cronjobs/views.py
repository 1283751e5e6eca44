"""Cron jobs and their runs as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import aliased

from backend.cronjobs.models import CronJob, CronRun
from backend.dao.base import AnySelect
from backend.dao.listing import Listing, Sort, moment
from backend.services.models import Deployment

_last = aliased(CronRun)
_JOB = (
    *("id", "project_id", "service_id", "name", "schedule", "time_zone", "command", "overlap"),
    *("timeout_seconds", "enabled", "catch_up", "notify", "failures", "next_run_at"),
    *("created_at", "updated_at"),
)
_RUN = (
    *("id", "cron_job_id", "service_id", "trigger", "scheduled_for", "state", "command", "timeout_seconds"),
    *("exit_code", "reason_code", "reason", "reason_parameters"),
    *("created_at", "started_at", "finished_at"),
)
_newest = (
    select(CronRun.id)
    .where(CronRun.cron_job_id == CronJob.id)
    .order_by(CronRun.created_at.desc(), CronRun.id.desc())
    .limit(1)
    .correlate(CronJob)
    .scalar_subquery()
)


def select_cron_jobs() -> AnySelect:
    return select(
        *(getattr(CronJob, name) for name in _JOB),
        _last.id.label("last_id"),
        _last.state.label("last_state"),
        _last.created_at.label("last_created_at"),
        _last.finished_at.label("last_finished_at"),
    ).outerjoin(_last, and_(_last.id == _newest))


def shape_cron_job(row: Mapping[str, Any]) -> dict[str, Any]:
    last = row["last_id"]
    return {
        **{name: row[name] for name in _JOB},
        "last_run": last
        and {
            "id": last,
            "state": row["last_state"],
            "created_at": row["last_created_at"],
            "finished_at": row["last_finished_at"],
        },
    }


def select_cron_runs() -> AnySelect:
    return select(
        *(getattr(CronRun, name) for name in _RUN),
        CronRun.project_id,
        CronRun.deployment_id,
        Deployment.number.label("release_number"),
    ).outerjoin(Deployment, Deployment.id == CronRun.deployment_id)


def shape_cron_run(row: Mapping[str, Any]) -> dict[str, Any]:
    number = row["release_number"]
    return {
        **{name: row[name] for name in _RUN},
        "release": number and {"id": row["deployment_id"], "number": number},
    }


def cron_job_of(cron_job_id: UUID) -> AnySelect:
    return select_cron_jobs().where(CronJob.id == cron_job_id)


def cron_run_of(run_id: UUID) -> AnySelect:
    return select_cron_runs().where(CronRun.id == run_id)


CRON_JOBS = Listing(
    select_cron_jobs(),
    id_column=CronJob.id,
    filters={"service_id": lambda value: CronJob.service_id == value},
    sorts={"created_at": Sort(CronJob.created_at, moment)},
    shape=shape_cron_job,
)
CRON_RUNS = Listing(
    select_cron_runs(),
    id_column=CronRun.id,
    filters={"cron_job_id": lambda value: CronRun.cron_job_id == value},
    sorts={"created_at": Sort(CronRun.created_at, moment)},
    shape=shape_cron_run,
)
