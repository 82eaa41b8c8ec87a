"""Commands that ask as somebody: `search`, `explain`, `documents list`."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from rich.panel import Panel
from rich.text import Text

from acl.explain.explain import Explanation, RuleLine, Status
from acl.records import DocumentRecord
from ingest.context import document_id
from retrieval.rights.authority import OPERATOR
from retrieval.search.search import Hit, SearchRequest
from retrieval.service.cli.console import excerpt, out, safe, table
from retrieval.service.cli.people import Person, person_named, read_people
from retrieval.service.http.tokens import levels
from retrieval.service.settings import Settings, SettingsError
from retrieval.service.wiring import Parts, open_parts

_PAGE = 200
_SHOWN_GRANTS = 5

_MARKS = {Status.HOLDS: ("✓", "green"), Status.FAILS: ("✗", "red"), Status.RAISES: ("!", "yellow")}


async def search(settings: Settings, asker: str, request: SearchRequest) -> int:
    """Print what `asker` finds."""
    async with open_parts(settings) as parts:
        person = person_of(parts, asker)
        page = await parts.searcher.search(person.subject, request, datetime.now(UTC))
    for place, hit in enumerate(page.hits, start=1):
        out.print(hit_panel(place, hit, request.query))
    if not page.hits:
        out.print("Nothing that this person may read answers the question.")
    out.print(safe(f"policy revision {page.policy_revision}, decision {page.decision_id}", "dim"))
    return 0


def hit_panel(place: int, hit: Hit, query: str) -> Panel:
    """Return one passage as it is printed."""
    title = Text.assemble(f"{place}. ", safe(hit.title, "bold"))
    about = safe(f"{hit.uri} · {hit.classification} · {hit.owner}", "dim")
    body = Text("\n").join([excerpt(hit.text, query.split()), about])
    return Panel(body, title=title, title_align="left")


async def documents(settings: Settings, asker: str) -> int:
    """Print every document that `asker` may read."""
    rows: list[tuple[object, ...]] = []
    async with open_parts(settings) as parts:
        person = person_of(parts, asker)
        after: str | None = None
        while True:
            page = await parts.reader.list_documents(
                person.subject, after=after, limit=_PAGE, now=datetime.now(UTC)
            )
            rows += [(one.uri, one.title, one.classification, one.owner) for one in page.documents]
            after = page.cursor
            if not after:
                break
    out.print(table("", ("document", "title", "classification", "owner"), rows))
    out.print(f"{len(rows)} documents")
    return 0


async def explained(settings: Settings, asker: str, document: str) -> int:
    """Print why `asker` may or may not read a document, and what would change that."""
    async with open_parts(settings) as parts:
        person = person_of(parts, asker)
        record = await document_of(parts, person, document)
        found = await parts.questions.why(
            OPERATOR, person.subject, record.id, now=datetime.now(UTC)
        )
    print_explanation(found.explanation, record)
    if found.grants:
        out.print("One of these alone would let them read it, the smallest first:")
    for one in found.grants[:_SHOWN_GRANTS]:
        more = f"{one.opens} document" + ("" if one.opens == 1 else "s")
        out.print(safe(f"   {one.kind.value} {one.value} for {one.subject}: opens {more}"))
    return 0


def print_explanation(explanation: Explanation, record: DocumentRecord) -> None:
    """Print an explanation: the verdict, then the rules that decide or come nearest."""
    verdict = ("may read", "bold green") if explanation.permitted else ("may not read", "bold red")
    out.print(Text.assemble(safe(explanation.subject), " ", verdict, " ", safe(record.uri)))
    for one in (explanation, *explanation.actors):
        if one is not explanation:
            out.print(safe(f"acting for it: {one.subject}", "bold"))
        if not one.same_tenant:
            out.print(
                safe("✗ the document belongs to another tenant; no rule can lift this", "red")
            )
            continue
        for line in one.deciding or one.rules:
            print_rule(line)


def print_rule(line: RuleLine) -> None:
    """Print one rule with its conditions."""
    out.print(safe(f"policy.csv line {line.rule.row}: {line.text}", "bold"))
    if len(line.path) > 1:
        out.print(safe(f"   by way of {' → '.join(line.path)}", "dim"))
    for condition in line.conditions:
        mark, style = _MARKS[condition.status]
        out.print(Text.assemble((f"   {mark} ", style), safe(condition.text)))


def person_of(parts: Parts, name: str) -> Person:
    """Return the person that the command line asks as.

    Raises:
        SettingsError: nobody is called so.
    """
    return person_named(read_people(parts.settings.people_file, levels(parts.schema)), name)


async def document_of(parts: Parts, person: Person, name: str) -> DocumentRecord:
    """Return the document that `name` means: an id, a uri, or a path as it was ingested.

    Raises:
        SettingsError: there is none.
    """
    for identity in _identities(person, name):
        if record := await parts.records.catalog.document(identity):
            return record
    raise SettingsError(f"there is no document `{name}`, neither as an id nor as a uri")


def _identities(person: Person, name: str) -> list[str]:
    try:
        return [str(uuid.UUID(name))]
    except ValueError:
        path = name.removeprefix("file:").lstrip("/")
        tenants = dict.fromkeys([person.subject.tenant, path.partition("/")[0]])
        return [document_id(tenant, f"file:{path}") for tenant in tenants]
