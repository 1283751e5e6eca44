"""Handing a letter to a mail server and a text message to a gateway."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime
from typing import Protocol
from uuid import UUID

import aiosmtplib
import httpx
import idna

from backend.config import Settings
from backend.database import now
from backend.mail.catalogue import Channel
from backend.mail.rendering import Rendered, one_line
from backend.mail.servers import SmsGateway, SmtpServer, parse_sender

GOODBYE_SECONDS = 2.0
GATEWAY_SECONDS = 30.0


class _Policy(EmailPolicy):
    """Encodes a subject as a whole: breaking one, the standard library loses the space between two words."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name != "Subject" or value.isascii():
            return super().fold_binary(name, value)
        encoded = Header(str(value), "utf-8", header_name=name).encode(linesep=self.linesep)
        return f"{name}: {encoded}{self.linesep}".encode("ascii")


_POLICY = _Policy(linesep="\r\n", cte_type="7bit")
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"]+@[^\s@<>()\[\]\\,;:\"]+")
_OUR_FAULT = frozenset({530, 534, 535, 538})
"""Answers about credentials and encryption (RFC 4954), which the operator mends."""
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that goes with a letter: made when it is sent, and kept nowhere."""

    name: str
    type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Outgoing:
    id: UUID
    template: str
    locale: str
    recipient: str
    rendered: Rendered
    attached: Attached | None = None


class DeliveryError(Exception):
    """Not taken. `code` is stable, `words` are the server's; `final` says that trying again is in vain."""

    def __init__(self, code: str, words: str, *, final: bool) -> None:
        super().__init__(code)
        self.code, self.words, self.final = code, str(one_line(words)), final

    @property
    def about_server(self) -> bool:
        """Any other letter would fare the same now."""
        return not self.final and self.code in (
            "not_reached",
            "not_trusted",
            "not_admitted",
            "not_supported",
            "timed_out",
        )


class Transport(Protocol):
    async def send(self, outgoing: Outgoing) -> str | None:
        """Gives the id by which the other side may know it. Raises `DeliveryError`."""


Transports = Mapping[Channel, Transport]


def transports_of(settings: Settings) -> Transports:
    """What is configured; a channel that is missing holds its letters back."""
    found: dict[Channel, Transport] = {}
    if (server := settings.smtp_server()) is not None:
        found[Channel.EMAIL] = SmtpTransport(server, parse_sender(settings.mail_from))
    if (gateway := settings.sms_gateway()) is not None:
        found[Channel.SMS] = GatewayTransport(gateway)
    elif settings.environment == "development":
        found[Channel.SMS] = ConsoleTransport()
    return found


class SmtpTransport:
    def __init__(self, server: SmtpServer, sender: Address) -> None:
        self._server = server
        self._sender = sender

    async def send(self, outgoing: Outgoing) -> str:
        message = self._message(outgoing)
        try:
            await self._hand_over(message, _in_ascii(outgoing.recipient))
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _answered(error.recipients[0]) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _answered(error) from error
        except ssl.SSLError as error:
            raise DeliveryError("not_trusted", error.reason or type(error).__name__, final=False) from error
        except aiosmtplib.SMTPNotSupported as error:
            raise DeliveryError("not_supported", error.message, final=False) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            code = "not_trusted" if isinstance(error.__cause__, ssl.SSLError) else "not_reached"
            raise DeliveryError(code, str(error) or type(error).__name__, final=False) from error
        return str(message["Message-ID"])

    async def _hand_over(self, message: EmailMessage, recipient: str) -> None:
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.security == "tls",
            start_tls=False,
            tls_context=self._context(),
            local_hostname=self._sender.domain,
            timeout=None,
        )
        try:
            await client.connect()
            await self._enter(client)
            if not recipient.isascii() and not client.supports_extension("smtputf8"):
                raise DeliveryError("not_supported", "SMTPUTF8", final=True)
            sender = self._sender.addr_spec
            options = [] if recipient.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
            # Not `send_message`, which would write the headers by a policy of its own.
            await client.sendmail(sender, [recipient], message.as_bytes(), mail_options=options)
            # It was taken: what becomes of the farewell changes nothing.
            with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await client.quit()
        finally:
            client.close()

    async def _enter(self, client: aiosmtplib.SMTP) -> None:
        await client.ehlo()
        if self._server.security == "starttls":
            if not client.supports_extension("starttls"):
                raise DeliveryError("not_supported", "STARTTLS", final=False)
            await client.starttls()
            await client.ehlo()
        if self._server.username is not None and self._server.password is not None:
            await client.login(self._server.username, self._server.password)

    def _context(self) -> ssl.SSLContext | None:
        if self._server.security == "plain":
            return None
        return ssl.create_default_context(cafile=self._server.ca_file)

    def _message(self, outgoing: Outgoing) -> EmailMessage:
        rendered, recipient = outgoing.rendered, outgoing.recipient
        message = EmailMessage(_POLICY if recipient.isascii() else _POLICY.clone(utf8=True))
        if not _ADDRESS.fullmatch(recipient):
            raise DeliveryError("bad_address", "", final=True)
        try:
            local, _, domain = _in_ascii(recipient).rpartition("@")
            message["To"] = Address(username=local, domain=domain)
        except ValueError as error:
            raise DeliveryError("bad_address", str(error), final=True) from error
        message["From"] = self._sender
        message["Subject"] = rendered.subject
        message["Date"] = format_datetime(now())
        # The same at each attempt, so that a mail server may know a letter that came twice.
        message["Message-ID"] = f"<{outgoing.id}@{self._sender.domain}>"
        message["Content-Language"] = outgoing.locale
        message["Auto-Submitted"] = "auto-generated"
        message["X-Gavan-Template"] = outgoing.template
        message.set_content(rendered.text)
        message.add_alternative(rendered.html, subtype="html")
        if (file := outgoing.attached) is not None:
            kind, _, subtype = file.type.partition("/")
            message.add_attachment(file.content, maintype=kind, subtype=subtype, filename=file.name)
        return message


def _in_ascii(address: str) -> str:
    """With the domain as DNS knows it, which every server understands; the part before the @ as it is."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{idna.encode(domain, uts46=True).decode()}" if not domain.isascii() else address


def _answered(error: aiosmtplib.SMTPResponseException) -> DeliveryError:
    words = f"{error.code} {error.message}"
    if error.code < 500:
        return DeliveryError("put_off", words, final=False)
    about_letter = isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError)
    if about_letter and error.code not in _OUR_FAULT:
        return DeliveryError("refused", words, final=True)
    return DeliveryError("not_admitted", words, final=False)


class GatewayTransport:
    def __init__(self, gateway: SmsGateway) -> None:
        self._gateway = gateway

    async def send(self, outgoing: Outgoing) -> None:
        filled = self._gateway.filled(to=outgoing.recipient, text=outgoing.rendered.text, id=str(outgoing.id))
        headers = dict([self._gateway.header]) if self._gateway.header else {}
        try:
            async with httpx.AsyncClient(timeout=GATEWAY_SECONDS, headers=headers) as client:
                body = {"data": filled} if self._gateway.form else {"json": filled}
                answer = await client.post(self._gateway.url, **body)  # type: ignore[arg-type]
        except httpx.HTTPError as error:
            raise DeliveryError("not_reached", type(error).__name__, final=False) from error
        if answer.is_success:
            return
        # What it says is not kept: some repeat the message that they refuse.
        words, status = f"HTTP {answer.status_code}", answer.status_code
        if status in (401, 403):
            raise DeliveryError("not_admitted", words, final=False)
        final = 400 <= status < 500 and status not in _PASSING
        raise DeliveryError("refused" if final else "put_off", words, final=final)


class ConsoleTransport:
    """In development there is no gateway: whoever runs the panel reads messages in the worker's output."""

    async def send(self, outgoing: Outgoing) -> None:
        print(f"Text message to {outgoing.recipient}: {outgoing.rendered.text}", flush=True)
