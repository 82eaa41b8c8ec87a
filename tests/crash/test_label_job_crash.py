"""A job that is killed goes on where it stopped; nothing is done twice, nothing is forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from pathlib import Path

from acl.engine.payload import label_payload
from acl.records import ItemState
from retrieval.labels.requests import LabelRequest
from retrieval.labels.selection import Selection
from retrieval.rights.authority import OPERATOR
from tests.integration.engine_state import points_of
from tests.integration.label_office import office_of
from tests.integration.world import NOW, world
from tests.plain import plain_tools

ROOT = Path(__file__).parents[2]
DOCUMENTS = 170
KILLS = 2


async def test_a_killed_job_goes_on_where_it_stopped(tmp_path: Path) -> None:
    home = tmp_path / "data"
    source = tmp_path / "source/acme/notes"
    source.mkdir(parents=True)
    (source / "_label.toml").write_text(
        '[label]\ntenant = "acme"\nowner = "user:ada"\nclassification = "public"\n'
        'compartments = []\nreaders = ["group:everyone"]\n'
    )
    for number in range(DOCUMENTS):
        (source / f"d{number}.txt").write_text(f"note {number}\n")
    async with world(home, plain_tools()) as made:
        await made.ingest(tmp_path / "source")
        begun = await office_of(made).bulk.begin(
            OPERATOR,
            Selection(folder="/acme/notes/", tenant="acme"),
            LabelRequest(values={"classification": "restricted"}, reason="all"),
        )
    left = DOCUMENTS
    for _ in range(KILLS):
        now = await killed(home, begun.job.id)
        assert now <= left
        left = now
    assert 0 < left < DOCUMENTS
    async with world(home, plain_tools()) as made:
        job = await office_of(made).bulk.run(begun.job.id)
        assert job.counts == {ItemState.DONE: DOCUMENTS}
        for document in await made.documents():
            assert (document.label_version, document.projected_label_version) == (2, 2)
            wanted = label_payload(document.label(made.schema, NOW), made.schema)
            carried = [one async for one in made.engine.scroll(points_of(document.id))]
            assert [one.payload["label"] for one in carried] == [wanted]
        assert (await made.records.audit.verify()).fault is None
        assert (await made.reconciler.run(now=NOW)).differences == 0


async def killed(home: Path, job: str) -> int:
    """Carry the job out until one batch is done, kill it in the next; return what is pending."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.crash.label_job_writer",
        str(home),
        job,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    worker = int((await process.stdout.readline()).split()[1])
    await process.stdout.readline()
    await asyncio.sleep(0.02)
    process.kill()
    await process.wait()
    with contextlib.suppress(ProcessLookupError):
        os.kill(worker, signal.SIGKILL)
    async with world(home, plain_tools()) as made:
        found = await made.records.jobs.job(job)
        assert found is not None
        return found.pending
