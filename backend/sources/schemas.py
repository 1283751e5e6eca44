"""What the API takes and gives about where a service's code comes from."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from backend.jobs.views import ReasonParameters

TOKEN_LENGTH = 4000


def no_controls(value: str) -> str:
    if any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("control characters are not possible here")
    return value


def _ref(value: str) -> str:
    if value.startswith(("-", "/", ".")) or ".." in value or value.endswith((".lock", "/")):
        raise ValueError("cannot name a branch, a tag or a commit")
    if any(character in value for character in " ~^:?*[\\"):
        raise ValueError("cannot name a branch, a tag or a commit")
    return no_controls(value)


def _root(value: str) -> str:
    parts = [part for part in value.strip().split("/") if part not in ("", ".")]
    if ".." in parts or "\\" in value:
        raise ValueError("must be a folder of the repository, such as apps/web")
    return no_controls("/".join(parts))


def _username(value: str) -> str:
    if ":" in value:
        raise ValueError("a colon is not possible here")
    return no_controls(value.strip())


def _token(value: SecretStr) -> SecretStr:
    text = value.get_secret_value().strip()
    if not 1 <= len(text) <= TOKEN_LENGTH or any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
        raise ValueError(f"has between 1 and {TOKEN_LENGTH} characters, none of them control characters")
    if any("\ud800" <= sign <= "\udfff" for sign in text):
        raise ValueError("is not text")
    return SecretStr(text)


RepoUrl = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(no_controls)]
Ref = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_ref)]
Root = Annotated[str, Field(max_length=500), AfterValidator(_root)]
Token = Annotated[SecretStr, Field(min_length=1, max_length=TOKEN_LENGTH), AfterValidator(_token)]
Username = Annotated[str, Field(max_length=200), AfterValidator(_username)]

REPO_URL = "`https://…`, `git@host:path` or `ssh://…`; the last two need a deploy key."
ROOT = "The folder that is deployed, such as `apps/web`; empty for the whole repository."
IMAGE = "`registry/name:tag` or `@sha256:…`."
PORT = "On which an image listens; null for the port that it names, or 8080."
TOKEN = "Reads a private repository over https; sealed at rest, never shown again."
USERNAME = "Beside the token. Most forges need none; GitLab's deploy tokens and registries of images do."


def _inside(value: str) -> str:
    if value.startswith("/") or "\\" in value or ".." in value.split("/"):
        raise ValueError("must be a path in the source, such as deploy/Dockerfile")
    return no_controls(value.removeprefix("./"))


def _arguments(value: dict[str, str]) -> dict[str, str]:
    for name, argument in value.items():
        if not _ARGUMENT.fullmatch(name):
            raise ValueError("a build argument's name has letters, digits and _ only")
        if len(argument) > 4000:
            raise ValueError("a build argument has 4000 characters at most")
        no_controls(argument)
        if any("\ud800" <= sign <= "\udfff" for sign in argument):
            raise ValueError("is not text")
    return value


_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
ImageReference = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(no_controls)]
Port = Annotated[int, Field(ge=1, le=65535, strict=True)]


class Payload(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BuildIn(Payload):
    """Of a build by a Dockerfile; a null means what is usual."""

    dockerfile: Annotated[str, Field(max_length=500), AfterValidator(_inside)] = Field(
        default="", description="Its path in the source; empty for `Dockerfile`."
    )
    target: Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9_.-]*$")] = Field(
        default="", description="The stage that is built; empty for the last one."
    )
    arguments: Annotated[dict[str, str], Field(max_length=50), AfterValidator(_arguments)] = Field(
        default_factory=dict,
        description="Build arguments. They are shown to everybody who may see the service, and stay in the"
        " image: secrets do not belong there.",
        examples=[{"NODE_ENV": "production"}],
    )


def _example(body: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [body]})


class SourcePatch(Payload):
    """Only what is given is changed."""

    # The defaults are never read; as factories they stay out of the document.
    repo_url: RepoUrl = Field(default_factory=str, description=REPO_URL)
    ref: Ref | None = Field(
        default_factory=lambda: None,
        description="A branch, a tag or a commit; null means the default branch.",
    )
    root: Root | None = Field(default_factory=lambda: None, description=f"{ROOT} Null means that too.")
    image: ImageReference = Field(default_factory=str, description=f"{IMAGE} In place of a repository.")
    port: Port | None = Field(default_factory=lambda: None, description=PORT)
    build: BuildIn = Field(default_factory=BuildIn)


class AccessibleSourceIn(Payload):
    """A source, and what it is read with if it is private: a token, or a deploy key."""

    repo_url: RepoUrl | None = Field(default=None, description=REPO_URL)
    image: ImageReference | None = Field(default=None, description=f"{IMAGE} In place of a repository.")
    archive_id: UUID | None = Field(
        default=None, description="From `POST /api/v1/archives`, in place of a repository."
    )
    port: Port | None = Field(default=None, description=PORT)
    build: BuildIn = Field(default_factory=BuildIn)
    ref: Ref | None = Field(
        default=None, description="A branch, a tag or a commit; without it, the repository's default branch."
    )
    root: Root = Field(default="", description=ROOT)
    token: Token | None = Field(default=None, description=TOKEN)
    username: Username = Field(default="", description=USERNAME)
    deploy_key_id: UUID | None = Field(
        default=None, description="From `POST /api/v1/deploy-keys`, for an ssh address."
    )

    @model_validator(mode="after")
    def _one_way_in(self) -> AccessibleSourceIn:
        if self.token is not None and self.deploy_key_id is not None:
            raise ValueError("give a token or a deploy key, not both")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> AccessibleSourceIn:
        if [self.repo_url, self.image, self.archive_id].count(None) != 2:
            raise ValueError("give one of repo_url, image and archive_id")
        return self


class ArchiveView(BaseModel):
    id: UUID
    name: str = Field(description="Of the file, as it was uploaded.", examples=["site.zip"])
    digest: str = Field(examples=["sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"])
    size_bytes: int = Field(examples=[48213])
    files: int = Field(examples=[17])
    created_at: datetime


class BuildOptions(BaseModel):
    dockerfile: str = Field(description="Empty for `Dockerfile`.", examples=["deploy/Dockerfile"])
    target: str = Field(description="Empty for the last stage.", examples=["runtime"])
    arguments: dict[str, str] = Field(examples=[{"NODE_ENV": "production"}])


SourceKindName = Literal["git", "image", "archive"]


class Source(BaseModel):
    kind: SourceKindName
    repo_url: str | None = Field(examples=["https://git.example.com/me/hello.git"])
    image: str | None = Field(examples=["ghcr.io/me/hello:1"])
    archive_id: UUID | None
    port: int | None = Field(description=PORT, examples=[3000])
    build: BuildOptions
    ref: str | None = Field(
        description="A branch, a tag or a commit; null means the default branch.", examples=["main"]
    )
    root: str = Field(description=ROOT, examples=["apps/web"])


class SourceTokenIn(Payload):
    model_config = _example({"token": "glpat-example", "username": ""})

    token: Token = Field(description=TOKEN)
    username: Username = Field(default="", description=USERNAME)


class SourceTokenView(BaseModel):
    host: str = Field(description="Whom it is shown to, and nobody else.", examples=["git.example.com"])
    username: str = Field(description=USERNAME, examples=[""])
    updated_at: datetime


class DeployKeyIn(Payload):
    model_config = _example({})

    project_id: UUID | None = Field(default=None, description="Without it, your personal project.")


class DeployKeyView(BaseModel):
    id: UUID
    public_key: str = Field(
        description="To be added to the repository's deploy keys, for reading.",
        examples=["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAfuCHKVTjquxvt6CM6tdG4SLp1Btn/nOeHHE5UOzRdf gavan"],
    )
    fingerprint: str = Field(examples=["SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8"])
    created_at: datetime


class HostKeyView(BaseModel):
    host: str = Field(examples=["git.example.com"])
    fingerprint: str | None = Field(
        description="Of the key that the ssh server has to show; null before the first visit.",
        examples=["SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8"],
    )
    published: bool = Field(description="A great forge, known by the keys that it publishes.")


class RegistryLoginIn(Payload):
    model_config = _example({"username": "me", "password": "dckr_pat_example"})

    username: Username = Field(min_length=1, examples=["me"])
    password: Token = Field(description="Or an access token; sealed at rest, never shown again.")


class RegistryLoginView(BaseModel):
    registry: str = Field(description="Whom it is shown to, and nobody else.", examples=["ghcr.io"])
    username: str = Field(examples=["me"])
    updated_at: datetime


class SourceView(Source):
    """With what it is read; the secrets themselves are never shown."""

    token: SourceTokenView | None
    archive: ArchiveView | None
    registries: list[RegistryLoginView] = Field(description="Logins to registries of images.")
    deploy_key: DeployKeyView | None
    host_key: HostKeyView | None = Field(description="Of an ssh address.")


class SourceCheckIn(AccessibleSourceIn):
    model_config = _example({"repo_url": "https://git.example.com/me/hello.git", "ref": "v1.2"})


class SourceCheck(BaseModel):
    readable: bool = Field(description="With this access, at this moment.")
    kind: Literal["default", "branch", "tag", "commit", "image", "archive"] | None = Field(
        description="What `ref` is, or `image`; null when the source cannot be read."
    )
    digest: str | None = Field(
        description="Of an image: what would be deployed now.",
        examples=["sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"],
    )
    commit: str | None = Field(
        description="What would be deployed now; null too for a commit that only the history can tell of.",
        examples=["9fceb02d0ae598e95dc970b74767f19372d61af8"],
    )
    host_key: str | None = Field(
        description="Of an ssh server that is not known yet: compare it with what its operator says.",
        examples=["SHA256:eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8"],
    )
    reason_code: str | None = Field(examples=["source_auth_required"])
    reason: str | None = Field(description="Why it cannot be read, in English.")
    reason_parameters: ReasonParameters
