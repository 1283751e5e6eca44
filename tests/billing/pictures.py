"""A PDF as a picture: where there is ink, and how the signs of two places look."""

from __future__ import annotations

from dataclasses import dataclass

import pypdfium2 as pdfium

DARK = 128


@dataclass(frozen=True)
class Page:
    """Grey values, row by row; the measures are those of the page, from its upper left corner."""

    width: int
    height: int
    rows: tuple[bytes, ...]

    def ink(self, left: float, top: float, right: float, bottom: float) -> int:
        """Dark dots within shares of the page: (0, 0, 1, 1) is all of it."""
        across = slice(round(left * self.width), round(right * self.width))
        down = slice(round(top * self.height), round(bottom * self.height))
        return sum(value < DARK for row in self.rows[down] for value in row[across])


def pages(pdf: bytes, scale: float = 1.5) -> list[Page]:
    document = pdfium.PdfDocument(pdf)
    try:
        return [_page(document[number], scale) for number in range(len(document))]
    finally:
        document.close()


def _page(page: pdfium.PdfPage, scale: float) -> Page:
    bitmap = page.render(scale=scale, grayscale=True)
    raw = bytes(bitmap.buffer)
    rows = (raw[at : at + bitmap.width] for at in range(0, bitmap.stride * bitmap.height, bitmap.stride))
    return Page(bitmap.width, bitmap.height, tuple(rows))
