"""Backups and restores as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import any_, select

from backend.backups.models import Backup, BackupState
from backend.backups.schemas import BackupView, RestoreView
from backend.dao.listing import Listing, Sort, moment

_FIELDS = tuple(BackupView.model_fields)
_RESTORE = tuple(RestoreView.model_fields)


def shape_backup(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _FIELDS}


def shape_restore(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _RESTORE}


BACKUPS = Listing(
    select(*(getattr(Backup, name) for name in _FIELDS)).where(Backup.state != BackupState.REMOVING),
    id_column=Backup.id,
    filters={
        "project_ids": lambda values: Backup.project_id == any_(values),
        "service_id": lambda value: Backup.service_id == value,
        "state": lambda value: Backup.state == value,
    },
    sorts={"created_at": Sort(Backup.created_at, moment)},
    shape=shape_backup,
)
