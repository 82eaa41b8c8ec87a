"""kill -9 at any moment: what was acknowledged is there, what was not is whole or absent."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

from acl.records import DocumentVersion, Records
from tests.builders import KEY, NOW, SCHEMA

ROOT = Path(__file__).parents[3]
ROUNDS = 6


def killed_after(lines: int, url: str, seed: int) -> list[list[str]]:
    """Run the writer, kill it when it has acknowledged `lines` times, return what it said."""
    command = [sys.executable, "-m", "tests.integration.records.crash_writer", url, str(seed)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        # What it acknowledged between the last line and its death counts, too.
        said += writer.stdout.readlines()
    assert writer.returncode == -signal.SIGKILL
    return [line.split() for line in said if line.endswith("\n")]


async def test_nothing_acknowledged_is_lost_and_nothing_is_half_done(sqlite_url: str) -> None:
    chance = random.Random(7)
    live: dict[str, int] = {}
    owners: dict[str, tuple[int, str]] = {}
    audited = 0
    for turn in range(ROUNDS):
        last: tuple[str, ...] = ()
        for kind, *facts in killed_after(chance.randint(1, 60), sqlite_url, turn * 1000):
            last = (kind, *facts)
            match kind, facts:
                case "live", [document, version, _]:
                    live[document] = int(version)
                case "relabelled", [document, number, owner]:
                    owners[document] = (int(number), owner)
                case "deleted", [document]:
                    live.pop(document)
                    owners.pop(document, None)
                case "audited", [seq]:
                    audited = int(seq)
                case _:
                    assert kind == "begun"
        # What was under way for the last document may have become durable without a word.
        await check(sqlite_url, live, owners, audited, doubtful=last[1] if last else "")
        live, owners = await state(sqlite_url)


async def check(
    url: str,
    live: dict[str, int],
    owners: dict[str, tuple[int, str]],
    audited: int,
    *,
    doubtful: str,
) -> None:
    records = await Records.open(url, KEY)
    report = await records.audit.verify()
    assert report.fault is None
    assert report.verified >= audited

    found = await records.catalog.labels_of(live)
    missing = live.keys() - found.keys()
    assert missing <= {doubtful}
    for document, version in live.items():
        if document in missing:
            continue
        one = found[document]
        assert one.live_version == version or one.live_version > version
        number, owner = owners.get(document, (0, ""))
        assert one.label_version >= number
        if one.label_version == number:
            assert one.label_json["owner"] == owner
    await whole(records)
    await records.close()


async def whole(records: Records) -> None:
    """Every live document has all its chunks of one version, and what is half done goes."""
    for document in await records.catalog.list_documents("acme"):
        passages = await records.catalog.document_passages(document.id)
        assert len(passages) == document.chunk_count
        assert {one.version for one in passages} == {document.live_version}
        assert len({one.text.split("/")[0] for one in passages}) == 1
        document.label(SCHEMA, NOW)
    gone = await records.documents.abandon_pending(now=NOW)
    assert len(gone) <= 1
    assert set(gone) <= set(await records.projection.point_deletions(limit=100_000))
    live = {one.live for one in await records.catalog.list_documents("acme")}
    ordered: set[DocumentVersion] = set(await records.projection.point_deletions(limit=100_000))
    assert not live & ordered


async def state(url: str) -> tuple[dict[str, int], dict[str, tuple[int, str]]]:
    """Return what the next round starts from."""
    records = await Records.open(url, KEY)
    documents = await records.catalog.list_documents("acme")
    await records.close()
    return (
        {one.id: one.live_version for one in documents},
        {one.id: (one.label_version, one.label_json["owner"]) for one in documents},
    )
