"""Calls that make no sense are answered in the documented way, by every operation that can be asked so."""

from __future__ import annotations

import base64
from typing import Any

import httpx
import orjson
import pytest

from tests.api.operations import BODIES, NAMES, PUBLIC, UPLOADS, Operation, is_problem, order_body
from tests.support.people import Person

NASTY = [
    "\x00",
    "a\x00b",
    "\ud800",
    "x" * 100_000,
    "'; DROP TABLE jobs; --",
    "%",
    "\\",
    "\u202e",
    "-1",
    "1e400",
]


def cursor_of(*parts: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(parts))).rstrip(b"=").decode()


def is_right(operation: Operation, answer: httpx.Response, *statuses: int) -> bool:
    return answer.status_code in statuses and operation.declares(answer) and is_problem(answer)


async def test_ids(client: httpx.AsyncClient, walk: list[Operation], owner: Person, admin: Person) -> None:
    nothing = "00000000-0000-7000-8000-000000000000"
    for operation in walk:
        headers = admin.headers if operation.is_admin else owner.headers
        for name in set(operation.ids) - NAMES:
            known = dict.fromkeys(operation.ids, nothing)
            answer = await operation.call(client, known, headers=headers)
            assert is_right(operation, answer, 404), (operation.id, answer.text)
            for wrong in ("x", "0", "-", nothing[:-1], nothing + "0", "%00", "%2e%2e", "null", "💣"):
                answer = await operation.call(client, {**known, name: wrong}, headers=headers)
                assert is_right(operation, answer, 422), (operation.id, wrong, answer.text)


async def test_pages(  # type: ignore[no-untyped-def]
    client: httpx.AsyncClient, walk: list[Operation], objects, owner: Person, admin: Person
) -> None:
    lists = [operation for operation in walk if operation.is_list]
    assert len(lists) >= 7
    for operation in lists:
        headers = admin.headers if operation.is_admin else owner.headers
        wrong: list[tuple[dict[str, Any], int]] = [
            *(({"size": size}, 422) for size in ("0", "101", "-1", "x", "", "1.5", "9" * 30)),
            *(({"sort": sort}, 422) for sort in ("", "id", "password", "--name", "created_at;", "-")),
            ({"cursor": "x" * 1001}, 422),
            *(({"cursor": cursor}, 400) for cursor in bad_cursors(operation)),
        ]
        for params, status in wrong:
            answer = await operation.call(client, objects, headers=headers, params=params)
            assert is_right(operation, answer, status), (operation.id, params, answer.text)
            if status == 400:
                assert answer.json()["code"] == "bad_cursor"
            else:
                assert answer.json()["errors"][0]["loc"] == ["query", *params]


ROWS_OF = {
    **{"me_sessions_list": "oauth_sessions", "me_sign_ins_list": "sign_ins"},
    **{"projects_list": "projects", "orders_list": "orders", "deployments_list": "deployments"},
    **{"services_list": "services", "admin_services_list": "services"},
    **{"jobs_list": "jobs", "admin_jobs_list": "jobs"},
    **{"applications_list": "oauth_clients", "tokens_list": "oauth_personal_tokens"},
    "grants_list": "oauth_consents",
    **{"members_list": "project_members", "invitations_list": "project_invitations"},
    **{"admin_users_list": "users", "admin_letters_list": "letters"},
    **{"audit_list": "audit_events", "admin_audit_list": "audit_events"},
    "push_deliveries_list": "hook_deliveries",
    **{"domains_list": "domains", "admin_domains_list": "domains"},
    "admin_certificates_list": "certificates",
    **{"cron_jobs_list": "cron_jobs", "cron_runs_list": "cron_runs"},
    **{"backups_list": "backups", "admin_backups_list": "backups", "stacks_list": "stacks"},
    **{"previews_list": "services", "services_events": "service_events"},
    **{"billing_entries_list": "ledger_transactions", "admin_ledger_entries_list": "ledger_transactions"},
    **{"admin_ledger_customers_list": "ledger_accounts", "admin_adjustments_list": "ledger_adjustments"},
    **{"billing_invoices_list": "invoices", "admin_invoices_list": "invoices"},
    **{"coupons_list": "coupon_redemptions", "admin_coupons_list": "coupons"},
    **{"payments_list": "payments", "admin_payments_list": "payments"},
    **{"admin_bank_lines_list": "bank_lines", "admin_gateway_messages_list": "gateway_messages"},
    **{"admin_dunning_list": "dunning_states", "admin_billing_runs_list": "billing_runs"},
}


def bad_cursors(operation: Operation) -> list[str]:
    """Not ours, or changed by somebody who knows how ours are made."""
    nothing = "00000000-0000-7000-8000-000000000000"
    sort = f"{ROWS_OF[operation.id]}:{operation.parameters['sort']['default']}"
    return [
        *("x", "!!!!", "ж", "%00", "AAAA", cursor_of(), cursor_of(1), cursor_of("n", sort)),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        base64.urlsafe_b64encode(b"[" * 500).decode(),
        base64.urlsafe_b64encode(b'{"a": 1}').decode(),
        cursor_of("x", sort, "2026-01-01T00:00:00Z", nothing),
        cursor_of("n", "other:-created_at", "2026-01-01T00:00:00Z", nothing),
        cursor_of("n", sort.partition(":")[2], "2026-01-01T00:00:00Z", nothing),
        cursor_of("n", sort, "2026-01-01T00:00:00Z", "no-id"),
        cursor_of("n", sort, "2026-01-01T00:00:00Z", 5),
        *(
            cursor_of("n", sort, value, nothing)
            for value in (None, {}, [], "", "x", "\x00", 10**18, -(2**60), 1.5)
        ),
        cursor_of("n", sort, "0001-01-01T00:00:00+14:00", nothing),
        cursor_of("n", sort, True, nothing),
    ]


@pytest.mark.parametrize("sort", ["name", "-name"])
async def test_a_cursor_with_a_text_that_is_none(client: httpx.AsyncClient, owner: Person, sort: str) -> None:
    for value in ("\x00", "a\x00b", None, 5, {"a": "\x00"}):
        for path in ("services", "projects"):
            cursor = cursor_of("n", f"{path}:{sort}", value, str(owner.project_id))
            answer = await client.get(
                f"/api/v1/{path}", params={"sort": sort, "cursor": cursor}, headers=owner.headers
            )
            assert answer.status_code in (200, 400), (value, answer.text)
            assert answer.status_code == 200 or answer.json()["code"] == "bad_cursor"


@pytest.fixture
async def admin(user_factory, objects, owner: Person) -> Person:  # type: ignore[no-untyped-def]
    """May ask everything; sees the owner's things as an administrator."""
    return await user_factory(roles=("user", "admin"))


async def test_parameters(  # type: ignore[no-untyped-def]
    client: httpx.AsyncClient, walk: list[Operation], objects, owner: Person, admin: Person
) -> None:
    """Whatever text stands in a parameter: an answer that is declared, never an accident."""
    for operation in walk:
        if operation.is_stream:
            continue
        for name in operation.parameters:
            for value in NASTY[:2] + NASTY[3:]:
                whose = admin if operation.is_admin else owner
                params = {name: value[:4000]}
                answer = await operation.call(client, objects, headers=whose.headers, params=params)
                assert operation.declares(answer), (operation.id, name, value[:20], answer.text)
                assert answer.status_code < 400 or answer.status_code == 503 or is_problem(answer)


async def test_fields(client: httpx.AsyncClient, walk: list[Operation], objects, owner: Person) -> None:  # type: ignore[no-untyped-def]
    """Each field of each body, one at a time, holding what it should not."""
    for operation in walk:
        if operation.id not in BODIES:
            continue
        for field in {**BODIES[operation.id](), "unknown": 1}:
            for value in [*NASTY, None, 5, [], {}, True, {"a": "\x00"}, {"\ud800": "x"}, [[[]]]]:
                body = {**BODIES[operation.id](), field: value}
                answer = await client.request(
                    operation.method,
                    operation.at(objects),
                    content=_json(body),
                    headers={**owner.headers, "Content-Type": "application/json"},
                )
                told = (operation.id, field, repr(value)[:30], answer.text[:300])
                assert answer.status_code < 500, told
                assert operation.declares(answer), told
                assert answer.status_code in (200, 201, 202) or is_problem(answer), told


def _json(body: Any) -> bytes:
    import json

    return json.dumps(body).encode()


async def test_unknown_paths_and_methods(client: httpx.AsyncClient, owner: Person) -> None:
    for method, path, status, code in (
        ("GET", "/api/v1/none-such", 404, "not_found"),
        ("GET", "/api/v2/services", 404, "not_found"),
        ("DELETE", "/api/v1/services", 405, "method_not_allowed"),
        ("POST", "/api/v1/me", 405, "method_not_allowed"),
    ):
        answer = await client.request(method, path, headers=owner.headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
        assert is_problem(answer)


async def test_request_ids(client: httpx.AsyncClient) -> None:
    given = await client.get("/api/v1/none-such", headers={"X-Request-Id": "my-request-0001"})
    assert given.headers["x-request-id"] == given.json()["request_id"] == "my-request-0001"
    for wrong in ("short", "x" * 65, "with blank here", "<script>alert(1)</script>"):
        answer = await client.get("/api/v1/none-such", headers={"X-Request-Id": wrong})
        assert answer.headers["x-request-id"] != wrong
        assert len(answer.headers["x-request-id"]) == 32


def test_orders_are_the_largest_body(walk: list[Operation]) -> None:
    """What this module and the walk know of bodies is all there is."""
    with_body = {one.id for one in walk if "requestBody" in one.document}
    assert with_body - PUBLIC <= set(BODIES) | set(UPLOADS)
    assert order_body()["name"] != order_body()["name"]
