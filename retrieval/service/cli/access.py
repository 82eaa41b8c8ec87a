"""`strongroom access …`: who may read, who did, and requests for access."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from acl.records.tables.types import canonical_id
from acl.subject import Subject
from retrieval.access.types import MAX_PAGE
from retrieval.rights.authority import Asker
from retrieval.service.api.access import (
    PastReader,
    PastReaders,
    Requested,
    WaitingRequest,
    WaitingRequests,
)
from retrieval.service.api.review import ListedDocument, WhatAnswer, WhoAnswer
from retrieval.service.cli.labels import changed_shown
from retrieval.service.cli.render import Shown, count, records, safe, table
from retrieval.service.cli.run import (
    ActAs,
    AskAs,
    Document,
    Until,
    asker_of,
    command,
    document_of,
    known_people,
    moment,
    person_of,
)
from retrieval.service.http.bodies import Answered, answer
from retrieval.service.settings import SettingsError
from retrieval.service.wiring import Parts

app = typer.Typer()
access = typer.Typer(
    help="See who may read a document and who did; ask for access, and decide.",
    no_args_is_help=True,
)
app.add_typer(access, name="access")

Request = Annotated[str, typer.Argument(help="The request's id; see `access requests`.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose requests, such as `acme`.")]

_STILL = {True: "yes", False: "no", None: "not known"}


class Refusal(Answered):
    """A request that was refused."""

    request: str
    status: str = "refused"


@command(access, "who")
async def who(parts: Parts, document: Document, *, asker: ActAs = "") -> Shown:
    """Say who may read a document: people of the subjects file, and the groups and roles."""
    reviewer = asker_of(parts, asker)
    record = await document_of(parts, reviewer, document)
    readership = await parts.questions.who_may_read(
        reviewer,
        record.id,
        subjects=known_people(parts),
        now=datetime.now(UTC),
    )
    found = answer(WhoAnswer, readership, next_token="")
    lines = [
        safe(record.uri, "bold"),
        *(safe(f"  {subject}", "green") for subject in found.subjects),
        "Given to those who are cleared for it, by:",
        *(safe(f"  {' together with '.join(names)}") for names in found.principals),
    ]
    return Shown(found, lines)


@command(access, "what")
async def what(
    parts: Parts,
    subject: Annotated[str, typer.Argument(help="Who, such as `user:bob`.")],
    *,
    asker: ActAs = "",
) -> Shown:
    """List what a person may read, of what you may review."""
    reviewer, about = asker_of(parts, asker), person_of(parts, subject).subject
    documents, page = list[ListedDocument](), None
    while page is None or page.more:
        after = documents[-1].uri if documents else ""
        found = await parts.questions.what_may_read(
            reviewer, about, now=datetime.now(UTC), after=after, limit=MAX_PAGE
        )
        page = answer(WhatAnswer, found)
        documents += page.documents
    whole = page.model_copy(update={"documents": documents})
    lines = [records(documents, "uri id"), count(len(documents), "document")]
    return Shown(whole, lines)


@command(access, "did")
async def did(parts: Parts, document: Document, *, asker: ActAs = "") -> Shown:
    """Say who got passages of a document, when, and whether they still may."""
    reviewer = asker_of(parts, asker)
    record = await document_of(parts, reviewer, document)
    readers, page = list[PastReader](), None
    while page is None or page.cursor:
        page = await parts.history.readers(
            reviewer, record.id, now=datetime.now(UTC), after=page.cursor if page else None
        )
        readers += [answer(PastReader, reader) for reader in page.readers]
    whole = PastReaders(
        readers=readers,
        next_token="",
        policy_revision=page.policy_revision,
        label_revision=page.label_revision,
    )
    rows = [
        (who.subject, ", ".join(who.actors), who.times, who.last, _STILL[who.may_still])
        for who in readers
    ]
    said = count(len(rows), "person has", "people have") + " read it"
    lines = [
        table("", ("who", "through", "times", "last", "may still"), rows),
        said if rows else "No one has read it.",
    ]
    return Shown(whole, lines)


@command(access, "request")
async def request(
    parts: Parts,
    document: Annotated[str, typer.Argument(help="The document's id.")],
    *,
    asker: AskAs,
    reason: Annotated[str, typer.Option("--reason", help="Why; the owner reads it.")] = "",
) -> Shown:
    """Ask for access to a document whose id you were given.

    You are told the same whether or not there is such a document; once it is granted, you find it.
    """
    subject = person_of(parts, asker).subject
    await parts.requests.ask(subject, canonical_id(document), reason, datetime.now(UTC))
    return Shown(Requested(), ["recorded; if it is granted, you find the document"])


@command(access, "requests")
async def requests(parts: Parts, *, asker: ActAs = "", tenant: Tenant = "") -> Shown:
    """List requests that you may decide about: for documents that you may share."""
    decider, whose = _decider(parts, asker, tenant)
    waiting, page = list[WaitingRequest](), None
    while page is None or page.cursor:
        page = await parts.requests.waiting(
            decider, whose, datetime.now(UTC), after=page.cursor if page else None
        )
        waiting += [answer(WaitingRequest, found) for found in page.requests]
    whole = WaitingRequests(
        requests=waiting,
        next_token="",
        policy_revision=page.policy_revision,
        label_revision=page.label_revision,
    )
    lines = [
        records(waiting, "id asker uri reason"),
        f"{len(waiting)} wait for a decision",
    ]
    return Shown(whole, lines)


@command(access, "grant")
async def grant(
    parts: Parts, request_id: Request, *, until: Until = "", asker: ActAs = "", tenant: Tenant = ""
) -> Shown:
    """Share the document with the person who asked for it."""
    decider, whose = _decider(parts, asker, tenant)
    ends, now = moment(until), datetime.now(UTC)
    changed = await parts.requests.grant(decider, whose, request_id, until=ends, now=now)
    return changed_shown(changed, parts)


@command(access, "refuse")
async def refuse(
    parts: Parts, request_id: Request, *, asker: ActAs = "", tenant: Tenant = ""
) -> Shown:
    """Take a request off the list; the person who asked is not told."""
    decider, whose = _decider(parts, asker, tenant)
    await parts.requests.refuse(decider, whose, request_id, now=datetime.now(UTC))
    lines = [safe("refused; the person who asked is not told")]
    return Shown(Refusal(request=request_id), lines)


def _decider(parts: Parts, asker: str, tenant: str) -> tuple[Asker, str]:
    decider = asker_of(parts, asker)
    whose = decider.tenant if isinstance(decider, Subject) else tenant
    if not whose:
        raise SettingsError("say whose requests: `--tenant acme`, or `--as user:ada`")
    return decider, whose
