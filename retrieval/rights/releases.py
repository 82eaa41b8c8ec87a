"""The audit event of something that leaves, or is refused: the same fields for all of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeAlias

from acl.labels import Label
from acl.records import AuditEvent, AuditKind, Outcome
from acl.subject import Attributes, Subject
from retrieval.rights.standing import Pinned


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One request that is answered under what was pinned.

    Attributes:
        id: the decision's id, by which the answer is found again in the audit.
    """

    pinned: Pinned
    now: datetime
    action: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def event(
        self,
        kind: AuditKind,
        *,
        permitted: bool,
        resources: tuple[str, ...] = (),
        query_hmac: str = "",
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEvent:
        """Return the event; its detail keeps the rights under which was decided.

        With them, another policy can be asked later what it would have answered.
        """
        subject, snapshot = self.pinned.subject, self.pinned.snapshot
        return AuditEvent(
            kind=kind,
            time=self.now,
            subject=subject.id,
            outcome=Outcome.PERMITTED if permitted else Outcome.DENIED,
            actors=tuple(actor.id for actor in subject.actors),
            tenant=subject.tenant,
            action=self.action,
            decision_id=self.id,
            policy_revision=snapshot.revision,
            policy_digest=snapshot.digest,
            resources=resources,
            query_hmac=query_hmac,
            detail={**(detail or {}), "rights": [rights(one) for one in _all(subject)]},
        )


Witness: TypeAlias = Callable[[Release, Sequence[Label]], None]
"""Is told what is released, with the label of each document, and holds nothing up."""


def unwitnessed(release: Release, labels: Sequence[Label]) -> None:
    """Tell nobody."""


def rights(subject: Subject) -> dict[str, Any]:
    """Return what decided beside the name: clearance, compartments, groups, declared attributes."""
    declared = {"attributes": subject.attributes.as_json()} if subject.attributes else {}
    return {
        **declared,
        "clearance": subject.clearance,
        "compartments": sorted(subject.compartments),
        "groups": sorted(subject.groups),
    }


def _all(subject: Subject) -> tuple[Subject, ...]:
    return (subject, *subject.actors)


def subject_of(event: AuditEvent) -> Subject | None:
    """Return the subject of a recorded release, or `None` where its rights were not kept."""
    kept = event.detail.get("rights")
    if not isinstance(kept, list) or len(kept) != 1 + len(event.actors):
        return None
    first, *others = (
        Subject(
            id=name,
            tenant=event.tenant,
            clearance=one["clearance"],
            compartments=frozenset(one["compartments"]),
            groups=frozenset(one["groups"]),
            attributes=Attributes.from_json(one.get("attributes", {})),
        )
        for name, one in zip((event.subject, *event.actors), kept, strict=True)
    )
    return replace(first, actors=tuple(others))
