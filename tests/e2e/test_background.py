"""What a service does beside its requests: it mends what a killed writer left, and looks again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from acl.records import Records
from retrieval.service.background import mend
from retrieval.service.settings import Settings, load_settings
from retrieval.service.wiring import open_parts, open_pipeline
from tests.integration.engine_state import points_of
from tests.scanning import compiled_rules
from tests.serving import POLICY

LABEL = (
    '[label]\ntenant = "acme"\nowner = "group:hr"\nclassification = "internal"\n'
    'compartments = []\nreaders = ["group:everyone"]\n'
)


def settings(folder: Path, **changed: object) -> Settings:
    return load_settings({}, data_dir=folder / "data", policy_dir=POLICY, **changed)


async def test_points_that_are_missing_come_back(tmp_path: Path) -> None:
    root = tmp_path / "documents"
    root.mkdir()
    (root / "_label.toml").write_text(LABEL)
    (root / "lunch.md").write_text("The canteen serves soup on Mondays.\n")
    async with open_parts(settings(tmp_path)) as parts:
        compiled_rules(parts.settings.data_dir)
        async with open_pipeline(parts) as pipeline:
            await pipeline.ingest(root, flags={}, on_event=lambda _: None)
        (document,) = await parts.records.catalog.list_documents("acme")
        where = points_of(document.id)
        await parts.engine.delete(where)
        assert await parts.engine.count(where, exact=True) == 0

        await mend(parts)

        assert await parts.engine.count(where, exact=True) == document.chunk_count


async def test_who_may_only_read_repairs_nothing_and_a_failure_does_not_end_the_service(
    tmp_path: Path,
) -> None:
    async with open_parts(settings(tmp_path)) as parts:
        reading = settings(tmp_path, qdrant_url="http://127.0.0.1:1")
        closed = await Records.open("sqlite:///" + str(tmp_path / "other.db"), b"k" * 32)
        await closed.close()
        broken = replace(parts, records=closed)

        await mend(replace(broken, settings=reading))
        await mend(broken)


async def test_what_the_service_releases_is_offered_to_the_shadow(tmp_path: Path) -> None:
    async with open_parts(settings(tmp_path)) as parts:
        for part in (parts.searcher, parts.reader):
            assert part._released == parts.shadow.offer
