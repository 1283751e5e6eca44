"""Statements over the trail."""

from __future__ import annotations

from backend.audit.models import AuditEvent
from backend.dao.base import BaseDAO


class AuditDAO(BaseDAO[AuditEvent]):
    model = AuditEvent
