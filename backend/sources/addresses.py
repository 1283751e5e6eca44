"""Addresses as customers give them: what can be said of one before anything is fetched."""

from __future__ import annotations

from backend.config import Settings
from backend.engines.addresses import Allowed, Remote, check_url
from backend.engines.base import EngineError
from backend.engines.gitguard import check_secrecy
from backend.exceptions import Invalid

REPO_URL = ("body", "source", "repo_url")


def check_source(settings: Settings, repo_url: str, loc: tuple[str, ...] = REPO_URL) -> Remote:
    """Raises `Invalid` for addresses that will never be fetched; names are resolved by the fetch itself."""
    try:
        return check_url(repo_url, Allowed.parse(settings.git_allowed_private))
    except EngineError as error:
        raise refused(error, loc) from None


def check_token_is_safe(settings: Settings, remote: Remote, loc: tuple[str, ...] = REPO_URL) -> None:
    """Raises `Invalid` where a token would travel unencrypted."""
    try:
        check_secrecy(remote, Allowed.parse(settings.git_allowed_private))
    except EngineError as error:
        raise refused(error, loc) from None


def refused(error: EngineError, loc: tuple[str, ...]) -> Invalid:
    wrong = {"loc": list(loc), "message": error.message, "code": str(error.parameters["detail"])}
    return Invalid(error.message, code=error.code, errors=[wrong])
