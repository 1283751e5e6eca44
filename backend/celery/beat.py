"""The Celery application of beat, which `backend.celery.crew` starts. It sends names, no tasks."""

from __future__ import annotations

from typing import Any

from celery.signals import setup_logging

from backend.celery.publish import sender
from backend.config import get_settings
from backend.logger import setup

app = sender()


@setup_logging.connect
def _logging(**_: Any) -> None:
    settings = get_settings()
    setup(settings.log_level, settings.log_format)
