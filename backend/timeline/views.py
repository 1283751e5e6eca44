"""The events of a service as the API lists them."""

from __future__ import annotations

from sqlalchemy import select

from backend.dao.listing import Listing, Sort, moment
from backend.timeline.models import ServiceEvent

_E = ServiceEvent
EVENTS = Listing(
    select(
        *(_E.id, _E.at, _E.kind, _E.deployment_id, _E.process, _E.replica),
        *(_E.reason_code, _E.reason, _E.reason_parameters),
    ),
    id_column=_E.id,
    filters={"service_id": lambda value: _E.service_id == value},
    sorts={"at": Sort(_E.at, moment)},
)
