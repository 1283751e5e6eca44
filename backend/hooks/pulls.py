"""What forges say of a pull or merge request, brought into one shape.

As with pushes, only what is needed is declared. What an event is called matters little: whichever it is, it
says of the request as a whole whether it is open, and which commit it ends with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from backend.engines.text import clean_line
from backend.hooks.forges import Forge
from backend.hooks.pushes import Unreadable, body_in, path_of

PULLS = {
    Forge.GITHUB: {"pull_request"},
    # What is pushed to one is an event of its own in some versions of Gitea, and is one in Forgejo.
    Forge.GITEA: {"pull_request", "pull_request_sync"},
    Forge.GITLAB: {"Merge Request Hook"},
    Forge.BITBUCKET: {
        *("pullrequest:created", "pullrequest:updated", "pullrequest:fulfilled", "pullrequest:rejected"),
        *("pr:opened", "pr:from_ref_updated", "pr:modified", "pr:merged", "pr:declined", "pr:deleted"),
    },
}
REOPENED = {"reopened", "reopen"}
_DRAFT = ("wip:", "[wip]", "draft:", "[draft]")
_HEX = frozenset("0123456789abcdef")
WHOLE = (40, 64)
LARGEST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Pull:
    number: int
    title: str
    is_open: bool
    draft: bool
    branch: str
    """Of the source, without `refs/heads/`."""
    target: str
    commit: str
    """Bitbucket gives the first twelve digits only."""
    fork: bool
    url: str | None = None
    told_at: datetime | None = None
    reopened: bool = False
    default_branch: str | None = None
    repositories: frozenset[str] = field(default_factory=frozenset)
    """Paths of the addresses of the repository that it is made to."""

    @property
    def whole_commit(self) -> str | None:
        return self.commit if len(self.commit) in WHOLE else None


def _commit(value: str) -> str:
    if not 7 <= len(value) <= 64 or not _HEX.issuperset(value):
        raise ValueError("is not an object id")
    return value


def _web_url(value: Any) -> str | None:
    """What the panel makes a link of; of another shape, it makes none."""
    fits = isinstance(value, str) and len(value) <= 500 and value.startswith(("https://", "http://"))
    return value if fits and value.isprintable() and " " not in value else None


def _moment(value: Any) -> datetime | None:
    """ISO 8601; GitLab of old wrote `2026-11-22 12:00:00 UTC`, and Data Center counts milliseconds."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        read = datetime.fromisoformat(value.removesuffix(" UTC"))
    except (AttributeError, ValueError, OverflowError, OSError):
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


Hash = Annotated[str, AfterValidator(_commit)]
Number = Annotated[int, Field(ge=1, le=LARGEST)]
WebUrl = Annotated[str | None, BeforeValidator(_web_url)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
Title = Annotated[str, BeforeValidator(lambda value: value or "")]


class _Repository(BaseModel):
    """As GitHub and Gitea, or GitLab, name the addresses of one."""

    default_branch: str | None = None
    clone_url: str | None = None
    ssh_url: str | None = None
    html_url: str | None = None
    git_http_url: str | None = None
    git_ssh_url: str | None = None
    web_url: str | None = None

    @property
    def paths(self) -> frozenset[str]:
        given = (
            *(self.clone_url, self.ssh_url, self.html_url),
            *(self.git_http_url, self.git_ssh_url, self.web_url),
        )
        return frozenset(path for address in given if address and (path := path_of(address)))


class _End(BaseModel):
    ref: str
    sha: Hash
    repo: _Repository | None = None
    """None of a fork that was deleted."""


class _GitHubRequest(BaseModel):
    number: Number
    title: Title = ""
    state: str
    draft: bool | None = None
    html_url: WebUrl = None
    updated_at: Moment = None
    head: _End
    base: _End


class _GitHubPull(BaseModel):
    """Gitea's has the same shape; a draft is one there by its title's beginning."""

    action: str
    pull_request: _GitHubRequest
    repository: _Repository = _Repository()

    def read(self) -> Pull:
        request = self.pull_request
        base = (request.base.repo or self.repository).paths | self.repository.paths
        # Whoever may read can push to Gitea's `refs/for/…`, and the head is called the repository's then.
        outside = request.head.ref.startswith("refs/")
        return Pull(
            request.number,
            _line(request.title),
            request.state == "open",
            bool(request.draft) or request.title.lower().startswith(_DRAFT),
            request.head.ref,
            request.base.ref,
            request.head.sha,
            outside or request.head.repo is None or not request.head.repo.paths & base,
            request.html_url,
            request.updated_at,
            self.action in REOPENED,
            self.repository.default_branch,
            base,
        )


class _LastCommit(BaseModel):
    id: Hash


class _MergeRequest(BaseModel):
    iid: Number
    title: Title = ""
    state: str
    action: str | None = None
    draft: bool | None = None
    work_in_progress: bool | None = None
    source_branch: str
    target_branch: str
    source_project_id: int | None = None
    target_project_id: int
    last_commit: _LastCommit
    url: WebUrl = None
    updated_at: Moment = None


class _GitLabPull(BaseModel):
    object_attributes: _MergeRequest
    project: _Repository = _Repository()

    def read(self) -> Pull:
        request = self.object_attributes
        return Pull(
            request.iid,
            _line(request.title),
            # `locked` is one that is being merged right now.
            request.state == "opened",
            bool(request.draft or request.work_in_progress),
            request.source_branch,
            request.target_branch,
            request.last_commit.id,
            request.source_project_id != request.target_project_id,
            request.url,
            request.updated_at,
            request.action in REOPENED,
            self.project.default_branch,
            self.project.paths,
        )


class _Named(BaseModel):
    name: str


class _Hashed(BaseModel):
    hash: Hash


class _FullName(BaseModel):
    full_name: str


class _BitbucketEnd(BaseModel):
    branch: _Named
    commit: _Hashed
    repository: _FullName | None = None


class _Link(BaseModel):
    href: WebUrl = None


class _Links(BaseModel):
    html: _Link = _Link()


class _BitbucketRequest(BaseModel):
    id: Number
    title: Title = ""
    state: str
    draft: bool | None = None
    source: _BitbucketEnd
    destination: _BitbucketEnd
    updated_on: Moment = None
    links: _Links = _Links()


class _BitbucketPull(BaseModel):
    pullrequest: _BitbucketRequest

    def read(self) -> Pull:
        request = self.pullrequest
        source, into = request.source.repository, request.destination.repository
        return Pull(
            request.id,
            _line(request.title),
            request.state == "OPEN",
            bool(request.draft),
            request.source.branch.name,
            request.destination.branch.name,
            request.source.commit.hash,
            source is None or into is None or source.full_name.lower() != into.full_name.lower(),
            request.links.html.href,
            request.updated_on,
            repositories=frozenset({into.full_name.lower()}) if into else frozenset(),
        )


class _ServerProject(BaseModel):
    key: str


class _ServerRepository(BaseModel):
    slug: str
    project: _ServerProject

    @property
    def paths(self) -> frozenset[str]:
        path = f"{self.project.key}/{self.slug}".lower()
        return frozenset({path, f"scm/{path}"})


class _ServerRef(BaseModel):
    id: str
    latest: Hash = Field(alias="latestCommit")
    repository: _ServerRepository


class _ServerRequest(BaseModel):
    id: Number
    title: Title = ""
    state: str
    draft: bool | None = None
    updated: Moment = Field(default=None, alias="updatedDate")
    source: _ServerRef = Field(alias="fromRef")
    into: _ServerRef = Field(alias="toRef")


class _ServerPull(BaseModel):
    """Of Bitbucket Data Center."""

    event: str = Field(default="", alias="eventKey")
    request: _ServerRequest = Field(alias="pullRequest")

    def read(self) -> Pull:
        request = self.request
        into = request.into.repository.paths
        return Pull(
            request.id,
            _line(request.title),
            request.state == "OPEN" and self.event != "pr:deleted",
            bool(request.draft),
            request.source.id.removeprefix("refs/heads/"),
            request.into.id.removeprefix("refs/heads/"),
            request.source.latest,
            not request.source.repository.paths & into,
            told_at=request.updated,
            repositories=into,
        )


def read_pull(forge: Forge, headers: Mapping[str, str], body: bytes) -> Pull:
    """Raises `Unreadable`."""
    shape: type[_GitHubPull | _GitLabPull | _BitbucketPull | _ServerPull]
    if forge is Forge.BITBUCKET:
        shape = _ServerPull if headers.get("x-event-key", "").startswith("pr:") else _BitbucketPull
    else:
        shape = _GitLabPull if forge is Forge.GITLAB else _GitHubPull
    try:
        return shape.model_validate_json(body_in(headers, body)).read()
    except ValidationError:
        raise Unreadable from None


def _line(text: str) -> str:
    return clean_line(text.encode("utf-8", "replace"))[:200]
