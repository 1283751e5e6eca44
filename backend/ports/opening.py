"""Opening a service's port to the outside, and closing it. The edge follows in the reconciler's next round.

Why it is the edge that listens: `docs/decisions/0043-public-ports.md`.
"""

from __future__ import annotations

import secrets

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit.actions import Action
from backend.billing.metering import events as usage
from backend.billing.prices import purchase
from backend.config import Settings
from backend.exceptions import Conflict, NotFound
from backend.ports.binding import is_free
from backend.ports.dao import PortDAO
from backend.ports.models import PublicPort
from backend.services.following import refuse_preview
from backend.services.models import Service
from backend.services.trail import record_about

ADDON = "address"


async def open_port(session: AsyncSession, settings: Settings, service: Service) -> PublicPort:
    """The caller holds the service's row. Any free port, not the next one: who knows a port that somebody
    gave up should not soon meet another customer there.
    """
    if settings.public_ports is None:
        raise Conflict("This installation opens no ports.", code="not_supported_here")
    refuse_preview(service)
    dao = PortDAO(session)
    if await dao.of(service.id) is not None:
        raise Conflict("The service has a public port already.", code="port_open")
    await purchase.add(session, service, ADDON, 1)
    low, high = settings.public_ports
    free = sorted(set(range(low, high + 1)) - await dao.taken())
    while free:
        port = free.pop(secrets.randbelow(len(free)))
        if is_free(settings.public_listen, port):
            break
    else:
        raise Conflict("All public ports are taken.", code="ports_taken")
    row = PublicPort(port=port, service_id=service.id)
    await dao.add(row)
    await usage.follow(session, service)
    await record_about(session, service, Action.SERVICE_PORT_OPENED, after={"port": port})
    return row


async def close_port(session: AsyncSession, service: Service) -> None:
    """The caller holds the service's row."""
    dao = PortDAO(session)
    row = await dao.of(service.id)
    if row is None:
        raise NotFound("The service has no public port.")
    port = row.port
    await dao.delete(port)
    await usage.follow(session, service)
    await purchase.settle(session, service)
    await record_about(session, service, Action.SERVICE_PORT_CLOSED, before={"port": port})
