"""What the log shows: ids of request and job, libraries' lines too, and nothing secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from loguru import logger

from backend.logger import job_id, redact, request_id, setup

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLWhlcmU"
SECRET = "hunter2-and-more"
SAID = [
    f"Authorization: Bearer {TOKEN}",
    f"authorization: bearer {SECRET}",
    f"got {TOKEN} from a friend",
    f"password={SECRET}",
    f"password: {SECRET}",
    f'{{"password": "{SECRET}", "name": "ada"}}',
    f"{{'client_secret': '{SECRET}'}}",
    f"grant_type=password&username=ada&password={SECRET}&scope=full",
    f"refresh_token={SECRET}",
    f"access_token: {SECRET}",
    f"SECRET_KEY={SECRET}",
    f"passwd = {SECRET}",
    f"postgresql://gavan:{SECRET}@db/gavan",
    f"redis://:{SECRET}@redis:6379/0 refused",
    f"cloning https://ada:{SECRET}@git.example.com/a.git",
]
KEPT = [
    "no secret here",
    "http://localhost:8080/api/v1/services?size=20",
    "http://[::1]:8080/a@b",
    "the password was changed",
    "GET /api/v1/services/0197a2c4-0000-7000-8000-000000000000 200",
    "ada@example.com signed in",
]

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Lines]:
    setup("DEBUG", "json")
    yield lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    setup("WARNING", "pretty")


@pytest.mark.parametrize("text", SAID)
def test_secrets_are_cut_out(text: str) -> None:
    shown = redact(text)
    assert SECRET not in shown
    assert TOKEN not in shown
    assert "•••" in shown


@pytest.mark.parametrize("text", KEPT)
def test_the_rest_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("text", SAID)
@pytest.mark.parametrize("form", ["json", "pretty"])
def test_whoever_says_it(capsys: pytest.CaptureFixture[str], text: str, form: str) -> None:
    setup("DEBUG", form)
    logger.info(text)
    logger.info("{}", text)
    logging.getLogger("some.library").warning("library: %s", text)
    try:
        raise RuntimeError(text)
    except RuntimeError:
        logger.exception("it failed")
        logging.getLogger("some.library").exception("it failed there")
    said = capsys.readouterr().out
    setup("WARNING", "pretty")
    assert said.count("•••") >= 5
    assert "RuntimeError" in said
    assert SECRET not in said
    assert TOKEN not in said


def test_local_variables_are_not_shown(lines: Lines) -> None:
    def sign_in(credential: str) -> None:
        raise ValueError(len(credential))

    try:
        sign_in(SECRET)
    except ValueError:
        logger.exception("no")
    (line,) = lines()
    assert "ValueError: 16" in line["exception"]
    assert SECRET not in json.dumps(line)


def test_ids(lines: Lines) -> None:
    asked, working = request_id.set("request-0001"), job_id.set("job-0001")
    logger.info("both")
    request_id.reset(asked)
    logging.getLogger("library").warning("one")
    job_id.reset(working)
    logger.info("none")
    both, one, none = lines()
    assert (both["request_id"], both["job_id"]) == ("request-0001", "job-0001")
    assert (one.get("request_id"), one["job_id"], one["logger"]) == (None, "job-0001", "library")
    assert not {"request_id", "job_id"} & set(none)
    assert {"time", "level", "logger", "message"} <= set(none)


def test_levels(lines: Lines) -> None:
    setup("WARNING", "json")
    logger.info("quiet")
    logging.getLogger("library").info("quiet")
    logger.warning("loud")
    assert [line["message"] for line in lines()] == ["loud"]


def test_loud_libraries_are_kept_quiet(lines: Lines) -> None:
    for name in ("authlib.oauth2", "httpx", "asyncio"):
        logging.getLogger(name).debug("token=%s", SECRET)
    assert lines() == []


@pytest.mark.parametrize(
    "text",
    ["{not a field}", "{0}", "%s %d", "a\nb", "\x1b[31mred", "{{}}", "<red>x</red>", "half \ud800 pair"],
    ids=ascii,
)
def test_any_text_is_one_line(lines: Lines, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    # pytest's own handlers would note half a pair as it is, which xdist cannot send.
    ours = [one for one in logging.root.handlers if type(one).__module__ == "backend.logger"]
    monkeypatch.setattr(logging.root, "handlers", ours)
    logger.info("{}", text)
    logger.info(text)
    logging.getLogger("library").warning(text)
    found = lines()
    assert len(found) == 3
    assert all(line["message"] == found[0]["message"] for line in found)
