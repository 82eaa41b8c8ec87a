"""A process that carries out a label job until it is killed: `python -m … HOME JOB`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from acl.records import Job
from tests.integration.label_office import office_of
from tests.integration.world import world
from tests.plain import plain_tools


async def work(home: Path, job: str) -> None:
    async with world(home, plain_tools()) as made:
        process = made.engine._process
        assert process is not None
        os.write(1, f"worker {process.pid}\n".encode())
        await office_of(made).bulk.run(job, on_progress=tell)


def tell(job: Job) -> None:
    os.write(1, f"{job.pending}\n".encode())


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), sys.argv[2]))
