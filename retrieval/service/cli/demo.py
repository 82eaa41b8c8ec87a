"""`strongroom demo`: one question, three people, three answers, and the rules between them.

The demo has a folder of its own. On the first run it copies the example companies into it, where
they can be changed, and reads them in; later runs read only what changed.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from acl.explain.explain import Explanation, RuleLine, explain
from acl.records import DocumentRecord
from ingest.report import IngestReport
from retrieval.rights.display import level_name
from retrieval.search.search import READ, Hit, SearchRequest
from retrieval.service import logs
from retrieval.service.cli.commands_write import ingest_into, print_report
from retrieval.service.cli.console import excerpt, out, safe, table
from retrieval.service.cli.people import Person, read_people
from retrieval.service.http.tokens import development_issuer, levels
from retrieval.service.serve import serve_parts
from retrieval.service.settings import Mode, Settings, SettingsError, load_settings
from retrieval.service.wiring import Parts, open_parts

QUESTION: Final = "What is the budget for project Falcon, and who approved it?"
ASKERS: Final = ("user:ada", "user:bob", "user:eve")
COMPANIES: Final = ("acme", "globex")

_HITS: Final = 3
_TOKEN_SECONDS: Final = 3600
_OF_DOCUMENT: Final = re.compile(r"r\.obj\.(\w+)")
_OF_SUBJECT: Final = re.compile(r"r\.sub\.(\w+)")
_EXAMPLES: Final = Path(__file__).resolve().parents[3] / "examples" / "company"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one person found."""

    person: Person
    hits: tuple[Hit, ...]


async def run(folder: Path, *, serving: bool) -> int:
    """Run the demo; serve at the end until a signal comes, if `serving`."""
    logs.configure("warning")
    settings = _settings(folder)
    documents = _copied(folder / "documents")
    async with open_parts(settings) as parts, asyncio.TaskGroup() as tasks:
        # Importing the model's libraries takes longer than all that is read meanwhile.
        tasks.create_task(parts.encoder.load())
        out.rule("1. Reading the papers of two companies in")
        report = await ingest_into(parts, documents, {}, prune=False, quiet=True)
        print_report(report)
        out.rule("2. One question, three people")
        answers = await _answers(parts, settings)
        await _print_answers(parts, answers)
        out.rule("3. What was different, and why")
        await _print_differences(parts, answers)
        if serving:
            out.rule("4. The service")
            logs.configure(settings.log_level)
            await serve_parts(parts, started=lambda at: _print_service(settings, answers, at))
    return 0 if _searchable(report) else 1


def _settings(folder: Path) -> Settings:
    return load_settings(
        mode=Mode.DEVELOPMENT,
        data_dir=folder / "data",
        subjects_file=_EXAMPLES / "people.toml",
    )


def _copied(target: Path) -> Path:
    """Return the folder with the demo's documents; what was changed there stays as it is."""
    if not _EXAMPLES.is_dir():
        raise SettingsError(
            "the demo needs the project's `examples` folder; run it from a checkout"
        )
    for company in COMPANIES:
        if not (target / company).is_dir():
            shutil.copytree(_EXAMPLES / company, target / company)
    return target


def _searchable(report: IngestReport) -> bool:
    return report.added + report.updated + report.relabelled + report.unchanged > 0


async def _answers(parts: Parts, settings: Settings) -> list[Answer]:
    people = read_people(settings.people_file, levels(parts.schema))
    request = SearchRequest(query=QUESTION, top_k=_HITS * 3)
    return [
        Answer(person, _documents(page.hits))
        for person in (people[name] for name in ASKERS)
        if (page := await parts.searcher.search(person.subject, request, datetime.now(UTC)))
    ]


def _documents(hits: Iterable[Hit]) -> tuple[Hit, ...]:
    """Return the best passage of each document, at most `_HITS`."""
    best: dict[str, Hit] = {}
    for hit in hits:
        best.setdefault(hit.document_id, hit)
    return tuple(best.values())[:_HITS]


async def _print_answers(parts: Parts, answers: Sequence[Answer]) -> None:
    out.print(Text.assemble("Question: ", (QUESTION, "bold")))
    records = await _records(parts, answers)
    grid = Table.grid(expand=True)
    for _ in answers:
        grid.add_column(ratio=1, vertical="top")
    grid.add_row(*(_panel(parts, one, records) for one in answers))
    out.print(grid)


def _panel(parts: Parts, answer: Answer, records: Mapping[str, DocumentRecord]) -> Panel:
    passages = [_passage(parts, answer, hit, records[hit.document_id]) for hit in answer.hits]
    # A panel's title is cut where it does not fit; names and rights are not to be.
    who = safe(answer.person.name, "bold"), safe(_rights(parts, answer.person)), Text("")
    return Panel(Group(*who, *passages), title=safe(answer.person.subject.id))


def _passage(parts: Parts, answer: Answer, hit: Hit, record: DocumentRecord) -> Text:
    explanation = _explained(parts, answer.person, record)
    rule = explanation.deciding[0]
    return Text("\n").join(
        [
            safe(hit.title, "bold"),
            safe(f"{hit.classification} · {hit.uri.removeprefix('file:')}", "dim"),
            excerpt(hit.text, ("budget", "falcon", "approved", "EUR", "million"), length=200),
            safe(f"policy.csv line {rule.rule.row}: {rule.text}", "green"),
            Text(""),
        ]
    )


def _rights(parts: Parts, person: Person) -> str:
    compartments = _plain(sorted(person.subject.compartments) or "no compartment")
    return f"{_clearance(parts, person)}; {compartments}"


def _clearance(parts: Parts, person: Person) -> str:
    return level_name(levels(parts.schema), person.subject.clearance)


def _plain(value: object) -> str:
    return (" + ".join(value) or "none") if isinstance(value, list) else str(value)


async def _print_differences(parts: Parts, answers: Sequence[Answer]) -> None:
    """Print each found document against each person, with what is missing."""
    records = await _records(parts, answers)
    rows = [
        [
            safe(record.uri.removeprefix("file:")),
            *(_verdict(parts, answer.person, record) for answer in answers),
        ]
        for record in records.values()
    ]
    names = [answer.person.subject.id for answer in answers]
    out.print(table("", ("document", *names), rows))
    out.print("Nobody is told what was left out, nor that anything was. Ask again with:")
    for name in names[1:]:
        path = next(iter(records.values())).uri.removeprefix("file:")
        out.print(safe(f"  strongroom explain {name} {path}", "cyan"))
        break


def _verdict(parts: Parts, person: Person, record: DocumentRecord) -> Text:
    explanation = _explained(parts, person, record)
    if explanation.permitted:
        return safe("reads it", "green")
    if not explanation.same_tenant:
        return safe("no: another tenant", "red")
    denying = [line for line in explanation.deciding if line.effect == "deny"]
    if denying:
        return safe(f"no: line {denying[0].rule.row} denies", "red")
    allowing = [line for line in explanation.rules if line.effect == "allow"]
    shared = [
        text for text in _missing(allowing[:1]) if all(text in _missing([one]) for one in allowing)
    ]
    if shared:
        return safe("no: " + "; ".join(_said(parts, person, record, one) for one in shared), "red")
    nearest = [line for line in allowing if len(line.missing) == len(allowing[0].missing)]
    lines = " and ".join(f"line {one.rule.row}: {_missing([one])[-1]}" for one in nearest)
    return safe(f"no: would need {lines}" if nearest else "no: no rule is for this person", "red")


def _missing(lines: Sequence[RuleLine]) -> list[str]:
    return [condition.text for line in lines for condition in line.missing]


def _said(parts: Parts, person: Person, record: DocumentRecord, condition: str) -> str:
    """Put the values that failed a condition beside each other."""
    label, subject = record.label(parts.schema, datetime.now(UTC)), person.subject
    said = [
        f"{name} {_plain(parts.schema.attributes[name].display(label.values[name]))}"
        for name in dict.fromkeys(_OF_DOCUMENT.findall(condition))
        if name in label.values
    ]
    held: dict[str, object] = {
        "clearance": _clearance(parts, person),
        "compartments": sorted(subject.compartments),
    }
    said += [
        f"own {name} {_plain(held[name])}"
        for name in dict.fromkeys(_OF_SUBJECT.findall(condition))
        if name in held
    ]
    return ", ".join(said) or condition


def _explained(parts: Parts, person: Person, record: DocumentRecord) -> Explanation:
    snapshot = parts.snapshots.pin()
    now = datetime.now(UTC)
    label = record.label(snapshot.schema, now)
    return explain(snapshot.policy, person.subject, READ, label, now)


async def _records(parts: Parts, answers: Sequence[Answer]) -> Mapping[str, DocumentRecord]:
    ids = dict.fromkeys(hit.document_id for answer in answers for hit in answer.hits)
    found = await parts.records.catalog.labels_of(ids)
    return {one: found[one] for one in ids if one in found}


def _print_service(settings: Settings, answers: Sequence[Answer], address: str) -> None:
    issuer = development_issuer(settings)
    out.print(Text.assemble("The service listens on ", (address, "bold cyan")))
    out.print("DEVELOPMENT MODE: tokens signed on this machine are accepted. Loopback only.")
    for answer in answers:
        subject = answer.person.subject
        token = issuer.issue(subject, seconds=_TOKEN_SECONDS)
        # Plain, so that it can be copied without line ends.
        out.out(f"{subject.id.removeprefix('user:').upper()}={token}")
    out.print("\nCopy the three lines above into a shell, then:\n")
    out.out(
        f'curl -s {address}/v1/search -H "Authorization: Bearer $ADA" '
        "-H 'Content-Type: application/json' "
        f'-d \'{{"query": "{QUESTION}", "top_k": 3}}\''
    )
    out.print("\nCtrl-C stops it.")
