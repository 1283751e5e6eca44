"""What goes in and out about domains and certificates."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StrictBool

from backend.sources.schemas import Payload, Token, no_controls

DomainStateName = Literal["pending", "verified", "secured", "failing"]
LookName = Literal["unchecked", "here", "partly", "elsewhere", "missing", "unanswered", "unknown"]
ProofName = Literal["txt", "cname", "address"]
ProviderName = Literal["rfc2136", "cloudflare"]
CertificateStateName = Literal["ordered", "active", "replaced", "revoking", "revoked", "failed"]
Algorithm = Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"]


def _base64(value: SecretStr) -> SecretStr:
    try:
        base64.b64decode(value.get_secret_value(), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("must be base64, as in the name server's configuration") from None
    return value


HostPort = Annotated[
    str,
    Field(min_length=1, max_length=260, pattern=r"^([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?$"),
]
KeyName = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._-]+$"),
    AfterValidator(no_controls),
]


class DomainIn(Payload):
    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "www.example.org"}]})

    name: str = Field(
        max_length=500,
        description="`www.example.org`, or `*.example.org` for every name right below; other scripts as"
        " people write them.",
    )


class DomainPatch(Payload):
    model_config = ConfigDict(json_schema_extra={"examples": [{"https_redirect": True, "hsts": True}]})

    https_redirect: StrictBool | None = Field(
        default=None, description="Whether plain http is led to https, once there is a certificate."
    )
    hsts: StrictBool | None = Field(
        default=None, description="Whether browsers are told to use nothing but https for a year."
    )


class Rfc2136In(Payload):
    """A name server that takes dynamic updates signed with TSIG: BIND, Knot, PowerDNS and others."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "provider": "rfc2136",
                    "server": "ns1.example.org",
                    "key_name": "gavan",
                    "key": "c2VjcmV0IG9mIHR3ZW50eSBieXRlcw==",
                }
            ]
        }
    )

    provider: Literal["rfc2136"]
    server: HostPort = Field(description="Where updates are sent to; port 53 unless it says another.")
    key_name: KeyName = Field(description="Name of the TSIG key.")
    key: Annotated[Token, AfterValidator(_base64)] = Field(
        description="The key, in base64; never shown again."
    )
    algorithm: Algorithm = "hmac-sha256"

    def apart(self) -> tuple[dict[str, str], str]:
        """What may be shown, and the secret."""
        plain = {"server": self.server, "key_name": self.key_name, "algorithm": self.algorithm}
        return plain, self.key.get_secret_value()


class CloudflareIn(Payload):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"provider": "cloudflare", "token": "a token of the zone"}]}
    )

    provider: Literal["cloudflare"]
    token: Token = Field(description="An API token with Zone:Read and DNS:Edit; never shown again.")

    def apart(self) -> tuple[dict[str, str], str]:
        return {}, self.token.get_secret_value()


Provider = Rfc2136In | CloudflareIn
ProviderIn = Annotated[
    Provider,
    Field(discriminator="provider", examples=[{"provider": "cloudflare", "token": "a token of the zone"}]),
]


class DnsRecord(BaseModel):
    type: Literal["TXT"]
    name: str = Field(examples=["_gavan-challenge.example.org"])
    value: str = Field(examples=["Yx0mJr3v5nGf2l8Qw1uKzT6a9bHcDeRs"])


class DnsView(BaseModel):
    look: LookName = Field(description="Where the domain leads: `here` is this installation.")
    txt: list[str] = Field(description="TXT records at the name of the proof.")
    txt_answered: bool = Field(description="Whether the name servers answered about it at all.")
    aliases: list[str] = Field(description="Names that it leads over by CNAME.")
    addresses: list[str] = Field(examples=[["203.0.113.7"]])
    expected: list[str] = Field(description="Addresses of this installation, as far as they are known.")
    reached: bool | None = Field(description="Whether a visit by http came to this installation.")
    checked_at: datetime | None
    next_check_at: datetime


class ProviderView(BaseModel):
    provider: ProviderName
    server: str | None = Field(description="Of RFC 2136.", examples=["ns1.example.org"])
    key_name: str | None = Field(description="Of RFC 2136.", examples=["gavan"])
    algorithm: Algorithm | None


class CertificateBrief(BaseModel):
    issuer: str | None = Field(examples=["R11"])
    serial: str | None = Field(description="In hexadecimal digits.", examples=["3a5f09c1"])
    not_before: datetime | None
    not_after: datetime | None
    renew_at: datetime | None = Field(description="When it is renewed, or earlier if the authority asks.")


class DomainProblem(BaseModel):
    code: str = Field(description="Stable, for programs.", examples=["acme_rate_limited"])
    parameters: dict[str, Any] | None = Field(description="What the words of the reason are made of.")


class DomainService(BaseModel):
    id: UUID
    name: str = Field(examples=["hello"])


class DomainView(BaseModel):
    id: UUID
    project_id: UUID
    service: DomainService
    name: str = Field(description="As DNS has it.", examples=["xn--bcher-kva.example"])
    display_name: str = Field(description="As people write it.", examples=["bücher.example"])
    wildcard: bool = Field(description="Whether it stands for every name right below.")
    state: DomainStateName = Field(
        description="`pending`: not proved yet; `verified`: served by http; `secured`: by https; `failing`:"
        " proved, and there is no valid certificate although one was asked for."
    )
    verified_at: datetime | None
    verified_by: ProofName | None
    record: DnsRecord = Field(description="What proves the domain, whoever had it before.")
    target: str = Field(
        description="The service's own host name, for a CNAME.", examples=["hello.example.net"]
    )
    dns: DnsView
    https_redirect: bool = Field(description="Whether plain http is led to https.")
    hsts: bool = Field(description="Whether browsers are told to use nothing but https.")
    provider: ProviderView | None = Field(description="What answers challenges over DNS.")
    certificate: CertificateBrief | None
    problem: DomainProblem | None
    failures: int = Field(description="Attempts in a row to get a certificate that came to nothing.")
    next_attempt_at: datetime | None
    active_job_id: UUID | None
    created_at: datetime


class AdminDomainView(DomainView):
    project_name: str = Field(examples=["Harbour office"])


class DomainAccepted(BaseModel):
    job_id: UUID
    domain_id: UUID


class DomainsSetup(BaseModel):
    target: str = Field(description="The service's own host name, for a CNAME.")
    addresses: list[str] = Field(description="For A and AAAA records; empty if the operator names none.")
    https: bool = Field(description="Whether domains get certificates.")
    missing: list[str] = Field(description="Settings that the operator has to make for that.")
    limit: int = Field(description="Domains that a service may have.")


class CertificateView(BaseModel):
    id: UUID
    name: str = Field(examples=["www.example.org"])
    state: CertificateStateName
    issuer: str | None = Field(examples=["R11"])
    serial: str | None = Field(description="In hexadecimal digits.", examples=["3a5f09c1"])
    not_before: datetime | None
    not_after: datetime | None
    renew_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None
    domain_id: UUID | None = Field(description="Null once the domain is gone.")
