"""What a push concerns, and what it does not, without a database."""

from __future__ import annotations

import time
from random import Random

import pytest

from backend.hooks.forges import Forge
from backend.hooks.pushes import Push, path_of, read_pushes
from backend.hooks.verdict import SKIP, Wanted, judged
from backend.hooks.watching import concern
from tests.hooks import senders
from tests.hooks.senders import AFTER, BEFORE, NOTHING, commit


def read(forge: Forge, body: object) -> Push:
    (push,) = read_pushes(forge, {}, senders.raw(body))
    return push


class TestFiles:
    """Which are known: None means that there may be others."""

    def test_all_of_a_push(self) -> None:
        commits = [commit(BEFORE, "x", "a", "b"), {**commit(AFTER), "modified": None, "removed": ["c"]}]
        for forge, body in (
            (Forge.GITHUB, senders.github(commits=commits)),
            (Forge.GITEA, senders.github(commits=commits, total_commits=2)),
            (Forge.GITLAB, senders.gitlab(commits=commits)),
        ):
            assert read(forge, body).files == {"a", "b", "c"}

    @pytest.mark.parametrize(
        ("forge", "body"),
        [
            (Forge.GITHUB, senders.github(forced=True)),
            (Forge.GITHUB, senders.github(before=NOTHING, created=True)),
            (Forge.GITHUB, senders.github(commits=[])),
            (Forge.GITHUB, senders.github(commits=[commit(AFTER, "x", *map(str, range(3_000)))])),
            (Forge.GITEA, senders.github(total_commits=6)),
            (Forge.GITLAB, senders.gitlab(total_commits_count=21)),
            (Forge.GITLAB, senders.gitlab(commits=[])),
            (Forge.GITLAB, senders.gitlab(commits=[commit(AFTER, "x", *map(str, range(20_001)))])),
            (Forge.GITLAB, senders.gitlab(commits=[commit(AFTER, "x", "a" * 1_025)])),
            (Forge.BITBUCKET, senders.bitbucket()),
        ],
    )
    def test_not_all(self, forge: Forge, body: object) -> None:
        push = read(forge, body)
        assert push.files is None
        assert judged(Wanted("https://git.example.com/me/hello", "main", True, ["none/"]), [push])[1] is None


class TestWatching:
    @pytest.mark.parametrize(
        ("patterns", "yes", "no"),
        [
            (["src/"], ["src/a", "a/src/b", "src/docs/c.md"], ["README.md", "source/a"]),
            (["/src/"], ["src/a"], ["a/src/b"]),
            (["*.py"], ["a.py", "b/c.py"], ["a.pyc"]),
            (["src/", "!src/docs/"], ["src/a"], ["src/docs/c.md"]),
            (["!docs/"], ["a", "src/a"], ["docs/a"]),
            (["src/**/*.py"], ["src/a.py", "src/b/c.py"], ["src/a.js"]),
            (["Dockerfile", "requirements.txt"], ["Dockerfile"], ["dockerfile", "a.txt"]),
            (["файлы/"], ["файлы/💣"], ["файл"]),
        ],
    )
    def test_patterns(self, patterns: list[str], yes: list[str], no: list[str]) -> None:
        assert [file for file in yes if not concern(patterns, [file])] == []
        assert [file for file in no if concern(patterns, [file])] == []
        assert concern(patterns, [*no, yes[0]])

    def test_nothing_is_watched_by_nobody(self) -> None:
        assert concern([], [])
        assert not concern(["src/"], [])

    def test_a_hostile_pattern_takes_no_time(self) -> None:
        """With the standard library's expressions, a few such signs take minutes."""
        began = time.monotonic()
        assert not concern(["*a" * 90 + "b"] * 50, ["a" * 4_000] * 20)
        assert not concern(["**/a/" * 30 + "b"] * 50, ["a/" * 1_000] * 20)
        assert time.monotonic() - began < 5

    def test_what_takes_long_may_be_watched(self) -> None:
        """It would be a minute here, and hours with as many files as a push may name."""
        random = Random(1)
        patterns = ["*a" + "?" * (196 - number) + "z" for number in range(50)]
        files = ["".join(random.choices("ab", k=1_000)) for _ in range(300)]
        began = time.monotonic()
        assert concern(patterns, files)
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("https://git.example.com/Ada/Hello.git", "ada/hello"),
        ("https://git.example.com:3000/ada/hello/", "ada/hello"),
        ("git@git.example.com:ada/hello.git", "ada/hello"),
        ("ssh://git@git.example.com:22/ada/hello.git", "ada/hello"),
        ("https://git.example.com/group/sub/hello", "group/sub/hello"),
        ("https://[", ""),
        ("", ""),
    ],
)
def test_addresses_of_one_repository(address: str, path: str) -> None:
    assert path_of(address) == path


@pytest.mark.parametrize("mark", ["[skip ci]", "[ci skip]", "[no ci]", "[skip deploy]", "[Skip Deploy]"])
def test_marks(mark: str) -> None:
    assert SKIP.search(f"Words\n\nmore {mark}")


@pytest.mark.parametrize("words", ["skip ci", "[skip]", "[skip  ci]", "[do not skip ci]"])
def test_no_marks(words: str) -> None:
    assert not SKIP.search(words)


def test_a_ref_may_say_that_it_is_a_branch() -> None:
    push = read(Forge.GITHUB, senders.github(ref="refs/heads/team/next"))
    for ref, reason in (
        ("refs/heads/team/next", None),
        ("refs/heads/next", "other_branch"),
        ("refs/tags/team/next", "other_branch"),
    ):
        wanted = Wanted("https://git.example.com/me/hello.git", ref, True, [])
        ignored = judged(wanted, [push])[1]
        assert (ignored and ignored.code) == reason


def test_the_default_branch_is_asked_only_where_none_is_named() -> None:
    push = read(Forge.GITHUB, senders.github(ref="refs/heads/next"))
    for ref, reason in ((None, "other_branch"), ("next", None), ("main", "other_branch")):
        wanted = Wanted("https://git.example.com/me/hello.git", ref, True, [])
        ignored = judged(wanted, [push])[1]
        assert (ignored and ignored.code) == reason
