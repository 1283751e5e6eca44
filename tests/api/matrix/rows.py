"""What a row says, and the rows that many operations share.

A cell is the status of a refusal, or `ALLOWED`: the operation was performed, or refused for another
reason than who asks (409, 422, 429, an engine that is away).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

ALLOWED = 200


@dataclass(frozen=True)
class Row:
    """Of the path's objects: the owner's project, what is in it, and what is the owner's own."""

    stranger: int
    """Signed in, with nothing in common."""
    viewer: int
    """Member of the owner's project, as are the next three."""
    developer: int
    billing: int
    owner: int
    support: int
    """A customer with the role `support`, in no project but the own one."""
    administrator: int
    """The same with the role `admin`."""
    anonymous: int = 401
    unscoped: int = 403
    """Owner of the project and administrator, by a token whose scope leaves everything out."""
    expired: int = 401
    """Owner of the project and administrator, by a token of a minute ago."""
    revoked: int = 401
    """The same, signed out."""

    def but(self, **cells: int) -> Row:
        """This row with some cells changed."""
        changed: dict[str, Any] = cells
        return replace(self, **changed)

    @classmethod
    def of_customers(cls, *, stranger: int, reader: int, writer: int, owner: int, staff: int) -> Row:
        """`reader` are viewer and billing, `writer` the developer, `staff` support and administrator."""
        return cls(
            stranger=stranger,
            viewer=reader,
            billing=reader,
            developer=writer,
            owner=owner,
            support=staff,
            administrator=staff,
        )


EVERYBODY = tuple(field.name for field in fields(Row))

PUBLIC = Row(*[ALLOWED] * len(EVERYBODY))
"""Needs no token, and takes no notice of one."""

SIGNED_IN = Row.of_customers(stranger=ALLOWED, reader=ALLOWED, writer=ALLOWED, owner=ALLOWED, staff=ALLOWED)
"""About nobody but whoever asks, as the own account and lists of what is one's own."""

OWN = Row.of_customers(stranger=404, reader=404, writer=404, owner=ALLOWED, staff=404)
"""A thing of the owner's person (a session, a token), which members of the project do not share."""

MEMBERS = Row.of_customers(stranger=404, reader=ALLOWED, writer=ALLOWED, owner=ALLOWED, staff=404)
"""Something in the project that every member may see."""

DEVELOPERS = Row.of_customers(stranger=404, reader=403, writer=ALLOWED, owner=ALLOWED, staff=404)
"""Changes something in the project."""

PAYERS = MEMBERS.but(viewer=403, developer=403)
"""Pays for the project, or says who does."""

OWNERS = Row.of_customers(stranger=404, reader=403, writer=403, owner=ALLOWED, staff=404)
"""Decides over the project itself and who belongs to it."""

STAFF = Row.of_customers(stranger=403, reader=403, writer=403, owner=403, staff=ALLOWED)
"""What the shipped roles `support` and `admin` both may."""

ADMINISTRATORS = STAFF.but(support=403)
