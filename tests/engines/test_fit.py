"""Which answers of a release show that it serves."""

from __future__ import annotations

import pytest

from backend.engines.health import fit


@pytest.mark.parametrize(
    ("path", "status", "fits"),
    [
        ("/", 200, True),
        ("/", 302, True),
        ("/", 404, True),
        ("/", 500, False),
        ("/up", 204, True),
        ("/up", 399, True),
        ("/up", 400, False),
        ("/up", 404, False),
        ("/?a", 404, False),
        ("/up", 503, False),
    ],
)
def test_what_answer_fits(path: str, status: int, fits: bool) -> None:
    assert fit(path, status) is fits
