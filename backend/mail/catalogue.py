"""Every letter and text message there is: what is put into it, and an example of that.

To add one: an entry here, and its texts as `templates/<locale>/<name>.txt` (a letter's begins with
`Subject: …` and a blank line) and, for a letter, `templates/<locale>/<name>.html`, which extends
`base.html` and fills its block `content`. All templates also know `panel_url` and `recipient`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

Values = dict[str, str | int]
LOCALES = ("en", "ru")
DEFAULT_LOCALE = "en"


class Choice(str):
    """One of a few words of our own, which templates turn into words of their language and never show."""

    among: tuple[str, ...]

    def __new__(cls, *among: str) -> Choice:
        choice = super().__new__(cls, among[0])
        choice.among = among
        return choice


class Channel(StrEnum):
    EMAIL = "email"
    SMS = "sms"


@dataclass(frozen=True, slots=True)
class Template:
    name: str
    channel: Channel
    sample: Values = field(default_factory=dict)
    """What it must be given, no more and no less; the values are for previews and tests.

    What goes to an address that nobody has proved yet holds no words of whoever asked for it, or it would
    carry anybody's advertisement to anybody.
    """

    def check(self, values: Values) -> None:
        """A letter with a hole is found where it is written, not where it is sent."""
        if values.keys() != self.sample.keys():
            wrong = ", ".join(sorted(values.keys() ^ self.sample.keys()))
            raise ValueError(f"template {self.name} is given too little or too much: {wrong}")
        for name, sample in self.sample.items():
            if isinstance(sample, Choice) and values[name] not in sample.among:
                raise ValueError(f"template {self.name} knows no such {name}")


def _letter(name: str, /, **sample: str | int) -> Template:
    return Template(name, Channel.EMAIL, sample)


def _message(name: str, /, **sample: str | int) -> Template:
    return Template(name, Channel.SMS, sample)


def _link(page: str) -> str:
    return f"https://panel.example.com/{page}?token=an-example-that-opens-nothing-at-all-0000000"


TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (
        _letter("test", name="Ada Lovelace"),
        _letter("verify_email", url=_link("verify-email"), code="204816", hours=24),
        _letter("account_exists", name="Ada Lovelace"),
        _letter("password_reset", name="Ada Lovelace", url=_link("reset"), minutes=60),
        _letter("password_changed", name="Ada Lovelace"),
        _letter("email_change", email="ada@example.org", url=_link("verify-email"), hours=24),
        _letter(
            "email_change_asked",
            name="Ada Lovelace",
            email="ada@example.org",
            url=_link("restore-email"),
            days=7,
        ),
        _letter(
            "email_changed", name="Ada Lovelace", email="ada@example.org", url=_link("restore-email"), days=7
        ),
        _letter("email_in_use", name="Ada Lovelace"),
        _letter("email_returned", name="Ada Lovelace", email="ada@example.com"),
        _letter("phone_changed", name="Ada Lovelace", phone="+7 912 345-67-89"),
        _letter("phone_removed", name="Ada Lovelace", phone="+7 912 345-67-89"),
        _letter("account_deleted", name="Ada Lovelace"),
        _letter(
            "project_invitation",
            inviter="Grace Hopper",
            inviter_email="grace@example.com",
            project="Harbour office",
            role=Choice("developer", "owner", "billing", "viewer"),
            url=_link("invitation"),
            days=7,
        ),
        _letter("member_removed", name="Ada Lovelace", project="Harbour office"),
        _letter("account_blocked", name="Ada Lovelace", reason="Letters that nobody asked for"),
        _letter("account_unblocked", name="Ada Lovelace"),
        _letter("account_viewed", name="Ada Lovelace", reason="Ticket 204: no deployment", minutes=15),
        _letter(
            "new_sign_in",
            name="Ada Lovelace",
            device="Firefox, Linux",
            address="203.0.113.7",
            time="2026-11-22 09:30 UTC",
        ),
        _letter("factor_added", name="Ada Lovelace", kind=Choice("passkey", "totp"), passkey="Blue key"),
        _letter("factor_removed", name="Ada Lovelace", kind=Choice("totp", "passkey"), passkey=""),
        _letter("recovery_code_used", name="Ada Lovelace", left=9),
        _letter("factors_reset", name="Ada Lovelace"),
        *(
            _letter(
                template,
                name="Ada Lovelace",
                reference=reference,
                project="Harbour office",
                amount="€12.30",
                url="https://panel.example.com/billing/invoices",
            )
            for template, reference in (
                ("invoice_issued", "INV-2026-000017"),
                ("credit_note_issued", "CN-2026-000002"),
            )
        ),
        *(
            _letter(
                template,
                name="Ada Lovelace",
                project="Harbour office",
                **given,
                url="https://panel.example.com/billing",
            )
            for template, given in (
                ("money_low", {"balance": "€4.20", "date": "November 25, 2026"}),
                ("money_out", {"due": "€0.40", "date": "November 28, 2026"}),
                (
                    "services_suspended",
                    {"services": "tides, gulls", "due": "€1.30", "date": "December 28, 2026"},
                ),
                (
                    "services_ending",
                    {"services": "tides, gulls", "due": "€1.30", "date": "December 28, 2026"},
                ),
                ("services_terminated", {"services": "tides, gulls"}),
                ("services_resumed", {"services": "tides, gulls", "balance": "€18.70"}),
            )
        ),
        _letter(
            "price_moves",
            name="Ada Lovelace",
            project="Harbour office",
            services="tides, gulls",
            item="Dinghy",
            before="€3.00",
            after="€3.50",
            date="December 22, 2026",
            url="https://panel.example.com/billing/usage",
        ),
        *(
            _letter(
                name,
                name="Ada Lovelace",
                service="tides",
                volume="data",
                url="https://panel.example.com/services/0197a2c4/backups",
            )
            for name in ("backup_failing", "backup_recovered")
        ),
        _letter(
            "cron_job_failing",
            name="Ada Lovelace",
            job="Nightly report",
            service="tides",
            count=3,
            url="https://panel.example.com/services/0199c2d4-9f3e-7c51-b2a4-3d5e6f708192/cron",
        ),
        _letter(
            "volume_nearly_full",
            name="Ada Lovelace",
            volume="data",
            service="tides",
            percent=93,
            url="https://panel.example.com/services/0199c2d4-9f3e-7c51-b2a4-3d5e6f708192/storage",
        ),
        _letter("domain_taken_over", name="Ada Lovelace", domain="www.example.org"),
        _letter(
            "certificate_failing",
            name="Ada Lovelace",
            domain="www.example.org",
            until="2026-12-24",
            url="https://panel.example.com/services/0199c2d4-9f3e-7c51-b2a4-3d5e6f708192/domains",
        ),
        *(
            _letter(
                template,
                name="Ada Lovelace",
                project="Harbour office",
                amount="€20.00",
                url="https://panel.example.com/billing/payments",
                **given,
            )
            for template, given in (
                ("payment_received", {"method": "Visa •• 4242"}),
                ("payment_disputed", {}),
                ("auto_top_up_failed", {"reason": Choice("declined", "authentication")}),
                ("auto_top_up_ceiling", {"limit": "€100.00"}),
            )
        ),
        _message("phone_code", code="204816", minutes=10),
    )
}


def template_of(name: str, channel: Channel) -> Template:
    template = TEMPLATES.get(name)
    if template is None or template.channel is not channel:
        raise ValueError(f"there is no {channel} template {name}")
    return template


def known_locale(locale: str | None) -> str:
    return locale if locale in LOCALES else DEFAULT_LOCALE
