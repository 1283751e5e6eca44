"""Bodies that nobody would send who means well, and those that are larger than most."""

from __future__ import annotations

import pytest

from tests.hooks import senders
from tests.hooks.conftest import Pushed
from tests.hooks.senders import AFTER, commit
from tests.hooks.test_webhooks import SENDERS

HOSTILE = {
    "nothing": b"",
    "no JSON": b"<html>",
    "no object": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "deep": b'{"ref":' + b"[" * 100_000,
    "deep and whole": b"[" * 50_000 + b"]" * 50_000,
    "half a text": b'{"ref": "\xff\xfe"}',
    "half a pair": b'{"ref": "refs/heads/main\\ud800", "before": "x"}',
    "wrong types": senders.raw({**senders.github(), "ref": 5}),
    "a commit that is none": senders.raw({**senders.github(), "after": "--upload-pack=sh"}),
    "a short commit": senders.raw({**senders.github(), "after": AFTER[:12]}),
    "a commit in capitals": senders.raw({**senders.github(), "after": AFTER.upper()}),
    "commits that are none": senders.raw({**senders.github(), "commits": {"a": 1}}),
    "files that are none": senders.raw({**senders.github(), "commits": [{**commit(), "added": [{}]}]}),
    "missing": senders.raw({"ref": "refs/heads/main"}),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("forge", ["github", "gitlab", "bitbucket", "bitbucket, data center"])
async def test_bodies_that_make_no_sense(pushed: Pushed, forge: str, what: str) -> None:
    answer = await pushed.send(SENDERS[forge][0](pushed.secret, HOSTILE[what]))
    assert (answer.status_code, answer.json()["code"]) == (422, "unreadable"), answer.text
    (delivery,) = await pushed.deliveries()
    assert (delivery["outcome"], delivery["reason_code"]) == ("refused", "unreadable")
    assert len(await pushed.deployments()) == 1


async def test_words_that_no_database_holds(pushed: Pushed) -> None:
    """They are kept without what cannot be kept."""
    message = "A\x00b\u202e\x1b[31m" + "ы" * 5_000 + "\nmore"
    body = senders.github(commits=[commit(AFTER, message, "a\x00b", "💣")])
    assert (await pushed.got(senders.from_github(pushed.secret, body)))["outcome"] == "deployed"
    other = senders.github(ref="refs/heads/a\x00b" + "x" * 5_000)
    assert (await pushed.got(senders.from_github(pushed.secret, other)))["reason_code"] == "other_branch"
    newest, first = await pushed.deliveries()
    assert len(newest["branch"]) == 100
    assert first["subject"].startswith("Abыы")
    assert len(first["subject"]) == 200


class TestSize:
    async def test_a_huge_push(self, pushed: Pushed) -> None:
        """As large as GitHub's may be: of what it leaves out nobody knows whether it is watched."""
        await pushed.set(watch_paths=["apps/"])
        files = [f"docs/{number}.md" for number in range(100)]
        commits = [commit(f"{number:040x}", "x", *files) for number in range(1, 2_048)]
        body = senders.github(commits=commits, after=commits[-1]["id"])
        said = await pushed.got(senders.from_github(pushed.secret, body))
        assert said["reason_code"] == "nothing_watched"
        commits.append(commit(AFTER, "x", *files))
        said = await pushed.got(senders.from_github(pushed.secret, senders.github(commits=commits)))
        assert said["outcome"] == "deployed"

    async def test_too_large(self, pushed: Pushed) -> None:
        content = b" " * (25 * 2**20 + 1)
        answer = await pushed.send(senders.from_github(pushed.secret, content))
        assert (answer.status_code, answer.json()["code"]) == (413, "content_too_large")
