"""Statements over the lines of a deployment's log."""

from __future__ import annotations

from backend.dao.lines import LineDAO
from backend.services.models import DeploymentLogLine

CHANNEL = "deployment_log"


class LogLines(LineDAO):
    model = DeploymentLogLine
    owner = "deployment_id"
    channel = CHANNEL
