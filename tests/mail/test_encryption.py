"""Mail servers that want encryption and a password: both are verified, and nothing is sent without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from backend.mail.models import Letter
from tests.mail.certificates import Certificates, issue
from tests.mail.conftest import Desk
from tests.support.mailserver import MailServer

PASSWORD = "p@ss/word#1"
WRITTEN = "p%40ss%2Fword%231"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return issue(tmp_path_factory.mktemp("certificates"))


def check(server: Server, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
    assert session.ssl is not None, "the password came unencrypted"
    return AuthResult(success=given == LoginPassword(b"gavan", PASSWORD.encode()), handled=False)


def strict(certificates: Certificates) -> MailServer:
    return MailServer(
        tls_context=certificates.server_context(),
        require_starttls=True,
        auth_required=True,
        authenticator=check,
    )


async def sent(desk: Desk, url: str) -> Letter:
    desk.change(smtp_url=SecretStr(url))
    return await desk.send(await desk.write())


def address(server: MailServer, credentials: str, ca: Path | None, scheme: str = "smtp") -> str:
    options = "&".join([*(["starttls"] if scheme == "smtp" else []), *([f"ca={ca}"] if ca else [])])
    return f"{scheme}://{credentials}127.0.0.1:{server.port}" + (f"?{options}" if options else "")


async def test_starttls_and_password(desk: Desk, certificates: Certificates) -> None:
    with strict(certificates) as server:
        url = address(server, f"gavan:{WRITTEN}@", certificates.authority)
        assert (await sent(desk, url)).state == "sent"
        assert len(server.postman.delivered) == 1


@pytest.mark.parametrize("credentials", ["gavan:wrong@", ""])
async def test_a_wrong_password_waits_for_the_operator(
    desk: Desk, certificates: Certificates, credentials: str
) -> None:
    with strict(certificates) as server:
        letter = await sent(desk, address(server, credentials, certificates.authority))
    assert (letter.state, letter.error_code) == ("queued", "not_admitted")
    assert letter.content is not None
    assert "wrong" not in (letter.error or "")


async def test_an_unknown_authority_is_not_trusted(desk: Desk, certificates: Certificates) -> None:
    with strict(certificates) as server:
        letter = await sent(desk, address(server, f"gavan:{WRITTEN}@", None))
        assert server.postman.asked == 0
    assert (letter.state, letter.error_code) == ("queued", "not_trusted")


async def test_another_name_is_not_trusted(desk: Desk, tmp_path: Path) -> None:
    certificates = issue(tmp_path, "127.0.0.9")
    with strict(certificates) as server:
        letter = await sent(desk, address(server, f"gavan:{WRITTEN}@", certificates.authority))
    assert (letter.state, letter.error_code) == ("queued", "not_trusted")


async def test_starttls_that_is_not_offered(desk: Desk, mail: MailServer, certificates: Certificates) -> None:
    letter = await sent(desk, address(mail, "", certificates.authority))
    assert (letter.state, letter.error_code) == ("queued", "not_supported")
    assert mail.postman.asked == 0


async def test_encrypted_from_the_start(desk: Desk, certificates: Certificates) -> None:
    with MailServer(encrypted=certificates.server_context()) as server:
        letter = await sent(desk, address(server, "", certificates.authority, "smtps"))
        assert letter.state == "sent"
        assert (await sent(desk, address(server, "", None, "smtps"))).error_code == "not_trusted"
