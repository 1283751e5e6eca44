"""On which terms a project pays: its billing details, which are its own to say, and the operator's part."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.audit import trail
from backend.audit.actions import Action
from backend.billing import money
from backend.billing.dunning import resume
from backend.billing.ledger import currencies, limits, moves
from backend.billing.ledger.dao import ProfilesDAO
from backend.billing.ledger.models import BillingProfile
from backend.billing.ledger.schemas import DetailsIn, TermsIn
from backend.billing.prices.vatids import normalised
from backend.billing.vat import checking
from backend.config import get_settings
from backend.exceptions import NotFound, invalid_field
from backend.projects.dao import ProjectDAO
from backend.users.emails import address_of

_DETAILS = (*("currency", "name", "address_lines", "country", "vat_id", "invoice_locale", "invoice_email"),)
_TERMS = ("credit_limit_minor", "tax_exempt", "vat_id_checked")
_VIES = ("vat_result", "vat_answered_at", "vat_consultation", "vat_owner")


async def read(session: AsyncSession, project_id: UUID) -> dict[str, Any]:
    """Of a project without any, what holds for it. Raises `NotFound` if there is no such project."""
    project = await ProjectDAO(session).get(project_id)
    if project is None:
        raise NotFound("There is no such project.")
    profile = await ProfilesDAO(session).of(project_id)
    if profile is None:
        profile = BillingProfile(
            project_id=project_id,
            currency=get_settings().currency,
            name="",
            address_lines=[],
            vat_id_checked=False,
            tax_exempt=False,
        )
    return {
        "project_id": project_id,
        "project_name": project.name,
        "currency_fixed": await currencies.fixed(session, project_id, profile.currency),
        **{name: getattr(profile, name) for name in (*_DETAILS, *_TERMS, *_VIES)},
    }


async def describe(session: AsyncSession, project_id: UUID, details: DetailsIn) -> None:
    """Replace the billing details. Raises `Conflict` for another currency, if the present one stays."""
    profile = await _locked(session, project_id)
    values = details.model_dump()
    if values["currency"] is None:
        values["currency"] = profile.currency
    elif values["currency"] != profile.currency:
        await currencies.check_change(session, project_id, profile.currency, values["currency"])
    if values["vat_id"] is not None:
        values["vat_id"] = _vat_id(values["vat_id"], values["country"])
    if values["invoice_email"] is not None:
        values["invoice_email"] = address_of(values["invoice_email"], get_settings(), field="invoice_email")
    another = (values["vat_id"], values["country"]) != (profile.vat_id, profile.country)
    if another:
        values["vat_id_checked"] = False
        checking.forget(profile)
    await _change(session, profile, values, Action.BILLING_DETAILS_CHANGED)
    if another:
        checking.ask_soon(session, get_settings(), profile)


async def grant(session: AsyncSession, project_id: UUID, terms: TermsIn) -> None:
    """The operator's part: credit, and how it is taxed. More credit settles what is due at once."""
    await read(session, project_id)
    await resume.before_payment(session, project_id)
    profile = await _locked(session, project_id)
    if terms.credit_limit_minor != profile.credit_limit_minor:
        _check_limit(terms.credit_limit_minor or 0, profile.currency)
    await _change(session, profile, terms.model_dump(), Action.BILLING_TERMS_CHANGED)
    await moves.settle(session, project_id, profile.currency)
    await resume.after_payment(session, project_id)


def _check_limit(minor: int, currency: str) -> None:
    most = limits.most_credit(get_settings(), currency)
    if minor > most:
        message = f"The operator's settings allow a credit limit of {money.plain(most, currency)} {currency}."
        raise invalid_field(["body", "credit_limit_minor"], message, "credit_limit_too_high")


def _vat_id(vat_id: str, country: str | None) -> str:
    if country is None:
        raise invalid_field(["body", "country"], "Say which country the VAT number is of.", "country_missing")
    try:
        return normalised(vat_id, country)
    except ValueError:
        raise invalid_field(
            ["body", "vat_id"], "This is not a VAT number of that country.", "vat_id_invalid"
        ) from None


async def _locked(session: AsyncSession, project_id: UUID) -> BillingProfile:
    dao = ProfilesDAO(session)
    await dao.make(project_id, get_settings().currency)
    profile = await dao.of(project_id, locked=True)
    assert profile is not None
    return profile


async def _change(
    session: AsyncSession, profile: BillingProfile, values: dict[str, Any], action: Action
) -> None:
    changed = {name: value for name, value in values.items() if getattr(profile, name) != value}
    if not changed:
        return
    before = {name: getattr(profile, name) for name in changed}
    for name, value in changed.items():
        setattr(profile, name, value)
    await ProfilesDAO(session).flush()
    await trail.record(
        session,
        action,
        object_type="billing",
        object_id=profile.project_id,
        project_id=profile.project_id,
        before=before,
        after=changed,
    )
