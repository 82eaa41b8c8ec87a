"""How long a decision takes to compile: `python -m bench.compile`.

Two figures, each beside what it replaces or must keep to:

- 10,000 rules over 1,000 roles, a subject not seen before: p50 and p99 against a bound of 50 ms.
- 1,000 rules, 100 candidate documents: compiling once and evaluating the predicate on each,
  against asking Casbin's `enforce` for each.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Final

from rich.console import Console
from rich.table import Table

from acl.decision import Permitted
from acl.engine.filter import to_filter
from acl.engine.wire import size
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Oracle, Row
from acl.policy.decide import decide, request_of
from acl.policy.policy import Policy, load
from acl.predicate import holds
from acl.subject import Subject

FOLDER: Final = Path(__file__).resolve().parents[1] / "policy"
NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
READ: Final = "document:read"
BOUND_MS: Final = 50.0
_CONDITIONS: Final = ("True", "r.obj.owner == r.sub.id", "r.obj.classification <= 2")


def policy(rules: int, roles: int, people: int, *, seed: int = 1) -> Policy:
    """Return the default model with random rules, each on a folder of its own."""
    chance = random.Random(seed)
    rows = [
        Row(
            number + 1,
            "p",
            (
                f"role:r{chance.randrange(roles)}",
                "acme",
                f"/acme/d{number}/*",
                READ,
                chance.choice(_CONDITIONS),
                "deny" if number % 50 == 0 else "allow",
            ),
        )
        for number in range(rules)
    ]
    rows += [
        Row(rules + 1, "g", (f"user:u{person}", f"role:r{role}", "acme", "_", "_"))
        for person in range(people)
        for role in chance.sample(range(roles), min(roles, 20))
    ]
    return load((FOLDER / "model.conf").read_text(), rows, schema())


def schema() -> LabelSchema:
    """Return the label schema that comes with the project."""
    return LabelSchema.from_toml((FOLDER / "labels.toml").read_text())


def subject(number: int) -> Subject:
    """Return one of the policy's people."""
    return Subject(id=f"user:u{number}", tenant="acme", clearance=2)


def milliseconds(work: Callable[[], object]) -> float:
    """Return how long `work` takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def cached_miss(console: Console) -> None:
    """Print the time of a decision for a subject that was not seen before."""
    under = policy(10_000, 1_000, 500)
    decide(under, subject(0), READ, NOW)
    times = [
        milliseconds(lambda number=number: decide(under, subject(number), READ, NOW))  # type: ignore[misc]
        for number in range(1, 400)
    ]
    decision = decide(under, subject(1), READ, NOW)
    conditions = (
        size(to_filter(decision.predicate, schema())) if isinstance(decision, Permitted) else 0
    )
    table = Table("10,000 rules, 1,000 roles", "ms", title="one decision, not cached")
    table.add_row("p50", f"{median(times):.1f}")
    table.add_row("p99", f"{quantiles(times, n=100)[98]:.1f} (bound {BOUND_MS:.0f})")
    table.add_row("conditions in the filter", str(conditions))
    console.print(table)


def against_enforce(console: Console) -> None:
    """Print the price of checking 100 candidates with `enforce`, as a multiple of ours."""
    under = policy(1_000, 100, 50)
    labels = [_label(number) for number in range(100)]
    oracle = Oracle(under.model, under.rows, at=NOW)
    asker = request_of(under, subject(1), READ, NOW)

    def compiled() -> int:
        decision = decide(under, subject(1), READ, NOW)
        return (
            sum(holds(decision.predicate, one) for one in labels)
            if isinstance(decision, Permitted)
            else 0
        )

    def enforced() -> int:
        return sum(oracle.enforce(asker["sub"], one.as_json(), asker["act"]) for one in labels)

    if compiled() != enforced():
        raise AssertionError("the two roads disagree")
    ours = median(milliseconds(compiled) for _ in range(20))
    theirs = milliseconds(enforced)
    table = Table("1,000 rules, 100 candidates", "ms", "times", title="against enforce")
    table.add_row("compile once, evaluate each", f"{ours:.2f}", "1")
    table.add_row("enforce each", f"{theirs:.0f}", f"{theirs / ours:.0f}")
    console.print(table)


def _label(number: int) -> Label:
    return schema().parse(
        {
            "tenant": "acme",
            "owner": "user:u1",
            "classification": number % 3,
            "compartments": [],
            "readers": [],
            "path": f"/acme/d{number * 7}/x",
        }
    )


def main() -> None:
    """Print both tables."""
    console = Console(width=100)
    cached_miss(console)
    against_enforce(console)


if __name__ == "__main__":
    main()
