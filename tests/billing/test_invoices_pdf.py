"""Invoices on paper: read as text, looked at as a picture, in both languages, whatever names are put in."""

from __future__ import annotations

import io
import re
import unicodedata
import uuid
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pypdf
import pytest

from backend.billing.invoices import pdf
from backend.billing.invoices.document import document
from backend.billing.invoices.models import Invoice, InvoiceLine
from tests.billing.pictures import pages

BERLIN = ZoneInfo("Europe/Berlin")
HOSTILE = {
    "markup": '#import "@preview/x:1.0.0": * #panic("x") $x^2$ *bold* _it_ `raw` <a> @ref \\ // /* [a](b)',
    "json": '", "total": ["x", "0"], "x": "\\u0000 }]}',
    "long": "W" * 200,
    "long words": "Donaudampfschifffahrtsgesellschaft " * 6,
    "right to left": "שלום בע״מ مرحبا ش.م.م",
    "turned over": "evil \u202egpj.exe\u202c \u2066x\u2069",
    "emoji": "Café 🦄 👩‍👩‍👧 ✅️ Ltd",
    "far east": "株式会社ハーバー 有限公司",
    "control": "a\x00b\x07c\x1b[31md\u2028e\ud800f",
    "combined": "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢L Ñandú e\u0301",
    "braces": "{service} {0} {{x}} %s",
}


def invoice(**changes: Any) -> Invoice:
    values: dict[str, Any] = {
        "id": uuid.uuid4(),
        "kind": "invoice",
        "series": "INV-2026",
        "number": 17,
        "reference": "INV-2026-000017",
        "currency": "EUR",
        "period_start": date(2026, 10, 1),
        "period_end": date(2026, 11, 1),
        "net": 123_456,
        "tax": 23_457,
        "gross": 146_913,
        "locale": "en",
        "seller": {
            "name": "Gavan Hosting GmbH",
            "address": ["Kai 1", "20457 Hamburg"],
            "country": "DE",
            "vat_id": "DE136695976",
            "registration": "HRB 12345",
        },
        "buyer": {
            "name": "Ада Лавлейс",
            "address": ["ул. Набережная, 5"],
            "country": "RU",
            "project": "Порт",
        },
        "issued_at": datetime(2026, 10, 31, 23, 30, tzinfo=UTC),
        "reason": None,
        **changes,
    }
    return Invoice(**values)


def line(**changes: Any) -> InvoiceLine:
    values: dict[str, Any] = {
        "code": "usage",
        "parameters": {
            "service": "hello",
            "plan": "dinghy",
            "plan_title": {"en": "Dinghy", "ru": "Шлюпка"},
            "seconds": 31 * 86_400,
            "month_minor": 1_000,
        },
        "period_start": datetime(2026, 9, 30, 22, tzinfo=UTC),
        "period_end": datetime(2026, 10, 31, 23, tzinfo=UTC),
        "tax_code": "domestic",
        "tax_rate": 190_000,
        "tax_country": "DE",
        "net": 123_456,
        "tax": 23_457,
        "gross": 146_913,
        **changes,
    }
    return InvoiceLine(**values)


def printed(
    one: Invoice, lines: list[InvoiceLine] | None = None, corrects: str | None = None
) -> tuple[bytes, str]:
    """The file, and its text with any blanks as one."""
    made = pdf.rendered(document(one, lines or [line()], BERLIN, corrects), one.issued_at)
    read = pypdf.PdfReader(io.BytesIO(made))
    text = " ".join(page.extract_text() for page in read.pages)
    # Soft hyphens and ligatures are how it is set, not what it says.
    text = unicodedata.normalize("NFKC", text).replace("\u200b", "")
    return made, re.sub(r"\s+", " ", text)


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        (
            "en",
            (
                *("Invoice INV-2026-000017", "1 November 2026", "1–31 Oct 2026", "Russia", "VAT ID"),
                *("hello: hosting", "Dinghy", "744 h", "€10.00 a month", "1,234.56", "19%", "€1,469.13"),
                "Taken from the project's balance",
            ),
        ),
        (
            "ru",
            (
                *("Счёт INV-2026-000017", "1 ноября 2026 г.", "1–31 окт. 2026", "Россия", "Номер НДС"),
                *("hello: хостинг", "Шлюпка", "744 ч", "1 234,56", "19 %", "1 469,13 €"),
                "Списано с баланса проекта",
            ),
        ),
    ],
)
def test_what_it_says(locale: str, words: tuple[str, ...]) -> None:
    _, text = printed(invoice(locale=locale))
    for word in words:
        assert unicodedata.normalize("NFKC", word) in text.replace("’", "'"), (word, text)
    assert "Ада Лавлейс" in text
    assert "ул. Набережная, 5" in text


@pytest.mark.parametrize("locale", ["en", "ru"])
def test_how_it_looks(locale: str) -> None:
    made, _ = printed(invoice(locale=locale))
    (page,) = pages(made)
    assert round(page.width / page.height, 3) == round(210 / 297, 3)
    # Title and facts, the parties side by side, the lines, the sums, the foot of the page.
    for where in (
        (0.08, 0.04, 0.5, 0.12),
        (0.6, 0.04, 0.92, 0.12),
        (0.08, 0.13, 0.45, 0.28),
        (0.5, 0.13, 0.92, 0.28),
        (0.08, 0.28, 0.92, 0.4),
        (0.5, 0.36, 0.92, 0.5),
        (0.08, 0.92, 0.92, 0.97),
    ):
        assert page.ink(*where) > 60, where
    # Margins stay white.
    for where in ((0, 0, 1, 0.04), (0, 0, 0.08, 1), (0.925, 0, 1, 1), (0, 0.98, 1, 1)):
        assert page.ink(*where) == 0, where
    assert page.ink(0, 0, 1, 1) / (page.width * page.height) < 0.05


def test_every_sign_has_a_glyph_of_its_own() -> None:
    """What a font lacks would look like everything else that it lacks."""
    seen: dict[bytes, str] = {}
    for sign in "абвгдежзийклмнопрстуфхцчшщъыьэюяёЁЖЩЮßéñçøłğ€₽₴₸£¥§№":
        made = pdf.rendered(document(invoice(buyer={"name": sign}), [line()], BERLIN), datetime.now(UTC))
        (page,) = pages(made, 3)
        name = tuple(
            row[round(0.5 * page.width) : round(0.6 * page.width)]
            for row in page.rows[round(0.155 * page.height) : round(0.18 * page.height)]
        )
        drawn = b"".join(name)
        assert min(drawn) < 128, f"{sign} is not there"
        assert drawn not in seen, f"{sign} looks like {seen.get(drawn)}"
        seen[drawn] = sign


@pytest.mark.parametrize("name", HOSTILE.values(), ids=list(HOSTILE))
@pytest.mark.parametrize("locale", ["en", "ru"])
def test_names_are_text(name: str, locale: str) -> None:
    buyer = {"name": name, "address": [name], "country": "DE", "vat_id": name[:20], "project": name}
    lines = [line(parameters={"service": name, "plan": name}), line(code=name, parameters={})]
    made, text = printed(invoice(locale=locale, buyer=buyer, reason=name), lines)
    drawn = pages(made)
    assert len(drawn) <= 2
    for page in drawn:
        # Nothing reaches over the edge.
        assert page.ink(0.925, 0, 1, 1) == page.ink(0, 0, 0.08, 1) == 0
    words = re.findall(r"[A-Za-z]{2,12}", unicodedata.normalize("NFC", name))
    assert all(word in text for word in words), text


def test_markup_is_printed_as_it_is() -> None:
    _, text = printed(invoice(buyer={"name": HOSTILE["markup"]}))
    assert '#import "@preview/x:1.0.0": *' in text.replace("“", '"').replace("”", '"')


def test_what_no_font_has_is_marked_once() -> None:
    assert pdf.showable("a\U0010fffdb") == f"a{pdf.MISSING}b"
    assert pdf.showable("\U0010fffd\ufe0f\u200d\U0010fffd!") == f"{pdf.MISSING}!"
    assert pdf.showable("Ада & Zoë, 5 €") == "Ада & Zoë, 5 €"
    assert pdf.showable("a\x00\u202eb") == "a  b"


def test_the_same_invoice_is_the_same_file() -> None:
    one = invoice()
    assert printed(one)[0] == printed(one)[0]


def test_a_long_one_has_numbered_pages_with_heads() -> None:
    lines = [line(parameters={"service": f"service-{number}"}) for number in range(60)]
    made, text = printed(invoice(), lines)
    count = len(pages(made))
    assert count > 1
    for number in range(1, count + 1):
        assert f"Page {number} / {count}" in text
    assert text.count("Description") == count or text.count("Description") == count - 1
    assert all(f"service-{number}" in text for number in range(60))


@pytest.mark.parametrize(
    ("currency", "english", "russian"),
    [
        ("JPY", "¥146,913", "146 913 ¥"),
        ("KWD", "KWD 146.913", "146,913 KWD"),
        ("RUB", "RUB 1,469.13", "1 469,13 ₽"),
    ],
)
def test_currencies_of_no_and_of_three_decimals(currency: str, english: str, russian: str) -> None:
    for locale, words in (("en", english), ("ru", russian)):
        _, text = printed(invoice(currency=currency, locale=locale))
        assert re.sub(r"\s", "", unicodedata.normalize("NFKC", words)) in re.sub(r"\s", "", text)


@pytest.mark.parametrize(
    ("code", "locale", "words"),
    [
        ("reverse_charge", "en", "Reverse charge: the recipient"),
        ("reverse_charge", "ru", "Обратное начисление"),
        ("exempt", "en", "Exempt from VAT"),
        ("export", "ru", "за рубежом"),
    ],
)
def test_why_there_is_no_tax(code: str, locale: str, words: str) -> None:
    untaxed = line(tax_code=code, tax_rate=0, tax_country=None, tax=0, net=146_913)
    _, text = printed(invoice(locale=locale, net=146_913, tax=0), [untaxed])
    assert words in text


def test_a_credit_note_says_what_it_corrects_and_why() -> None:
    one = invoice(
        kind="credit_note", reference="CN-2026-000002", reason="Две минуты недоступности", locale="ru"
    )
    _, text = printed(one, corrects="INV-2026-000017")
    for words in (
        "Кредит-нота CN-2026-000002",
        "INV-2026-000017",
        "Две минуты недоступности",
        "Итого возвращено",
    ):
        assert words in text


def test_rates_are_summed_apart() -> None:
    french = line(tax_rate=200_000, tax_country="FR", tax_code="destination", net=100, tax=20, gross=120)
    _, text = printed(invoice(), [line(), french, line(net=44, tax=3, gross=47, tax_rate=55_000)])
    assert "20% (FR) 1.00 0.20" in text
    assert "5.5% 0.44 0.03" in text
