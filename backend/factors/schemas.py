"""Second factors as the API takes and shows them. WebAuthn's own objects pass as browsers write them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    model_validator,
)

from backend.factors.standing import Method
from backend.users import passwords
from backend.users.schemas import Name

ProofKind = Literal["password", "otp", "passkey"]

MFA_TOKEN_LENGTH = 100
_CREDENTIAL_KEYS = {"id", "rawId", "type", "response"}
_LONGEST_TEXT = 100_000


def _without_surrogates(value: Any) -> Any:
    """JSON may hold halves of surrogate pairs, which are no text."""
    if isinstance(value, str) and any("\ud800" <= sign <= "\udfff" for sign in value):
        raise ValueError("not a text")
    return value


def _is_credential(value: dict[str, Any]) -> dict[str, Any]:
    if not value.keys() >= _CREDENTIAL_KEYS or not isinstance(value["response"], dict):
        raise ValueError("not what a browser answers")
    texts = [*value.values(), *value["response"].values()]
    if sum(len(text) for text in texts if isinstance(text, str)) > _LONGEST_TEXT:
        raise ValueError("too long")
    return value


Code = Annotated[
    str,
    BeforeValidator(_without_surrogates),
    StringConstraints(min_length=6, max_length=20),
    Field(description="Six digits.", examples=["492039"]),
]
_ASSERTION_EXAMPLE: dict[str, Any] = {
    "id": "kJ1aLw",
    "rawId": "kJ1aLw",
    "type": "public-key",
    "response": {"clientDataJSON": "eyJ0…", "authenticatorData": "SZYN…", "signature": "MEUC…"},
}
_ATTESTATION_EXAMPLE: dict[str, Any] = {
    "id": "kJ1aLw",
    "rawId": "kJ1aLw",
    "type": "public-key",
    "response": {"clientDataJSON": "eyJ0…", "attestationObject": "o2Nm…", "transports": ["internal"]},
}
Assertion = Annotated[
    dict[str, Any],
    AfterValidator(_is_credential),
    Field(
        description="`toJSON()` of what `navigator.credentials.get()` gave.", examples=[_ASSERTION_EXAMPLE]
    ),
]
Attestation = Annotated[
    dict[str, Any],
    AfterValidator(_is_credential),
    Field(
        description="`toJSON()` of what `navigator.credentials.create()` gave.",
        examples=[_ATTESTATION_EXAMPLE],
    ),
]


class PasskeyView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str = Field(examples=["Blue key"])
    synced: bool = Field(description="Kept by a password manager rather than in one device.")
    created_at: datetime
    last_used_at: datetime | None


class SecondFactors(BaseModel):
    protected: bool = Field(description="Whether signing in by password takes a second step.")
    methods: list[Method] = Field(description="What the second step may be.")
    totp: bool = Field(description="Whether an authenticator app is in use.")
    passkeys: list[PasskeyView]
    recovery_codes: int = Field(description="Unused ones.", examples=[10])


class TotpEnrolment(BaseModel):
    secret: str = Field(
        description="To be typed where no picture can be taken.", examples=["JBSWY3DPEHPK3PXP"]
    )
    uri: str = Field(examples=["otpauth://totp/Gavan:ada%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Gavan"])
    qr: str = Field(description="`uri` as an SVG picture, as a `data:` address.")


class TotpConfirmation(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"code": "492039"}]})

    code: Code


class RecoveryCodes(BaseModel):
    recovery_codes: list[str] = Field(
        description="Shown this once; each is good once.", examples=[["8k2vd-w0q4z"]]
    )


class FactorAdded(BaseModel):
    recovery_codes: list[str] | None = Field(
        description="New ones, when there were none left; shown this once."
    )


class PasskeyAdded(FactorAdded):
    passkey: PasskeyView


class PasskeyCreation(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "Blue key", "credential": _ATTESTATION_EXAMPLE}]},
    )

    name: Name
    credential: Attestation


class PasskeyChange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "Blue key"}]})

    name: Name


class PasskeyQuestion(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}]})

    mfa_token: (
        Annotated[str, BeforeValidator(_without_surrogates), Field(max_length=MFA_TOKEN_LENGTH)] | None
    ) = Field(
        default=None, description="For the second step of a sign-in; else any passkey of this panel will do."
    )


class CeremonyOptions(BaseModel):
    public_key: dict[str, Any] = Field(
        description="For `PublicKeyCredential.parseCreationOptionsFromJSON()` or `…RequestOptions…()`.",
        examples=[{"challenge": "YWhveQ", "rpId": "panel.example.com", "userVerification": "preferred"}],
    )


class Proof(BaseModel):
    """Exactly one of them."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"password": "a lighthouse on a foggy quay"}]}
    )

    password: Annotated[SecretStr, Field(min_length=1, max_length=passwords.MAX_LENGTH)] | None = None
    otp: Code | None = None
    passkey: Assertion | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1 or any(
            getattr(self, name) is None for name in self.model_fields_set
        ):
            raise ValueError("give one of password, otp, passkey")
        return self

    def shown(self) -> tuple[ProofKind, str | dict[str, Any]]:
        if self.password is not None:
            return "password", self.password.get_secret_value()
        if self.otp is not None:
            return "otp", self.otp
        assert self.passkey is not None
        return "passkey", self.passkey


class Proved(BaseModel):
    proved_at: datetime
    until: datetime = Field(description="Until then dangerous actions ask for nothing more.")
