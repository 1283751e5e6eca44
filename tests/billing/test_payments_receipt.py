"""The receipt of a payment: what it says, how it looks, and whose it is."""

from __future__ import annotations

import io
import re
import unicodedata
from typing import Any
from zoneinfo import ZoneInfo

import pypdf
import pytest

from backend.billing.invoices import pdf
from backend.billing.invoices.parties import Buyer
from backend.billing.payments import receipt
from backend.billing.payments.models import Payment
from backend.config import Settings
from tests.billing.meters import at
from tests.billing.paying import Till
from tests.billing.pictures import pages
from tests.billing.stripelike import Stripelike
from tests.billing.test_invoices_pdf import HOSTILE


@pytest.fixture
def settings(stripe_settings: Settings) -> Settings:
    return stripe_settings


SELLER = {"name": "Gavan Hosting GmbH", "address": ["Kai 1", "20457 Hamburg"], "country": "DE"}


def printed(locale: str, name: str = "Ада Лавлейс", **changes: Any) -> tuple[bytes, str]:
    values = {
        "id": "0197a2c4-5d3e-7b1a-9c2f-1e0d8b7a6c5d",
        "gateway": "manual",
        "currency": "EUR",
        "amount": 146_913,
        "refunded": 0,
        "method_words": "Visa •• 4242",
        "succeeded_at": at("2026-10-31 23:30"),
    }
    payment = Payment(**{**values, **changes})
    buyer = Buyer({"name": name, "address": [name], "country": "RU", "project": name}, "RU", locale, None)
    made = pdf.rendered(
        receipt.document(payment, SELLER, buyer, ZoneInfo("Europe/Berlin")),
        payment.succeeded_at or at("2026-01-01"),
        receipt.TEMPLATE,
    )
    return made, read(made)


def read(made: bytes) -> str:
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(made)).pages)
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", text).replace("\u200b", ""))


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (
            "en",
            (
                *("Receipt", "Paid on 1 November 2026", "Paid by", "Top-up of the balance of Ада Лавлейс"),
                *("Sent back -€100.00", "Received €1,369.13", "no invoice", "Visa •• 4242"),
            ),
        ),
        (
            "ru",
            (
                *("Квитанция", "Дата оплаты 1 ноября 2026 г.", "Плательщик", "Пополнение баланса проекта"),
                *("Возвращено -100,00 €", "Получено 1 369,13 €", "не является счётом"),
            ),
        ),
    ],
)
def test_what_it_says(locale: str, words: tuple[str, ...]) -> None:
    _, text = printed(locale, refunded=10_000)
    for word in words:
        assert unicodedata.normalize("NFKC", word) in text.replace("\N{MINUS SIGN}", "-"), text


@pytest.mark.parametrize("locale", ["en", "ru"])
def test_how_it_looks(locale: str) -> None:
    (page,) = pages(printed(locale)[0])
    # Title and facts, the parties side by side, the sums, the note, the foot of the page.
    for where in (
        (0.08, 0.04, 0.5, 0.12),
        (0.6, 0.04, 0.92, 0.12),
        (0.08, 0.13, 0.45, 0.28),
        (0.5, 0.13, 0.92, 0.28),
        (0.08, 0.24, 0.92, 0.36),
        (0.08, 0.92, 0.92, 0.97),
    ):
        assert page.ink(*where) > 60, where
    for where in ((0, 0, 1, 0.04), (0, 0, 0.08, 1), (0.925, 0, 1, 1), (0, 0.45, 1, 0.9), (0, 0.98, 1, 1)):
        assert page.ink(*where) == 0, where


@pytest.mark.parametrize("name", HOSTILE.values(), ids=list(HOSTILE))
def test_names_are_text(name: str) -> None:
    made, text = printed("en", name)
    for page in pages(made):
        assert page.ink(0.925, 0, 1, 1) == page.ink(0, 0, 0.08, 1) == 0
    words = re.findall(r"[A-Za-z]{2,12}", unicodedata.normalize("NFC", name))
    assert all(word in text for word in words), text


async def test_of_a_payment_that_was_made(till: Till, stripelike: Stripelike, other_till: Till) -> None:
    paid = await till.paid(stripelike)
    path = f"/payments/{paid['id']}/receipt"
    answer = await till.ask("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert f"receipt-{paid['id']}.pdf" in answer.headers["content-disposition"]
    assert "€20.00" in read(answer.content)
    assert (await till.ask("GET", path)).content == answer.content
    assert (await other_till.ask("GET", path)).status_code == 404
    begun = await till.begun()
    assert (await till.ask("GET", f"/payments/{begun['id']}/receipt")).status_code == 404
