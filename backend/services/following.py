"""What a preview takes from the service that it is one of, and cannot have of its own."""

from __future__ import annotations

from backend.exceptions import Conflict
from backend.services.models import Service


def refuse_preview(service: Service) -> None:
    """Raises `Conflict`."""
    if service.preview_of is not None:
        message = "A preview follows its pull request: change the service that it is a preview of."
        raise Conflict(message, code="is_preview")
