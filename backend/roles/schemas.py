"""What comes in and goes out about roles."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

ROLE_NAME = r"^[a-z][a-z0-9_-]{1,39}$"

RoleName = Annotated[
    str, StringConstraints(max_length=40, pattern=ROLE_NAME), Field(examples=["night-watch"])
]
Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$"),
    Field(examples=["Night watch"]),
]
PermissionName = Annotated[str, StringConstraints(max_length=60), Field(examples=["admin:overview"])]


class PermissionView(BaseModel):
    name: str = Field(examples=["services:read"])
    description: str = Field(description="What it allows, in English; the panel has words of its own.")


class Permissions(BaseModel):
    items: list[PermissionView]


class RoleView(BaseModel):
    name: str = Field(examples=["support"])
    title: str = Field(examples=["Support"])
    shipped: bool = Field(description="Comes with the product: it keeps its title and is not deleted.")
    fixed: bool = Field(description="Always holds everything.")
    givable: bool = Field(description="Whether you hold all that it holds.")
    permissions: list[str] = Field(
        description="Names of what it allows.", examples=[["admin:users", "admin:view_as"]]
    )
    holders: int = Field(description="How many people have it.")


class Roles(BaseModel):
    items: list[RoleView]


class RoleIn(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"name": "night-watch", "title": "Night watch", "permissions": ["admin:overview"]}]
        },
    )

    name: RoleName
    title: Title
    permissions: list[PermissionName] = Field(max_length=200)


class RolePatch(BaseModel):
    """Only what is given is changed."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"permissions": ["admin:overview", "admin:jobs"]}]},
    )

    title: Title | None = None
    permissions: list[PermissionName] | None = Field(
        default=None, max_length=200, description="All that it allows from now on."
    )
