"""The trail as the API shows it: to administrators all of it, to a customer what is theirs to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Uuid, and_, bindparam, func, select, true, tuple_, union
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from backend.audit.models import AuditEvent
from backend.dao.base import AnySelect
from backend.dao.listing import DIALECT, Compiled, Listing, Shape, Sort, moment
from backend.oauth.models import OAuthClient
from backend.projects.models import Project
from backend.users.models import User

_user, _acting = aliased(User), aliased(User)
_PLAIN = ("id", "created_at", "action", "result", "address", "user_agent", "request_id", "before", "after")
_KEYS = ("user_id", "acting_id", "client_id", "project_id", "object_type", "object_id", "object_name")


def _select_events() -> AnySelect:
    return (
        select(
            *(getattr(AuditEvent, name) for name in (*_PLAIN, *_KEYS)),
            _user.name.label("user_name"),
            _user.email.label("user_email"),
            _acting.name.label("acting_name"),
            _acting.email.label("acting_email"),
            OAuthClient.name.label("client_name"),
            Project.name.label("project_name"),
        )
        .outerjoin(_user, _user.id == AuditEvent.user_id)
        .outerjoin(_acting, _acting.id == AuditEvent.acting_id)
        .outerjoin(OAuthClient, OAuthClient.id == AuditEvent.client_id)
        .outerjoin(Project, Project.id == AuditEvent.project_id)
    )


def shape_event(row: Mapping[str, Any]) -> dict[str, Any]:
    shaped = {name: row[name] for name in _PLAIN}
    shaped["user"], shaped["acting"] = _person(row, "user"), _person(row, "acting")
    client_id, project_id, kind = row["client_id"], row["project_id"], row["object_type"]
    shaped["client"] = client_id and {"id": client_id, "name": row["client_name"]}
    shaped["project"] = project_id and {"id": project_id, "name": row["project_name"]}
    shaped["object"] = kind and {"type": kind, "id": row["object_id"], "name": row["object_name"]}
    return shaped


def shape_own_event(row: Mapping[str, Any]) -> dict[str, Any]:
    """A customer learns that a supporter was there and who it was, not where the supporter works."""
    shaped = shape_event(row)
    if shaped["acting"]:
        shaped["acting"]["email"] = shaped["address"] = shaped["user_agent"] = None
    return shaped


def _person(row: Mapping[str, Any], who: str) -> dict[str, Any] | None:
    identity, name = row[f"{who}_id"], row[f"{who}_name"]
    if identity is None:
        return None
    return {"id": identity, "name": name, "email": row[f"{who}_email"], "deleted": name is None}


def _equals(column: Any) -> Callable[[Any], ColumnElement[bool]]:
    return lambda value: column == value


_filters: dict[str, Callable[[Any], ColumnElement[bool]]] = {
    **{
        name: _equals(getattr(AuditEvent, name))
        for name in ("project_id", "user_id", "acting_id", "action", "result", "object_type", "object_id")
    },
    "address": _equals(AuditEvent.address),
    "since": lambda value: AuditEvent.created_at >= value,
    "until": lambda value: AuditEvent.created_at < value,
}
_sorts = {"created_at": Sort(AuditEvent.created_at, moment)}

EVENTS = Listing(_select_events(), id_column=AuditEvent.id, filters=_filters, sorts=_sorts, shape=shape_event)


class _OwnEvents(Listing):
    """Bound to `readable`, ids of projects, and `own`, the id of whoever asks.

    One condition with OR would be a choice between sorting all that is theirs and walking past all that
    is not. Instead each project and the person are walked by an index of their own, no further than one
    page, and the ends of these walks are merged.
    """

    def _compile_shape(self, shape: Shape, inner: bool) -> Compiled:
        names, sort, backwards = shape
        place = (AuditEvent.created_at, AuditEvent.id)
        descending = sort.startswith("-") != backwards
        limit: ColumnElement[int] = bindparam("limit_", required=False)
        conditions = [
            self._filters[name](bindparam(name, required=False)) for name in sorted(names & _filters.keys())
        ]
        if inner:
            edge = tuple_(
                *(
                    bindparam(name, type_=column.type, required=False)
                    for name, column in zip(("after_value", "after_id"), place, strict=True)
                )
            )
            conditions.append(tuple_(*place) < edge if descending else tuple_(*place) > edge)

        def order(columns: Any) -> list[Any]:
            return [column.desc() if descending else column.asc() for column in columns]

        def walk(whose: ColumnElement[bool]) -> AnySelect:
            return select(*place).where(whose, *conditions).order_by(*order(place)).limit(limit)

        readable = bindparam("readable", type_=ARRAY(Uuid), required=False)
        project = func.unnest(readable).table_valued("id").render_derived(name="readable_project")
        there = walk(AuditEvent.project_id == project.c.id).lateral("there")
        mine = walk(AuditEvent.user_id == bindparam("own", type_=Uuid, required=False)).subquery("mine")
        found = union(
            select(there.c.created_at, there.c.id).select_from(project).join(there, true()),
            select(mine.c.created_at, mine.c.id),
        ).subquery("found")
        ends = (found.c.created_at, found.c.id)
        page = select(*ends).order_by(*order(ends)).limit(limit).subquery("page")
        statement = (
            self._select.add_columns(AuditEvent.created_at.label("sort_value_"))
            .join(page, page.c.id == AuditEvent.id)
            .order_by(*order(place))
        )
        compiled = statement.compile(dialect=DIALECT, compile_kwargs={"render_postcompile": True})
        return str(compiled), tuple(compiled.positiontup or ()), dict(compiled.params)


OWN_EVENTS = _OwnEvents(
    _select_events(),
    id_column=AuditEvent.id,
    # Not to be found out by asking either: where a supporter works.
    filters=_filters
    | {"address": lambda value: and_(AuditEvent.address == value, AuditEvent.acting_id.is_(None))},
    sorts=_sorts,
    shape=shape_own_event,
)
