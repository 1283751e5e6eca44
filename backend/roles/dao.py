"""Statements over roles, their permissions and who holds them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by, array_agg, insert

from backend.dao.base import AnySelect, BaseDAO
from backend.roles.models import Role, RolePermission, UserRole
from backend.users.models import User


class RoleDAO(BaseDAO[Role]):
    model = Role

    async def put_role(self, name: str, title: str) -> bool:
        """Whether the role was missing; an existing one keeps its title."""
        statement = insert(Role).values(name=name, title=title).on_conflict_do_nothing()
        return await self.execute(statement) > 0

    async def offered(self, name: str) -> frozenset[str]:
        return frozenset(await self.scalar(select(Role.offered).where(Role.name == name)))

    async def note_offered(self, name: str, permissions: Iterable[str]) -> None:
        await self.execute(update(Role).where(Role.name == name).values(offered=sorted(permissions)))

    async def retitle(self, name: str, title: str) -> None:
        await self.execute(update(Role).where(Role.name == name).values(title=title))

    async def permissions_of(self, *roles: str) -> frozenset[str]:
        """Of one role, or of several together."""
        statement = select(RolePermission.permission).where(RolePermission.role.in_(roles))
        return frozenset(row.permission for row in await self.rows(statement))

    async def grant(self, role: str, permissions: Iterable[str]) -> None:
        rows = [{"role": role, "permission": name} for name in sorted(permissions)]
        if rows:
            await self.execute(insert(RolePermission).values(rows).on_conflict_do_nothing())

    async def withdraw(self, role: str, permissions: Iterable[str]) -> None:
        statement = delete(RolePermission).where(
            RolePermission.role == role, RolePermission.permission.in_(list(permissions))
        )
        await self.execute(statement)

    async def withdraw_undeclared(self, declared: Iterable[str]) -> bool:
        """Take from every role what no code knows any more; whether there was any."""
        statement = delete(RolePermission).where(RolePermission.permission.not_in(list(declared)))
        return await self.execute(statement) > 0

    async def known(self, names: Iterable[str]) -> frozenset[str]:
        """Those of the names that are roles."""
        rows = await self.rows(select(Role.name).where(Role.name.in_(list(names))))
        return frozenset(row.name for row in rows)

    async def count(self) -> int:
        counted: int = await self.scalar(select(func.count()).select_from(Role))
        return counted

    async def overview(self) -> Sequence[Row[Any]]:
        """Rows of (name, title, permissions, holders), by name."""
        return await self.rows(_overview().order_by(Role.name))

    async def overview_of(self, name: str) -> Row[Any] | None:
        return await self.row(_overview().where(Role.name == name))

    async def drop(self, name: str) -> None:
        await self.execute(delete(Role).where(Role.name == name))

    async def give(self, user_id: UUID, roles: Iterable[str]) -> bool:
        """Whether any of the roles was new to the user."""
        rows = [{"user_id": user_id, "role": role} for role in roles]
        return await self.execute(insert(UserRole).values(rows).on_conflict_do_nothing()) > 0

    async def take(self, user_id: UUID, roles: Iterable[str]) -> None:
        await self.execute(
            delete(UserRole).where(UserRole.user_id == user_id, UserRole.role.in_(list(roles)))
        )

    async def reassign(self, role: str, to: str | None) -> None:
        """Whoever holds the role has the other one instead, or none."""
        if to is not None:
            holders = select(UserRole.user_id, literal(to)).where(UserRole.role == role)
            statement = insert(UserRole).from_select(["user_id", "role"], holders)
            await self.execute(statement.on_conflict_do_nothing())
        await self.execute(delete(UserRole).where(UserRole.role == role))

    async def held_by(self, user_id: UUID) -> frozenset[str]:
        rows = await self.rows(select(UserRole.role).where(UserRole.user_id == user_id))
        return frozenset(row.role for row in rows)

    async def permissions_held_by(self, user_id: UUID) -> frozenset[str]:
        statement = (
            select(RolePermission.permission)
            .join(UserRole, UserRole.role == RolePermission.role)
            .where(UserRole.user_id == user_id)
        )
        return frozenset(row.permission for row in await self.rows(statement))

    async def others_hold(self, role: str, but: UUID) -> bool:
        """Whether anybody else who may sign in holds the role."""
        statement = select(
            exists().where(
                UserRole.role == role,
                UserRole.user_id != but,
                UserRole.user_id == User.id,
                User.is_active,
            )
        )
        return bool(await self.scalar(statement))


def _overview() -> AnySelect:
    permissions = (
        select(array_agg(aggregate_order_by(RolePermission.permission, RolePermission.permission)))
        .where(RolePermission.role == Role.name)
        .correlate(Role)
        .scalar_subquery()
    )
    holders = select(func.count()).where(UserRole.role == Role.name).correlate(Role).scalar_subquery()
    return select(Role.name, Role.title, permissions.label("permissions"), holders.label("holders"))
