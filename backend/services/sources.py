"""Sources as customers give them: what can be said of an address before anything is fetched."""

from __future__ import annotations

from backend.config import Settings
from backend.engines.addresses import Allowed, check_url
from backend.engines.base import EngineError
from backend.exceptions import Invalid


def check_source(settings: Settings, repo_url: str) -> None:
    """Raises `Invalid` for addresses that will never be fetched; names are resolved by the fetch itself."""
    try:
        check_url(repo_url, Allowed.parse(settings.git_allowed_private))
    except EngineError as error:
        wrong = {"loc": ["body", "source", "repo_url"], "message": error.message}
        wrong["code"] = str(error.parameters["detail"])
        raise Invalid(error.message, code=error.code, errors=[wrong]) from None
