"""The dependencies that say who asks: `PrincipalDep`, and `require(permission)`."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import OAuth2 as OAuth2Model
from fastapi.openapi.models import OAuthFlowPassword, OAuthFlows
from fastapi.security.base import SecurityBase

from backend.audit.actor import Actor, asking
from backend.exceptions import Forbidden, Unauthorized
from backend.oauth.caller import client_address
from backend.oauth.identity import Identity, Principal, identity_of
from backend.roles.permissions import FULL_SCOPE, PERMISSIONS

__all__ = ["Identity", "Principal", "PrincipalDep", "get_principal", "require"]

SCOPES = {FULL_SCOPE: "Whatever the user may", **PERMISSIONS}


class _Bearer(SecurityBase):
    """Dependency and security scheme in one: the document is complete at the cost of one resolution."""

    def __init__(self, permission: str | None = None, *, recent: bool = False) -> None:
        flow = OAuthFlowPassword(tokenUrl="/oauth/token", refreshUrl="/oauth/token", scopes=SCOPES)
        self.model = OAuth2Model(flows=OAuthFlows(password=flow))
        self.scheme_name = "oauth2"
        self._permission = permission
        self._recent = recent

    async def __call__(self, request: Request) -> Principal:
        header = request.headers.get("authorization")
        if header is None or header[:7].lower() != "bearer ":
            raise Unauthorized("Send an access token: `Authorization: Bearer …`.")
        principal = await identity_of(request.app).principal(header[7:].strip())
        if self._permission is not None and self._permission not in principal.permissions:
            raise Forbidden(f"This needs the permission {self._permission}.", code="permission_missing")
        if self._recent and time.time() - principal.proved_at > _recent_seconds(request):
            raise Forbidden("Confirm that it is you, and do this again.", code="proof_required")
        asking.set(partial(_actor, request, principal))
        return principal


def _recent_seconds(request: Request) -> float:
    return float(request.app.state.parts.settings.proof_minutes * 60)


def _actor(request: Request, principal: Principal) -> Actor:
    return Actor(
        user_id=principal.user_id,
        acting_id=principal.acting_id,
        client_id=principal.client_id,
        session_id=principal.session_id,
        address=client_address(request, request.app.state.parts.settings.trusted_proxies),
        user_agent=request.headers.get("user-agent"),
    )


get_principal = _Bearer()
"""`Depends(get_principal)` gives the `Principal` or raises `Unauthorized`."""

PrincipalDep = Annotated[Principal, Depends(get_principal)]


def require(permission: str, *, recent: bool = False) -> _Bearer:
    """`Annotated[Principal, Depends(require(SERVICES_READ))]`: 403 without the global permission.

    With `recent`, also 403 `proof_required` unless the person showed a secret in the last minutes;
    tokens without a person behind them never did.
    """
    if permission not in PERMISSIONS:
        raise ValueError(f"no such permission: {permission}")
    return _Bearer(permission, recent=recent)
