"""The dependencies that say who asks: `PrincipalDep`, and `require(permission)`."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import OAuth2 as OAuth2Model
from fastapi.openapi.models import (
    OAuthFlowAuthorizationCode,
    OAuthFlowClientCredentials,
    OAuthFlowPassword,
    OAuthFlows,
)
from fastapi.security.base import SecurityBase

from backend.audit.actor import Actor, asking
from backend.exceptions import Forbidden, Unauthorized
from backend.oauth import personal
from backend.oauth.caller import client_address
from backend.oauth.identity import Identity, Principal, identity_of
from backend.oauth.scopes import APPLICATION_SCOPES, ordered
from backend.roles.permissions import FULL_SCOPE, PERMISSIONS
from backend.utils.addresses import Network

__all__ = ["Identity", "Principal", "PrincipalDep", "StandingDep", "get_principal", "require"]

SCOPES = {FULL_SCOPE: "Whatever the user may", **PERMISSIONS}


_TOKEN_URL = "/oauth/token"
_DELEGATED = {name: SCOPES[name] for name in ordered(APPLICATION_SCOPES)}
_MODEL = OAuth2Model(
    description="Or a personal token, made in the panel: it is sent in the same way.",
    flows=OAuthFlows(
        password=OAuthFlowPassword(tokenUrl=_TOKEN_URL, refreshUrl=_TOKEN_URL, scopes=SCOPES),
        authorizationCode=OAuthFlowAuthorizationCode(
            authorizationUrl="/oauth/authorize", tokenUrl=_TOKEN_URL, refreshUrl=_TOKEN_URL, scopes=_DELEGATED
        ),
        clientCredentials=OAuthFlowClientCredentials(tokenUrl=_TOKEN_URL, scopes=_DELEGATED),
    ),
)


class _Bearer(SecurityBase):
    """Dependency and security scheme in one: the document is complete at the cost of one resolution."""

    def __init__(self, permission: str | None = None, *, recent: bool = False) -> None:
        self.model = _MODEL
        self.scheme_name = "oauth2"
        self._permission = permission
        self._recent = recent

    @property
    def scopes(self) -> list[str]:
        """What the document says a token must hold."""
        return [self._permission] if self._permission is not None else []

    async def __call__(self, request: Request) -> Principal:
        header = request.headers.get("authorization")
        if header is None or header[:7].lower() != "bearer ":
            raise Unauthorized("Send an access token: `Authorization: Bearer …`.")
        principal = await identity_of(request.app).principal(header[7:].strip())
        if principal.networks is not None:
            _admit(request, principal, principal.networks)
        actor = partial(_actor, request, principal)
        if principal.acting_id is not None:
            await self._look(request, principal, actor())
        if self._permission is not None and self._permission not in principal.permissions:
            raise _missing(principal, self._permission)
        if self._recent and time.time() - principal.proved_at > _recent_seconds(request):
            raise Forbidden("Confirm that it is you, and do this again.", code="proof_required")
        asking.set(actor)
        return principal

    async def _look(self, request: Request, principal: Principal, actor: Actor) -> None:
        """A supporter in somebody's place reads what that person may read, and every look is noted."""
        permitted = self._permission is None or self._permission in principal.permissions
        reads = permitted and not self._recent and request.method in ("GET", "HEAD")
        looks = identity_of(request.app).looks
        await looks.note(actor, request.method, request.url.path, "done" if reads else "refused")
        if not reads:
            raise Forbidden(
                "You are looking at somebody else's account; nothing can be changed in it.", code="view_only"
            )


def _admit(request: Request, principal: Principal, networks: tuple[Network, ...]) -> None:
    """A personal token comes from where it may, and is noted as used."""
    address = client_address(request, request.app.state.parts.settings.trusted_proxies)
    if not personal.admits(networks, address):
        raise Forbidden("This token may not be used from here.", code="address_not_allowed")
    identity_of(request.app).usage.note(principal.session_id, address)


def _missing(principal: Principal, permission: str) -> Forbidden:
    granted = principal.scope.split()
    headers = {}
    if FULL_SCOPE not in granted and permission not in granted:
        # Another token would do (RFC 6750 §3.1); without the header, none would.
        headers = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{permission}"'}
    return Forbidden(f"This needs the permission {permission}.", code="permission_missing", headers=headers)


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


class Standing:
    """For streams, which outlast many changes: whether whoever opened one may still what they might then.

    A client whose stream ended without its last event connects anew, and is judged anew.
    """

    def __init__(self, identity: Identity, token: str, principal: Principal) -> None:
        self._identity = identity
        self._token = token
        self._then = (principal.permissions, principal.projects)

    async def holds(self) -> bool:
        """Ask before each thing that is told."""
        try:
            now = await self._identity.principal(self._token)
        except Unauthorized:
            return False
        return (now.permissions, now.projects) == self._then


async def get_standing(request: Request) -> Standing:
    """Beside a dependency that admits the caller."""
    identity = identity_of(request.app)
    token = request.headers.get("authorization", "")[7:].strip()
    return Standing(identity, token, await identity.principal(token))


StandingDep = Annotated[Standing, Depends(get_standing)]
