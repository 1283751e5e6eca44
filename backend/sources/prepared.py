"""What an order that is not placed yet would read its repository with."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from backend.config import Settings
from backend.engines.base import Access
from backend.exceptions import invalid_field
from backend.oauth.principal import Principal
from backend.roles.permissions import SERVICES_WRITE
from backend.sources.addresses import check_source, check_token_is_safe
from backend.sources.choosing import check_image
from backend.sources.credentials import waiting_key
from backend.sources.schemas import SourceCheckIn
from backend.sources.sealing import open_key


async def access_for(
    session: AsyncSession, settings: Settings, principal: Principal, wanted: SourceCheckIn
) -> Access | None:
    """Raises `Invalid` for what an order of it would be refused for."""
    if wanted.image is not None:
        host = check_image(settings, wanted.image, ("body", "image")).host
        if wanted.token is None:
            return None
        return Access(host, username=wanted.username, token=wanted.token.get_secret_value())
    if wanted.repo_url is None:
        message = "An uploaded archive was checked when it came."
        raise invalid_field(["body", "archive_id"], message, "source_is_archive")
    remote = check_source(settings, wanted.repo_url, ("body", "repo_url"))
    if wanted.deploy_key_id is not None and remote.scheme == "ssh":
        mine = [project for project in principal.projects if principal.may(SERVICES_WRITE, project)]
        key = await waiting_key(session, mine, wanted.deploy_key_id, loc=("body", "deploy_key_id"))
        return Access(remote.origin, private_key=open_key(key.id, key.sealed))
    if wanted.token is not None and remote.scheme != "ssh":
        check_token_is_safe(settings, remote, ("body", "token"))
        return Access(remote.origin, username=wanted.username, token=wanted.token.get_secret_value())
    return None
