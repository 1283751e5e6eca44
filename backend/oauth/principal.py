"""The dependencies that say who asks: `PrincipalDep`, and `require(permission)`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import OAuth2 as OAuth2Model
from fastapi.openapi.models import OAuthFlowPassword, OAuthFlows
from fastapi.security.base import SecurityBase

from backend.exceptions import Forbidden, Unauthorized
from backend.oauth.identity import Identity, Principal, identity_of
from backend.roles.permissions import FULL_SCOPE, PERMISSIONS

__all__ = ["Identity", "Principal", "PrincipalDep", "get_principal", "require"]

SCOPES = {FULL_SCOPE: "Whatever the user may", **PERMISSIONS}


class _Bearer(SecurityBase):
    """Dependency and security scheme in one: the document is complete at the cost of one resolution."""

    def __init__(self, permission: str | None = None) -> None:
        flow = OAuthFlowPassword(tokenUrl="/oauth/token", refreshUrl="/oauth/token", scopes=SCOPES)
        self.model = OAuth2Model(flows=OAuthFlows(password=flow))
        self.scheme_name = "oauth2"
        self._permission = permission

    async def __call__(self, request: Request) -> Principal:
        header = request.headers.get("authorization")
        if header is None or header[:7].lower() != "bearer ":
            raise Unauthorized("Send an access token: `Authorization: Bearer …`.")
        principal = await identity_of(request.app).principal(header[7:].strip())
        if self._permission is not None and self._permission not in principal.permissions:
            raise Forbidden(f"This needs the permission {self._permission}.", code="permission_missing")
        return principal


get_principal = _Bearer()
"""`Depends(get_principal)` gives the `Principal` or raises `Unauthorized`."""

PrincipalDep = Annotated[Principal, Depends(get_principal)]


def require(permission: str) -> _Bearer:
    """`Annotated[Principal, Depends(require(SERVICES_READ))]`: 403 without the global permission."""
    if permission not in PERMISSIONS:
        raise ValueError(f"no such permission: {permission}")
    return _Bearer(permission)
