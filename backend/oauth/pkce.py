"""PKCE (RFC 7636): demanded of every client, and by S256 alone, since `plain` protects nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc7636.challenge import compare_s256_code_challenge

S256 = "S256"


class Pkce(CodeChallenge):
    SUPPORTED_CODE_CHALLENGE_METHOD: ClassVar[list[str]] = [S256]
    CODE_CHALLENGE_METHODS: ClassVar[dict[str, Any]] = {S256: compare_s256_code_challenge}

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        asked = grant.request.payload.data
        if "code_challenge" not in asked or asked.get("code_challenge_method") != S256:
            raise InvalidRequestError("Send a code_challenge with code_challenge_method=S256.")
        super().validate_code_challenge(grant, redirect_uri)
