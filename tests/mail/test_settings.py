"""How the operator names mail server and gateway: what is unclear or unsafe is refused, and not quoted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from backend.config import Settings
from backend.mail.servers import SmtpServer, parse_sender
from tests.support.backing import make_settings

Make = Callable[..., Settings]
FROM = "Gavan <no-reply@example.com>"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return lambda **changes: make_settings(tmp_path, tmp_path, "gavan", 0, **changes)


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com?starttls", SmtpServer("mail.example.com", 587, "starttls")),
        ("smtp://mail.example.com:25/?starttls", SmtpServer("mail.example.com", 25, "starttls")),
        ("smtps://mail.example.com", SmtpServer("mail.example.com", 465, "tls")),
        ("smtp://relay:25?plain", SmtpServer("relay", 25, "plain")),
        ("smtp://127.0.0.1:1025", SmtpServer("127.0.0.1", 1025, "plain")),
        ("smtp://[::1]:1025", SmtpServer("::1", 1025, "plain")),
        ("smtp://localhost:1025", SmtpServer("localhost", 1025, "plain")),
        ("smtp://u:p@localhost:1025", SmtpServer("localhost", 1025, "plain", "u", "p")),
        (
            "smtp://me%40example.com:p%40ss%2F%23@mail.example.com:587?starttls&ca=/etc/ca%20file.pem",
            SmtpServer(
                "mail.example.com", 587, "starttls", "me@example.com", "p@ss/#", Path("/etc/ca file.pem")
            ),
        ),
    ],
)
def test_understood(make: Make, url: str, server: SmtpServer) -> None:
    assert make(smtp_url=url, mail_from=FROM).smtp_server() == server


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        *((url, "must begin with") for url in ("mail.example.com", "http://mail", "smtp:mail", "//mail")),
        ("smtp://mail.example.com", "needs `?starttls`"),
        ("smtp://u:hidden@mail.example.com?plain", "unencrypted"),
        ("smtp://mail?starttls&plain", "either"),
        ("smtps://mail?starttls", "smtps, encrypted from the start"),
        ("smtps://mail?plain", "smtps, encrypted from the start"),
        *((f"smtp://mail?{query}", "options") for query in ("tls", "starttls=1", "starttls&starttls", "ca=")),
        *(
            (f"smtp://{host}?starttls", "no valid host")
            for host in ("", ":587", "-a", "a..b", "a_b!", "[::x]")
        ),
        *((f"smtp://mail:{port}?starttls", "no valid port") for port in ("", "0", "65536", "smtp")),
        ("smtp://mail/inbox?starttls", "path"),
        ("smtp://mail?starttls#hidden", "%23"),
        ("smtp://u:hid#den@mail?starttls", "%23"),
        ("smtp://u@mail?starttls", "a user and a password"),
        ("smtp://:hidden@mail?starttls", "a user and a password"),
        ("smtp://u:@mail?starttls", "a user and a password"),
        ("smtp://mail?starttls&ca=relative.pem", "absolute"),
        ("smtp://localhost?ca=/a.pem", "nothing to verify"),
        ("smtp://mail.exam ple.com?starttls", "spaces"),
        ("smtp://mail\n?starttls", "spaces"),
    ],
)
def test_refused(make: Make, url: str, reason: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make(smtp_url=url, mail_from=FROM)
    said = str(refused.value)
    assert "SMTP_URL" in said or "no valid host" in reason
    assert reason in said or "is no URL" in said
    assert "hidden" not in said


@pytest.mark.parametrize(
    "sender",
    [
        "",
        "Gavan",
        "no-reply",
        "a@b.c, d@e.f",
        "Gavan <a@b.c>\nBcc: x@y.z",
        "<>",
        "a@b c",
        "a@b.c x",
        "ф@ф.рф",
    ],
)
def test_refused_senders(make: Make, sender: str) -> None:
    with pytest.raises(ValidationError, match="MAIL_FROM"):
        make(smtp_url="smtps://mail.example.com", mail_from=sender)


def test_nothing_is_needed(make: Make) -> None:
    settings = make(smtp_url="", sms_gateway_url="", sms_gateway_header="", mail_from="")
    assert settings.smtp_server() is None
    assert settings.sms_gateway() is None


GATEWAY = {"sms_gateway_url": "https://sms.example.com/send?account=7"}


def test_gateway(make: Make) -> None:
    body = '{"messages": [{"to": "{to}", "body": "{text}", "priority": 1}], "key": "{id}"}'
    header = "Authorization: Bearer hidden"
    gateway = make(**GATEWAY, sms_gateway_header=header, sms_gateway_body=body).sms_gateway()
    assert gateway is not None
    assert gateway.header == ("Authorization", "Bearer hidden")
    assert gateway.filled(to="+1", text='a "{id}"', id="7") == {
        "messages": [{"to": "+1", "body": 'a "{id}"', "priority": 1}],
        "key": "7",
    }
    assert "hidden" not in repr(gateway)


@pytest.mark.parametrize(
    ("sender", "name", "address"),
    [
        ("Gavan <no-reply@example.com>", "Gavan", "no-reply@example.com"),
        ("no-reply@example.com", "", "no-reply@example.com"),
        ('"Harbour, Inc." <a+b@mail.example.com>', "Harbour, Inc.", "a+b@mail.example.com"),
        ("Гавань <a@b.c>", "Гавань", "a@b.c"),
    ],
)
def test_senders(sender: str, name: str, address: str) -> None:
    parsed = parse_sender(sender)
    assert (parsed.display_name, parsed.addr_spec) == (name, address)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sms_gateway_url": "http://sms.example.com"}, "https"),
        ({"sms_gateway_url": "ftp://sms.example.com"}, "must begin with"),
        ({"sms_gateway_url": "https://u:hidden@sms.example.com"}, "SMS_GATEWAY_HEADER"),
        *(
            ({"sms_gateway_header": header}, "one header")
            for header in ("hidden", "A: b\nB: c", ": b", "A b: c")
        ),
        *(
            ({"sms_gateway_body": body}, "JSON object")
            for body in ("", "{to} {text}", "[]", '{"to": "{to}"}')
        ),
        ({"sms_gateway_format": "form", "sms_gateway_body": '{"a": ["{to}{text}"]}'}, "texts only"),
        ({"sms_gateway_format": "xml"}, "sms_gateway_format"),
    ],
)
def test_refused_gateways(make: Make, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError) as refused:
        make(**{**GATEWAY, **changes})
    assert reason in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_nothing_secret_is_shown(make: Make) -> None:
    settings = make(
        smtp_url="smtps://gavan:hidden@mail.example.com",
        mail_from=FROM,
        sms_gateway_url="https://sms.example.com/?key=hidden",
        sms_gateway_header="X-Key: hidden",
    )
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert "hidden" not in shown
    assert "hidden" not in repr(settings.smtp_server()) + repr(settings.sms_gateway())


@pytest.mark.parametrize(("name", "value"), [("letter_lease_seconds", 1), ("letter_retention_days", 1)])
def test_out_of_bounds(make: Make, name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        make(**{name: value})
