"""dulwich's HTTP client on guarded connections: every hop is vetted, counted and bounded."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

from dulwich.client import AbstractHttpGitClient
from dulwich.refs import Ref

from backend.engines.addresses import Remote, forbidden, split_url
from backend.engines.errors import EngineError
from backend.engines.gitguard import Guard, authorization, unreachable
from backend.engines.guardedhttp import Encrypted, Plain, trust

REDIRECTS = 5


class _Answer:
    """What dulwich expects of a response."""

    def __init__(self, response: http.client.HTTPResponse, redirected: str) -> None:
        self._response = response
        self.status = response.status
        self.content_type = response.headers.get("Content-Type")
        self.redirect_location = redirected

    def close(self) -> None:
        self._response.close()


class GuardedGitClient(AbstractHttpGitClient):
    """Speaks smart (v0–v2) and dumb HTTP; proxies of the environment are not used.

    `base` is where the repository was found in the end, after redirects.
    """

    def __init__(self, url: str, guard: Guard) -> None:
        super().__init__(url, quiet=True)
        self.base = url.rstrip("/") + "/"
        self._guard = guard
        asked = _remote(url)
        self._origin = asked.origin
        self._access, self._withheld = guard.access_to(asked), guard.withheld_from(asked)
        self._tls: ssl.SSLContext | None = None
        self._open: dict[tuple[str, str, int], tuple[Plain, http.client.HTTPResponse]] = {}

    def _discover_references(self, *asked: Any, **more: Any) -> Any:
        """With what annotated tags lead to among the refs, as over ssh."""
        refs, capabilities, base, symrefs, peeled = super()._discover_references(*asked, **more)
        ends = {Ref(tag + b"^{}"): end for tag, end in peeled.items()}
        return {**refs, **ends}, capabilities, base, symrefs, peeled

    def _http_request(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        data: bytes | Iterator[bytes] | None = None,
        raise_for_status: bool = True,
    ) -> tuple[Any, Callable[[int], bytes]]:
        asked = url
        for _ in range(REDIRECTS + 1):
            response = self._request_once(url, headers or {}, data)
            location = response.headers.get("Location")
            if response.status not in (301, 302, 303, 307, 308) or not location:
                break
            response.close()
            if data is not None:
                message = "The server redirects a request that must not be redirected."
                raise unreachable(message, "redirects_request", retry=False)
            if urlsplit(url).scheme == "https" and urlsplit(urljoin(url, location)).scheme != "https":
                message = "The server redirects from https to an unprotected address."
                raise forbidden(message, "redirects_unprotected")
            url = urljoin(url, location)
        else:
            message = f"The server redirects more than {REDIRECTS} times."
            raise unreachable(message, "redirects_often", retry=False, limit=REDIRECTS)
        if raise_for_status and response.status != 200:
            response.close()
            raise self._refusal(response.status, url)
        if raise_for_status and data is None and response.headers.get_content_type() == "text/html":
            response.close()
            raise EngineError(
                "source_not_found",
                "There is a web page at this address, but no git repository.",
                detail="only_web_page",
            )
        if url != asked and "info/refs" in url:
            self.base = url[: url.rindex("info/refs")]

        def read(size: int = -1) -> bytes:
            return self._guard.count(response.read(None if size < 0 else size))

        return _Answer(response, url if url != asked else ""), read

    def _request_once(
        self, url: str, headers: dict[str, str], data: bytes | Iterator[bytes] | None
    ) -> http.client.HTTPResponse:
        path_and_query, remote = urlsplit(url), _remote(url)
        origin, host = (remote.scheme, remote.host, remote.port), remote.host
        kept = self._open.pop(origin, None)
        if kept and kept[1].isclosed() and not kept[1].will_close:
            connection = kept[0]
        else:
            if kept:
                kept[0].close()
            connection = self._connection(*origin)
        sent = {"User-Agent": "git/gavan", "Accept-Encoding": "identity", "Pragma": "no-cache", **headers}
        if (header := authorization(self._access, remote)) is not None:
            sent["Authorization"] = header
        target = quote(path_and_query.path or "/", safe="/%:@!$&'()*+,;=~-._")
        if path_and_query.query:
            target += "?" + quote(path_and_query.query, safe="/%:@!$&'()*+,;=~-._?")
        try:
            connection.request(
                "GET" if data is None else "POST",
                target,
                data,
                sent,
            )
            response = connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            raise unreachable(
                f"The certificate of {host} is not trusted: {error.verify_message}.",
                "certificate",
                retry=False,
                host=host,
                problem=error.verify_message,
            ) from None
        except ssl.SSLError:
            message = f"{host} does not speak https on this port."
            raise unreachable(message, "not_https", retry=False, host=host) from None
        self._open[origin] = (connection, response)
        return response

    def _connection(self, scheme: str, host: str, port: int) -> Plain:
        if scheme == "http":
            return Plain(host, port, self._guard.allowed, self._guard.resolver)
        if self._tls is None:
            self._tls = trust()
        return Encrypted(host, port, self._guard.allowed, self._guard.resolver, self._tls)

    def _refusal(self, status: int, url: str) -> EngineError:
        """For an answer that is not 200, from where the redirects ended."""
        remote = _remote(url)
        host, shown = remote.host, authorization(self._access, remote) is not None
        if status in (401, 403, 404, 407, 410) and self._withheld and remote.origin == self._origin:
            return EngineError(
                "source_not_found" if status in (404, 410) else "source_auth_required",
                f"{host} does not give it out without a token, and the token is sent for repositories of "
                f"{self._withheld} only.",
                detail="token_withheld",
                host=host,
                owner=self._withheld,
            )
        if status in (401, 403, 407) and shown:
            message = f"{host} does not accept the token, or the token may not read this repository."
            return EngineError("source_auth_failed", message, detail="token_refused", host=host)
        if status in (401, 403, 407):
            return EngineError(
                "source_auth_required",
                f"{host} asks for a password: the repository is private, or there is none at this address.",
                host=host,
            )
        if status in (404, 410) and shown:
            message = "There is no git repository at this address, or the token may not read it."
            return EngineError("source_not_found", message, detail="not_found_with_token")
        if status in (404, 410):
            return EngineError("source_not_found", "There is no git repository at this address.")
        if status == 429 or status >= 500:
            return unreachable(
                f"{host} cannot answer now (HTTP {status}).", "host_busy", host=host, status=status
            )
        message = f"{host} does not answer like a git server (HTTP {status})."
        return unreachable(message, "not_git_status", retry=False, host=host, status=status)


def _remote(url: str) -> Remote:
    parts, host, port = split_url(url.partition("?")[0])
    return Remote(parts.scheme, host, port, parts.path)
