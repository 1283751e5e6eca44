"""The product's own clients of the authorization server."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.oauth.dao import ClientDAO
from backend.oauth.second_step import MFA, PASSKEY

PANEL, CLI = "panel", "cli"
_GRANTS = ["password", MFA, PASSKEY, "refresh_token"]


async def ensure_clients(session: AsyncSession) -> None:
    """Make them as declared here; safe to repeat.

    Both are public: a browser and a script on somebody's machine can keep no secret.
    """
    dao = ClientDAO(session)
    await dao.put_client(
        PANEL, name="Gavan panel", first_party=True, grants=_GRANTS, keep_refresh_in_cookie=True
    )
    await dao.put_client(
        CLI, name="Scripts and command line", first_party=True, grants=_GRANTS, keep_refresh_in_cookie=False
    )
