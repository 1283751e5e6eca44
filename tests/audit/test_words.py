"""Every action has words in the panel, in every language, and the panel knows no others."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from backend.audit.actions import Action
from backend.oauth.models import Ending
from backend.users.history import Method
from tests.panel.sources import FRONTEND, text

ACTION, OBJECT, REASON = "audit.action.", "audit.object.", "audit.reason."


@pytest.mark.parametrize("language", ["en", "ru"])
def test_actions_have_words(language: str) -> None:
    path = FRONTEND / f"locales/{language}/audit.json"
    texts = json.loads(text(path))
    said = {key.removeprefix(ACTION) for key in texts if key.startswith(ACTION)}
    missing = sorted(set(Action) - said)
    assert not missing, f"add {[ACTION + name for name in missing]} to {path.relative_to(FRONTEND)}"
    assert said <= set(Action)
    kinds = {key.removeprefix(OBJECT) for key in texts if key.startswith(OBJECT)}
    missing = sorted({action.partition(".")[0] for action in Action} - kinds)
    assert not missing, f"add {[OBJECT + name for name in missing]} to {path.relative_to(FRONTEND)}"


@pytest.mark.parametrize("language", ["en", "ru"])
def test_reasons_of_sessions_have_words(language: str) -> None:
    """Why one ended, and why somebody was not let in."""
    texts = json.loads(text(FRONTEND / f"locales/{language}/audit.json"))
    said = {key.removeprefix(REASON) for key in texts if key.startswith(REASON)}
    assert said == {*Ending, *(f"wrong_{method}" for method in get_args(Method)), "blocked"}


def test_names_say_object_and_what_happened() -> None:
    for action in Action:
        kind, dot, happened = action.partition(".")
        assert kind.isidentifier(), action
        assert dot, action
        assert happened.isidentifier(), action
        assert action.name == f"{kind}_{happened}".upper(), action
        assert len(action) <= 60
