"""What a writer of changes has at hand, and what a step is."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from acl.records import AuditEvent, AuditKind
from ingest.project import Projector
from retrieval.labels.desk import LabelDesk
from retrieval.labels.folders import FolderDesk
from retrieval.labels.jobs import BulkDesk
from retrieval.labels.views import LabelParts
from retrieval.rights.decisions import Decisions
from tests.crash.change_state import State, moment
from tests.integration.world import World


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change.

    Attributes:
        after: what is another than before when it is done; `None` for what is gone.
        deed: does it.
        whole: whether all of `after` becomes true at once; else each part by itself.
        later: what the job will make true that the step stores.
        hours: by how much the time moves.
    """

    after: Mapping[str, Any]
    deed: Callable[[], Awaitable[object]]
    whole: bool = True
    later: Mapping[str, Any] = field(default_factory=dict)
    hours: int = 0


@dataclass(slots=True, kw_only=True)
class Clerk:
    """Somebody who changes things, and what they know.

    Attributes:
        state: the records, as everything that was acknowledged left them.
        later: what the job will make true that was begun and is still to be run.
        number: in all that was ever written, no other step has it.
    """

    made: World
    source: Path
    random: random.Random
    state: State
    hour: int
    number: int
    later: Mapping[str, Any] = field(default_factory=dict)

    @property
    def now(self) -> datetime:
        return moment(self.hour)

    @property
    def desk(self) -> LabelDesk:
        return LabelDesk(
            LabelParts(
                records=self.made.records,
                standing=self.made.standing,
                projector=Projector(self.made.stores),
                decisions=Decisions(),
            )
        )

    @property
    def bulk(self) -> BulkDesk:
        return BulkDesk(self.desk, clock=lambda: self.now)

    @property
    def folders(self) -> FolderDesk:
        return FolderDesk(self.desk, clock=lambda: self.now)

    def event(self, kind: AuditKind) -> AuditEvent:
        return AuditEvent(kind=kind, time=self.now, subject="user:root")


Builder = Callable[[Clerk], Awaitable[Step | None]]
"""Makes a step, or `None` where there is nothing to do it with."""
