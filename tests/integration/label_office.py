"""An installation with its desks of labels, and who works at them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from acl.records import AuditKind, DocumentRecord, Job
from acl.subject import Subject
from ingest.project import Projector
from retrieval.labels.desk import LabelDesk
from retrieval.labels.folders import FolderDesk, FolderRequest
from retrieval.labels.jobs import BulkDesk
from retrieval.labels.requests import LabelRequest, ShareRequest
from retrieval.labels.views import Changed, LabelDeskSettings, LabelParts, Target
from retrieval.rights.authority import Asker, Authority
from retrieval.rights.decisions import Decisions
from retrieval.search.search import SearchRequest
from tests.integration.engine_state import points_of
from tests.integration.world import NOW, World

STEWARD = Subject(
    id="user:stew",
    tenant="acme",
    clearance=3,
    compartments=frozenset({"finance", "board", "falcon"}),
    groups=frozenset({"role:steward"}),
)
SECOND = replace(STEWARD, id="user:second")
HR = Subject(id="user:hana", tenant="acme", clearance=1, groups=frozenset({"group:hr"}))
TRAVEL = "file:acme/handbook/travel.md"
CASH = "file:acme/finance/cash.txt"
ABSENT = "5b0f4b0e-9d5d-4f0b-8b39-0d1f7f7f7f7f"
LATER = NOW + timedelta(hours=1)
TICK = timedelta(microseconds=1)


@dataclass
class Office:
    """An installation with its desks."""

    world: World
    desk: LabelDesk
    bulk: BulkDesk
    folders: FolderDesk

    async def id_of(self, uri: str) -> str:
        return (await self.world.document(uri)).id

    async def change(
        self,
        asker: Asker,
        uri: str,
        *,
        version: int | None = None,
        now: datetime = NOW,
        dry_run: bool = False,
        request: LabelRequest | None = None,
        **values: object,
    ) -> Changed:
        document = await self.world.document(uri)
        target = Target(document.id, document.label_version if version is None else version)
        asked = request or LabelRequest(values=values)
        return await self.desk.change(asker, target, asked, now=now, dry_run=dry_run)

    async def share(self, asker: Asker, uri: str, name: str, until: datetime | None) -> Changed:
        request = LabelRequest(share=(ShareRequest(principal=name, until=until),))
        return await self.change(asker, uri, request=request)

    async def set_folder(self, asker: Asker, asked: FolderRequest) -> Job:
        """Set a folder and bring it to the documents."""
        done = await self.folders.set_folder(asker, asked)
        assert done.job is not None
        return await self.bulk.run(done.job.id)

    async def found(self, subject: Subject, query: str, at: datetime) -> set[str]:
        request = SearchRequest(query=query, top_k=50)
        return {one.uri for one in (await self.world.searcher.search(subject, request, at)).hits}

    async def kinds(self) -> list[tuple[AuditKind, str, str]]:
        events = await self.world.records.audit.events(limit=1000)
        return [(one.event.kind, one.event.action, one.event.outcome.value) for one in events]

    async def carried(self, document: DocumentRecord) -> object:
        """Return the label that the engine carries for a document."""
        where = points_of(document.id)
        labels = [one.payload.get("label") async for one in self.world.engine.scroll(where)]
        assert all(one == labels[0] for one in labels)
        return labels[0]


def _move_on(connection: Connection) -> None:
    connection.execute(text("UPDATE heads SET refuted = 1 - refuted"))


class MovingDesk(LabelDesk):
    """A desk after whose first look something moves on."""

    looks = 0

    async def authority(self, asker: Asker, now: datetime) -> Authority:
        found = await super().authority(asker, now)
        self.looks += 1
        if self.looks == 1:
            await self.parts.records.database.write(_move_on)
        return found


def office_of(made: World, *, four_eyes: bool = False) -> Office:
    desk = LabelDesk(
        LabelParts(
            records=made.records,
            standing=made.standing,
            projector=Projector(made.stores),
            decisions=Decisions(),
            settings=LabelDeskSettings(four_eyes=four_eyes),
        )
    )
    clock = lambda: NOW  # noqa: E731 - a clock
    return Office(made, desk, BulkDesk(desk, clock=clock), FolderDesk(desk, clock=clock))
