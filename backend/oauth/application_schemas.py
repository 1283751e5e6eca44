"""What comes in and goes out about applications, personal tokens and consent."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from backend.oauth.redirects import MAX_LENGTH, problem_of
from backend.oauth.scopes import APPLICATION_SCOPES, PERSONAL_SCOPES, ordered
from backend.oauth.views import ApplicationView, GrantType, MakerView, PersonalTokenView

EXAMPLE_ID = "0199c2d4-9f3e-7c51-b2a4-3d5e6f708192"


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("control characters are not allowed")
    return value


def _redirect_uri(value: str) -> str:
    if problem := problem_of(value):
        raise ValueError(problem)
    return value


def _application_scope(value: str) -> str:
    if value not in APPLICATION_SCOPES:
        raise ValueError("an application cannot have this scope")
    return value


def _personal_scope(value: str) -> str:
    if value not in PERSONAL_SCOPES:
        raise ValueError("a personal token cannot have this scope")
    return value


def _network(value: str) -> str:
    return str(ip_network(value, strict=False))


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=100),
    AfterValidator(_printable),
    Field(description="What people know it by."),
]
Grants = Annotated[
    list[GrantType],
    Field(min_length=1, max_length=3, description="How it may get tokens; `client_credentials` for itself."),
    AfterValidator(_distinct),
]
RedirectUris = Annotated[
    list[Annotated[str, StringConstraints(max_length=MAX_LENGTH), AfterValidator(_redirect_uri)]],
    Field(
        max_length=10,
        description=(
            "Where people are sent back to, compared exactly: https, plain http to the same machine, "
            "or a scheme of the application's own."
        ),
    ),
    AfterValidator(_distinct),
]
ApplicationScopes = Annotated[
    list[Annotated[str, AfterValidator(_application_scope)]],
    Field(
        min_length=1,
        max_length=100,
        description="All that it may ever ask for.",
        json_schema_extra={"items": {"type": "string", "enum": ordered(APPLICATION_SCOPES)}},
    ),
]
PersonalScopes = Annotated[
    list[Annotated[str, AfterValidator(_personal_scope)]],
    Field(
        min_length=1,
        max_length=100,
        description="What it may do, as far as you may.",
        json_schema_extra={"items": {"type": "string", "enum": ordered(PERSONAL_SCOPES)}},
    ),
]
Networks = Annotated[
    list[Annotated[str, StringConstraints(max_length=43), AfterValidator(_network)]],
    Field(max_length=50, description="Addresses or networks (CIDR) it may come from; empty: from anywhere."),
    AfterValidator(_distinct),
]

_APPLICATION_EXAMPLE: dict[str, JsonValue] = {
    "name": "Tide calendar",
    "confidential": True,
    "grants": ["authorization_code", "refresh_token"],
    "redirect_uris": ["https://tides.example.com/back"],
    "scopes": ["me:read", "services:read"],
}


class ApplicationNew(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_APPLICATION_EXAMPLE]})

    name: Name
    confidential: bool = Field(
        strict=True,
        description="Whether it can keep a secret: a server can, a page in a browser or an app cannot.",
    )
    grants: Grants
    redirect_uris: RedirectUris = Field(default_factory=list)
    scopes: ApplicationScopes


class ApplicationChange(BaseModel):
    """Only what is given is changed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "Tides and moons", "scopes": ["me:read"]}]}
    )

    # The defaults are never read; as factories they stay out of the document, and null is refused.
    name: Name = Field(default_factory=str)
    grants: Grants = Field(default_factory=list)
    redirect_uris: RedirectUris = Field(default_factory=list)
    scopes: ApplicationScopes = Field(default_factory=list)


class ApplicationRegistered(ApplicationView):
    client_secret: str | None = Field(description="Shown now and never again; null for a public one.")


class SecretRotation(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"grace_hours": 24}]})

    grace_hours: int = Field(
        default=24,
        ge=0,
        le=168,
        strict=True,
        description="How long the old secret stays good beside the new one.",
    )


class SecretAnswer(BaseModel):
    client_secret: str = Field(description="Shown now and never again.")
    previous_secret_until: datetime | None


class PersonalTokenNew(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"name": "Nightly deploy", "scopes": ["services:read", "deployments:write"], "networks": []}
            ]
        },
    )

    name: Name
    scopes: PersonalScopes
    networks: Networks = Field(default_factory=list)
    expires_at: AwareDatetime | None = Field(
        default=None, description="At most a year from now, and that if left out."
    )
    never_expires: bool = Field(default=False, strict=True, description="Say so if you mean it.")


class PersonalTokenCreated(PersonalTokenView):
    token: str = Field(description="Shown now and never again.")


class ScopeView(BaseModel):
    name: str = Field(examples=["services:read"])
    allows: str = Field(description="In English; the panel has words of its own.")


class ApplicationAsking(BaseModel):
    id: str = Field(description="Its `client_id`.")
    name: str = Field(examples=["Tide calendar"])
    maker: MakerView | None = Field(description="The customer who registered it.")
    created_at: datetime


class ConsentQuestion(BaseModel):
    application: ApplicationAsking
    redirect_uri: str = Field(description="Where the browser goes with the answer.")
    scopes: list[ScopeView]
    remembered: bool = Field(description="All of this was granted before, so the panel need not ask again.")


_Asked = Annotated[str | None, Field(default=None, max_length=1000)]


class ConsentDecision(BaseModel):
    """The parameters of the authorization request, as the browser brought them, and the answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "decision": "deny",
                    "response_type": "code",
                    "client_id": EXAMPLE_ID,
                    "redirect_uri": "https://tides.example.com/back",
                    "scope": "me:read services:read",
                    "state": "af0ifjsldkj",
                    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
                    "code_challenge_method": "S256",
                }
            ]
        },
    )

    decision: Literal["approve", "deny"]
    response_type: _Asked = Field(default=None, examples=["code"])
    client_id: _Asked = Field(default=None, description="Which application asks.")
    redirect_uri: _Asked = Field(default=None, description="One that the application registered.")
    scope: _Asked = Field(default=None, description="What it asks for; all that is registered if left out.")
    state: _Asked = Field(default=None, description="Goes back to the application unchanged.")
    code_challenge: _Asked = Field(default=None, description="RFC 7636 §4.2.")
    code_challenge_method: _Asked = Field(default=None, examples=["S256"])


class ConsentAnswer(BaseModel):
    redirect_to: str = Field(description="Where the browser goes now.")
