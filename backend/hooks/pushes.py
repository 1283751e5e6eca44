"""What forges say of a push, brought into one shape.

Only the fields that are needed are declared, and of those only what a push cannot do without is required:
forges add fields, and older ones lack some.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from backend.engines.text import clean_line
from backend.hooks.forges import Forge

GITHUB_COMMITS = 2048
GITHUB_FILES = 3000
"""Of one commit: GitHub names no more than this, nor more commits than that."""
MOST_FILES = 20_000
LONGEST_FILE = 1024
"""Of more files, or longer names, nobody says whether they are watched: it would take too long."""
DATA_CENTER = "repo:refs_changed"
"""The event that Bitbucket Data Center calls a push."""
_FORM = "application/x-www-form-urlencoded"
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_HEADS, _TAGS = "refs/heads/", "refs/tags/"


class Unreadable(Exception):
    """The body is not what this forge sends of a push."""


@dataclass(frozen=True, slots=True)
class Push:
    """`commit` is None for a deleted branch; `files` is None where the forge does not name all of them."""

    kind: Literal["branch", "tag", "other"]
    name: str
    commit: str | None
    previous: str | None = None
    message: str = ""
    files: frozenset[str] | None = None
    default_branch: str | None = None
    repositories: frozenset[str] = field(default_factory=frozenset)
    """Paths of the addresses that the repository goes by, as `ada/hello`."""

    @property
    def subject(self) -> str:
        return clean_line(self.message.partition("\n")[0].encode("utf-8", "replace"))[:200]


def _sha(value: str) -> str:
    if not _SHA.fullmatch(value):
        raise ValueError("is not an object id")
    return value


Sha = Annotated[str, AfterValidator(_sha)]
Listed = Annotated[list[str], BeforeValidator(lambda value: value or [])]


class _Commit(BaseModel):
    id: Sha
    message: str = ""
    added: Listed = []
    removed: Listed = []
    modified: Listed = []

    @property
    def files(self) -> list[str]:
        return [*self.added, *self.removed, *self.modified]


class _Repository(BaseModel):
    default_branch: str | None = None
    clone_url: str | None = None
    ssh_url: str | None = None
    html_url: str | None = None


Commits = Annotated[list[_Commit], BeforeValidator(lambda value: value or [])]


class _GitHubPush(BaseModel):
    """Gitea's is the same, and says how many commits it leaves out."""

    ref: str
    before: Sha
    after: Sha
    forced: bool = False
    commits: Commits = []
    total_commits: int | None = None
    head_commit: _Commit | None = None
    repository: _Repository = _Repository()

    def read(self) -> Push:
        kind, name = _kind(self.ref)
        head = self.head_commit or next((one for one in self.commits if one.id == self.after), None)
        hosts = self.repository
        return Push(
            kind,
            name,
            _present(self.after),
            _present(self.before),
            head.message if head else "",
            self._files(),
            hosts.default_branch,
            _paths((hosts.clone_url, hosts.ssh_url, hosts.html_url)),
        )

    def _files(self) -> frozenset[str] | None:
        capped = len(self.commits) >= GITHUB_COMMITS or any(
            len(one.files) >= GITHUB_FILES for one in self.commits
        )
        # What a forced push takes away is in none of its commits.
        if self.forced or capped or (self.total_commits or 0) > len(self.commits):
            return None
        return _changed(self.commits, self.before)


class _GitLabProject(BaseModel):
    default_branch: str | None = None
    git_http_url: str | None = None
    git_ssh_url: str | None = None
    web_url: str | None = None


class _GitLabPush(BaseModel):
    ref: str
    before: Sha
    after: Sha
    commits: Commits = []
    total_commits_count: int | None = None
    project: _GitLabProject = _GitLabProject()

    def read(self) -> Push:
        kind, name = _kind(self.ref)
        head = next((one for one in self.commits if one.id == self.after), None)
        # It names the newest twenty.
        whole = (self.total_commits_count or 0) <= len(self.commits)
        hosts = self.project
        return Push(
            kind,
            name,
            _present(self.after),
            _present(self.before),
            head.message if head else "",
            _changed(self.commits, self.before) if whole else None,
            hosts.default_branch,
            _paths((hosts.git_http_url, hosts.git_ssh_url, hosts.web_url)),
        )


class _Target(BaseModel):
    hash: Sha
    message: str = ""


class _Ref(BaseModel):
    type: str
    name: str
    target: _Target


class _BitbucketChange(BaseModel):
    new: _Ref | None = None
    old: _Ref | None = None

    def read(self, repositories: frozenset[str]) -> Push | None:
        shown = self.new or self.old
        if shown is None:
            return None
        kind: Literal["branch", "tag", "other"] = (
            "branch" if shown.type == "branch" else "tag" if shown.type == "tag" else "other"
        )
        return Push(
            kind,
            shown.name,
            self.new.target.hash if self.new else None,
            self.old.target.hash if self.old else None,
            self.new.target.message if self.new else "",
            repositories=repositories,
        )


class _BitbucketChanges(BaseModel):
    changes: list[_BitbucketChange] = Field(min_length=1)


class _FullName(BaseModel):
    full_name: str | None = None


class _BitbucketPush(BaseModel):
    """Several branches may be in one; of files it says nothing."""

    push: _BitbucketChanges
    repository: _FullName = _FullName()

    def read(self) -> list[Push]:
        name = self.repository.full_name
        paths = frozenset({name.lower()} if name else ())
        return [push for change in self.push.changes if (push := change.read(paths)) is not None]


class _ServerRef(BaseModel):
    id: str


class _ServerChange(BaseModel):
    ref: _ServerRef
    before: Sha = Field(alias="fromHash")
    after: Sha = Field(alias="toHash")


class _ServerCommit(BaseModel):
    id: str
    message: str = ""


class _ServerProject(BaseModel):
    key: str


class _ServerRepository(BaseModel):
    slug: str
    project: _ServerProject

    @property
    def paths(self) -> frozenset[str]:
        path = f"{self.project.key}/{self.slug}".lower()
        return frozenset({path, f"scm/{path}"})


class _BitbucketServerPush(BaseModel):
    """Of Bitbucket Data Center, which has a shape of its own."""

    changes: list[_ServerChange] = Field(min_length=1)
    newest: _ServerCommit | None = Field(default=None, alias="toCommit")
    repository: _ServerRepository | None = None

    def read(self) -> list[Push]:
        paths = self.repository.paths if self.repository else frozenset()
        pushes = []
        for change in self.changes:
            kind, name = _kind(change.ref.id)
            told = self.newest is not None and self.newest.id == change.after
            message = self.newest.message if self.newest and told else ""
            push = Push(kind, name, _present(change.after), _present(change.before), message)
            pushes.append(replace(push, repositories=paths))
        return pushes


def read_pushes(forge: Forge, headers: Mapping[str, str], body: bytes) -> list[Push]:
    """One, or with Bitbucket one for each branch. Raises `Unreadable`."""
    body = body_in(headers, body)
    try:
        if headers.get("x-event-key") == DATA_CENTER:
            pushes = _BitbucketServerPush.model_validate_json(body).read()
        elif forge is Forge.BITBUCKET:
            pushes = _BitbucketPush.model_validate_json(body).read()
        elif forge is Forge.GITLAB:
            pushes = [_GitLabPush.model_validate_json(body).read()]
        else:
            pushes = [_GitHubPush.model_validate_json(body).read()]
    except ValidationError:
        raise Unreadable from None
    if not pushes:
        raise Unreadable
    return pushes


def path_of(address: str) -> str:
    """`ada/hello` of any address that a repository has; empty if it has none."""
    if "://" not in address and ":" in address:
        path = address.partition(":")[2]
    else:
        try:
            path = urlsplit(address).path
        except ValueError:
            return ""
    return path.strip("/").removesuffix(".git").lower()


def body_in(headers: Mapping[str, str], body: bytes) -> bytes:
    """The JSON: GitHub and Gitea put it into a form, if they are told to. Raises `Unreadable`."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return body
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=16, keep_blank_values=True)
    except ValueError:
        raise Unreadable from None
    return fields.get("payload", [""])[0].encode("utf-8", "surrogatepass")


def _kind(ref: str) -> tuple[Literal["branch", "tag", "other"], str]:
    if ref.startswith(_HEADS):
        return "branch", ref.removeprefix(_HEADS)
    if ref.startswith(_TAGS):
        return "tag", ref.removeprefix(_TAGS)
    return "other", ref


def _present(sha: str) -> str | None:
    """Zeros stand for what is not there: before the first push, after the last."""
    return sha if sha.strip("0") else None


def _changed(commits: list[_Commit], before: str) -> frozenset[str] | None:
    """A new branch brings more than its own commits, and a push without commits says nothing."""
    if not commits or _present(before) is None:
        return None
    files: set[str] = set()
    for one in commits:
        files.update(one.files)
        if len(files) > MOST_FILES:
            return None
    return None if any(len(file) > LONGEST_FILE for file in files) else frozenset(files)


def _paths(addresses: Iterable[str | None]) -> frozenset[str]:
    return frozenset(path for address in addresses if address and (path := path_of(address)))
