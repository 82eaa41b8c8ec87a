"""How long a preview takes: `python -m bench.preview`.

100,000 chunks, 500 subjects, a change of a few of 200 rules: who gains and who loses what. Once
with ten chunks in a document, once with each chunk a document under a label of its own; each
against a bound of 10 s, reading the labels not included, indexing them included.
"""

from __future__ import annotations

import random
import time
from typing import Final

from rich.console import Console
from rich.table import Table

from acl.labels import Label
from acl.language.casbin_adapter import Row
from acl.policy.policy import Policy, load
from acl.predicate import ALWAYS
from acl.preview.census import Corpus
from acl.preview.preview import Conditions, PastRelease, Preview, preview, review_releases
from acl.subject import Subject
from bench.compile import NOW, READ, policy, schema

CHUNKS: Final = 100_000
PEOPLE: Final = 500
RULES: Final = 200
ROLES: Final = 60
BOUND_S: Final = 10.0
_RELEASES: Final = 10_000


def documents(number: int) -> list[tuple[str, Label]]:
    """Return documents that all have another label."""
    chance, declared = random.Random(3), schema()
    return [
        (
            f"document-{one}",
            declared.parse(
                {
                    "tenant": "acme",
                    "owner": f"user:u{chance.randrange(PEOPLE)}",
                    "classification": chance.randrange(4),
                    "compartments": chance.sample(("finance", "board"), chance.randrange(3)),
                    "readers": [f"role:r{chance.randrange(ROLES)}" for _ in range(3)],
                    "path": f"/acme/d{one % RULES}/{one}",
                }
            ),
        )
        for one in range(number)
    ]


def people() -> list[Subject]:
    """Return subjects who all have other rights."""
    chance = random.Random(4)
    return [
        Subject(
            id=f"user:u{one}",
            tenant="acme",
            clearance=chance.randrange(4),
            compartments=frozenset(chance.sample(("finance", "board"), chance.randrange(3))),
            groups=frozenset(f"group:g{chance.randrange(30)}" for _ in range(3)),
        )
        for one in range(PEOPLE)
    ]


def changed(under: Policy) -> Policy:
    """Return the policy without three of its rules and with one more."""
    rows = [row for row in under.rows if row.kind != "p" or row.number % (RULES // 3)]
    more = Row(10**6, "p", ("group:everyone", "acme", "/acme/d1/*", READ, "True", "allow"))
    return load(under.model.text, [*rows, more], under.schema)


def measured(console: Console, number: int) -> None:
    """Print how long one corpus takes."""
    held, asked, before = documents(number), people(), policy(RULES, ROLES, PEOPLE)
    after = changed(before)
    started, busy = time.perf_counter(), time.process_time()
    corpus = Corpus(held, schema())
    indexed = time.perf_counter()
    old, new = Conditions(before), Conditions(after)
    found = preview(old, new, asked, READ, corpus, at=NOW, readable=ALWAYS)
    counted, busy = time.perf_counter(), time.process_time() - busy
    chance = random.Random(5)
    releases = [
        PastRelease(
            id=str(one),
            subject=asked[one % PEOPLE],
            action=READ,
            documents=tuple(f"document-{chance.randrange(number)}" for _ in range(10)),
            at=NOW,
        )
        for one in range(_RELEASES)
    ]
    reviewing = time.perf_counter()
    review_releases(new, releases, corpus, readable=ALWAYS)
    ended = time.perf_counter()
    console.print(
        _table(number, found, indexed - started, counted - indexed, busy, ended - reviewing)
    )


def _table(  # noqa: PLR0913, PLR0917 - a table of figures
    number: int, found: Preview, index: float, count: float, busy: float, review: float
) -> Table:
    documents = sum(one.gained.documents + one.lost.documents for one in found.changes)
    if not documents:
        raise AssertionError("nothing changed, so nothing was measured")
    table = Table(
        f"{number} documents, {PEOPLE} subjects, {RULES} rules", "seconds", title="preview"
    )
    table.add_row("indexing the labels", f"{index:.2f}")
    table.add_row(f"{len(found.changes)} groups changed, {documents} rights", f"{count:.2f}")
    table.add_row(f"both (bound {BOUND_S:.0f} s)", f"{index + count:.2f}")
    table.add_row("of that, processor time", f"{busy:.2f}")
    table.add_row(f"{_RELEASES} past releases of 10 documents", f"{review:.2f}")
    return table


def main() -> None:
    """Print both tables."""
    console = Console(width=100)
    measured(console, CHUNKS // 10)
    measured(console, CHUNKS)


if __name__ == "__main__":
    main()
