"""Asks a registry of images, by the distribution specification, over guarded connections.

The panel itself asks and not the daemon: a registry says where to get a token and where its layers lie, and
each of those addresses is vetted here. What goes to the daemon later is files.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urljoin, urlsplit

from backend.engines.access import Access
from backend.engines.addresses import Allowed, Remote, Resolver, forbidden, split_url, system_resolver
from backend.engines.errors import EngineError
from backend.engines.gitguard import unreachable
from backend.engines.guardedhttp import Encrypted, Plain, trust
from backend.engines.imagenames import ImageName

REDIRECTS = 5
CHUNK = 1 << 18
DOCUMENT_BYTES = 4 << 20
"""Of a manifest, a configuration, or a token's answer."""
TOKEN_BYTES = 16 << 10
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_CHALLENGE = re.compile(r'([a-zA-Z_]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Document:
    digest: str
    content: dict[str, Any]


class Registry:
    """Of one image; its login is sent to its own registry, and to the token server that this one names."""

    def __init__(
        self,
        name: ImageName,
        allowed: Allowed,
        access: Access | None = None,
        resolver: Resolver = system_resolver,
    ) -> None:
        self._name, self._allowed, self._resolver = name, allowed, resolver
        self._access = access if access is not None and access.origin == name.host else None
        remote = name.remote
        self._scheme, self._host, self._port = "https", remote.host, remote.port
        self._header: str | None = None
        self._tls: ssl.SSLContext | None = None
        self._elsewhere = False
        """Whether the last answer is another server's, who may not say where a login is to be sent."""

    def manifest(self, reference: str) -> Document:
        """A manifest or an index; `reference` is a tag or a digest, which is then what is given."""
        headers = {"Accept": ", ".join(MANIFESTS)}
        with self._get(f"manifests/{reference}", headers) as answer:
            content = _read(answer, DOCUMENT_BYTES)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if reference.startswith("sha256:") and digest != reference:
            raise damaged("a manifest is not what its digest says")
        return Document(digest, _document(content))

    def document(self, digest: str) -> bytes:
        """A small blob: the image's configuration."""
        content = b"".join(self.blob(digest, DOCUMENT_BYTES))
        return content

    def blob(self, digest: str, size: int) -> Iterator[bytes]:
        """Piece by piece, at most `size` bytes; at the end it is what its digest says, or an error."""
        hashed, received = hashlib.sha256(), 0
        with self._get(f"blobs/{digest}", {}) as answer:
            while piece := answer.read(CHUNK):
                received += len(piece)
                if received > size:
                    raise damaged("a layer is longer than its manifest says")
                hashed.update(piece)
                yield piece
        if f"sha256:{hashed.hexdigest()}" != digest:
            raise damaged("a layer is not what its digest says")

    # Requests ---------------------------------------------------------------------------------------

    def _get(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        answer = self._ask(f"/v2/{self._name.repository}/{path}", headers)
        if answer.status == 401 and not self._elsewhere:
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer.close()
            self._log_in(challenge)
            answer = self._ask(f"/v2/{self._name.repository}/{path}", headers)
        if answer.status != 200:
            said = answer.read(DOCUMENT_BYTES)
            answer.close()
            raise self._refusal(answer.status, said)
        return answer

    def _ask(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """One of the registry's own addresses; where it redirects to, nothing secret goes along."""
        sent = {**headers, **({"Authorization": self._header} if self._header else {})}
        url, self._elsewhere = self._origin() + path, False
        for _ in range(REDIRECTS + 1):
            answer = self._once(url, sent)
            location = answer.headers.get("Location")
            if answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            answer.close()
            following = urljoin(url, location)
            if urlsplit(following).netloc != urlsplit(url).netloc:
                sent, self._elsewhere = headers, True
            url = following
        message = f"The server redirects more than {REDIRECTS} times."
        raise unreachable(message, "redirects_often", retry=False, limit=REDIRECTS)

    def _origin(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self._port}"

    def _once(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        try:
            return self._request(url, headers)
        except ssl.SSLCertVerificationError as error:
            raise unreachable(
                f"The certificate of {self._host} is not trusted: {error.verify_message}.",
                "certificate",
                retry=False,
                host=self._host,
                problem=error.verify_message,
            ) from None
        except ssl.SSLError:
            # A registry inside the operator's own network may do without encryption, as with Docker.
            if not url.startswith(self._origin()) or not self._allowed.opened(self._host, self._port):
                message = f"{self._host} does not speak https on this port."
                raise unreachable(message, "not_https", retry=False, host=self._host) from None
            path = url.removeprefix(self._origin())
            self._scheme = "http"
            return self._request(self._origin() + path, headers)

    def _request(self, url: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        remote, target = self._vetted(url)
        connection = self._connection(remote)
        sent = {"User-Agent": "gavan", "Accept-Encoding": "identity", "Connection": "close", **headers}
        connection.request("GET", target, None, sent)
        return connection.getresponse()

    def _vetted(self, url: str) -> tuple[Remote, str]:
        where, _, query = url.partition("?")
        parts, host, port = split_url(where)
        if parts.scheme != "https" and not self._allowed.opened(host, port):
            message = "The server redirects from https to an unprotected address."
            raise forbidden(message, "redirects_unprotected")
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        if query:
            target += "?" + quote(query.partition("#")[0], safe="/%:@!$&'()*+,;=~-._?")
        return Remote(parts.scheme, host, port, parts.path), target

    def _connection(self, remote: Remote) -> Plain:
        if remote.scheme == "http":
            return Plain(remote.host, remote.port, self._allowed, self._resolver)
        if self._tls is None:
            self._tls = trust()
        return Encrypted(remote.host, remote.port, self._allowed, self._resolver, self._tls)

    # Login ------------------------------------------------------------------------------------------

    def _log_in(self, challenge: str) -> None:
        scheme, _, rest = challenge.partition(" ")
        if self._header is not None:
            raise self._not_let_in()
        if scheme.lower() == "basic":
            self._header = self._basic()
            if self._header is None:
                raise self._not_let_in()
        elif scheme.lower() == "bearer":
            self._header = f"Bearer {self._token(dict(_CHALLENGE.findall(rest)))}"
        else:
            raise self._no_registry(401)

    def _basic(self) -> str | None:
        if self._access is None:
            return None
        pair = f"{self._access.username}:{self._access.token}".encode()
        return "Basic " + base64.b64encode(pair).decode()

    def _token(self, challenge: dict[str, str]) -> str:
        """Of the server that the registry names, for reading this one image, whatever else was offered."""
        asked = {"scope": f"repository:{self._name.repository}:pull"}
        if "service" in challenge:
            asked["service"] = challenge["service"]
        realm = challenge.get("realm", "")
        basic = self._basic()
        joint = "&" if "?" in realm else "?"
        answer = self._once(f"{realm}{joint}{urlencode(asked)}", {"Authorization": basic} if basic else {})
        with answer:
            said = answer.read(DOCUMENT_BYTES)
        if answer.status in (400, 401, 403):
            raise self._not_let_in()
        if answer.status != 200:
            raise self._refusal(answer.status, said)
        content = _document(said)
        token = content.get("token") or content.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not 0 < len(token) <= TOKEN_BYTES:
            raise self._no_registry(200)
        return token

    # What went wrong --------------------------------------------------------------------------------

    def _not_let_in(self) -> EngineError:
        host, image = self._name.host, self._name.familiar
        if self._access is None:
            return EngineError(
                "source_auth_required",
                f"{host} asks for a login: the image {image} is private, or there is none of this name.",
                detail="image_login_needed",
                host=host,
                image=image,
            )
        return EngineError(
            "source_auth_failed",
            f"{host} does not accept the login, or the login may not read the image {image}.",
            detail="image_login_refused",
            host=host,
            image=image,
        )

    def _refusal(self, status: int, said: bytes) -> EngineError:
        host, image = self._name.host, self._name.familiar
        if status in (401, 403):
            return self._not_let_in()
        if status in (404, 410):
            return EngineError(
                "source_not_found",
                f"{host} has no image {image}.",
                detail="image_not_found",
                host=host,
                image=image,
            )
        if status == 429:
            return unreachable(
                f"{host} gives out no more images to this server for now: a login often raises the limit.",
                "image_rate_limited",
                host=host,
            )
        if status >= 500:
            return unreachable(
                f"{host} cannot answer now (HTTP {status}).", "host_busy", host=host, status=status
            )
        return self._no_registry(status)

    def _no_registry(self, status: int) -> EngineError:
        host = self._name.host
        message = f"{host} does not answer like a registry of images (HTTP {status})."
        return unreachable(message, "not_registry", retry=False, host=host, status=status)


def damaged(what: str) -> EngineError:
    return EngineError("source_unreachable", f"The image is damaged: {what}.", detail="image_damaged")


def _read(answer: http.client.HTTPResponse, most: int) -> bytes:
    content = answer.read(most + 1)
    if len(content) > most:
        raise damaged("its description is too long")
    return content


def _document(content: bytes) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise damaged("its description is not readable")
    return document
