"""How long a proof takes: `python -m bench.proof`.

20,000 pairs of a role and a label, under 50 rules of the default model, whose matcher holds `eval`:
the gate before an activation, against a bound of 60 s. Beside it, Casbin as it comes: it parses the
matcher anew for each rule and pair.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import resource
import time
from typing import Final

from rich.console import Console
from rich.table import Table

from acl.labels import Label
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import request_of
from acl.policy.policy import Policy
from acl.proof.plan import BUDGET, plan_for
from acl.proof.worker import PolicyText, ProofJob, packed
from bench.compile import FOLDER, NOW, READ, policy, schema, subject
from retrieval.policy.gate import prove

RULES: Final = 50
LABELS: Final = 800
BOUND_S: Final = 60.0
_PLAIN: Final = 500


def labels(number: int) -> list[Label]:
    """Return distinct labels in the folders that the rules name."""
    chance = random.Random(2)
    return [
        schema().parse(
            {
                "tenant": "acme",
                "owner": f"user:u{chance.randrange(40)}",
                "classification": chance.randrange(4),
                "compartments": chance.sample(("finance", "board", "legal"), chance.randrange(3)),
                "readers": [f"user:u{chance.randrange(40)}"],
                "path": f"/acme/d{one % RULES}/{one}",
            }
        )
        for one in range(number)
    ]


def text_of(under: Policy) -> PolicyText:
    """Return a policy as its files would hold it."""
    lines = (", ".join((row.kind, *row.values)) for row in under.rows)
    return PolicyText(under.model.text, "\n".join(lines))


def plain_seconds(under: Policy, live: list[Label]) -> float:
    """Return the processor time that Casbin takes by itself for one pair."""
    oracle, asker = (
        Oracle(under.model, under.rows, at=NOW),
        request_of(under, subject(1), READ, NOW),
    )
    started = time.process_time()
    for number in range(_PLAIN):
        oracle.enforce(asker["sub"], live[number % len(live)].as_json(), asker["act"])
    return (time.process_time() - started) / _PLAIN


async def main() -> None:
    """Print seconds and pairs a second."""
    under, live = policy(RULES, 10, 2), labels(LABELS)
    job = ProofJob(
        proposed=text_of(under),
        schema=(FOLDER / "labels.toml").read_text(encoding="utf-8"),
        labels=tuple(packed(live)),
        at=NOW,
    )
    started = time.perf_counter()
    report = await prove(job)
    seconds = time.perf_counter() - started
    for child in multiprocessing.active_children():  # only those that have ended are counted
        await asyncio.to_thread(child.join)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    if not report.holds or report.stop < BUDGET:
        raise AssertionError(f"the proof is not what is measured: {report}")
    alone = plain_seconds(under, live)
    laid_out = time.process_time()
    plan_for([under], live)
    laid_out = time.process_time() - laid_out
    table = Table(f"{RULES} rules with eval", "seconds", "pairs a second", title="proof")
    table.add_row(
        f"{report.stop} pairs, {report.allowed} allowed (bound {BOUND_S:.0f} s)",
        f"{seconds:.1f}",
        f"{report.stop / seconds:.0f}",
    )
    table.add_row("processor time of both processes", f"{used.ru_utime + used.ru_stime:.1f}", "")
    table.add_row("of that, laying out the plan, each", f"{laid_out:.1f}", "")
    table.add_row(
        "processor time of Casbin as it comes", f"{alone * report.stop:.0f}", f"{1 / alone:.0f}"
    )
    console = Console(width=100)
    console.print(str(report.plan))
    console.print(table)


if __name__ == "__main__":
    asyncio.run(main())
