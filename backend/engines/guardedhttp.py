"""HTTP connections to vetted addresses only; proxies of the environment are not used."""

from __future__ import annotations

import http.client
import os
import ssl

from backend.engines.addresses import Allowed, Resolver, connect

SOCKET_TIMEOUT = 30.0


class Plain(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, allowed: Allowed, resolver: Resolver) -> None:
        super().__init__(host, port, timeout=SOCKET_TIMEOUT)
        self._allowed, self._resolver = allowed, resolver

    def connect(self) -> None:
        self.sock = connect(self.host, self.port, SOCKET_TIMEOUT, self._allowed, self._resolver)


class Encrypted(Plain):
    default_port = http.client.HTTPS_PORT

    def __init__(
        self, host: str, port: int, allowed: Allowed, resolver: Resolver, tls: ssl.SSLContext
    ) -> None:
        super().__init__(host, port, allowed, resolver)
        self._tls = tls

    def connect(self) -> None:
        super().connect()
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)


def trust() -> ssl.SSLContext:
    """With the machine's own bundle, where a company says so; OpenSSL itself reads SSL_CERT_FILE."""
    bundle = os.environ.get("REQUESTS_CA_BUNDLE")
    named = bundle and not os.environ.get("SSL_CERT_FILE") and os.path.isfile(bundle)
    return ssl.create_default_context(cafile=bundle if named else None)
