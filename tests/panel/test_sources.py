"""What the browser would only say at run time, said by reading the panel's files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.panel.sources import FRONTEND, MARKUP, PANEL, SCRIPTS, SHELL, routes, served, text

LONGEST = 400
ACTION = re.compile(r"data-(?:action|paste)=['\"]([^'\"$]+)['\"]|kindChoice\([^)]*\"([\w.]+)\"\)")
BUILT_ACTION = re.compile(r"data-action=\"([\w.]+\.)\$\{")
OFFERED = re.compile(r"(?:^\s+|\{ )\"(\w+\.\w+)\": ", re.MULTILINE)
LAZY = re.compile(r"offerLazily\(\[([^\]]*)\]")
IMPORT = re.compile(r"(?:from|import\()\s*\"(/[^\"]+)\"")
BUILT_IMPORT = re.compile(r"import\(`/([^`$]*)\$\{")
LOCAL = re.compile(r"(?:src|href)=\"(/(?:images|js|style)/[^\"]+)\"|url\(\"?(/[^\"')]+)")
INLINE = re.compile(r"\sstyle=[\"'$]|\son[a-z]+=[\"'$]|<style|[\"'(]javascript:", re.IGNORECASE)
INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE)
ICON = re.compile(r"#i-([a-z]+)|(?:icon|scene)\(\"([a-z]+)\"\)")
UNQUOTED = re.compile(r"\s[\w-]+=\$\{")
ELSEWHERE = re.compile(r"(?:src|href|from|import|fetch\()\s*=?\s*[\"'`(]https?://")


def name(path: Path) -> str:
    return str(path.relative_to(FRONTEND))


def offered() -> set[str]:
    names = {action for path in SCRIPTS for action in OFFERED.findall(text(path))}
    lazy = [group for path in SCRIPTS for group in LAZY.findall(text(path))]
    return names | {action for group in lazy for action in re.findall(r'"([^"]+)"', group)}


def asked() -> set[str]:
    return {action for path in PANEL for found in ACTION.findall(text(path)) for action in found if action}


def test_every_action_that_is_asked_for_is_offered() -> None:
    assert asked() - offered() == set()


def test_every_action_is_asked_for() -> None:
    built = tuple(prefix for path in SCRIPTS for prefix in BUILT_ACTION.findall(text(path)))
    assert {action for action in offered() - asked() if not action.startswith(built)} == set()


@pytest.mark.parametrize("path", PANEL, ids=name)
def test_nothing_that_the_content_security_policy_forbids(path: Path) -> None:
    source = text(path)
    assert not INLINE.search(source)
    assert not INLINE_SCRIPT.search(source)
    assert not ELSEWHERE.search(source), "everything comes from the panel itself"


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_values_stand_in_quotes_in_templates(path: Path) -> None:
    assert not UNQUOTED.search(text(path)), "escaping is safe only inside quotes"


def test_only_the_api_module_and_the_loaders_fetch() -> None:
    fetching = {name(path) for path in SCRIPTS if re.search(r"\bfetch\(", text(path))}
    assert fetching == {"js/core/api.js", "js/core/dom.js", "js/core/i18n.js"}


def test_markup_enters_the_page_in_two_places_only() -> None:
    raw = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write")
    assert {name(path) for path in SCRIPTS if raw.search(text(path))} == {"js/core/app.js", "js/core/dom.js"}


@pytest.mark.parametrize("path", [*PANEL, *FRONTEND.glob("style/*.css")], ids=name)
def test_every_address_of_a_file_leads_to_one(path: Path) -> None:
    source = text(path)
    found = {*IMPORT.findall(source), *(a or b for a, b in LOCAL.findall(source))}
    assert {address for address in found if not served(address).is_file()} == set()


def test_built_imports_lead_somewhere() -> None:
    for path in SCRIPTS:
        for beginning in BUILT_IMPORT.findall(text(path)):
            folder, _, start = beginning.rpartition("/")
            assert list((FRONTEND / folder).glob(f"{start}*")), (name(path), beginning)


def test_the_route_table_leads_to_files() -> None:
    table = routes()
    assert len(table) >= 10
    for route in table:
        assert (FRONTEND / f"partials/{route['partial']}.html").is_file(), route
        assert (FRONTEND / f"js/{route['module']}.js").is_file(), route
        if "style" in route:
            assert (FRONTEND / f"style/{route['style']}.css").is_file(), route
    addresses = [route["path"] for route in table]
    assert len(addresses) == len(set(addresses))


def test_every_partial_belongs_to_a_route() -> None:
    known = {route["partial"] for route in routes()} | {"shared/not-found"}
    assert {str(path.relative_to(FRONTEND / "partials").with_suffix("")) for path in MARKUP[1:]} == known


def test_icons_exist_once_and_are_used() -> None:
    drawn = re.findall(r"<symbol id=\"i-([a-z]+)\"", text(SHELL))
    used = {a or b for path in PANEL for a, b in ICON.findall(text(path))}
    assert len(drawn) == len(set(drawn))
    assert used - set(drawn) == set()


@pytest.mark.parametrize("path", MARKUP, ids=name)
def test_ids_are_unique_and_labels_lead_to_fields(path: Path) -> None:
    source = text(path)
    ids = re.findall(r"\sid=\"([^\"]+)\"", source)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"<label[^>]*\sfor=\"([^\"]+)\"", source)) <= set(ids)


@pytest.mark.parametrize(
    "path", [*PANEL, *FRONTEND.glob("style/*.css"), *FRONTEND.glob("locales/*.json")], ids=name
)
def test_files_stay_short(path: Path) -> None:
    assert len(text(path).splitlines()) <= LONGEST
