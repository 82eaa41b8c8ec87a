"""On whose rights a label is changed: those of a subject, or those of the operator of the machine.

The laws of this file:

1. A subject's rights are those of the pinned policy, on the label of record.
2. The operator may do everything, and everything is on record under `service:operator`.
3. Without any right on a document, its existence is not told.
4. Four eyes: a request is made by its subject and by each actor for them (RFC 8693 `act`), each
   known by tenant and name. Who approves is none of them. A name that was kept without a tenant
   is of every tenant.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from acl.actions import Action
from acl.errors import AclError
from acl.labels import Label
from acl.records import AuditEvent, AuditKind, DocumentRecord, Heads, Outcome
from acl.subject import Attributes, Subject
from retrieval.rights.decisions import Decisions, PolicySnapshot
from retrieval.rights.releases import Release
from retrieval.rights.standing import ANY, AtLeast, Pinned, Standing

OPERATOR_NAME: Final = "service:operator"

KNOWING: Final = (
    Action.DOCUMENT_READ,
    Action.DOCUMENT_TAG,
    Action.DOCUMENT_SHARE,
    Action.DOCUMENT_DECLASSIFY,
    Action.DOCUMENT_DELETE,
    Action.ACCESS_REVIEW,
)
"""A right to one of these is a right to know that the document is there."""

MANAGING: Final = tuple(one for one in KNOWING if one is not Action.DOCUMENT_READ)
"""A right to one of these is a right to see the whole label, and so who else may read."""


class ForbiddenError(AclError):
    """The subject may know of the document, and lacks the right to what was asked.

    Attributes:
        action: the right that is lacking.
        needs: what is needed, in words.
    """

    def __init__(self, action: Action, where: str = "") -> None:
        """Name the right, and where more than one document counts, on what it has to be held."""
        self.action = action
        self.needs = f"needs the right to `{action}` {where}".rstrip()
        super().__init__(f"this {self.needs}")


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator of the machine."""


OPERATOR: Final = Operator()

Asker: TypeAlias = Subject | Operator


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """The rights under which one request is decided.

    Attributes:
        pinned: what a subject's request obeys; `None` for the operator.
    """

    snapshot: PolicySnapshot
    pinned: Pinned | None
    decisions: Decisions
    now: datetime

    @property
    def by(self) -> str:
        """Whose name is put on record."""
        return OPERATOR_NAME if self.pinned is None else self.pinned.subject.id

    @property
    def tenant(self) -> str | None:
        """The only tenant whose documents may be named; `None` for each."""
        return None if self.pinned is None else self.pinned.subject.tenant

    @property
    def heads(self) -> Heads | None:
        """The counters that must still stand when a change is stored."""
        return None if self.pinned is None else self.pinned.heads

    @property
    def label_revision(self) -> int:
        """Up to which change of a label an answer is sure to regard; the operator pins none."""
        return 0 if self.pinned is None else self.pinned.heads.label

    def may(self, action: Action, label: Label) -> bool:
        """Say whether the action is permitted on a document of this label."""
        if self.pinned is None:
            return True
        subject = self.pinned.subject
        return self.decisions.decide(self.snapshot, subject, action, self.now).permits(label)

    def holds(self, action: Action) -> bool:
        """Say whether the action is permitted on some label: the asker has a region for it."""
        if self.pinned is None:
            return True
        subject = self.pinned.subject
        return self.decisions.decide(self.snapshot, subject, action, self.now).held

    def require_one(self, *actions: Action) -> None:
        """Check that one of the actions is permitted on some label.

        Raises:
            ForbiddenError: naming the first.
        """
        if not any(map(self.holds, actions)):
            raise ForbiddenError(actions[0])

    def knows(self, label: Label) -> bool:
        """Say whether the asker may know of a document of this label (law 3)."""
        return any(self.may(action, label) for action in KNOWING)

    def reads(self, document: DocumentRecord) -> bool:
        """Say whether the document's label can be read at all, by any asker."""
        return document.label_or_none(self.snapshot.schema, self.now) is not None

    def knows_of(self, document: DocumentRecord) -> bool:
        """Say whether the asker may know of this document.

        One whose label cannot be read is the operator's alone, who can set it anew.
        """
        label = document.label_or_none(self.snapshot.schema, self.now)
        return self.pinned is None if label is None else self.knows(label)

    def manages(self, document: DocumentRecord) -> bool:
        """Say whether the asker may do more with a document that they know of than read it.

        One whose label cannot be read is the operator's alone here too.
        """
        label = document.label_or_none(self.snapshot.schema, self.now)
        if label is None:
            return self.pinned is None
        return any(self.may(action, label) for action in MANAGING)

    def require(self, actions: frozenset[Action], *labels: Label) -> None:
        """Check that each of the actions is permitted on each of the labels.

        Raises:
            ForbiddenError: naming the first that is not.
        """
        for action in sorted(actions):
            if not all(self.may(action, label) for label in labels):
                raise ForbiddenError(action)

    def require_change(self, actions: frozenset[Action], before: Label, after: Label) -> None:
        """Check that a label may be replaced by another.

        Tagging lets no one new read, so it needs its right on the label before alone: an owner
        can raise a document beyond their own clearance. Everything else needs it on both.

        Raises:
            ForbiddenError: naming the first right that is lacking.
        """
        self.require(actions & {Action.DOCUMENT_TAG}, before)
        self.require(actions - {Action.DOCUMENT_TAG}, before, after)

    def event(  # noqa: PLR0913 - an event has as many sides
        self,
        kind: AuditKind,
        action: Action,
        *,
        tenant: str,
        resources: tuple[str, ...] = (),
        permitted: bool = True,
        detail: Mapping[str, Any] | None = None,
    ) -> AuditEvent:
        """Return the audit event of something that was done or refused."""
        if self.pinned is not None:
            release = Release(pinned=self.pinned, now=self.now, action=action)
            return release.event(kind, permitted=permitted, resources=resources, detail=detail)
        return AuditEvent(
            kind=kind,
            time=self.now,
            subject=OPERATOR_NAME,
            outcome=Outcome.PERMITTED if permitted else Outcome.DENIED,
            tenant=tenant,
            action=action,
            policy_revision=self.snapshot.revision,
            policy_digest=self.snapshot.digest,
            resources=resources,
            detail=detail or {},
        )


async def authority_of(
    standing: Standing,
    decisions: Decisions,
    asker: Asker,
    now: datetime,
    *,
    at_least: AtLeast = ANY,
) -> Authority:
    """Return the rights of `asker` as they stand now.

    Raises:
        NotReachedError: a revision of `at_least` is not there yet.
        RecordsError, PolicyError: what stands cannot be read.
    """
    if isinstance(asker, Operator):
        snapshot = await standing.current()
        return Authority(snapshot=snapshot, pinned=None, decisions=decisions, now=now)
    pinned = await standing.pin(asker, at_least=at_least)
    return Authority(snapshot=pinned.snapshot, pinned=pinned, decisions=decisions, now=now)


def asker_json(asker: Asker) -> dict[str, Any]:
    """Return the stored form of an asker, for a job that goes on without a request."""
    if isinstance(asker, Operator):
        return {"operator": True}
    return {
        "id": asker.id,
        "tenant": asker.tenant,
        "clearance": asker.clearance,
        "compartments": sorted(asker.compartments),
        "groups": sorted(asker.groups),
        "attributes": asker.attributes.as_json(),
        "actors": [asker_json(one) for one in asker.actors],
    }


def asker_of(stored: Mapping[str, Any]) -> Asker:
    """Return the asker of a stored form."""
    return OPERATOR if stored.get("operator") else _subject(stored)


def _subject(stored: Mapping[str, Any]) -> Subject:
    return Subject(
        id=stored["id"],
        tenant=stored["tenant"],
        clearance=stored["clearance"],
        compartments=frozenset(stored["compartments"]),
        groups=frozenset(stored["groups"]),
        attributes=Attributes.from_json(stored.get("attributes", {})),
        actors=tuple(_subject(one) for one in stored["actors"]),
    )


_SEPARATOR: Final = "/"


def parties_of(authority: Authority) -> tuple[str, ...]:
    """Return all who stand behind a request, the subject first."""
    if authority.pinned is None:
        return (_SEPARATOR + OPERATOR_NAME,)
    subject = authority.pinned.subject
    parties = (subject, *subject.actors)
    return tuple(dict.fromkeys(one.tenant + _SEPARATOR + one.id for one in parties))


def share_nobody(asked: Iterable[str], authority: Authority) -> bool:
    """Say whether none of those who `asked` stands behind the request of `authority`."""
    mine = parties_of(authority)
    names = {one.rpartition(_SEPARATOR)[2] for one in mine}
    return not any(one in mine or one in names for one in asked)
