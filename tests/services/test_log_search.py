"""Search through the API in what a service printed: in any case and language, not in what was cut out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend.config import Settings
from backend.engines import unitlog
from backend.engines.layout import Layout
from tests.services.releases import Harbour

SECRET = "correct-horse-battery"


@pytest.fixture
async def log(harbour: Harbour, settings: Settings) -> Path:
    """What two releases of a service printed that has a secret."""
    await harbour.order(variables={"KEY": SECRET})
    await harbour.deploy()
    folder = Layout(settings.engine_home.resolve()).service_logs(harbour.service_id)
    folder.mkdir(parents=True)
    first, second = harbour.made
    unitlog.log_file(folder, first).write_text(f"the key is {SECRET}.\nWhat a day\n")
    unitlog.log_file(folder, second, "web.2").write_text("Полный ход\ncafe\u0301, 100 %_\nSTRASSE\n")
    return folder


async def search(harbour: Harbour, **asked: Any) -> dict[str, Any]:
    asked = {name: value for name, value in asked.items() if value is not None}
    answer = await harbour.client.get(
        f"/api/v1/services/{harbour.service_id}/log/search", params=asked, headers=harbour.ada.headers
    )
    return {"status": answer.status_code, **answer.json()}


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("what A", ["What a day"]),
        ("полный", ["Полный ход"]),
        ("CAFÉ", ["cafe\u0301, 100 %_"]),
        ("straße", ["STRASSE"]),
        ("%_", ["cafe\u0301, 100 %_"]),
        (".*", []),
        ("key", ["the key is •••."]),
        ("is •••", ["the key is •••."]),
        (SECRET, []),
        ("correct-h", []),
        ("🌊", []),
        (" ", ["cafe\u0301, 100 %_", "Полный ход", "What a day", "the key is •••."]),
    ],
)
async def test_what_is_found(harbour: Harbour, log: Path, text: str, lines: list[str]) -> None:
    found = await search(harbour, text=text)
    assert ([line["text"] for line in found["lines"]], found["before"]) == (lines, None)


async def test_pages_and_units(harbour: Harbour, log: Path) -> None:
    seen: list[tuple[str, int, str]] = []
    before = None
    while True:
        found = await search(harbour, text="a", size=1, before=before)
        seen += [(line["unit"], line["release"], line["text"]) for line in found["lines"]]
        if (before := found["before"]) is None:
            break
    assert seen == [
        ("web.2", 2, "STRASSE"),
        ("web.2", 2, "cafe\u0301, 100 %_"),
        ("web.1", 1, "What a day"),
    ]
    alone = await search(harbour, text="a", unit="web.1")
    assert [line["text"] for line in alone["lines"]] == ["What a day"]
    assert (await search(harbour, text="a", unit="worker.7"))["lines"] == []


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 422),
        ({"text": ""}, 422),
        ({"text": "x" * 201}, 422),
        ({"text": "x", "size": 0}, 422),
        ({"text": "x", "before": "nonsense"}, 400),
        ({"text": "x", "unit": "u" * 61}, 422),
    ],
)
async def test_what_is_refused(harbour: Harbour, log: Path, asked: dict[str, Any], status: int) -> None:
    assert (await search(harbour, **asked))["status"] == status
