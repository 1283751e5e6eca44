"""The servers that letters and text messages are handed to, as the operator writes them in settings."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

_LABEL = r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?", re.IGNORECASE | re.ASCII)
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+): *([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_ADDRESS = r"[\w.!#$%&'*+/=?^`{|}~-]+@[a-z0-9.-]+"
_NAME = r"""(?:"(?P<quoted>[^"\\<>]+)"|(?P<name>[^"\\<>@,;:()]+))"""
_SENDER = re.compile(rf"{_NAME} <(?P<address>{_ADDRESS})>|(?P<bare>{_ADDRESS})", re.IGNORECASE | re.ASCII)
_HOLES = re.compile(r"\{(to|text|id)\}")

Security = Literal["tls", "starttls", "plain"]


@dataclass(frozen=True, slots=True)
class SmtpServer:
    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    """Trusted instead of the system's authorities."""

    @classmethod
    def parse(cls, url: str) -> SmtpServer:
        """`smtp://user:password@host:587?starttls`, `smtps://user:password@host:465`, `smtp://relay:25?plain`.

        What is encrypted is verified too, and nothing is encrypted only if the server happens to offer
        it. Raises `ValueError`, whose words hold nothing of the URL.
        """
        parts = _split(url, ("smtp", "smtps"))
        if parts.path not in ("", "/"):
            raise ValueError("holds a path")
        options = _options(parts.query)
        security = _security(parts.scheme, options, host := _host(parts))
        username, password = parts.username, parts.password
        if (username is None) != (password is None) or username == "" or password == "":
            raise ValueError("needs a user and a password, or neither")
        if username is not None and security == "plain" and not _is_loopback(host):
            raise ValueError("would send its password unencrypted")
        ca_file = Path(options["ca"]) if "ca" in options else None
        if ca_file is not None and (security == "plain" or not ca_file.is_absolute()):
            raise ValueError("has a `ca` that is no absolute path, or nothing to verify with it")
        return cls(
            host=host,
            port=_port(parts) or (465 if security == "tls" else 587),
            security=security,
            username=unquote(username) if username else None,
            password=unquote(password) if password else None,
            ca_file=ca_file,
        )


@dataclass(frozen=True, slots=True)
class SmsGateway:
    """Sent `body` by POST, with `{to}`, `{text}` and `{id}` filled in; any 2xx says that it was taken."""

    url: str = field(repr=False)
    body: dict[str, object]
    form: bool
    header: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str, header: str | None, body: str, *, form: bool) -> SmsGateway:
        parts = _split(url, ("https", "http"))
        _port(parts)
        if parts.scheme == "http" and not _is_loopback(_host(parts)):
            raise ValueError("must be https")
        if parts.username is not None or parts.password is not None:
            raise ValueError("holds credentials, which belong into SMS_GATEWAY_HEADER")
        return cls(url=url, body=_body(body, form), form=form, header=_header(header) if header else None)

    def filled(self, **values: str) -> dict[str, object]:
        return _fill(self.body, values)  # type: ignore[return-value]


def parse_sender(value: str) -> Address:
    """`Gavan <no-reply@example.com>` or the address alone."""
    match = _SENDER.fullmatch(value)
    if match is None or not value.isprintable():
        raise ValueError("is no address such as `Gavan <no-reply@example.com>`")
    name = match["quoted"] or match["name"] or ""
    return Address(name, addr_spec=match["address"] or match["bare"])


def _split(url: str, schemes: tuple[str, ...]) -> SplitResult:
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        raise ValueError("holds spaces or control characters")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError("is no URL") from None
    if parts.scheme not in schemes or not url.lower().startswith(f"{parts.scheme}://"):
        raise ValueError(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parts.fragment or url.endswith("#"):
        raise ValueError("holds a `#`, which is written %23")
    return parts


def _host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not _HOST.fullmatch(host) or len(host) > 253:
            raise ValueError("has no valid host") from None
    return host


def _port(parts: SplitResult) -> int | None:
    try:
        port = parts.port
    except ValueError:
        raise ValueError("has no valid port") from None
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("has no valid port")
    return port


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        if name in options or name not in ("starttls", "plain", "ca") or bool(value) != (name == "ca"):
            raise ValueError("may have the options `starttls` or `plain`, and `ca=/path`, once each")
        options[name] = unquote(value)
    return options


def _security(scheme: str, options: dict[str, str], host: str) -> Security:
    if scheme == "smtps":
        if "starttls" in options or "plain" in options:
            raise ValueError("is smtps, encrypted from the start: neither `starttls` nor `plain` fits")
        return "tls"
    if "starttls" in options and "plain" in options:
        raise ValueError("is either `starttls` or `plain`")
    if "starttls" in options:
        return "starttls"
    if "plain" in options or _is_loopback(host):
        return "plain"
    raise ValueError("needs `?starttls`; or `?plain`, if the way to it is safe without")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _header(header: str) -> tuple[str, str]:
    match = _HEADER.fullmatch(header)
    if match is None:
        raise ValueError("SMS_GATEWAY_HEADER must be one header: `Name: value`")
    return match[1], match[2]


def _body(body: str, form: bool) -> dict[str, object]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "{to}" not in body or "{text}" not in body:
        raise ValueError("SMS_GATEWAY_BODY must be a JSON object that holds {to} and {text}")
    if form and not all(isinstance(value, str) for value in found.values()):
        raise ValueError("SMS_GATEWAY_BODY of a form holds texts only")
    return found


def _fill(value: object, values: dict[str, str]) -> object:
    """In one pass, so that what is put in is not searched for further holes."""
    if isinstance(value, dict):
        return {name: _fill(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, values) for inner in value]
    if isinstance(value, str):
        return _HOLES.sub(lambda hole: values[hole[1]], value)
    return value
