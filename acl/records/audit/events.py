"""What the audit chain records. There is no field for the text of a query, on purpose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from acl.records.database.storable import checked_time, to_json


class AuditKind(StrEnum):
    """What happened."""

    SEARCH = "search"
    FETCH = "fetch"
    LIST = "list"
    EXPLAIN = "explain"
    EVALUATE = "evaluate"
    INGEST = "ingest"
    RELABEL = "relabel"
    RELABEL_PROPOSED = "relabel_proposed"
    RELABEL_JOB = "relabel_job"
    FOLDER_LABELLED = "folder_labelled"
    DELETE = "delete"
    QUARANTINE = "quarantine"
    POLICY_PREVIEWED = "policy_previewed"
    POLICY_PROPOSED = "policy_proposed"
    POLICY_ACTIVATED = "policy_activated"
    POLICY_REFUSED = "policy_refused"
    POLICY_REFUTED = "policy_refuted"
    DIRECTORY = "directory"
    ACCESS_REQUESTED = "access_requested"
    ACCESS_DECIDED = "access_decided"
    AUDIT_READ = "audit_read"
    DENIED = "denied"


class Outcome(StrEnum):
    """How it ended."""

    PERMITTED = "permitted"
    DENIED = "denied"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """One event as the program reports it.

    Attributes:
        time: when it happened, with a zone.
        subject: whose rights were used, such as `user:ada`.
        actors: who acted for the subject, the nearest first (RFC 8693 `act`).
        resources: the ids that were released or changed.
        query_hmac: keyed hash of the query; the text itself is never recorded.
        detail: anything else, as JSON.
    """

    kind: AuditKind
    time: datetime
    subject: str
    outcome: Outcome = Outcome.PERMITTED
    actors: tuple[str, ...] = ()
    tenant: str = ""
    action: str = ""
    decision_id: str = ""
    policy_revision: int = 0
    policy_digest: str = ""
    resources: tuple[str, ...] = ()
    query_hmac: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checked_time("time", self.time))
        to_json("event", self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Return the fields that the chain covers."""
        return {
            "kind": self.kind.value,
            "time": self.time.isoformat(timespec="microseconds"),
            "subject": self.subject,
            "outcome": self.outcome.value,
            "actors": list(self.actors),
            "tenant": self.tenant,
            "action": self.action,
            "decision_id": self.decision_id,
            "policy_revision": self.policy_revision,
            "policy_digest": self.policy_digest,
            "resources": list(self.resources),
            "query_hmac": self.query_hmac,
            "detail": self.detail,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> AuditEvent:
        """Return the event of which `body` is the stored form.

        Raises:
            KeyError, ValueError: `body` is not one.
        """
        return cls(
            kind=AuditKind(body["kind"]),
            time=datetime.fromisoformat(body["time"]),
            subject=body["subject"],
            outcome=Outcome(body["outcome"]),
            actors=tuple(body["actors"]),
            tenant=body["tenant"],
            action=body["action"],
            decision_id=body["decision_id"],
            policy_revision=body["policy_revision"],
            policy_digest=body["policy_digest"],
            resources=tuple(body["resources"]),
            query_hmac=body["query_hmac"],
            detail=body["detail"],
        )


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """The receipt of a durable event: its place in the chain and its link."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The end of the chain. Kept elsewhere, it is the anchor that shows a truncation."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An event as it stands in the chain."""

    seq: int
    hash: str
    event: AuditEvent


@dataclass(frozen=True, slots=True)
class AuditFault:
    """Where the chain first fails: the first sequence number that cannot be vouched for."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The result of a verification; `fault` is `None` when the whole chain holds."""

    verified: int
    head: AuditHead
    fault: AuditFault | None
