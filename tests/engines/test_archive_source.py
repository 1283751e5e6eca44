"""An uploaded archive is built and served like any source, by every engine."""

from __future__ import annotations

import hashlib
import uuid
import zipfile
from dataclasses import replace

import httpx
import pytest

from backend.engines.base import EngineError, FetchSpec
from backend.engines.layout import Layout
from tests.engines.conftest import Panel, every_engine


def put(panel: Panel, **files: str) -> FetchSpec:
    archive_id, layout = str(uuid.uuid4()), Layout(panel.settings.home.resolve())
    layout.archives.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(layout.archive(archive_id), "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    digest = hashlib.sha256(layout.archive(archive_id).read_bytes()).hexdigest()
    return FetchSpec(
        *(str(uuid.uuid4()), str(uuid.uuid4()), "site.zip"),
        commit=f"sha256:{digest}",
        kind="archive",
        archive_id=archive_id,
    )


@every_engine
async def test_from_upload_to_answer(panel: Panel) -> None:
    spec = replace(put(panel, **{"top/site/index.html": "ahoy", "top/README": "x"}), root="site")
    fetched = await panel.engine.fetch(spec, panel.report)
    assert (fetched.commit, fetched.digest) == (None, spec.commit)
    built = await panel.engine.build(panel.build_spec(spec), panel.report)
    release = panel.release(spec, built)
    await panel.engine.start(release, panel.report)
    unit = await panel.engine.wait_healthy(release, panel.report, timeout=60)
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(f"http://{unit.address}/")).text == "ahoy"


async def test_what_is_gone_or_changed_is_said(panel: Panel) -> None:
    spec = put(panel, **{"index.html": "ahoy"})
    for wrong, code, detail in (
        (replace(spec, archive_id=str(uuid.uuid4())), "source_not_found", "archive_gone"),
        (replace(spec, commit="sha256:" + "0" * 64), "source_not_found", "archive_changed"),
        (replace(spec, root="apps"), "source_root_missing", "archive_root"),
    ):
        with pytest.raises(EngineError) as caught:
            await panel.engine.fetch(wrong, panel.report)
        assert (caught.value.code, caught.value.parameters["detail"]) == (code, detail)
