"""One authority, by certbot's `acme` library: accounts, orders, certificates, revocation (RFC 8555, 9773).

The library blocks; whoever calls it does so in a thread, outside of transactions. What goes wrong comes out
as an `AcmeError` with a code that the panel has words for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import josepy as jose
import requests
from acme import challenges, client, errors, messages
from cryptography import x509

from backend.domains.sealing import loaded

NETWORK_SECONDS = 20
NONCE_TRIES = 6
"""A nonce that the authority no longer knows is no failure: it says so, and gives a new one."""
POLL_SECONDS = 0.5
CESSATION = 5
"""Reason of a revocation (RFC 5280): the name is served no more."""
USER_AGENT = "Gavan"
ACCOUNT_GONE = "acme_account_gone"
_KNOWN = {
    "rateLimited": "acme_rate_limited",
    "caa": "acme_caa",
    "dns": "acme_dns",
    "connection": "acme_connection",
    "unauthorized": "acme_unauthorized",
    "incorrectResponse": "acme_unauthorized",
    "tls": "acme_connection",
    "rejectedIdentifier": "acme_rejected",
    "unsupportedIdentifier": "acme_rejected",
    "userActionRequired": "acme_operator",
    "externalAccountRequired": "acme_operator",
    "accountDoesNotExist": ACCOUNT_GONE,
    "invalidContact": "acme_operator",
    "unsupportedContact": "acme_operator",
}


class AcmeError(Exception):
    """`code` is stable; `words` are the authority's own, `retry_after` what it asks for."""

    def __init__(self, code: str, words: str = "", retry_after: timedelta | None = None) -> None:
        super().__init__(f"{code}: {words}")
        self.code, self.words, self.retry_after = code, words[:500], retry_after


class OrderGone(Exception):
    """The authority does not know the order any more, or it came to a bad end: make a new one."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One authorization that is to be answered."""

    token: str
    """Of HTTP-01; the name of the file."""
    content: str
    """Of the file, or of the TXT record."""
    body: messages.ChallengeBody


class _Network(client.ClientNetwork):
    """Heeds what the library leaves out: more than one bad nonce in a row, and when to come back."""

    def __init__(self, key: jose.JWK, verify: bool | str) -> None:
        # Also the path of a bundle, which the library hands on as it is.
        checked: Any = verify
        super().__init__(
            key, alg=jose.ES256, verify_ssl=checked, user_agent=USER_AGENT, timeout=NETWORK_SECONDS
        )
        self.retry_after: str | None = None
        self.session.hooks["response"].append(self._note)

    def _note(self, response: requests.Response, *_: Any, **__: Any) -> None:
        self.retry_after = response.headers.get("Retry-After") if response.status_code >= 400 else None

    def post(self, *arguments: Any, **more: Any) -> requests.Response:
        for left in reversed(range(NONCE_TRIES)):
            try:
                return super().post(*arguments, **more)
            except messages.Error as error:
                if error.code != "badNonce" or not left:
                    raise
        raise AssertionError


class Acme:
    def __init__(self, directory: str, account_key: str, url: str | None, ca_bundle: str | None) -> None:
        self._key = jose.JWKEC(key=loaded(account_key))
        self._network = _Network(self._key, ca_bundle or True)
        with self._translated():
            found = client.ClientV2.get_directory(directory, self._network)
            self._client = client.ClientV2(found, self._network)
        if url is not None:
            self._network.account = messages.RegistrationResource(body=messages.Registration(), uri=url)

    def register(self, email: str) -> str:
        """The account's address. With a key that has an account, that account."""
        wanted = messages.NewRegistration.from_data(email=email, terms_of_service_agreed=True)
        with self._translated():
            try:
                return str(self._client.new_account(wanted).uri)
            except errors.ConflictError as known:
                self._network.account = messages.RegistrationResource(
                    body=messages.Registration(), uri=known.location
                )
                self.change_contact(email)
                return str(known.location)

    def change_contact(self, email: str) -> None:
        assert self._network.account is not None
        contact = messages.UpdateRegistration.from_data(email=email)
        with self._translated():
            self._post(self._network.account.uri, contact)

    def order(self, request: bytes) -> messages.OrderResource:
        with self._translated():
            return self._client.new_order(request)

    def resume(self, url: str, request: bytes) -> messages.OrderResource:
        """An order that was made before. Raises `OrderGone`."""
        try:
            with self._translated():
                answer = self._post(url, None)
                body = messages.Order.from_json(answer.json())
                if body.status == messages.STATUS_INVALID:
                    raise OrderGone
                found = []
                for one in body.authorizations:
                    authorization = messages.AuthorizationResource(
                        body=messages.Authorization.from_json(self._post(one, None).json()), uri=one
                    )
                    found.append(authorization)
        except AcmeError as error:
            if error.code in ("acme_refused", "acme_unauthorized"):
                raise OrderGone from None
            raise
        return messages.OrderResource(body=body, uri=url, authorizations=found, csr_pem=request)

    def to_answer(self, order: messages.OrderResource, *, by_dns: bool) -> list[Challenge]:
        """What the authority wants to see. Raises `AcmeError` if it offers no such challenge."""
        wanted = challenges.DNS01 if by_dns else challenges.HTTP01
        found = []
        for authorization in order.authorizations:
            if authorization.body.status != messages.STATUS_PENDING:
                continue
            body = next((one for one in authorization.body.challenges if isinstance(one.chall, wanted)), None)
            if body is None:
                raise AcmeError("acme_no_challenge", "DNS-01" if by_dns else "HTTP-01")
            found.append(Challenge(body.chall.encode("token"), body.validation(self._key), body))
        return found

    def answer(self, challenge: Challenge) -> None:
        if challenge.body.status == messages.STATUS_PROCESSING:
            # Whoever was killed before us answered it.
            return
        with self._translated():
            self._client.answer_challenge(challenge.body, challenge.body.response(self._key))

    def finish(self, order: messages.OrderResource, seconds: float) -> str:
        """Wait for the authorizations, have the certificate made; gives the chain as PEM."""
        until = time.monotonic() + seconds
        with self._translated():
            self._await_authorizations(order, until)
            body, asked = order.body, False
            while True:
                if body.status == messages.STATUS_INVALID:
                    raise AcmeError(*_told(body.error)) if body.error else AcmeError("acme_refused")
                if body.status == messages.STATUS_VALID and body.certificate:
                    return str(self._post(body.certificate, None).text)
                if body.status == messages.STATUS_READY and not asked:
                    body, asked = self._client.begin_finalization(order).body, True
                    continue
                self._pause(until)
                body = messages.Order.from_json(self._post(order.uri, None).json())

    def _await_authorizations(self, order: messages.OrderResource, until: float) -> None:
        for authorization in order.authorizations:
            body = authorization.body
            while body.status == messages.STATUS_PENDING:
                self._pause(until)
                body = messages.Authorization.from_json(self._post(authorization.uri, None).json())
            if body.status != messages.STATUS_VALID:
                said = next((one.error for one in body.challenges if one.error is not None), None)
                raise AcmeError(*_told(said)) if said else AcmeError("acme_refused")

    def renewal_time(self, chain: str) -> tuple[datetime | None, datetime]:
        """When the authority wants it renewed, if it says, and when to ask again (ARI)."""
        try:
            wanted, again = self._client.renewal_time(chain.encode())
        except errors.ARIError as error:
            return None, error.retry_after.astimezone(UTC)
        return wanted.astimezone(UTC) if wanted else None, again.astimezone(UTC)

    def revoke(self, chain: str, reason: int) -> None:
        """Of a certificate that is revoked already, too."""
        with self._translated():
            try:
                self._client.revoke(x509.load_pem_x509_certificates(chain.encode())[0], reason)
            except messages.Error as error:
                if error.code != "alreadyRevoked":
                    raise
            except errors.ConflictError:
                pass

    def close(self) -> None:
        self._network.session.close()

    def _post(self, url: str, body: Any) -> requests.Response:
        return self._network.post(url, body, new_nonce_url=self._client.directory["newNonce"])

    @staticmethod
    def _pause(until: float) -> None:
        if time.monotonic() > until:
            raise AcmeError("acme_slow")
        time.sleep(POLL_SECONDS)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except messages.Error as error:
            code, words = _told(error)
            raise AcmeError(code, words, _asked(self._network.retry_after)) from error
        except requests.RequestException as error:
            raise AcmeError("acme_unreachable", type(error).__name__) from error
        except (errors.Error, jose.Error, ValueError) as error:
            raise AcmeError("acme_refused", str(error)) from error


def _told(error: messages.Error) -> tuple[str, str]:
    return _KNOWN.get(error.code or "", "acme_refused"), error.detail or error.title or ""


def _asked(header: str | None) -> timedelta | None:
    """What `Retry-After` says, in seconds or as a date."""
    if not header:
        return None
    try:
        wait = timedelta(seconds=int(header))
    except ValueError:
        try:
            wait = parsedate_to_datetime(header) - datetime.now(UTC)
        except (ValueError, TypeError):
            return None
    return max(wait, timedelta(0))
