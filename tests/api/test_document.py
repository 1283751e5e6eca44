"""The API document is complete, is what the code says, and is what `openapi/openapi.json` says."""

from __future__ import annotations

import re
from typing import Any

import httpx
from fastapi import FastAPI

from backend.manage import DOCUMENT
from backend.openapi import TAGS, export
from tests.api.operations import PUBLIC, SHOWN, UPLOADS, Operation
from tests.support.undo import undone

FOREIGN = ("oauth_token", "oauth_revoke", "oauth_introspect")
"""Their errors are those of RFC 6749, not problem documents."""

SIGNED = ("webhooks_receive",)
"""An example can hold no signature of a secret that is drawn anew for each."""

PERSONAL = ("projects_transfer", "members_update")
"""Refused for the owner's project here: it is the personal one, with one owner."""

NAMING = (
    *("auto_top_up_set", "admin_payments_create", "admin_bank_lines_match"),
    "admin_adjustments_create",
)
"""Their bodies name something by an id, which an example cannot know."""

PAST = (
    "rollbacks_create",
    "consoles_create",
    "admin_payments_review",
    "admin_refunds_end",
    "backups_create",
    "restores_create",
    "stacks_delete",
)
"""About something that has to have happened to the service."""
IN_CONTAINERS = (
    *("stacks_preview", "stacks_create", "stacks_upgrade", "stacks_upgrade_preview", "stacks_reveal"),
    *("processes_put", "admin_nodes_set_availability", "admin_nodes_set_labels", "admin_nodes_join_order"),
)
"""Their examples are of images, replicas and nodes, which the engine of these tests does not run."""


def test_the_exported_one_is_up_to_date(app: FastAPI) -> None:
    assert DOCUMENT.read_bytes() == export(app), "run `make openapi`"


def test_settings_do_not_change_it(settings_of) -> None:  # type: ignore[no-untyped-def]
    from backend.main import create_app

    other = create_app(settings_of(panel_url="https://elsewhere.example.com"))
    assert export(other) == DOCUMENT.read_bytes()


async def test_it_is_served(client: httpx.AsyncClient, app: FastAPI) -> None:
    answer = await client.get("/api/openapi.json")
    assert answer.json() == app.openapi()
    page = await client.get("/api/docs")
    assert page.status_code == 200
    for asset in re.findall(r'(?:src|href)="(/[^"]+)"', page.text):
        assert (await client.get(asset)).status_code == 200, asset


def test_every_operation_is_described(walk: list[Operation]) -> None:
    names = [one.id for one in walk]
    assert len(set(names)) == len(names)
    tags = {tag["name"] for tag in TAGS}
    for one in walk:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", one.id), one.id
        assert one.document["summary"], one.id
        assert not one.document["summary"].endswith("."), one.id
        assert one.document.get("description", "").endswith("."), one.id
        assert len(one.document["tags"]) == 1, one.id
        assert set(one.document["tags"]) <= tags, one.id
        assert re.fullmatch(r"(/[a-z0-9_.-]+|/\{[a-z_]+\})+", one.path), one.path


def test_errors_are_declared(walk: list[Operation]) -> None:
    for one in walk:
        responses = one.document["responses"]
        statuses = set(responses)
        if one.id not in PUBLIC:
            assert {"401", "403"} <= statuses, one.id
        if one.ids:
            assert {"404", "422"} <= statuses, one.id
        if one.is_list:
            assert {"400", "422"} <= statuses, one.id
        if "requestBody" in one.document and one.id not in FOREIGN:
            assert "422" in statuses, one.id
        for status, response in responses.items():
            if int(status) >= 400 and one.id not in FOREIGN:
                content = response["content"]
                assert list(content) == ["application/problem+json"], (one.id, status)
                reference = content["application/problem+json"]["schema"]["$ref"]
                assert reference == "#/components/schemas/Problem", (one.id, status)


def test_work_is_answered_with_202(walk: list[Operation]) -> None:
    for one in walk:
        if any(
            parameter["name"].lower() == "idempotency-key" for parameter in one.document.get("parameters", [])
        ):
            answers = one.document["responses"]
            # Money that moves at once is no work to follow.
            assert "201" in answers or "Location" in answers.get("202", {}).get("headers", {}), one.id
            assert one.method in ("POST", "DELETE"), one.id
        elif "202" in one.document["responses"]:
            assert one.id in PUBLIC or one.id == "jobs_cancel", f"{one.id} takes no Idempotency-Key"


def test_bodies_have_examples_that_fit(app: FastAPI, walk: list[Operation]) -> None:
    schemas = app.openapi()["components"]["schemas"]
    for one in walk:
        if "requestBody" not in one.document:
            continue
        for kind, content in one.document["requestBody"]["content"].items():
            schema = _resolved(content["schema"], schemas)
            examples = content.get("examples") or schema.get("examples") or content.get("example")
            assert examples, f"{one.id} has no example of its {kind} body"


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    options = [schema, *schema.get("anyOf", [])]
    for option in options:
        if reference := option.get("$ref"):
            found: dict[str, Any] = schemas[reference.rpartition("/")[2]]
            return found
    return schema


async def test_the_examples_work(  # type: ignore[no-untyped-def]
    client: httpx.AsyncClient, app: FastAPI, walk, objects, owner, user_factory, database
) -> None:
    """What is shown to people is accepted, but for what has to be their own."""
    admin = await user_factory(roles=("user", "admin"))
    schemas = app.openapi()["components"]["schemas"]
    for one in walk:
        if "requestBody" not in one.document or one.id in (
            *FOREIGN,
            *SHOWN,
            *PERSONAL,
            *NAMING,
            *PAST,
            *IN_CONTAINERS,
            *SIGNED,
        ):
            continue
        content = one.document["requestBody"]["content"].get("application/json")
        if content is None:
            assert one.id in UPLOADS, one.id
            continue
        (example,) = _resolved(content["schema"], schemas)["examples"]
        if one.id == "variables_replace":
            example = {"variables": {name: value or "x" for name, value in example["variables"].items()}}
        headers = admin.headers if one.is_admin else owner.headers
        async with undone(database):
            answer = await client.request(one.method, one.at(objects), json=example, headers=headers)
        assert answer.status_code < 300, (one.id, answer.text)


def test_lists_have_one_shape(app: FastAPI, walk: list[Operation]) -> None:
    schemas = app.openapi()["components"]["schemas"]
    for one in walk:
        if not one.is_list:
            continue
        assert {"cursor", "size", "sort"} <= set(one.parameters), one.id
        size = one.parameters["size"]
        assert (size["minimum"], size["maximum"], size["default"]) == (1, 100, 20), one.id
        schema = one.document["responses"]["200"]["content"]["application/json"]["schema"]
        fields = set(_resolved(schema, schemas)["properties"])
        assert {"items", "next_page", "previous_page", "current_page"} <= fields, one.id
        assert "total" not in fields, one.id


async def test_lists_answer_in_that_shape(  # type: ignore[no-untyped-def]
    client: httpx.AsyncClient, app: FastAPI, walk: list[Operation], objects, user_factory
) -> None:
    """The answers are written without the models that the document is made of: they are compared here."""
    admin = await user_factory(roles=("user", "admin"))
    schemas = app.openapi()["components"]["schemas"]
    for one in walk:
        if one.is_list:
            answer = await one.call(client, objects, headers=admin.headers)
            if answer.status_code == 200:
                schema = one.document["responses"]["200"]["content"]["application/json"]["schema"]
                _compare(answer.json(), _resolved(schema, schemas), schemas, one.id)


def test_every_answer_is_the_documented_one_is_walked_elsewhere(walk: list[Operation]) -> None:
    """Each 200 and 202 has a schema or is a stream."""
    for one in walk:
        good = {status: said for status, said in one.document["responses"].items() if status < "300"}
        if one.id == "oauth_authorize":
            assert not good, "it sends the browser on, whatever it thinks of the request"
            continue
        assert len(good) == 1, one.id
        ((status, said),) = good.items()
        assert one.id == "oauth_revoke" or (status == "204") == (not said.get("content")), one.id


async def test_single_answers_have_their_shape(  # type: ignore[no-untyped-def]
    client: httpx.AsyncClient, app: FastAPI, walk: list[Operation], objects, owner
) -> None:
    schemas = app.openapi()["components"]["schemas"]
    compared = 0
    for one in walk:
        if one.is_admin or "stream" in one.path or "events" in one.path or one.id in FOREIGN:
            continue
        answer = await one.call(client, objects, headers=owner.headers)
        if answer.status_code < 300 and answer.status_code != 204:
            content = one.document["responses"][str(answer.status_code)].get("content", {})
            if answer.status_code == 204:
                assert (content, answer.content) == ({}, b""), one.id
                continue
            kind = answer.headers["content-type"].partition(";")[0]
            assert kind in content, one.id
            if kind == "application/json":
                _compare(answer.json(), content[kind]["schema"], schemas, one.id)
                compared += 1
    assert compared > 15


TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "object": dict}


def _may_be(value: Any, kind: str | None) -> bool:
    if kind == "null" or value is None:
        return kind == "null" and value is None
    return kind not in TYPES or isinstance(value, TYPES[kind])


def _compare(value: Any, schema: dict[str, Any], schemas: dict[str, Any], where: str) -> None:
    """Fields of an answer against the document: none is missing, none is more, null only where it may be."""
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if _may_be(value, option.get("type"))]
        assert options, f"{where}: {value!r} is not {schema}"
        schema = options[0]
    schema = _resolved(schema, schemas)
    kind = schema.get("type")
    if kind == "object" and "properties" in schema:
        fields = set(schema["properties"])
        assert set(value) <= fields, f"{where}: not documented: {set(value) - fields}"
        assert set(schema.get("required", fields)) <= set(value), f"{where}: missing of {fields}"
        for name, inner in value.items():
            _compare(inner, schema["properties"][name], schemas, f"{where}.{name}")
    elif kind == "array":
        for item in value:
            _compare(item, schema["items"], schemas, f"{where}[]")
    elif kind is not None and kind != "null":
        assert isinstance(value, TYPES[kind]), f"{where}: {value!r} is no {kind}"
        assert value in schema.get("enum", [value]), f"{where}: {value!r}"
