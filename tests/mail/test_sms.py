"""Text messages: the same outbox, given to a gateway or, in development, to the worker's output."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr

from tests.mail.conftest import Desk
from tests.support.mailserver import SmsServer

TEXT = "493027"


@pytest.fixture
def gateway(desk: Desk, sms: SmsServer) -> SmsServer:
    desk.change(sms_gateway_url=SecretStr(sms.url), sms_gateway_header=SecretStr("X-Key: let-me-in"))
    return sms


async def test_as_json(desk: Desk, gateway: SmsServer) -> None:
    letter_id = await desk.write_sms()
    letter = await desk.send(letter_id)
    assert (letter.state, letter.channel, letter.content, letter.subject) == ("sent", "sms", None, None)
    (posted,) = gateway.posted
    assert posted.content_type == "application/json"
    assert posted.headers["x-key"] == "let-me-in"
    assert posted.json.keys() == {"to", "text", "id"}
    assert (posted.json["to"], posted.json["id"]) == ("+79991234567", str(letter_id))
    assert TEXT in posted.json["text"]


async def test_as_form(desk: Desk, gateway: SmsServer) -> None:
    body = '{"phone": "{to}", "message": "{text}", "sender": "Gavan"}'
    desk.change(sms_gateway_format="form", sms_gateway_body=body)
    assert (await desk.send(await desk.write_sms(code="{id}&to=+1"))).state == "sent"
    (posted,) = gateway.posted
    assert posted.content_type == "application/x-www-form-urlencoded"
    fields = parse_qs(posted.body.decode())
    assert (fields["phone"], fields["sender"]) == (["+79991234567"], ["Gavan"])
    # What is filled in is not filled in again.
    assert "{id}&to=+1" in fields["message"][0]


@pytest.mark.parametrize(
    ("status", "state", "code"),
    [
        *((status, "failed", "refused") for status in (400, 404, 422)),
        *((status, "queued", "not_admitted") for status in (401, 403)),
        *((status, "queued", "put_off") for status in (302, 408, 429, 500, 503)),
    ],
)
async def test_answers(desk: Desk, gateway: SmsServer, status: int, state: str, code: str) -> None:
    gateway.statuses = [status]
    letter_id = await desk.write_sms()
    letter = await desk.send(letter_id)
    assert (letter.state, letter.error_code, letter.error) == (state, code, f"HTTP {status}")
    assert (letter.content is None) == (state == "failed")
    if state == "queued":
        await desk.due_now(letter_id)
        assert (await desk.send(letter_id)).state == "sent"


async def test_nobody_there(desk: Desk) -> None:
    desk.change(sms_gateway_url=SecretStr("http://127.0.0.1:9/"))
    letter = await desk.send(await desk.write_sms())
    assert (letter.state, letter.error_code) == ("queued", "not_reached")


async def test_in_development_the_worker_prints_it(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    assert (await desk.send(await desk.write_sms())).state == "sent"
    printed = capsys.readouterr().out
    assert "+79991234567" in printed
    assert TEXT in printed


async def test_in_production_it_waits_for_a_gateway(
    desk: Desk, gateway: SmsServer, capsys: pytest.CaptureFixture[Any]
) -> None:
    desk.change(environment="production", sms_gateway_url=None)
    assert (await desk.send(await desk.write_sms())).state == "held"
    assert TEXT not in capsys.readouterr().out
