"""Identifiers: UUIDv7 (RFC 9562), ordered by time, so that new rows land at the index's end."""

from uuid import UUID

import uuid_utils.compat


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()
