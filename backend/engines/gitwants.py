"""Chooses the commit to fetch among what a server offers, and receives it as shallow as the server can."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dulwich.errors import GitProtocolError, HangupException
from dulwich.object_store import DiskObjectStore
from dulwich.objects import Commit, ObjectID, ShaFile
from dulwich.refs import Ref, check_ref_format

from backend.engines.errors import EngineError
from backend.engines.gitguard import unreachable
from backend.engines.gitremote import GuardedGitClient
from backend.engines.text import clean_line

HEADS, TAGS = b"refs/heads/", b"refs/tags/"
USUAL = (b"main", b"master", b"trunk")
COMMIT = re.compile(r"[0-9a-fA-F]{7,40}", re.ASCII)
FULL = 40
PEELED = b"^{}"

Choose = Callable[[Mapping[Ref, ObjectID]], list[ObjectID]]


class DumbServer(Exception):
    """The server only hands out files: objects are read from it one by one, without the history."""

    def __init__(self, wanted: ObjectID, read: Callable[[ObjectID], ShaFile]) -> None:
        super().__init__()
        self.wanted, self.read = wanted, read


class _NoHaves:
    """For dulwich's negotiation: nothing is here yet."""

    shallow: set[ObjectID] = set()  # noqa: RUF012
    unshallow: set[ObjectID] = set()  # noqa: RUF012

    def ack(self, _object_id: ObjectID) -> None: ...

    def nak(self) -> None: ...

    def __next__(self) -> None:
        return None


class _Unadvertised(Exception):
    """The wanted commit is no branch's or tag's end: only the history tells whether it is there."""


class Client(Protocol):
    dumb: bool

    def fetch_pack(self, path: str | bytes, *rest: Any, **more: Any) -> Any: ...


class Wants:
    """`ref` is a branch, a tag or a commit, in this order, or None; `commit` pins what it was before."""

    def __init__(self, client: Client, ref: str | None, commit: str | None) -> None:
        self._client = client
        self.ref = ref
        self.kind = "default"
        """What `ref` turned out to be: `branch`, `tag` or `commit`."""
        self._pinned = ObjectID(commit.encode()) if commit else None

    def receive(self, store: DiskObjectStore) -> ObjectID:
        """The wanted commit or tag, then in `store`. Raises `DumbServer` with a reader instead."""
        try:
            return self._receive(store, self._choose, depth=1)
        except _Unadvertised:
            pass
        except (GitProtocolError, HangupException, EngineError) as error:
            # Not every server hands out a commit that is no branch's end.
            asked = self._pinned is not None or self.kind == "commit"
            if not asked or (isinstance(error, EngineError) and error.code != "source_unreachable"):
                raise
        self._receive(store, self._history, depth=None)
        return self._held(store)

    def look(self) -> ObjectID | None:
        """What would be fetched, and None for a commit that only the history could tell of."""
        found: list[ObjectID] = []

        def determine(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:
            wanted = self._chosen(refs, self._choose)[0]
            commits = (refs.get(Ref(ref + PEELED)) for ref, end in refs.items() if end == wanted)
            found.append(next(filter(None, commits), wanted))
            return []

        try:
            self._client.fetch_pack("", determine, _NoHaves(), lambda _: None, depth=1)
        except _Unadvertised:
            return None
        except DumbServer as server:
            return server.wanted
        return found[0]

    def _receive(self, store: DiskObjectStore, choose: Choose, depth: int | None) -> ObjectID:
        chosen: list[ObjectID] = []

        def determine(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:
            chosen[:] = self._chosen(refs, choose)
            return chosen

        pack, commit, abort = store.add_pack()
        try:
            self._client.fetch_pack("", determine, _NoHaves(), pack.write, depth=depth)
        except BaseException:
            abort()
            raise
        commit()
        return chosen[0]

    def _chosen(self, refs: Mapping[Ref, ObjectID], choose: Choose) -> list[ObjectID]:
        if not refs:
            message = "The repository is empty: it has no commits."
            raise EngineError("source_empty", message, detail="no_commits")
        return [self._dumb_choice(refs)] if self._client.dumb else choose(refs)

    def _choose(self, refs: Mapping[Ref, ObjectID]) -> list[ObjectID]:
        if self._pinned is not None:
            return [self._pinned]
        return [self._default(refs) if self.ref is None else self._named(refs, self.ref)]

    def _history(self, refs: Mapping[Ref, ObjectID]) -> list[ObjectID]:
        """All branches and tags: the wanted commit may be behind any."""
        kept = (ref for ref in refs if ref.startswith((HEADS, TAGS)) and not ref.endswith(PEELED))
        return sorted({refs[ref] for ref in kept})

    def _held(self, store: DiskObjectStore) -> ObjectID:
        if self._pinned is not None and self._pinned in store:
            return self._pinned
        wanted = self._pinned.decode() if self._pinned is not None else (self.ref or "").lower()
        found = store.iter_prefix(wanted.encode()) if self._pinned is None else iter(())
        commits = [found_id for found_id in found if isinstance(store[found_id], Commit)]
        if len(commits) == 1:
            return commits[0]
        if commits:
            message = f"Several commits of the repository begin with {wanted}; give more of its id."
            raise EngineError("source_branch_missing", message, detail="commit_ambiguous", commit=wanted)
        if self._pinned is not None:
            message = f"The repository no longer has commit {wanted[:10]}."
            raise EngineError("source_branch_missing", message, detail="commit_gone", commit=wanted[:10])
        message = f"The repository has no branch, tag or commit {wanted}."
        raise EngineError("source_branch_missing", message, detail="commit_missing", commit=wanted)

    def _default(self, refs: Mapping[Ref, ObjectID]) -> ObjectID:
        if (head := refs.get(Ref(b"HEAD"))) is not None:
            return head
        heads = sorted(ref for ref in refs if ref.startswith(HEADS))
        for name in USUAL:
            if HEADS + name in heads:
                return refs[Ref(HEADS + name)]
        if len(heads) == 1:
            return refs[heads[0]]
        raise EngineError(
            "source_branch_missing",
            f"The repository has no default branch; choose one.{_known(refs)}",
            detail="no_default_branch",
            branches=_names(refs),
        )

    def _named(self, refs: Mapping[Ref, ObjectID], wanted: str) -> ObjectID:
        """Raises `_Unadvertised` for what may be a commit of the history."""
        for prefix, kind in ((HEADS, "branch"), (TAGS, "tag")):
            given = wanted.encode("utf-8", "surrogatepass")
            name = Ref(given if given.startswith(prefix) else prefix + given)
            if check_ref_format(name) and name in refs:
                self.kind = kind
                return refs[name]
        if COMMIT.fullmatch(wanted):
            self.kind, start = "commit", wanted.lower().encode()
            ends = {end for end in refs.values() if end.startswith(start)}
            if len(start) == FULL:
                return ObjectID(start)
            if len(ends) == 1:
                return _asked_for(refs, ends.pop())
            raise _Unadvertised
        raise EngineError(
            "source_branch_missing",
            f"The repository has no branch or tag “{_shown(wanted)}”.{_known(refs)}",
            ref=_shown(wanted),
            branches=_names(refs),
        )

    def _dumb_choice(self, refs: Mapping[Ref, ObjectID]) -> ObjectID:
        from dulwich.dumb import DumbRemoteHTTPRepo

        assert isinstance(self._client, GuardedGitClient)
        remote = DumbRemoteHTTPRepo(self._client.base, self._request)
        head = None if self.ref is not None or self._pinned is not None else remote.get_head()
        known = {**refs, Ref(b"HEAD"): refs[head]} if head is not None and head in refs else refs
        try:
            wanted = self._choose(known)[0]
        except _Unadvertised:
            message = "This server hands out single files only: give the commit's full id."
            raise EngineError("source_branch_missing", message, detail="commit_full") from None

        def read(object_id: ObjectID) -> ShaFile:
            try:
                kind, content = remote.object_store.get_raw(object_id)
            except KeyError:
                message = "The repository is incomplete: an object is missing."
                raise unreachable(message, "incomplete", retry=False) from None
            # Each is asked for once; kept, a large repository would fill the memory.
            remote.object_store._cached_objects.clear()
            found = ShaFile.from_raw_string(kind, content)
            if found.id != object_id:
                message = "The repository is damaged: an object is not what its id says."
                raise unreachable(message, "damaged", retry=False)
            return found

        raise DumbServer(wanted, read)

    def _request(self, url: str, headers: dict[str, str]) -> tuple[Any, Callable[..., bytes]]:
        assert isinstance(self._client, GuardedGitClient)
        return self._client._http_request(url, headers, raise_for_status=False)


def _asked_for(refs: Mapping[Ref, ObjectID], wanted: ObjectID) -> ObjectID:
    """What an annotated tag leads to is shown, but asked for by the tag's own id."""
    named = [ref for ref, end in refs.items() if end == wanted]
    if all(ref.endswith(PEELED) for ref in named):
        return refs[Ref(named[0].removesuffix(PEELED))]
    return wanted


def _shown(ref: str) -> str:
    return clean_line(ref.encode("utf-8", "replace"))[:100]


def _names(refs: Mapping[Ref, ObjectID]) -> str:
    """The branches, at most eight of them."""
    heads = sorted(ref[len(HEADS) :] for ref in refs if ref.startswith(HEADS))
    names = ", ".join(clean_line(head)[:60] for head in heads[:8])
    return f"{names}, …" if len(heads) > 8 else names or "—"


def _known(refs: Mapping[Ref, ObjectID]) -> str:
    names = _names(refs)
    return " It has none." if names == "—" else f" It has: {names}."
