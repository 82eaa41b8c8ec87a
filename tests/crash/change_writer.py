"""Writers of changes that are to be killed: `python -m tests.crash.change_writer HOME`.

The line that a writer is given says what the records hold, the hour, a seed, and which kind of
change is wanted. Before each step a writer says what will be true after it; after it, that it was
acknowledged. In between it tells of each transaction that it is about to commit, so that somebody
can aim at that moment. Each of its steps begins where the step before was said to end, and it
looks.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, event

from tests.crash import change_labels, change_rights
from tests.crash.change_steps import Builder, Clerk, Step
from tests.crash.killing import fork_writers, say
from tests.integration.world import world
from tests.plain import plain_tools

KINDS: Mapping[str, Builder] = {
    one.__name__: one
    for one in (
        change_rights.policy,
        change_rights.rollback,
        change_rights.refute,
        change_rights.user,
        change_rights.group,
        change_rights.create,
        change_rights.ingest,
        change_rights.delete,
        change_labels.tighten,
        change_labels.widen,
        change_labels.both,
        change_labels.share,
        change_labels.unshare,
        change_labels.undo,
        change_labels.expire,
        change_labels.folder,
        change_labels.bulk,
        change_labels.job,
    )
}

_STEPS = 1000
_WANTED = 0.4


async def work(home: Path, line: str) -> None:
    """Change one thing after the other."""
    order = json.loads(line)
    async with world(home / "data", plain_tools()) as made:
        clerk = Clerk(
            made=made,
            source=home / "source",
            random=random.Random(order["seed"]),
            state=order["state"],
            hour=order["hour"],
            number=order["seed"] * _STEPS,
        )
        process = made.engine._process
        say(say="ready", worker=process.pid if process else 0)
        while clerk.number < (order["seed"] + 1) * _STEPS:
            await step(clerk, order["wanted"])


async def step(clerk: Clerk, wanted: str) -> None:
    """Change one thing."""
    clerk.number += 1
    often = clerk.random.random() < _WANTED
    # A job that was begun is carried out before anything else changes what it is about.
    kind = "job" if clerk.later else wanted if often else clerk.random.choice(sorted(KINDS))
    todo = await KINDS[kind](clerk)
    if todo is None:
        return
    say(
        say="intent",
        kind=kind,
        after=todo.after,
        whole=todo.whole,
        later=todo.later,
        hours=todo.hours,
    )
    await todo.deed()
    take(clerk, todo)
    say(say="ack")


def take(clerk: Clerk, done: Step) -> None:
    """Know what was done."""
    for key, value in done.after.items():
        clerk.state[key] = value
        if value is None:
            del clerk.state[key]
    clerk.later = done.later
    clerk.hour += done.hours


def tell_of_commits() -> None:
    """Say when a transaction that wrote something is about to be committed."""

    def noted(connection: Connection, _: object, statement: str, *__: object) -> None:
        if statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            connection.info["wrote"] = True

    def told(connection: Connection) -> None:
        if connection.info.pop("wrote", False):
            say(say="commit")

    event.listen(Engine, "before_cursor_execute", noted)
    event.listen(Engine, "commit", told)


if __name__ == "__main__":
    tell_of_commits()
    for number in range(2 ** len(change_rights.LINES)):
        change_rights.variant(number)
    fork_writers(partial(work, Path(sys.argv[1])))
