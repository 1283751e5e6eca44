"""`/api/v1/admin/letters` and `/api/v1/admin/letter-templates`."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.exceptions import NotFound
from backend.mail import administration
from backend.mail.views import (
    LETTERS,
    ChannelName,
    LetterStateName,
    LetterTemplates,
    LetterView,
    LocaleName,
    Preview,
    letter_of,
    shape_letter,
)
from backend.oauth.principal import Principal, require
from backend.openapi import problems
from backend.roles.permissions import ADMIN_LETTERS
from backend.utils.http import Cursor, Size, json_answer, json_bytes

admin = APIRouter(prefix="/api/v1/admin", tags=["admin"])

Administrator = Annotated[Principal, Depends(require(ADMIN_LETTERS))]
LetterSort = Literal["created_at", "-created_at"]
_NAME: dict[str, Any] = {"max_length": 60, "pattern": r"^[a-z_]+$", "examples": ["password_reset"]}
TemplateFilter = Annotated[str | None, Query(**_NAME)]
TemplateName = Annotated[str, Path(**_NAME)]
RecipientPart = Annotated[
    str | None,
    Query(max_length=254, pattern=r"^[^\x00]*$", description="Part of the address or number."),
]


@admin.get(
    "/letters",
    operation_id="admin_letters_list",
    summary="Letters and text messages",
    response_model=Page[LetterView],
    responses=problems(400, 401, 403, 422),
)
async def admin_letters_list(
    parts: PartsDep,
    _: Administrator,
    state: LetterStateName | None = None,
    template: TemplateFilter = None,
    channel: ChannelName | None = None,
    recipient: RecipientPart = None,
    sort: LetterSort = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """What was written to whom and how that went; never what was in it."""
    filters = {"state": state, "template": template, "channel": channel, "recipient": recipient}
    return json_bytes(
        await LETTERS.page(await parts.database.reader(), ListQuery(sort, size, cursor, filters))
    )


@admin.post(
    "/letters/test",
    operation_id="admin_letters_test",
    summary="Write yourself a letter",
    status_code=201,
    response_model=LetterView,
    responses=problems(401, 403),
)
async def admin_letters_test(session: SessionDep, principal: Administrator) -> Response:
    """To see whether letters arrive; follow its state."""
    letter_id = await administration.write_test(session, principal.user_id)
    answer = json_answer(await shaped(session, letter_of(letter_id), shape_letter), 201)
    answer.headers["Location"] = f"/api/v1/admin/letters/{letter_id}"
    return answer


@admin.get(
    "/letters/{letter_id}",
    operation_id="admin_letters_get",
    summary="A letter",
    response_model=LetterView,
    responses=problems(401, 403, 404, 422),
)
async def admin_letters_get(letter_id: UUID, session: SessionDep, _: Administrator) -> Response:
    """How it went."""
    letter = await shaped(session, letter_of(letter_id), shape_letter)
    if letter is None:
        raise NotFound("There is no such letter.")
    return json_answer(letter)


@admin.post(
    "/letters/{letter_id}/retry",
    operation_id="admin_letters_retry",
    summary="Try a failed letter again",
    response_model=LetterView,
    responses=problems(401, 403, 404, 409, 422),
)
async def admin_letters_retry(letter_id: UUID, session: SessionDep, _: Administrator) -> Response:
    """409 `letter_not_failed`, or `letter_erased` when there is nothing left to send."""
    await administration.retry(session, letter_id)
    return json_answer(await shaped(session, letter_of(letter_id), shape_letter))


@admin.get(
    "/letter-templates",
    operation_id="admin_letter_templates_list",
    summary="Templates of letters",
    response_model=LetterTemplates,
    responses=problems(401, 403),
)
async def admin_letter_templates_list(_: Administrator) -> dict[str, Any]:
    """All that can be written to somebody."""
    return {"items": administration.templates()}


@admin.get(
    "/letter-templates/{template_name}",
    operation_id="admin_letter_templates_get",
    summary="A template, rendered",
    response_model=Preview,
    responses=problems(401, 403, 404, 422),
)
async def admin_letter_templates_get(
    template_name: TemplateName, parts: PartsDep, _: Administrator, locale: LocaleName = "en"
) -> dict[str, Any]:
    """Filled with examples, as its recipient would see it."""
    return administration.preview(parts.settings, template_name, locale)
