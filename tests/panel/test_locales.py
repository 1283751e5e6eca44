"""Every text exists in every language, and none is left over."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.panel.sources import FRONTEND, MARKUP, PANEL, SCRIPTS, text

FILES: dict[str, dict[str, dict[str, Any]]] = {
    path.stem: {
        str(part.relative_to(FRONTEND / "locales")): json.loads(text(part))
        for part in [path, *sorted((FRONTEND / "locales" / path.stem).glob("*.json"))]
    }
    for path in sorted(FRONTEND.glob("locales/*.json"))
}
"""Language → file → key → text."""
LOCALES = {
    language: {key: value for part in files.values() for key, value in part.items()}
    for language, files in FILES.items()
}
PLURALS = {"en": {"one", "other"}, "ru": {"one", "few", "many", "other"}}
ASKED = re.compile(r"\b(?:t|known|fact)\(\s*\"([^\"]+)\"")
FAMILY = re.compile(r"\b(?:t|known)\(\s*`([\w.]+[._])\$\{")
STATIC = re.compile(r"data-t=\"([^\"]+)\"")
ATTRIBUTES = re.compile(r"data-t-attr=\"([^\"]+)\"")
QUOTED = re.compile(r"\"([\w.]+)\"")
HOLE = re.compile(r"\{(\w+)\}")


def asked() -> set[str]:
    keys = {key for path in SCRIPTS for key in ASKED.findall(text(path))}
    for path in MARKUP:
        keys.update(STATIC.findall(text(path)))
        pairs = ",".join(ATTRIBUTES.findall(text(path))).split(",")
        keys.update(pair.partition(":")[2] for pair in pairs if pair)
    return keys


def families() -> tuple[str, ...]:
    """Beginnings of keys whose end is data: a state, an error's code."""
    return tuple({prefix for path in SCRIPTS for prefix in FAMILY.findall(text(path))})


def forms(value: Any) -> list[str]:
    return list(value.values()) if isinstance(value, dict) else [value]


def test_two_languages_with_the_same_keys_in_the_same_order() -> None:
    assert set(LOCALES) == set(PLURALS)
    for english, russian in zip(FILES["en"].items(), FILES["ru"].items(), strict=True):
        assert english[0].replace("en", "ru", 1) == russian[0]
        assert list(english[1]) == list(russian[1])


def test_no_key_is_in_two_files() -> None:
    for language, files in FILES.items():
        assert sum(len(part) for part in files.values()) == len(LOCALES[language])


@pytest.mark.parametrize("language", sorted(PLURALS))
def test_texts_are_whole(language: str) -> None:
    for key, value in LOCALES[language].items():
        if isinstance(value, dict):
            assert set(value) == PLURALS[language], key
        assert all(form.strip() for form in forms(value)), key


def test_translations_fill_the_same_holes() -> None:
    for key, value in LOCALES["en"].items():
        holes = {hole for form in forms(value) for hole in HOLE.findall(form)}
        translated = {hole for form in forms(LOCALES["ru"][key]) for hole in HOLE.findall(form)}
        assert holes == translated, key


def test_every_text_that_is_asked_for_exists() -> None:
    assert asked() - set(LOCALES["en"]) == set()


def test_every_text_is_asked_for() -> None:
    named = {word for path in PANEL for word in QUOTED.findall(text(path))}
    prefixes = families()
    unused = {key for key in set(LOCALES["en"]) - asked() - named if not key.startswith(prefixes)}
    assert unused == set()


CODE = re.compile(r"(?:EngineError|JobError)\(\s*\"(\w+)\"|EngineError\(\s*code=\"(\w+)\"")


def test_every_reason_a_deployment_can_fail_for_has_words() -> None:
    backend = FRONTEND.parent / "backend"
    sources = [*backend.glob("engines/*.py"), *backend.glob("services/*.py"), *backend.glob("jobs/*.py")]
    codes = {first or second for path in sources for first, second in CODE.findall(text(path))}
    assert "build_failed" in codes
    missing = {code for code in codes if f"reason.{code}" not in LOCALES["en"]}
    assert missing == set()
