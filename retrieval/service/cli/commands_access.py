"""`strongroom access …`: what the commands do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from acl.records import DocumentRecord
from acl.subject import Subject
from retrieval.access.history import Reader
from retrieval.access.types import MAX_PAGE, canonical_id
from retrieval.rights.authority import Asker
from retrieval.service.cli.commands_ask import document_of, person_of
from retrieval.service.cli.commands_label import asker_of, moment, print_changed
from retrieval.service.cli.console import out, safe, table
from retrieval.service.cli.people import Person, read_people
from retrieval.service.http.tokens import levels
from retrieval.service.settings import Settings, SettingsError
from retrieval.service.wiring import Parts, open_parts

_STILL = {True: "yes", False: "no", None: "not known"}


async def who(settings: Settings, asker: str, name: str) -> int:
    """Print who may read a document."""
    async with open_parts(settings) as parts:
        reviewer = asker_of(parts, asker)
        document = await _document(parts, reviewer, name)
        people = read_people(settings.people_file, levels(parts.schema)).values()
        found = await parts.questions.who_may_read(
            reviewer,
            document.id,
            subjects=[one.subject for one in people],
            now=datetime.now(UTC),
        )
    out.print(safe(document.uri, "bold"))
    for one in found.subjects:
        out.print(safe(f"  {one}", "green"))
    out.print("Given by, to whoever is cleared for it:")
    for names in found.principals:
        out.print(safe(f"  {' together with '.join(names)}"))
    return 0


async def what(settings: Settings, asker: str, subject: str) -> int:
    """Print what somebody may read."""
    rows: list[tuple[object, ...]] = []
    async with open_parts(settings) as parts:
        reviewer, about = asker_of(parts, asker), person_of(parts, subject).subject
        after, more = "", True
        while more:
            page = await parts.questions.what_may_read(
                reviewer, about, now=datetime.now(UTC), after=after, limit=MAX_PAGE
            )
            rows += [(one.uri, one.id) for one in page.documents]
            more = page.more
            after = page.documents[-1].uri if page.documents else ""
    out.print(table("", ("document", "id"), rows))
    out.print(f"{len(rows)} documents")
    return 0


async def did(settings: Settings, asker: str, name: str) -> int:
    """Print who got passages of a document."""
    async with open_parts(settings) as parts:
        reviewer = asker_of(parts, asker)
        document = await _document(parts, reviewer, name)
        rows: list[tuple[object, ...]] = []
        after, more = None, True
        while more:
            page = await parts.history.readers(
                reviewer, document.id, now=datetime.now(UTC), after=after
            )
            rows += [_row(one) for one in page.readers]
            after = page.cursor
            more = after is not None
    out.print(table("", ("who", "through", "times", "last", "may still"), rows))
    out.print(f"{len(rows)} have read it" if rows else "Nobody has read it.")
    return 0


async def request(settings: Settings, asker: str, document: str, reason: str) -> int:
    """Ask for access; what is printed is the same for every document."""
    async with open_parts(settings) as parts:
        subject = person_of(parts, asker).subject
        await parts.requests.ask(subject, canonical_id(document), reason, datetime.now(UTC))
    out.print("recorded; if it is granted, you find the document")
    return 0


async def requests(settings: Settings, asker: str, tenant: str) -> int:
    """Print the requests that wait for a decision."""
    rows: list[tuple[object, ...]] = []
    async with _deciding(settings, asker, tenant) as (parts, who, whose):
        after, more = None, True
        while more:
            page = await parts.requests.waiting(who, whose, datetime.now(UTC), after=after)
            rows += [
                (one.request.id, one.request.asker, one.document.uri, one.request.reason)
                for one in page.requests
            ]
            after = page.cursor
            more = after is not None
    out.print(table("", ("request", "who", "document", "why"), rows))
    out.print(f"{len(rows)} wait for a decision")
    return 0


async def grant(settings: Settings, asker: str, tenant: str, request_id: str, until: str) -> int:
    """Share the document with whoever asked, and print what came of it."""
    async with _deciding(settings, asker, tenant) as (parts, who, whose):
        changed = await parts.requests.grant(
            who,
            whose,
            request_id,
            until=moment(until) if until else None,
            now=datetime.now(UTC),
        )
    print_changed(changed)
    return 0


async def refuse(settings: Settings, asker: str, tenant: str, request_id: str) -> int:
    """Take a request off the list."""
    async with _deciding(settings, asker, tenant) as (parts, who, whose):
        await parts.requests.refuse(who, whose, request_id, now=datetime.now(UTC))
    out.print(safe("refused; whoever asked is not told"))
    return 0


@asynccontextmanager
async def _deciding(
    settings: Settings, asker: str, tenant: str
) -> AsyncIterator[tuple[Parts, Asker, str]]:
    async with open_parts(settings) as parts:
        who = asker_of(parts, asker)
        whose = who.tenant if isinstance(who, Subject) else tenant
        if not whose:
            raise SettingsError("say whose requests: `--tenant acme`, or `--as user:ada`")
        yield parts, who, whose


async def _document(parts: Parts, who: Asker, name: str) -> DocumentRecord:
    tenant = who.tenant if isinstance(who, Subject) else name.partition("/")[0]
    nobody = Person(Subject(id="user:nobody", tenant=tenant or "none"), "")
    return await document_of(parts, nobody, name)


def _row(one: Reader) -> tuple[object, ...]:
    return (
        one.subject,
        ", ".join(one.actors),
        one.times,
        f"{one.last:%Y-%m-%d %H:%M}",
        _STILL[one.may_still],
    )
