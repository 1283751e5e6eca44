"""What the API document says beyond types: words, examples, where work is followed, what streams hold."""

from __future__ import annotations

import re

import pytest
from fastapi import FastAPI

from backend.exceptions import Invalid
from backend.services.names import check_name
from tests.api.operations import Operation

EXPLAINED = [
    "ServiceView",
    "AdminServiceView",
    "LiveDeployment",
    "Source",
    "DeploymentView",
    "Step",
    "VariableView",
    "DeploymentLog",
    "DeploymentLogLineView",
    "ServiceLog",
    "ServiceLogLine",
    "OrderIn",
    "OrderView",
    "ServicePatch",
    "JobView",
    "JobError",
    "JobService",
    "PlanView",
    "Words",
    "Example",
    "Overview",
    "Problem",
]
TELLING = ("description", "examples", "enum", "const", "format", "$ref")


def test_properties_explain_themselves(app: FastAPI) -> None:
    """By words, an example, or a type that says it all."""
    schemas = app.openapi()["components"]["schemas"]
    silent = [
        f"{name}.{field}"
        for name in EXPLAINED
        for field, schema in schemas[name]["properties"].items()
        if not any(
            word in option
            for option in (schema, schema.get("items", {}), *schema.get("anyOf", []))
            for word in TELLING
        )
    ]
    assert silent == []


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
