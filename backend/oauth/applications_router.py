"""`/api/v1/me/…`: applications, personal tokens, and the access that a person gave to applications."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from backend.context import PartsDep, SessionDep
from backend.dao.listing import Page
from backend.dao.listing import Query as ListQuery
from backend.dao.read import shaped
from backend.exceptions import BadRequest, NotFound
from backend.oauth import applications, authorization, consents, personal
from backend.oauth.application_schemas import (
    ApplicationAsking,
    ApplicationChange,
    ApplicationNew,
    ApplicationRegistered,
    ConsentAnswer,
    ConsentDecision,
    ConsentQuestion,
    PersonalTokenCreated,
    PersonalTokenNew,
    ScopeView,
    SecretAnswer,
    SecretRotation,
)
from backend.oauth.authorization import Refused
from backend.oauth.caller import caller_of
from backend.oauth.principal import SCOPES, Principal, require
from backend.oauth.views import (
    APPLICATIONS,
    GRANTS,
    PERSONAL_TOKENS,
    ApplicationView,
    GrantView,
    MakerView,
    PersonalTokenView,
    application_of,
    shape_application,
    shape_token,
    token_of,
)
from backend.openapi import problems
from backend.roles.permissions import ME_SECURITY
from backend.users.reading import present
from backend.utils.http import Cursor, Size, json_answer, json_bytes

router = APIRouter(prefix="/api/v1/me", tags=["applications"])

Person = Annotated[Principal, Depends(require(ME_SECURITY))]
SurePerson = Annotated[Principal, Depends(require(ME_SECURITY, recent=True))]
Sorting = Literal["created_at", "-created_at"]


@router.get(
    "/applications",
    operation_id="applications_list",
    summary="My applications",
    response_model=Page[ApplicationView],
    responses=problems(400, 401, 403, 422),
)
async def applications_list(
    parts: PartsDep,
    principal: Person,
    sort: Sorting = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """OAuth clients that you registered."""
    query = ListQuery(sort, size, cursor, {"owner_id": str(principal.user_id)})
    return json_bytes(await APPLICATIONS.page(await parts.database.reader(), query))


@router.post(
    "/applications",
    operation_id="applications_create",
    summary="Register an application",
    status_code=201,
    response_model=ApplicationRegistered,
    responses=problems(401, 403, 409, 422),
)
async def applications_create(body: ApplicationNew, session: SessionDep, principal: SurePerson) -> Response:
    """Its secret is shown in this answer and never again."""
    values = body.model_dump(exclude={"confidential"})
    made = await applications.register(
        session, principal.user_id, confidential=body.confidential, values=values
    )
    row = await shaped(session, application_of(made.client_id, principal.user_id), shape_application)
    assert row is not None
    return json_answer({**row, "client_secret": made.secret}, 201)


@router.get(
    "/applications/{application_id}",
    operation_id="applications_get",
    summary="An application of mine",
    response_model=ApplicationView,
    responses=problems(401, 403, 404, 422),
)
async def applications_get(application_id: UUID, session: SessionDep, principal: Person) -> Response:
    """Never with its secret."""
    row = await shaped(session, application_of(application_id, principal.user_id), shape_application)
    if row is None:
        raise NotFound("There is no such application.")
    return json_answer(row)


@router.patch(
    "/applications/{application_id}",
    operation_id="applications_update",
    summary="Change an application",
    response_model=ApplicationView,
    responses=problems(401, 403, 404, 422),
)
async def applications_update(
    application_id: UUID, body: ApplicationChange, session: SessionDep, principal: SurePerson
) -> Response:
    """Scopes that are taken away are taken from tokens that were issued, too."""
    values = body.model_dump(exclude_unset=True)
    await applications.change(session, principal.user_id, application_id, values)
    return json_answer(
        await shaped(session, application_of(application_id, principal.user_id), shape_application)
    )


@router.post(
    "/applications/{application_id}/secret",
    operation_id="applications_rotate_secret",
    summary="Give an application a new secret",
    response_model=SecretAnswer,
    responses=problems(401, 403, 404, 409, 422),
)
async def applications_rotate_secret(
    application_id: UUID, body: SecretRotation, session: SessionDep, principal: SurePerson
) -> Response:
    """The old one stays good for as long as is asked for."""
    grace = timedelta(hours=body.grace_hours)
    secret = await applications.rotate_secret(session, principal.user_id, application_id, grace)
    row = await shaped(session, application_of(application_id, principal.user_id), shape_application)
    assert row is not None
    return json_answer(
        {"client_secret": secret, "previous_secret_until": row["previous_secret_until"]},
    )


@router.delete(
    "/applications/{application_id}",
    operation_id="applications_delete",
    summary="Delete an application",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
async def applications_delete(application_id: UUID, session: SessionDep, principal: Person) -> None:
    """Its tokens end at once, for everybody who uses it."""
    await applications.delete(session, principal.user_id, application_id)


@router.get(
    "/tokens",
    operation_id="tokens_list",
    summary="My personal tokens",
    response_model=Page[PersonalTokenView],
    responses=problems(400, 401, 403, 422),
)
async def tokens_list(
    parts: PartsDep,
    principal: Person,
    sort: Sorting = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """What they may do and when they were used; never the tokens themselves."""
    query = ListQuery(sort, size, cursor, {"user_id": str(principal.user_id)})
    return json_bytes(await PERSONAL_TOKENS.page(await parts.database.reader(), query))


@router.post(
    "/tokens",
    operation_id="tokens_create",
    summary="Make a personal token",
    status_code=201,
    response_model=PersonalTokenCreated,
    responses=problems(401, 403, 409, 422),
)
async def tokens_create(body: PersonalTokenNew, session: SessionDep, principal: SurePerson) -> Response:
    """For scripts: send it as `Authorization: Bearer …`. It is shown in this answer and never again."""
    made, token = await personal.create(
        session,
        principal.user_id,
        name=body.name,
        scopes=body.scopes,
        networks=body.networks,
        expires_at=body.expires_at,
        never_expires=body.never_expires,
    )
    row = await shaped(session, token_of(made.id, principal.user_id), shape_token)
    assert row is not None
    return json_answer({**row, "token": token}, 201)


@router.delete(
    "/tokens/{token_id}",
    operation_id="tokens_delete",
    summary="Delete a personal token",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
async def tokens_delete(token_id: UUID, session: SessionDep, principal: Person) -> None:
    """It is refused from now on."""
    await personal.delete(session, principal.user_id, token_id)


@router.get(
    "/grants",
    operation_id="grants_list",
    summary="Applications that I gave access",
    response_model=Page[GrantView],
    responses=problems(400, 401, 403, 422),
)
async def grants_list(
    parts: PartsDep,
    principal: Person,
    sort: Sorting = "-created_at",
    cursor: Cursor = None,
    size: Size = 20,
) -> Response:
    """Who may act for you, and how far."""
    query = ListQuery(sort, size, cursor, {"user_id": str(principal.user_id)})
    return json_bytes(await GRANTS.page(await parts.database.reader(), query))


@router.delete(
    "/grants/{grant_id}",
    operation_id="grants_delete",
    summary="Take access back",
    status_code=204,
    responses=problems(401, 403, 404, 422),
)
async def grants_delete(grant_id: UUID, session: SessionDep, principal: Person) -> None:
    """The application's tokens for you end at once."""
    await consents.revoke(session, principal.user_id, grant_id)


def _asked(
    client_id: Annotated[str | None, Query(max_length=1000)] = None,
    response_type: Annotated[str | None, Query(max_length=1000)] = None,
    redirect_uri: Annotated[str | None, Query(max_length=1000)] = None,
    scope: Annotated[str | None, Query(max_length=1000)] = None,
    state: Annotated[str | None, Query(max_length=1000)] = None,
    code_challenge: Annotated[str | None, Query(max_length=1000)] = None,
    code_challenge_method: Annotated[str | None, Query(max_length=1000)] = None,
) -> dict[str, str]:
    found = {
        "client_id": client_id,
        "response_type": response_type,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "code_challenge": code_challenge,
        "code_challenge_method": code_challenge_method,
    }
    return {name: value for name, value in found.items() if value}


@router.get(
    "/consent",
    operation_id="consent_get",
    summary="What an application asks for",
    responses=problems(400, 401, 403, 422),
)
async def consent_get(
    request: Request,
    parts: PartsDep,
    session: SessionDep,
    principal: Person,
    asked: Annotated[dict[str, Any], Depends(_asked)],
) -> ConsentQuestion:
    """The parameters are those of `/oauth/authorize`. For the panel, which asks the person."""
    settings = parts.settings
    user = await present(session, principal.user_id)
    try:
        query = authorization.read(asked)
        found = await authorization.check(session, settings, query, caller_of(request, settings), user)
    except Refused as refused:
        raise _problem(refused) from None
    client, maker = found.client, found.maker
    return ConsentQuestion(
        application=ApplicationAsking(
            id=client.id,
            name=client.name,
            maker=MakerView(name=maker.name, email=maker.email) if maker is not None else None,
            created_at=client.created_at,
        ),
        redirect_uri=found.asked.redirect_uri,
        scopes=[ScopeView(name=name, allows=SCOPES[name]) for name in found.asked.scopes],
        remembered=found.remembered,
    )


@router.post(
    "/consent",
    operation_id="consent_decide",
    summary="Let an application in, or not",
    response_model=ConsentAnswer,
    responses=problems(400, 401, 403, 422),
)
async def consent_decide(
    request: Request, body: ConsentDecision, parts: PartsDep, session: SessionDep, principal: Person
) -> ConsentAnswer:
    """Gives the address to go to: with a code, or with `access_denied`."""
    settings = parts.settings
    user = await present(session, principal.user_id)
    given = body.model_dump(exclude={"decision"}, exclude_none=True)
    try:
        location = await authorization.decide(
            session,
            settings,
            authorization.read(given),
            caller_of(request, settings),
            user,
            approve=body.decision == "approve",
        )
    except Refused as refused:
        raise _problem(refused) from None
    return ConsentAnswer(redirect_to=location)


def _problem(refused: Refused) -> BadRequest:
    return BadRequest(refused.error.get_error_description() or refused.error.error, code=refused.error.error)
