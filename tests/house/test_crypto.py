"""Secrets at rest open only where they belong, only with their key, and only unchanged."""

from __future__ import annotations

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.utils.crypto import NONCE, SealBroken, Vault, derive_key

MASTER = secrets.token_bytes(32)


@pytest.fixture
def vault() -> Vault:
    return Vault(MASTER, "test")


@given(st.text(st.characters(codec=None)), st.text(st.characters(codec="utf-8")))
def test_what_was_sealed_opens(plain: str, identity: str) -> None:
    vault = Vault(MASTER, "test")
    assert vault.open(vault.seal(plain, identity), identity) == plain


def test_the_same_twice_is_not_the_same(vault: Vault) -> None:
    assert vault.seal("a secret", "row:1") != vault.seal("a secret", "row:1")
    assert len({vault.seal("", "row:1") for _ in range(1000)}) == 1000


def test_of_another_row(vault: Vault) -> None:
    with pytest.raises(SealBroken):
        vault.open(vault.seal("a secret", "row:1"), "row:2")


def test_of_another_purpose_or_key(vault: Vault) -> None:
    sealed = vault.seal("a secret", "row:1")
    for other in (Vault(MASTER, "other"), Vault(secrets.token_bytes(32), "test")):
        with pytest.raises(SealBroken):
            other.open(sealed, "row:1")


def test_every_changed_byte_is_noticed(vault: Vault) -> None:
    sealed = vault.seal("a secret", "row:1")
    raw = bytearray(base64.urlsafe_b64decode(sealed.removeprefix("v1.")))
    assert len(raw) == NONCE + len(b"a secret") + 16
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        with pytest.raises(SealBroken):
            vault.open("v1." + base64.urlsafe_b64encode(changed).decode(), "row:1")
    for length in range(len(raw)):
        with pytest.raises(SealBroken):
            vault.open("v1." + base64.urlsafe_b64encode(raw[:length]).decode(), "row:1")


@pytest.mark.parametrize("text", ["", "v1.", "v2.AAAA", "plain text", "v1.not base64 !", "v1.A"])
def test_what_is_no_seal(vault: Vault, text: str) -> None:
    with pytest.raises(SealBroken):
        vault.open(text, "row:1")


def test_keys_differ_by_purpose() -> None:
    keys = {derive_key(MASTER, purpose) for purpose in ("a", "b", "ab", "")}
    assert len(keys) == 4
    assert all(len(key) == 32 for key in keys)
    assert MASTER not in keys


def test_no_plain_text_in_the_seal(vault: Vault) -> None:
    sealed = vault.seal("a secret of some length", "row:1")
    assert b"secret" not in base64.urlsafe_b64decode(sealed.removeprefix("v1."))
