"""Statements over letters."""

from __future__ import annotations

from backend.dao.base import BaseDAO
from backend.mail.models import Letter


class LetterDAO(BaseDAO[Letter]):
    model = Letter
