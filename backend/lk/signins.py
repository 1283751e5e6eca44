"""The history of sign-ins as its owner reads it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field
from sqlalchemy import func, select

from backend.dao.listing import Listing, Sort, moment
from backend.lk.sessions import ClientView
from backend.oauth.models import OAuthClient
from backend.users.history import Method
from backend.users.models import SignIn

SignInResult = Literal["done", "refused"]


class SignInView(BaseModel):
    id: UUID
    created_at: datetime
    result: SignInResult
    method: Method = Field(
        description="What was shown; all but `password` and `passkey` came after a right password."
    )
    device: str | None = Field(examples=["Firefox, Linux"])
    address: str = Field(examples=["203.0.113.7"])
    client: ClientView


_PLAIN = ("id", "created_at", "result", "method", "device", "address")


def _shape(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _PLAIN},
        "client": {"id": row["client_id"], "name": row["client_name"]},
    }


SIGN_INS = Listing(
    select(
        *(getattr(SignIn, name) for name in _PLAIN),
        SignIn.client_id,
        func.coalesce(OAuthClient.name, SignIn.client_id).label("client_name"),
    ).outerjoin(OAuthClient, OAuthClient.id == SignIn.client_id),
    id_column=SignIn.id,
    filters={
        "user_id": lambda value: SignIn.user_id == value,
        "result": lambda value: SignIn.result == value,
    },
    sorts={"created_at": Sort(SignIn.created_at, moment)},
    shape=_shape,
)
