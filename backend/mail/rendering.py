"""What a letter says: subject, text and HTML of a template in one language."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from backend.mail.catalogue import Channel, Template, Values

FOLDER = Path(__file__).parent / "templates"
SUBJECT = "Subject: "

_DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INK = "color:#10283a"
_STYLES = {
    "h1": f"margin:0 0 16px;font-size:22px;line-height:1.3;font-weight:650;letter-spacing:-.01em;{_INK}",
    "p": f"margin:0 0 16px;font-size:16px;line-height:1.55;{_INK}",
    "ul": "margin:0 0 16px;padding:0 0 0 20px",
    "li": f"margin:0 0 6px;font-size:16px;line-height:1.55;{_INK}",
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """`subject` and `html` are a letter's; a text message has none."""

    subject: str | None
    text: str
    html: str | None


class _Files(FileSystemLoader):
    """Mail programs want styles in every element; here a plain `<p>` of a template becomes a styled one."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Any]:
        source, path, fresh = super().get_source(environment, template)
        if template.endswith(".html"):
            for tag, style in _STYLES.items():
                source = source.replace(f"<{tag}>", f'<{tag} style="{style}">')
        return source, path, fresh


_environment = Environment(
    loader=_Files(FOLDER),
    autoescape=select_autoescape(("html",), default_for_string=False),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def render(template: Template, locale: str, values: Values, *, panel_url: str, recipient: str) -> Rendered:
    """Values are single lines, so that none can pretend to be a header or another paragraph."""
    given: dict[str, object] = {name: one_line(value) for name, value in values.items()}
    given |= {"panel_url": panel_url, "recipient": one_line(recipient), "locale": locale}
    if template.channel is Channel.SMS:
        text = _environment.get_template(f"{locale}/{template.name}.txt").render(given)
        return Rendered(None, text.strip(), None)
    head, body = _subject_and_text(f"{locale}/{template.name}.txt")
    subject = str(one_line(head.render(given)))
    given |= {"subject": subject, "footer": _environment.get_template(f"{locale}/footer.txt").render(given)}
    text = f"{body.render(given).strip()}\n\n-- \n{given['footer']}\n"
    html = _environment.get_template(f"{locale}/{template.name}.html").render(given)
    return Rendered(subject, text, html)


@lru_cache
def _subject_and_text(name: str) -> tuple[Any, Any]:
    """Cut before anything is put in: what a value holds cannot move the line between them."""
    source, _, _ = _environment.loader.get_source(_environment, name)  # type: ignore[union-attr]
    first, _, rest = source.partition("\n")
    if not first.startswith(SUBJECT) or not rest.startswith("\n"):
        raise ValueError(f"{name} must begin with `Subject: …` and a blank line")
    return _environment.from_string(first.removeprefix(SUBJECT)), _environment.from_string(rest)


def one_line(value: str | int) -> str | int:
    """Control and direction characters and line ends become spaces."""
    if not isinstance(value, str):
        return value
    kept = ("".join(" " if _unprintable(sign) else sign for sign in value)).split()
    return " ".join(kept)


def _unprintable(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or sign in _DIRECTIONS
