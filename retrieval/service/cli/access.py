"""`strongroom access …`: who may read, who did, and requests for access."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from acl.records.tables.types import canonical_id
from acl.subject import Subject
from retrieval.access.types import MAX_PAGE
from retrieval.rights.authority import Asker
from retrieval.service.api.access import PastReaders, Requested, WaitingRequests
from retrieval.service.api.review import ListedDocument, WhatAnswer, WhoAnswer
from retrieval.service.cli.labels import changed_shown
from retrieval.service.cli.render import Shown, count, records, safe, table
from retrieval.service.cli.run import (
    ABSENT,
    ActAs,
    AskAs,
    Document,
    InTenant,
    Until,
    asked_about,
    asker_of,
    command,
    known_people,
    moment,
    now,
    person_of,
    whole,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Decider:
    """Who decides about requests, and about those of which tenant."""

    asker: ActAs = ""
    tenant: Tenant = ""

    def decider(self, parts: Parts) -> tuple[Asker, str]:
        """Return both."""
        who = asker_of(parts, self.asker)
        whose = who.tenant if isinstance(who, Subject) else self.tenant
        if not whose:
            raise SettingsError("say whose requests: `--tenant acme`, or `--as user:ada`")
        return who, whose


class Refusal(Answered):
    """A request that was refused."""

    request: str
    status: str = "refused"


@command(access, "who")
async def who(
    parts: Parts, document: Document, *, tenant: InTenant = "", asker: ActAs = ""
) -> Shown:
    """Say who may read a document: people of the subjects file, and the groups and roles."""
    reviewer, record = await asked_about(parts, asker, document, tenant)
    readership = await parts.questions.who_may_read(
        reviewer, record.id, subjects=known_people(parts), now=now()
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
    reviewer, about = asker_of(parts, asker), person_of(parts, subject)
    documents, page = list[ListedDocument](), None
    while page is None or page.more:
        after = documents[-1].uri if documents else ""
        found = await parts.questions.what_may_read(
            reviewer, about, now=now(), after=after, limit=MAX_PAGE
        )
        page = answer(WhatAnswer, found)
        documents += page.documents
    lines = [records(documents, "uri id"), count(len(documents), "document")]
    if page.standing in ABSENT:
        lines.append(safe(ABSENT[page.standing].format(subject), "yellow"))
    return Shown(page.model_copy(update={"documents": documents}), lines)


@command(access, "did")
async def did(
    parts: Parts, document: Document, *, tenant: InTenant = "", asker: ActAs = ""
) -> Shown:
    """Say who got passages of a document, when, and whether they still may."""
    reviewer, record = await asked_about(parts, asker, document, tenant)
    found = await whole(
        PastReaders,
        "readers",
        lambda after: parts.history.readers(reviewer, record.id, now=now(), after=after),
    )
    rows = [
        (who.subject, ", ".join(who.actors), who.times, who.last, _STILL[who.may_still])
        for who in found.readers
    ]
    said = count(len(rows), "person has", "people have") + " read it"
    lines = [
        table("", ("who", "through", "times", "last", "may still"), rows),
        said if rows else "No one has read it.",
    ]
    return Shown(found, lines)


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
    subject = person_of(parts, asker)
    await parts.requests.ask(subject, canonical_id(document), reason, now())
    return Shown(Requested(), ["recorded; if it is granted, you find the document"])


@command(access, "requests")
async def requests(parts: Parts, *, by: Decider) -> Shown:
    """List requests that you may decide about: for documents that you may share."""
    who, whose = by.decider(parts)
    waiting = await whole(
        WaitingRequests,
        "requests",
        lambda after: parts.requests.waiting(who, whose, now(), after=after),
    )
    said = f"{len(waiting.requests)} wait for a decision"
    return Shown(waiting, [records(waiting.requests, "id asker uri reason"), said])


@command(access, "grant")
async def grant(parts: Parts, request_id: Request, *, until: Until = "", by: Decider) -> Shown:
    """Share the document with the person who asked for it."""
    who, whose = by.decider(parts)
    ends = moment(until)
    changed = await parts.requests.grant(who, whose, request_id, until=ends, now=now())
    return changed_shown(changed, parts)


@command(access, "refuse")
async def refuse(parts: Parts, request_id: Request, *, by: Decider) -> Shown:
    """Take a request off the list; the person who asked is not told."""
    who, whose = by.decider(parts)
    await parts.requests.refuse(who, whose, request_id, now=now())
    return Shown(Refusal(request=request_id), ["refused; the person who asked is not told"])
