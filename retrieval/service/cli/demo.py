"""`strongroom demo`: one question, people of two companies, their answers, the rules between them.

The laws of this file:

1. The demo has a folder of its own. On the first run the example companies are copied into it,
   where they can be changed, and read in; later runs read only what changed.
2. What is printed is prose. The log goes to a file in that folder.
3. Each next step that is printed works when it is pasted: the program with the demo's settings is
   a file in the folder, and so are the tokens.
"""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from acl.labels import level_name
from ingest.report import IngestReport
from ingest.sources.registry import source_of_path
from retrieval.service import logs
from retrieval.service.api.search import FoundPassage
from retrieval.service.cli.documents import Asked, ingest_into, report_lines
from retrieval.service.cli.explain import Reasons, search_here
from retrieval.service.cli.identity.people import Person, read_people
from retrieval.service.cli.render import Shown, excerpt, out, safe, show, table
from retrieval.service.cli.start import Json
from retrieval.service.http.issuers import development_issuer
from retrieval.service.http.tokens import levels
from retrieval.service.secret_files import private_folder
from retrieval.service.serve import require_free_port, serve_parts
from retrieval.service.settings import Mode, Settings, SettingsError, load_settings
from retrieval.service.wiring import Parts, open_parts

QUESTION: Final = "What is the budget for project Falcon, and who approved it?"
ASKERS: Final = ("user:ada", "user:bob", "user:eve")
STRANGER: Final = "user:gus"
COMPANIES: Final = ("acme", "globex")

_HITS: Final = 3
_MANY: Final = 200
_TOKEN_SECONDS: Final = 3600
_TELLING: Final = ("budget", "falcon", "approved", "EUR", "million")
_ROOT: Final = Path(__file__).resolve().parents[3]
_EXAMPLES: Final = _ROOT / "examples" / "company"

_Why = Mapping[tuple[str, str], Reasons]
"""Why each person may or may not read each document that any of them found, by their ids."""

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Found:
    """One person, the documents that they read, and the best passages of their answer."""

    person: Person
    reads: int
    of: int
    hits: tuple[FoundPassage, ...]


@app.command()
def demo(
    *,
    serving: Annotated[
        bool, typer.Option("--serve/--no-serve", help="Leave the service running at the end.")
    ] = True,
    folder: Annotated[
        Path, typer.Option(help="Where the demo keeps its data; may be deleted.")
    ] = Path(".demo"),
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port of the service; 0 takes a free one."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show it with two small companies: one question, four people, four answers.

    With `--json`, prints what was answered and ends.
    """
    settings = demo_settings(folder, port)
    code = asyncio.run(_run(settings, folder, serving=serving and not as_json, as_json=as_json))
    raise typer.Exit(code)


def demo_settings(folder: Path, port: int | None = None) -> Settings:
    """Return the settings of a demo that keeps its data in `folder`."""
    if not _EXAMPLES.is_dir():
        raise SettingsError(
            "the demo needs the project's `examples` folder; run it from a checkout"
        )
    given: dict[str, Any] = {} if port is None else {"port": port}
    return load_settings(
        mode=Mode.DEVELOPMENT,
        data_dir=folder / "data",
        policy_dir=_ROOT / "policy",
        subjects_file=_EXAMPLES / "people.toml",
        **given,
    )


async def _run(settings: Settings, folder: Path, *, serving: bool, as_json: bool) -> int:
    if serving:
        await require_free_port(settings)
    with (private_folder(folder) / "log.jsonl").open("a", encoding="utf-8") as log:
        logs.configure(settings.log_level, log)  # law 2
        return await _shown(settings, folder, serving=serving, as_json=as_json)


async def _shown(settings: Settings, folder: Path, *, serving: bool, as_json: bool) -> int:
    documents = _copied(folder / "documents")
    async with open_parts(settings) as parts, asyncio.TaskGroup() as tasks:
        # Importing the model's libraries takes as long as all that is read meanwhile.
        tasks.create_task(parts.encoder.load())
        source = await source_of_path(parts.records, documents, name="demo", label={})
        report = await ingest_into(parts, Asked(documents, source, quiet=True))
        people = read_people(settings.people_file, parts.schema)
        answers = [await _found(parts, people[name]) for name in (*ASKERS, STRANGER)]
        prose = await _prose(parts, report, answers)
        show(Shown({"question": QUESTION, "answers": answers}, prose), as_json=as_json)
        if serving:
            program = _write_program(settings, folder)
            tokens = private_folder(folder / "tokens")
            token = _write_tokens(settings, tokens, [found.person for found in answers])
            uri = next((hit.uri for found in answers for hit in found.hits), "file:none")

            def started(address: str) -> None:
                commands = _steps(program, token, uri.removeprefix("file:"), address)
                _print_service(folder, address, commands)

            await serve_parts(parts, started=started)
    return 0 if report.added + report.updated + report.relabelled + report.unchanged else 1


def _copied(target: Path) -> Path:
    """Return the folder with the demo's documents; what was changed there stays (law 1)."""
    for company in COMPANIES:
        if not (target / company).is_dir():
            shutil.copytree(_EXAMPLES / company, target / company)
    return target


async def _found(parts: Parts, person: Person) -> Found:
    now = datetime.now(UTC)
    page = await search_here(parts, person.subject, QUESTION, top_k=_HITS * 3, mode="hybrid")
    readable = await parts.reader.list_documents(person.subject, after=None, limit=_MANY, now=now)
    total = await parts.records.catalog.count_documents()
    return Found(person, len(readable.documents), total, _best(page.hits))


def _best(hits: Iterable[FoundPassage]) -> tuple[FoundPassage, ...]:
    """Return the best passage of each document, at most `_HITS`."""
    best: dict[str, FoundPassage] = {}
    for hit in hits:
        best.setdefault(hit.document_id, hit)
    return tuple(best.values())[:_HITS]


async def _prose(
    parts: Parts, report: IngestReport, answers: Sequence[Found]
) -> list[RenderableType]:
    why = await _reasons(parts, answers)
    *three, stranger = answers
    return [
        _rule("1. Reading the papers of two companies in"),
        *report_lines(report),
        _rule("2. One question, three people of acme"),
        Text.assemble("Question: ", (QUESTION, "bold")),
        _panels(parts, three, why),
        _rule("3. What was different, and why"),
        _differences(three, why),
        *_lines_named(why),
        "No one is told what was left out, nor that anything was.",
        _rule("4. The same question from the other company"),
        _panels(parts, [stranger], why),
        "Globex has a project Falcon, too, and groups of the same names; no rule lifts the tenant.",
    ]


async def _reasons(parts: Parts, answers: Sequence[Found]) -> _Why:
    ids = dict.fromkeys(hit.document_id for found in answers for hit in found.hits)
    records = await parts.records.catalog.labels_of(ids)
    snapshot, now = parts.snapshots.pin(), datetime.now(UTC)
    return {
        (subject.id, identity): Reasons.of(snapshot, subject, records[identity], now)
        for subject in (found.person.subject for found in answers)
        for identity in ids
        if identity in records
    }


def _rule(title: str) -> Text:
    return Text(f"\n── {title} {'─' * max(3, min(out.width, 100) - len(title) - 5)}", style="bold")


def _panels(parts: Parts, answers: Sequence[Found], why: _Why) -> Table:
    grid = Table.grid(expand=True)
    for _ in answers:
        grid.add_column(ratio=1, vertical="top")
    grid.add_row(*(_panel(parts, found, why) for found in answers))
    return grid


def _panel(parts: Parts, found: Found, why: _Why) -> Panel:
    subject = found.person.subject
    compartments = " + ".join(sorted(subject.compartments)) or "no compartment"
    clearance = level_name(levels(parts.schema), subject.clearance)
    # A panel's title is cut where it does not fit; names and rights are not to be.
    head = [
        safe(found.person.name, "bold"),
        safe(f"tenant {subject.tenant}"),
        safe(f"{clearance}; {compartments}"),
        safe(f"reads {found.reads} of {found.of} documents", "bold"),
        Text(""),
    ]
    passages = [_passage(hit, why[subject.id, hit.document_id]) for hit in found.hits]
    return Panel(Group(*head, *passages), title=safe(subject.id))


def _passage(hit: FoundPassage, reasons: Reasons) -> Text:
    row = reasons.explanation.deciding[0].rule.row
    lines = [
        safe(hit.title, "bold"),
        safe(f"{hit.classification} · {hit.uri.removeprefix('file:')}", "dim"),
        excerpt(hit.text, _TELLING, length=200),
        safe(f"{reasons.in_short()} (line {row})", "green"),
        Text(""),
    ]
    return Text("\n").join(lines)


def _differences(answers: Sequence[Found], why: _Why) -> Group:
    """Return each document that one of them found and another may not read, with the reasons."""
    names = [found.person.subject.id for found in answers]
    rows = list[Sequence[Text]]()
    for hit in {hit.document_id: hit for found in answers for hit in found.hits}.values():
        each = [why[name, hit.document_id] for name in names]
        if not all(reasons.explanation.permitted for reasons in each):
            told = [
                safe(reasons.in_short(), "green" if reasons.explanation.permitted else "red")
                for reasons in each
            ]
            rows.append([safe(hit.uri.removeprefix("file:")), *told])
    return table("", ("document", *names), rows)


def _lines_named(why: _Why) -> Iterator[Text]:
    """Yield each line of the policy that is named above, once."""
    texts = {
        line.rule.row: line.text
        for reasons in why.values()
        for line in reasons.explanation.deciding or reasons.allowing
    }
    for row, text in sorted(texts.items()):
        yield safe(f"policy.csv line {row}: {text}", "dim")


def _steps(program: Path, token: Path, document: str, address: str) -> list[str]:
    """Return the commands to paste, in their order (law 3).

    Args:
        program: with the demo's settings.
        token: the file that holds one.
        document: one that not everyone of the demo may read.
        address: of the service.
    """
    run, held = shlex.quote(str(program)), shlex.quote(str(token))
    body = shlex.quote(f'{{"query": "{QUESTION}", "top_k": 3}}')
    post = f"curl -s {address}/v1/search -H 'Content-Type: application/json'"
    return [
        f"{run} explain user:bob {document}",
        f"{run} search 'hotel limit per night' --as user:gus",
        f"{run} label set {document} --set classification=internal --dry-run",
        f"{run} status",
        f'{post} -H "Authorization: Bearer $(cat {held})" -d {body}',
        f"{run} token user:ada --lifetime {_TOKEN_SECONDS} > {held}",
    ]


def _write_tokens(settings: Settings, folder: Path, people: Iterable[Person]) -> Path:
    """Keep a token for each person in a file of its own; return that of the first."""
    issue, files = development_issuer(settings).issue, list[Path]()
    for person in people:
        files.append(folder / person.subject.id.removeprefix("user:"))
        _write(files[-1], issue(person.subject, seconds=_TOKEN_SECONDS) + "\n", 0o600)
    return files[0]


def _write_program(settings: Settings, folder: Path) -> Path:
    """Write the program with the demo's settings, and return its path (law 3)."""
    given = {
        "STRONGROOM_MODE": settings.mode.value,
        "STRONGROOM_DATA_DIR": settings.data_dir.absolute(),
        "STRONGROOM_POLICY_DIR": settings.policy_dir.absolute(),
        "STRONGROOM_SUBJECTS_FILE": settings.subjects_file,
        "STRONGROOM_HOST": settings.host,
        "STRONGROOM_PORT": settings.port,
        "PYTHONPATH": _ROOT,
    }
    words = [f"{name}={shlex.quote(str(value))}" for name, value in given.items()]
    called = f"{shlex.quote(sys.executable)} -P -m retrieval.service"
    path = folder / "strongroom"
    _write(path, f'#!/bin/sh\nexec env {" ".join(words)} {called} "$@"\n', 0o700)
    return path


def _write(path: Path, text: str, mode: int) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def _print_service(folder: Path, address: str, commands: Sequence[str]) -> None:
    out.print(_rule("5. The service"))
    out.print(Text.assemble("It listens on ", (address, "bold cyan"), ", on this machine alone."))
    out.print("DEVELOPMENT MODE: it accepts tokens that are signed on this machine.")
    out.print(safe(f"The log of this demo is {folder / 'log.jsonl'}."))
    minutes = _TOKEN_SECONDS // 60
    tokens = f"Tokens lie in {folder / 'tokens'}/ and are good for {minutes} minutes."
    out.print(safe(f"{tokens} The last command below makes a new one."))
    out.print("\nTry next, in a second terminal, from this folder:\n")
    for command in commands:
        # Plain, so that it can be copied without line ends.
        out.out(f"  {command}")
    out.print("\nCtrl-C stops it.")
    out.file.flush()
