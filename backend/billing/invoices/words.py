"""What stands printed on invoices, in every language of theirs."""

from __future__ import annotations

from typing import Any

from babel.numbers import format_decimal

from backend.billing.metering.models import TRAFFIC
from backend.mail.catalogue import known_locale

_ENGLISH = {
    "invoice": "Invoice",
    "credit_note": "Credit note",
    "seller": "From",
    "buyer": "Bill to",
    "issued": "Date of issue",
    "period": "Period",
    "currency": "Currency",
    "project": "Project",
    "corrects": "Corrects invoice",
    "service": "Description",
    "net": "Net",
    "rate": "VAT rate",
    "tax": "VAT",
    "gross": "Total",
    "by_rate": "By VAT rate",
    "total": "Total",
    "credited": "Total credited",
    "vat_id": "VAT ID: {value}",
    "registration": "Registration: {value}",
    "page": "Page",
    "paid": "Taken from the project's balance as the services were used; nothing is to be paid for it.",
    "given_back": "Given back to the project's balance.",
    "reason": "Reason: {value}",
    "no_tax": "No VAT",
    "hours": "{value} h",
    "a_month": "{value} a month",
    "a_month_each": "{value} a month each",
    "a_month_per": "{value} per {unit} and month",
    "per": "{value} per {unit}",
    "unit.GiB": "GiB",
    "unit.piece": "piece",
    "pieces": "{value} pcs.",
    "receipt": "Receipt",
    "payer": "Paid by",
    "paid_on": "Paid on",
    "paid_with": "Paid with",
    "top_up": "Top-up of the balance of {project}",
    "sent_back": "Sent back",
    "received": "Received",
    "no_invoice": "This confirms a payment onto the balance and is no invoice: "
    "those are issued for what is used.",
    "gateway.stripe": "Card",
    "gateway.yookassa": "YooKassa",
    "gateway.bank_transfer": "Bank transfer",
    "gateway.manual": "To the operator",
    "reverse_charge": "Reverse charge: the recipient of the service is liable for VAT "
    "(Art. 196 of Directive 2006/112/EC).",
    "exempt": "Exempt from VAT.",
    "export": "Supplied to a customer abroad: not subject to VAT in the seller's country.",
}
_RUSSIAN = {
    "invoice": "Счёт",
    "credit_note": "Кредит-нота",
    "seller": "Исполнитель",
    "buyer": "Заказчик",
    "issued": "Дата выставления",
    "period": "Период",
    "currency": "Валюта",
    "project": "Проект",
    "corrects": "Исправляет счёт",
    "service": "Наименование",
    "net": "Без НДС",
    "rate": "Ставка НДС",
    "tax": "НДС",
    "gross": "Всего",
    "by_rate": "По ставке НДС",
    "total": "Итого",
    "credited": "Итого возвращено",
    "vat_id": "Номер НДС: {value}",
    "registration": "Регистрация: {value}",
    "page": "Страница",
    "paid": "Списано с баланса проекта по мере использования услуг; доплата по счёту не требуется.",
    "given_back": "Возвращено на баланс проекта.",
    "reason": "Причина: {value}",
    "no_tax": "Без НДС",
    "hours": "{value} ч",
    "a_month": "{value} в месяц",
    "a_month_each": "{value} в месяц за каждый",
    "a_month_per": "{value} за {unit} в месяц",
    "per": "{value} за {unit}",
    "unit.GiB": "ГиБ",
    "unit.piece": "шт.",
    "pieces": "{value} шт.",
    "receipt": "Квитанция",
    "payer": "Плательщик",
    "paid_on": "Дата оплаты",
    "paid_with": "Способ оплаты",
    "top_up": "Пополнение баланса проекта {project}",
    "sent_back": "Возвращено",
    "received": "Получено",
    "no_invoice": "Подтверждает пополнение баланса и не является счётом: "
    "счета выставляются за использованное.",
    "gateway.stripe": "Карта",
    "gateway.yookassa": "ЮKassa",
    "gateway.bank_transfer": "Банковский перевод",
    "gateway.manual": "Оператору лично",
    "reverse_charge": "Обратное начисление: НДС уплачивает получатель услуги "
    "(ст. 196 Директивы 2006/112/ЕС).",
    "exempt": "НДС не облагается.",
    "export": "Услуга оказана заказчику за рубежом: НДС в стране исполнителя не облагается.",
}
_ENGLISH_LINES = {
    "usage": "{service}: hosting",
    "setup": "{service}: set-up",
}
_RUSSIAN_LINES = {
    "usage": "{service}: хостинг",
    "setup": "{service}: подключение",
}
_WORDS = {"en": _ENGLISH, "ru": _RUSSIAN}
_LINES = {"en": _ENGLISH_LINES, "ru": _RUSSIAN_LINES}


def word(name: str, locale: str, **values: str) -> str:
    return _filled(_WORDS[known_locale(locale)][name], values)


def has_word(name: str) -> bool:
    return name in _ENGLISH


def unit(name: str, locale: str) -> str:
    """One that nobody translated is shown as it is."""
    return word(f"unit.{name}", locale) if has_word(f"unit.{name}") else name


def amount(quantity: int, of: str, locale: str) -> str:
    """`12 GiB`, `3 pcs.`"""
    number = format_decimal(quantity, locale=locale)
    return word("pieces", locale, value=number) if of == "piece" else f"{number}\u00a0{unit(of, locale)}"


def price_of(parameters: dict[str, Any]) -> str:
    """Which words say what the price of a line is for."""
    if parameters.get("meter") == TRAFFIC:
        return "per"
    if parameters.get("unit"):
        return "a_month_per"
    return "a_month_each" if parameters.get("quantity", 1) != 1 else "a_month"


def line(code: str, parameters: dict[str, Any], locale: str) -> str:
    """What a line is for. A code without words of its own is shown as it is."""
    words = _LINES[known_locale(locale)].get(code)
    return _filled(words, {name: str(value) for name, value in parameters.items()}) if words else code


def _filled(words: str, values: dict[str, str]) -> str:
    """Not `str.format`: what a customer named things may hold braces."""
    for name, value in values.items():
        words = words.replace(f"{{{name}}}", value)
    return words
