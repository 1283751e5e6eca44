"""The engine that the settings name."""

from __future__ import annotations

import base64

from backend.config import Settings
from backend.engines.base import Engine, ProcessEngineSettings
from backend.engines.process import ProcessEngine


def make_engine(settings: Settings) -> Engine:
    return ProcessEngine(
        ProcessEngineSettings(
            home=settings.engine_home,
            supervisor_socket=settings.engine_socket,
            secret=base64.b64decode(settings.engine_secret.get_secret_value())[:32],
            allowed_private=settings.git_allowed_private,
            fetch_timeout=settings.fetch_timeout_seconds,
            fetch_max_bytes=settings.fetch_max_bytes,
            build_timeout=settings.build_timeout_seconds,
            build_max_bytes=settings.build_max_bytes,
            port_range=settings.app_ports,
        )
    )
