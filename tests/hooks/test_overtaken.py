"""Forges promise no order: a late push undoes none that came after it, and who goes back is followed."""

from __future__ import annotations

from tests.hooks import senders
from tests.hooks.conftest import URL, Pushed
from tests.hooks.senders import AFTER, BEFORE, commit


async def test_one_that_was_overtaken_is_not_deployed(pushed: Pushed) -> None:
    newer = senders.from_github(pushed.secret, senders.github(before=AFTER, after="9" * 40))
    older = senders.from_github(pushed.secret, senders.github())
    assert (await pushed.got(newer))["outcome"] == "deployed"
    assert (await pushed.got(older))["reason_code"] == "overtaken"
    # Who goes back to a commit on purpose is followed.
    back = senders.github(before="9" * 40, after=AFTER, forced=True)
    assert (await pushed.got(senders.from_github(pushed.secret, back)))["outcome"] == "deployed"


async def test_one_that_was_overtaken_by_several(pushed: Pushed) -> None:
    """The last one did not begin where the late one ends, but another one between them did."""
    first, second, third = "1" * 40, "2" * 40, "3" * 40
    steps = [
        (senders.github(before=BEFORE, after=AFTER), None),
        (senders.github(before=first, after=second), None),
        (senders.github(before=second, after=third), None),
        (senders.github(before=AFTER, after=first), "overtaken"),
        # Who goes back so far on purpose is followed, and so is who goes forward again.
        (senders.github(before=third, after=first, forced=True), None),
        (senders.github(before=first, after=third, forced=True), None),
    ]
    for body, reason in steps:
        assert (await pushed.got(senders.from_github(pushed.secret, body)))["reason_code"] == reason
    assert (await pushed.deployments())[0]["commit"] == third


async def test_another_branch_overtakes_nothing(pushed: Pushed) -> None:
    """The commit is an old one of `main`, and the newest of the branch that is deployed now."""
    body = senders.github(before=AFTER, after="9" * 40)
    assert (await pushed.got(senders.from_github(pushed.secret, body)))["outcome"] == "deployed"
    path = f"/api/v1/services/{pushed.service_id}"
    changed = {"source": {"repo_url": URL, "ref": "next"}}
    answer = await pushed.client.patch(path, json=changed, headers=pushed.owner.headers)
    assert answer.status_code == 200, answer.text
    body = senders.github(ref="refs/heads/next")
    assert (await pushed.got(senders.from_github(pushed.secret, body)))["outcome"] == "deployed"


async def test_going_back_past_what_was_ignored(pushed: Pushed) -> None:
    """The last one that was deployed began at this commit, but this push did not come before it."""
    await pushed.set(watch_paths=["src/"])
    steps = [
        (senders.github(commits=[commit(AFTER, "x", "src/a")]), None),
        (senders.github(before=AFTER, after="9" * 40), "nothing_watched"),
        (senders.github(before="9" * 40, after=BEFORE, forced=True), None),
    ]
    for body, reason in steps:
        assert (await pushed.got(senders.from_github(pushed.secret, body)))["reason_code"] == reason
    assert (await pushed.deployments())[0]["commit"] == BEFORE
