"""What the API document says beyond types: words, examples, where work is followed, what streams hold."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI

from backend.exceptions import Invalid
from backend.services.names import check_name
from tests.api.operations import Operation

TELLING = ("description", "examples", "enum", "const", "format", "$ref")


def test_properties_explain_themselves(app: FastAPI) -> None:
    """By words, an example, or a type that says it all."""
    schemas = app.openapi()["components"]["schemas"]
    silent = [
        f"{name}.{field}"
        for name, described in schemas.items()
        for field, schema in described.get("properties", {}).items()
        if not any(
            word in option
            for option in (schema, schema.get("items", {}), *schema.get("anyOf", []))
            for word in TELLING
        )
    ]
    assert silent == []


def test_schemas_have_names_for_strangers(app: FastAPI) -> None:
    """Two models of one name would be told apart by the modules they are in."""
    assert [name for name in app.openapi()["components"]["schemas"] if "__" in name] == []


def test_the_reference_reads_as_one(app: FastAPI, walk: list[Operation]) -> None:
    tags = app.openapi()["tags"]
    names = [tag["name"] for tag in tags]
    assert len(set(names)) == len(names)
    assert all(tag["description"].endswith(".") for tag in tags)
    used = [one.document["tags"] for one in walk]
    assert all(len(chosen) == 1 for chosen in used)
    assert {tag for chosen in used for tag in chosen} == set(names)
    summaries = [one.document["summary"] for one in walk]
    assert len(set(summaries)) == len(summaries)
    assert not [words for words in summaries if words.endswith(".") or len(words) > 60]


def test_work_names_its_job(walk: list[Operation]) -> None:
    for one in walk:
        started = one.document["responses"].get("202")
        if started and ("idempotency-key" in one.parameters or one.id == "jobs_cancel"):
            assert started["headers"]["Location"]["required"], one.id


def test_streams_say_what_their_events_hold(app: FastAPI, walk: list[Operation]) -> None:
    schemas = app.openapi()["components"]["schemas"]
    streams = 0
    for one in walk:
        content = one.document["responses"].get("200", {}).get("content", {})
        if "text/event-stream" not in content:
            continue
        streams += 1
        for event in content["text/event-stream"]["itemSchema"]["oneOf"]:
            data = event["properties"]["data"]["contentSchema"]
            assert data.get("$ref", "").rpartition("/")[2] in schemas or data["maxProperties"] == 0, one.id
    assert streams == 3


def test_a_name_is_documented_as_it_is_enforced(app: FastAPI) -> None:
    name = app.openapi()["components"]["schemas"]["OrderIn"]["properties"]["name"]
    assert (name["minLength"], name["maxLength"]) == (3, 40)
    for good in ("abc", "tide-tables", "a1b"):
        assert re.fullmatch(name["pattern"], good)
        check_name(good)
    for bad in ("1ab", "ab-", "a--b", "A-b", "a_b"):
        assert not re.fullmatch(name["pattern"], bad)
        with pytest.raises(Invalid):
            check_name(bad)
