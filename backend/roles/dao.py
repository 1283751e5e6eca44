"""Statements over roles, their permissions and who holds them."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from backend.dao.base import BaseDAO
from backend.roles.models import Role, RolePermission, UserRole


class RoleDAO(BaseDAO[Role]):
    model = Role

    async def put_role(self, name: str, title: str) -> bool:
        """Whether the role was missing; an existing one keeps its title."""
        statement = insert(Role).values(name=name, title=title).on_conflict_do_nothing()
        return await self.execute(statement) > 0

    async def permissions_of(self, role: str) -> frozenset[str]:
        statement = select(RolePermission.permission).where(RolePermission.role == role)
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

    async def give(self, user_id: UUID, roles: Iterable[str]) -> bool:
        """Whether any of the roles was new to the user."""
        rows = [{"user_id": user_id, "role": role} for role in roles]
        return await self.execute(insert(UserRole).values(rows).on_conflict_do_nothing()) > 0

    async def permissions_held_by(self, user_id: UUID) -> frozenset[str]:
        statement = (
            select(RolePermission.permission)
            .join(UserRole, UserRole.role == RolePermission.role)
            .where(UserRole.user_id == user_id)
        )
        return frozenset(row.permission for row in await self.rows(statement))
