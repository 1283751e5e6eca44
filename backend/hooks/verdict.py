"""What is to be done about a push: deploy its commit, or nothing, and why."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.engines.text import clean_line
from backend.hooks.pushes import Push, path_of
from backend.hooks.watching import concern

HEADS = "refs/heads/"
"""A service's ref may say so of a branch, where a tag has the same name; a push's name is the plain one."""
SKIP = re.compile(r"\[(?:skip ci|ci skip|no ci|skip deploy|deploy skip|no deploy)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a service deploys, and when."""

    repo_url: str
    ref: str | None
    enabled: bool
    watch_paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ignored:
    """A stable code, and the values that its words are made of."""

    code: str
    parameters: dict[str, str] = field(default_factory=dict)


def judged(wanted: Wanted, pushes: Sequence[Push]) -> tuple[Push, Ignored | None]:
    """The push that concerns the service, and why it is ignored, if it is.

    Of several, the one of the branch that is deployed decides; of none such, the first is told about.
    """
    verdicts = [(push, _against(wanted, push)) for push in pushes]
    return next((one for one in verdicts if one[1] is None), None) or _nearest(verdicts)


def _nearest(verdicts: list[tuple[Push, Ignored | None]]) -> tuple[Push, Ignored | None]:
    """The one that came farthest: what it fails by is what the customer wants to know."""
    elsewhere = ("tag", "ref", "other_branch")
    for push, ignored in verdicts:
        if ignored is not None and ignored.code not in elsewhere:
            return push, ignored
    return verdicts[0]


def _against(wanted: Wanted, push: Push) -> Ignored | None:
    if not wanted.enabled:
        return Ignored("off")
    here = path_of(wanted.repo_url)
    if push.repositories and here not in ("", *push.repositories):
        return Ignored("other_repository", {"repository": shown(min(push.repositories))})
    if push.kind != "branch":
        return Ignored("tag" if push.kind == "tag" else "ref", {"name": shown(push.name)})
    branch = (wanted.ref or push.default_branch or "").removeprefix(HEADS)
    if not branch:
        return Ignored("branch_unknown")
    if push.name != branch:
        return Ignored("other_branch", {"branch": shown(push.name), "deployed": shown(branch)})
    if push.commit is None:
        return Ignored("branch_deleted", {"branch": shown(push.name)})
    if mark := SKIP.search(push.message):
        return Ignored("skipped", {"mark": mark.group().lower()})
    if push.files is not None and not concern(wanted.watch_paths, push.files):
        return Ignored("nothing_watched")
    return None


def shown(text: str) -> str:
    """What a stranger wrote, fit to be kept and shown."""
    return clean_line(text.encode("utf-8", "replace"))[:100]
