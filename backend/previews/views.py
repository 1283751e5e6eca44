"""Pull requests of a service, with the previews that show them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import aliased

from backend.config import get_settings
from backend.dao.listing import Listing, Sort, moment
from backend.previews.models import DAYS, PreviewSettings, PullRequest
from backend.services.models import Service

_COLUMNS = (
    *("id", "number", "forge", "title", "url", "branch", "target", "commit", "fork", "state"),
    *("reason_code", "reason_parameters", "pushed_at", "closed_at"),
)
_preview = aliased(Service)


def shape_pull_request(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in _COLUMNS}
    shaped["preview"] = row["preview_id"] and {
        "id": row["preview_id"],
        "name": row["preview_name"],
        "url": get_settings().app_url(row["preview_name"]),
        "status": row["preview_status"],
        "plan_id": row["preview_plan"],
        "expires_at": row["pushed_at"] + timedelta(days=row["days"]),
    }
    return shaped


PULL_REQUESTS = Listing(
    select(
        *(getattr(PullRequest, name) for name in _COLUMNS),
        _preview.id.label("preview_id"),
        _preview.name.label("preview_name"),
        _preview.status.label("preview_status"),
        _preview.plan_id.label("preview_plan"),
        func.coalesce(PreviewSettings.days, DAYS).label("days"),
    )
    .outerjoin(_preview, and_(_preview.id == PullRequest.preview_id, _preview.deleted_at.is_(None)))
    .outerjoin(PreviewSettings, PreviewSettings.service_id == PullRequest.service_id),
    id_column=PullRequest.id,
    filters={
        "service_id": lambda value: PullRequest.service_id == value,
        "state": lambda value: PullRequest.state == value,
    },
    sorts={"pushed_at": Sort(PullRequest.pushed_at, moment)},
    shape=shape_pull_request,
)
