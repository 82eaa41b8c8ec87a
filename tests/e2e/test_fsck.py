"""`strongroom fsck` on a damaged engine: it says so, repairs, and the next run prints 0."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

from acl.engine.payload import label_payload
from ingest.index.engine import Payload
from retrieval.service.settings import Settings, load_settings
from retrieval.service.wiring import open_parts
from tests.commandline import strongroom
from tests.integration.engine_state import points_of
from tests.serving import POLICY

LABEL = (
    '[label]\ntenant = "acme"\nowner = "group:hr"\nclassification = "restricted"\n'
    "compartments = []\nreaders = []\n"
)
WRONG = "wrong labels corrected"
LOST = "lost points made again"


def settings(folder: Path) -> Settings:
    return load_settings({}, data_dir=folder / "data", policy_dir=folder / "policy")


def numbers(printed: str) -> dict[str, int]:
    """Return what a run of fsck counted."""
    rows = re.findall(r"([a-z][a-z -]+[a-z]) +│? *(\d+)", printed)
    return {name.strip(): int(number) for name, number in rows}


async def carried(folder: Path) -> dict[str, Payload]:
    """Return the label that the engine carries for each document."""
    async with open_parts(settings(folder)) as parts:
        return {
            one.title: (await anext(parts.engine.scroll(points_of(one.id)))).payload["label"]
            for one in await parts.records.catalog.list_documents("acme")
        }


async def damage(folder: Path) -> None:
    """Let the engine say of one document that everybody may read it, and lose another."""
    async with open_parts(settings(folder)) as parts:
        wide, lost = await parts.records.catalog.list_documents("acme")
        schema = parts.snapshots.pin().schema
        label = schema.parse(
            {**wide.label_json, "classification": 0, "readers": ["group:everyone"]}
        )
        await parts.engine.set_label(points_of(wide.id), label_payload(label, schema))
        await parts.engine.delete(points_of(lost.id))


def test_what_was_damaged_is_repaired_and_then_there_is_nothing(tmp_path: Path) -> None:
    shutil.copytree(POLICY, tmp_path / "policy")
    root = tmp_path / "documents"
    root.mkdir()
    (root / "_label.toml").write_text(LABEL)
    (root / "pay.md").write_text("# Pay\n\nThe pay rise of the board is seven in a hundred.\n")
    (root / "soup.md").write_text("# Soup\n\nThe canteen serves soup on Mondays.\n")
    strongroom(tmp_path, "ingest", "documents", "--quiet")
    before = asyncio.run(carried(tmp_path))
    asyncio.run(damage(tmp_path))

    done = strongroom(tmp_path, "fsck", code=1)
    assert "2 differences, repaired" in done.stderr
    found = numbers(done.stdout)
    assert (found[WRONG], found[LOST], sum(found.values())) == (1, 1, 2)

    again = strongroom(tmp_path, "fsck")
    assert len(numbers(again.stdout)) == len(found)
    assert not sum(numbers(again.stdout).values())
    assert "records and engine agree" in again.stdout
    assert asyncio.run(carried(tmp_path)) == before
