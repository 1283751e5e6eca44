"""Who asks for what may be tried too often: their address, and the counters of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from backend.context import PartsDep
from backend.oauth.caller import client_address
from backend.oauth.identity import Identity, identity_of
from backend.oauth.limits import AttemptLimits


@dataclass(frozen=True, slots=True)
class Asker:
    address: str
    identity: Identity

    @property
    def limits(self) -> AttemptLimits:
        return self.identity.limits


async def get_asker(request: Request, parts: PartsDep) -> Asker:
    return Asker(client_address(request, parts.settings.trusted_proxies), identity_of(request.app))


AskerDep = Annotated[Asker, Depends(get_asker)]
