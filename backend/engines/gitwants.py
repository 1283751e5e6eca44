"""Chooses the commit to fetch among what a server offers, and receives it as shallow as the server can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from dulwich.errors import GitProtocolError, HangupException
from dulwich.object_store import DiskObjectStore
from dulwich.objects import ObjectID, ShaFile
from dulwich.refs import Ref, check_ref_format

from backend.engines.errors import EngineError
from backend.engines.gitremote import GuardedGitClient, unreachable
from backend.engines.text import clean_line

HEADS = b"refs/heads/"
USUAL = (b"main", b"master", b"trunk")


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


class Wants:
    def __init__(self, client: GuardedGitClient, branch: str | None, commit: str | None) -> None:
        self._client = client
        self.branch = branch
        self._pinned = ObjectID(commit.encode()) if commit else None
        self._refs: Mapping[Ref, ObjectID] = {}

    def receive(self, store: DiskObjectStore) -> ObjectID:
        """The wanted commit or tag, then in `store`. Raises `DumbServer` with a reader instead."""
        if self._pinned is None:
            return self._receive(store, lambda refs: self._choose(refs), depth=1)
        try:
            return self._receive(store, lambda _: self._pinned, depth=1)
        except (GitProtocolError, HangupException, EngineError) as error:
            if isinstance(error, EngineError) and error.code != "source_unreachable":
                raise
            # Not every server hands out a commit that is no branch's end any more.
            self._receive(store, lambda refs: self._choose(refs), depth=None)
        if self._pinned not in store:
            commit = self._pinned.decode()[:10]
            message = f"The repository no longer has commit {commit}."
            raise EngineError("source_branch_missing", message, detail="commit_gone", commit=commit)
        return self._pinned

    def _receive(
        self, store: DiskObjectStore, choose: Callable[[Mapping[Ref, ObjectID]], Any], depth: int | None
    ) -> ObjectID:
        chosen: list[ObjectID] = []

        def determine(refs: Mapping[Ref, ObjectID], depth: int | None = None) -> list[ObjectID]:
            self._refs = refs
            if not refs:
                message = "The repository is empty: it has no commits."
                raise EngineError("source_empty", message, detail="no_commits")
            chosen.append(self._dumb_choice(refs) if self._client.dumb else choose(refs))
            return chosen

        pack, commit, abort = store.add_pack()
        try:
            self._client.fetch_pack("", determine, _NoHaves(), pack.write, depth=depth)
        except BaseException:
            abort()
            raise
        commit()
        return chosen[0]

    def _choose(self, refs: Mapping[Ref, ObjectID]) -> ObjectID:
        if self.branch is not None:
            return self._named(refs, self.branch)
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

    def _named(self, refs: Mapping[Ref, ObjectID], branch: str) -> ObjectID:
        for prefix in (HEADS, b"refs/tags/"):
            name = Ref(prefix + branch.encode("utf-8", "surrogatepass"))
            if check_ref_format(name) and name in refs:
                return refs[name]
        raise EngineError(
            "source_branch_missing",
            f"The repository has no branch “{_shown(branch)}”.{_known(refs)}",
            branch=_shown(branch),
            branches=_names(refs),
        )

    def _dumb_choice(self, refs: Mapping[Ref, ObjectID]) -> ObjectID:
        from dulwich.dumb import DumbRemoteHTTPRepo

        remote = DumbRemoteHTTPRepo(self._client.base, self._request)
        if self._pinned is not None:
            wanted = self._pinned
        else:
            head = None if self.branch is not None else remote.get_head()
            known = {**refs, Ref(b"HEAD"): refs[head]} if head is not None and head in refs else refs
            wanted = self._choose(known)

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
        return self._client._http_request(url, headers, raise_for_status=False)


def _shown(branch: str) -> str:
    return clean_line(branch.encode("utf-8", "replace"))[:100]


def _names(refs: Mapping[Ref, ObjectID]) -> str:
    """The branches, at most eight of them."""
    heads = sorted(ref[len(HEADS) :] for ref in refs if ref.startswith(HEADS))
    names = ", ".join(clean_line(head)[:60] for head in heads[:8])
    return f"{names}, …" if len(heads) > 8 else names or "—"


def _known(refs: Mapping[Ref, ObjectID]) -> str:
    names = _names(refs)
    return " It has none." if names == "—" else f" It has: {names}."
