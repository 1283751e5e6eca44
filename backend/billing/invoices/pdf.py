"""Invoices, and receipts of payments, as PDF, set by Typst: PDF/A-2a, which an archive keeps for decades and
a screen reader reads.

The same document gives the same bytes, whenever it is asked for: nothing is stored beside the invoice's
rows. Fonts are those inside the typst package; of the machine's fonts only what these lack is taken.
"""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import typst

PAPER = Path(__file__).with_name("paper.typ")
INVOICE = Path(__file__).with_name("invoice.typ")
MISSING = "\N{REPLACEMENT CHARACTER}"
_STANDARDS: typst.PDFStandards = ["a-2a"]
_COMMON = re.compile(r"[^\u0020-\u007e\u00a0-\u00ac\u00ae-\u017f\u0400-\u045f\u2013-\u201e\u202f\u20ac]")
"""All but what the embedded fonts are known to have, so that nobody need be asked."""
_MISSING_TOGETHER = re.compile(f"{MISSING}[{MISSING}\u200d\ufe0e\ufe0f]*")
_TRIAL = b"#let d = json(bytes(sys.inputs.data))\n" + PAPER.read_bytes().split(b"// Fonts.\n")[1] + b"#d"


async def render(document: dict[str, Any], made_at: datetime, template: Path = INVOICE) -> bytes:
    """Takes some 20 ms of a core, in a thread. Call it outside any transaction."""
    return await asyncio.to_thread(rendered, document, made_at, template)


def rendered(document: dict[str, Any], made_at: datetime, template: Path = INVOICE) -> bytes:
    """`template` goes on below the head that all have (`paper.typ`)."""
    return _compiled(PAPER.read_bytes() + template.read_bytes(), _each(document, showable), made_at)


def showable(text: str) -> str:
    """The text without what steers a terminal or a line's direction, and a mark for what no font has.

    A document with a missing glyph is no PDF/A, so Typst refuses to make it.
    """
    kept = "".join(" " if _steers(sign) else sign for sign in text)
    marked = _COMMON.sub(lambda found: found[0] if _has_glyph(found[0]) else MISSING, kept)
    return _MISSING_TOGETHER.sub(MISSING, marked)


def _steers(sign: str) -> bool:
    return unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp") or "\u202a" <= sign <= "\u202e"


@lru_cache(maxsize=4096)
def _has_glyph(sign: str) -> bool:
    # A mark that belongs on a letter is tried on one.
    tried = f"a{sign}" if unicodedata.combining(sign) else sign
    try:
        _compiled(_TRIAL, tried, datetime.fromtimestamp(0))
    except typst.TypstError:
        return False
    return True


def _compiled(template: bytes, data: Any, made_at: datetime) -> bytes:
    compiler = typst.Compiler(template, font_paths=_fonts())
    made = compiler.compile(
        format="pdf",
        sys_inputs={"data": json.dumps(data)},
        pdf_standards=_STANDARDS,
        timestamp=int(made_at.timestamp()),
    )
    assert isinstance(made, bytes)
    return made


@cache
def _fonts() -> typst.Fonts:
    return typst.Fonts()


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_each(one, change) for one in value]
    if isinstance(value, dict):
        return {name: _each(one, change) for name, one in value.items()}
    return value
