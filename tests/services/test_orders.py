"""What is refused when a service is ordered, and that nothing of it stays."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.exceptions import Invalid
from backend.services.environment import MAX_VALUE, RESERVED, Redactor, check_variables
from backend.services.names import RESERVED as RESERVED_NAMES
from backend.services.names import check_name
from tests.services.conftest import Ask, order_body, refused
from tests.support.people import Person

NAMES = {
    "name_length": ["", "a", "ab", "x" * 41, "x" * 200],
    "name_not_lower_case": ["Hello", "HELLO", "hellO", "ÜBER"],
    "name_characters": [
        *("1abc", "-abc", "abc-", "a--b", "xn--80ak6aa92e", "a_b", "a.b", "a b", "a/b", "..."),
        *("привет", "naïve", "ﬁne", "a\u200db", "аpple", "日本語", "abc\n", "abc\x00", "a\tb"),
        *("%2e%2e", "a;b", "a'b", 'a"b', "<b>", "{name}", "$(id)", "١٢٣abc"),
    ],
    "name_reserved": ["admin", "api", "www", "panel", "localhost", "mail"],
}


@pytest.mark.parametrize(
    ("code", "name"), [(code, name) for code, names in NAMES.items() for name in names], ids=ascii
)
async def test_names(order: Ask, counted, code: str, name: str) -> None:  # type: ignore[no-untyped-def]
    refused(await order(name=name), code, "body", "name")
    assert await counted() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("name", ["abc", "a1b", "my-first-app", "x" * 40, "a-1"])
async def test_good_names(order: Ask, name: str) -> None:
    assert (await order(name=name)).status_code == 202


def test_reserved_names_are_names() -> None:
    """Otherwise they would be refused for another reason, and the list would be a lie."""
    for name in RESERVED_NAMES:
        if len(name) >= 3:
            with pytest.raises(Invalid) as found:
                check_name(name)
            assert found.value.code == "name_reserved"


@settings(max_examples=300)
@given(st.text(max_size=50))
def test_any_name_that_passes_is_a_dns_label(name: str) -> None:
    try:
        check_name(name)
    except Invalid:
        return
    assert 3 <= len(name) <= 40
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert name[0].isalpha()
    assert name[-1] != "-"
    assert "--" not in name


class TestVariables:
    @pytest.mark.parametrize(
        "name",
        ["", " ", "1A", "A B", "A-B", "A.B", "A=B", "ÄB", "ПОРТ", "A\n", "A\x00", "A" * 129, "$A", "A\ud800"],
        ids=ascii,
    )
    async def test_names(self, client: httpx.AsyncClient, ada: Person, counted, name: str) -> None:  # type: ignore[no-untyped-def]
        body = json.dumps(order_body(variables={name: "a secret value"})).encode()
        headers = {**ada.headers, "Content-Type": "application/json"}
        answer = await client.post("/api/v1/orders", content=body, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["code"] in ("variable_name", "invalid")
        assert "a secret value" not in answer.text
        assert await counted() == [0, 0, 0, 0, 0]

    @pytest.mark.parametrize("name", sorted(RESERVED))
    async def test_names_that_are_ours(self, order: Ask, name: str) -> None:
        refused(await order(variables={name: "x"}), "variable_reserved", "body", "variables", name)

    @pytest.mark.parametrize(
        ("value", "codes"),
        [
            ("a\x00b", {"variable_value"}),
            ("\ud800", {"variable_value", "invalid"}),
            ("\udfffx", {"variable_value", "invalid"}),
            ("x" * (MAX_VALUE + 1), {"variable_too_long"}),
            ("ж" * (MAX_VALUE // 2 + 1), {"variable_too_long"}),
        ],
        ids=["NUL", "high surrogate", "low surrogate", "long", "long in bytes"],
    )
    async def test_values(
        self, client: httpx.AsyncClient, ada: Person, counted, value: str, codes: set[str]
    ) -> None:  # type: ignore[no-untyped-def]
        body = json.dumps(order_body(variables={"TOKEN": value})).encode()
        headers = {**ada.headers, "Content-Type": "application/json"}
        answer = await client.post("/api/v1/orders", content=body, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["code"] in codes
        assert value[:20] not in answer.text or len(value) < 3
        assert await counted() == [0, 0, 0, 0, 0]

    async def test_how_many(self, order: Ask) -> None:
        hundred = {f"V{number}": "x" for number in range(100)}
        refused(await order(variables={**hundred, "ONE_MORE": "x"}), "too_many_variables")
        assert (await order(variables=hundred)).status_code == 202

    async def test_how_much(self, order: Ask) -> None:
        refused(await order(variables={f"V{n}": "x" * 30_000 for n in range(9)}), "variables_too_long")
        assert (await order(variables={f"V{n}": "x" * 30_000 for n in range(8)})).status_code == 202

    @pytest.mark.parametrize("value", [None, 1, True, 1.5, [], {}, ["a"]])
    async def test_types(self, order: Ask, value: object) -> None:
        assert (await order(variables={"A": value})).status_code == 422

    @settings(max_examples=200)
    @given(st.dictionaries(st.text(max_size=12), st.text(st.characters(codec=None), max_size=20), max_size=4))
    def test_a_refusal_names_the_variable_and_never_its_value(self, variables: dict[str, str]) -> None:
        marked = {name: f"value-{value}-value" for name, value in variables.items()}
        told = ""
        try:
            check_variables(marked)
        except Invalid as refusal:
            told = repr((refusal.detail, refusal.errors))
        assert not any(value in told for value in marked.values())


class TestRedactor:
    def test_longest_first(self) -> None:
        redact = Redactor(["secret", "secret-and-more"])
        assert redact("a secret-and-more b secret c") == "a ••• b ••• c"

    def test_lines_of_a_value(self) -> None:
        key = "-----BEGIN KEY-----\nabcdefgh\n-----END KEY-----"
        assert "abcdefgh" not in Redactor([key])("line abcdefgh here")

    def test_short_values_do_not_garble(self) -> None:
        assert Redactor(["on", "8080", ""])("port 8080 is on") == "port 8080 is on"

    def test_patterns_are_text(self) -> None:
        assert Redactor(["a.*b(c"])("axxb a.*b(c") == "axxb •••"

    @given(st.text(min_size=5, max_size=30), st.text(max_size=40), st.text(max_size=40))
    def test_a_value_never_passes(self, value: str, before: str, after: str) -> None:
        shown = Redactor([value])(before + value + after)
        if value not in before + "•••" + after and not set(value) & {"•"}:
            assert value not in shown or value in before + after


@pytest.mark.parametrize(
    "change",
    [
        {"template_id": "none-such"},
        {"template_id": "../../etc"},
        {"plan_id": "none-such"},
        {"plan_id": "x" * 41},
        {"source": None},
        {"source": {"repo_url": ""}},
        {"source": {}},
        {"source": {"repo_url": "https://git.example.com/a.git", "ref": ""}},
        {"source": {"repo_url": "https://git.example.com/a.git", "ref": "-x"}},
        {"source": {"repo_url": "https://git.example.com/a.git", "ref": "../x"}},
        {"source": {"repo_url": "https://git.example.com/a.git", "ref": "a b"}},
        {"source": {"repo_url": "https://git.example.com/a.git", "ref": "x" * 201}},
        {"health_path": "health"},
        {"health_path": "//evil.example.com/"},
        {"health_path": "/a b"},
        {"health_path": "/a\r\nX: y"},
        {"health_path": "/" + "x" * 500},
        {"name": None},
        {"name": 5},
        {"variables": None},
        {"variables": []},
        {"unknown": "field"},
        {"project_id": "not-an-id"},
    ],
    ids=str,
)
async def test_fields(order: Ask, counted, change: dict[str, object]) -> None:  # type: ignore[no-untyped-def]
    answer = await order(**change)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert await counted() == [0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b"[" * 5000 + b"]" * 5000,
        b"1e999",
    ],
    ids=lambda body: repr(body[:12]),
)
async def test_bodies(client: httpx.AsyncClient, ada: Person, body: bytes) -> None:
    headers = {**ada.headers, "Content-Type": "application/json"}
    answer = await client.post("/api/v1/orders", content=body, headers=headers)
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("key", ["", " ", "a b", "ключ".encode(), "x" * 201, "a\tb"])
async def test_idempotency_keys(client: httpx.AsyncClient, ada: Person, counted, key: str | bytes) -> None:  # type: ignore[no-untyped-def]
    raw = key if isinstance(key, bytes) else key.encode()
    headers = [(name.encode(), value.encode()) for name, value in ada.headers.items()]
    answer = await client.post(
        "/api/v1/orders", json=order_body(), headers=[*headers, (b"Idempotency-Key", raw)]
    )
    assert answer.status_code == 422
    assert await counted() == [0, 0, 0, 0, 0]


async def test_a_full_project(app, client: httpx.AsyncClient, ada: Person, order: Ask) -> None:  # type: ignore[no-untyped-def]
    app.state.parts.settings = app.state.parts.settings.model_copy(update={"services_per_project": 1})
    assert (await order()).status_code == 202
    answer = await order()
    assert (answer.status_code, answer.json()["code"]) == (409, "project_full")
