"""Run every set of a folder and print what became of it."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.conformance.casbin.cases import Case, Expected, read_folder
from tests.conformance.casbin.compare import EVALUATOR, Report, run_case
from tests.conformance.casbin.engines import Engines, Mode


async def run_cases(cases: list[Case], *, door: bool = False) -> list[Report]:
    """Run sets, one after the other, over engines that they share."""
    with tempfile.TemporaryDirectory(prefix="casbin-sets-") as directory:
        engines = Engines(Path(directory))
        try:
            return [await run_case(case, engines, door=door) for case in cases]
        finally:
            await engines.close()


def main(arguments: list[str]) -> int:
    """Print the tables; 0 if no engine disagrees and every set became what it had to."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.casbin")
    parser.add_argument("folder", type=Path, help="holds MANIFEST.json and one directory a set")
    parser.add_argument("sets", nargs="*", help="only these")
    parser.add_argument("--door", action="store_true", help="say who gets in as a policy of ours")
    chosen = parser.parse_args(arguments)
    cases = read_folder(chosen.folder)
    unknown = set(chosen.sets) - {case.id for case in cases}
    if unknown:
        parser.error(f"no set is named {min(unknown)}")
    started = time.monotonic()
    reports = asyncio.run(
        run_cases(
            [case for case in cases if not chosen.sets or case.id in chosen.sets], door=chosen.door
        )
    )
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(_sets(reports))
    _details(console, reports)
    console.print(_totals(reports))
    if chosen.door:
        _door(console, reports)
    good = bool(reports) and all(report.passes for report in reports)
    seconds = time.monotonic() - started
    console.print(f"{'passed' if good else 'FAILED'} in {seconds:.0f} s")
    return 0 if good else 1


def _sets(reports: list[Report]) -> Table:
    table = Table(title="policy sets", show_lines=False)
    for name in ("set", "class", "became"):
        table.add_column(name, no_wrap=True)
    for name in ("decisions", "allowed", "raised", "filters", "over", "under", "hole"):
        table.add_column(name, justify="right")
    table.add_column("quarantined\n(allowed)", justify="right")
    table.add_column("refused\nrequests", justify="right")
    table.add_column("as\nrecorded")
    for report in reports:
        table.add_row(
            report.case.id,
            report.case.expected,
            _became(report),
            *map(str, (report.decisions, report.allowed, report.raised, report.filters)),
            *map(str, (report.over, report.under, report.hole)),
            f"{report.quarantined} ({report.quarantined_allowed})",
            str(report.refused_requests),
            {None: "-", True: "yes", False: "NO"}[report.agrees],
            style=None if report.passes else "bold red",
        )
    return table


def _became(report: Report) -> str:
    if report.refused:
        return "refused"
    if report.refused_rows:
        return f"compiled but {len(report.refused_rows)} rows"
    return "compiled" if report.tallies else "NOT REFUSED"


def _details(console: Console, reports: list[Report]) -> None:
    for report in reports:
        for reason in report.refused:
            console.print(f"{report.case.id}: refused: {reason}", markup=False)
        for row in report.refused_rows:
            console.print(f"{report.case.id}: refused row: {row}", markup=False)
        for example in report.examples:
            console.print(f"{report.case.id}: {example}", markup=False)


def _door(console: Console, reports: list[Report]) -> None:
    """Print who gets in at the product's own door, and what keeps the others out."""
    due = [one for one in reports if one.case.expected is not Expected.REFUSED]
    for report in due:
        for reason in report.at_door or ():
            console.print(f"{report.case.id}: at the door: {reason}", markup=False)
    admitted = sum(report.at_door == () for report in due)
    over, under = (sum(getattr(one, name) for one in due) for name in ("over", "under"))
    console.print(f"{admitted} of {len(due)} sets get in; {over} over, {under} under")


def _totals(reports: list[Report]) -> Table:
    table = Table(title="totals")
    table.add_column("engine")
    for name in ("sets compared", "decisions", "allowed", "over-grants", "under-grants"):
        table.add_column(name, justify="right")
    for mode in (EVALUATOR, *Mode):
        compared = [report for report in reports if mode in report.tallies]
        table.add_row(
            mode,
            str(len(compared)),
            str(sum(report.decisions for report in compared)),
            str(sum(report.allowed for report in compared)),
            str(sum(report.tallies[mode].over for report in compared)),
            str(sum(report.tallies[mode].under for report in compared)),
        )
    refused = [report for report in reports if report.refused]
    table.caption = (
        f"{len(reports)} sets, {len(refused)} refused as a whole, "
        f"{sum(len(report.refused_rows) for report in reports)} rows refused, "
        f"{sum(report.passes for report in reports)} as expected"
    )
    return table


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
