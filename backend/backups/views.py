"""Backups and restores as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import any_, func, select

from backend.backups.models import Backup, BackupState
from backend.backups.schemas import BackupView, RestoreView
from backend.dao.listing import Listing, Sort, moment
from backend.projects.models import Project
from backend.services.models import Service

_FIELDS = tuple(name for name in BackupView.model_fields if name != "service")
_RESTORE = tuple(RestoreView.model_fields)


def shape_backup(row: Mapping[str, Any]) -> dict[str, Any]:
    service = {"id": row["service_id"], "name": row["service_name"], "deleted": row["service_deleted"]}
    return {**{name: row[name] for name in _FIELDS}, "service": service}


def shape_restore(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _RESTORE}


def _shape_admin_backup(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**shape_backup(row), "target": row["target"], "project_name": row["project_name"]}


_SHOWN = (
    select(
        *(getattr(Backup, name) for name in _FIELDS),
        Service.name.label("service_name"),
        Service.deleted_at.is_not(None).label("service_deleted"),
    )
    .join(Service, Service.id == Backup.service_id)
    .where(Backup.state != BackupState.REMOVING)
)
_SORTS = {"created_at": Sort(Backup.created_at, moment)}

BACKUPS = Listing(
    _SHOWN,
    id_column=Backup.id,
    filters={
        "project_ids": lambda values: Backup.project_id == any_(values),
        "project_id": lambda value: Backup.project_id == value,
        "service_id": lambda value: Backup.service_id == value,
        "state": lambda value: Backup.state == value,
    },
    sorts=_SORTS,
    shape=shape_backup,
)
ADMIN_BACKUPS = Listing(
    _SHOWN.add_columns(Backup.target, Project.name.label("project_name")).join(
        Project, Project.id == Backup.project_id
    ),
    id_column=Backup.id,
    filters={
        "project_id": lambda value: Backup.project_id == value,
        "service_id": lambda value: Backup.service_id == value,
        "state": lambda value: Backup.state == value,
        "q": lambda value: func.strpos(Service.name, value) > 0,
    },
    sorts=_SORTS,
    shape=_shape_admin_backup,
)
