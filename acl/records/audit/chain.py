"""The audit chain: what it records, how an event is linked, and where a chain first fails.

The laws of this file:

1. An entry's hash is HMAC-SHA256(key, previous hash || body), where the body is canonical JSON that
   includes the sequence number, the time and the kind. Without the key no entry can be made.
2. Sequence numbers are gapless from 1. The head names the last number and its hash under an HMAC
   of its own, so that cutting the tail shows.
3. What cannot show: someone who restores an *older state as a whole* - entries and the head of
   that time - restores a chain that was once true. Only a head kept elsewhere tells; compare
   with `AuditVerifier.finish(anchor=...)`. A holder of the key can write any history.
4. No field holds the text of a query, on purpose.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from acl.records.database.errors import UnstorableError
from acl.records.database.storable import checked_time, from_json, to_json, to_microseconds


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
    MOVE = "move"
    SOURCE = "source"
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
    query_hmac: str = ""  # law 4
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "time", checked_time("time", self.time))
        to_json("event", self.as_json())

    def as_json(self) -> dict[str, Any]:
        """Return the fields that the chain covers."""
        covered = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**covered, "time": self.time.isoformat(timespec="microseconds")}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> AuditEvent:
        """Return the event of which `body` is the stored form.

        Raises:
            KeyError, ValueError: `body` is not one.
        """
        covered = {part.name: body[part.name] for part in fields(cls)}
        parsed = {
            "kind": AuditKind(body["kind"]),
            "time": datetime.fromisoformat(body["time"]),
            "outcome": Outcome(body["outcome"]),
            "actors": tuple(body["actors"]),
            "resources": tuple(body["resources"]),
        }
        return cls(**{**covered, **parsed})


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


GENESIS: Final = AuditHead(0, "0" * 64)
MIN_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class Link:
    """One entry as it is stored; `time` is in microseconds."""

    seq: int
    time: int
    kind: str
    body: str
    previous: str
    hash: str

    @property
    def head(self) -> AuditHead:
        """The head of a chain that ends here."""
        return AuditHead(self.seq, self.hash)


@dataclass(frozen=True, slots=True)
class SealedHead:
    """The head as it is stored, with its own HMAC."""

    seq: int
    hash: str
    mac: str

    @property
    def head(self) -> AuditHead:
        """The head without its seal."""
        return AuditHead(self.seq, self.hash)


class Chain:
    """Links events and seals heads with one key."""

    def __init__(self, key: bytes) -> None:
        if len(key) < MIN_KEY:
            raise UnstorableError(f"the audit key is shorter than {MIN_KEY} bytes")
        self._key = key

    def link(self, head: AuditHead, event: AuditEvent) -> Link:
        """Return the entry that follows `head`."""
        seq = head.seq + 1
        body = to_json("event", {**event.as_json(), "seq": seq})
        mac = self._hash(head.hash, body)
        return Link(seq, to_microseconds(event.time), event.kind.value, body, head.hash, mac)

    def seal(self, head: AuditHead) -> SealedHead:
        """Return `head` with its HMAC."""
        return SealedHead(head.seq, head.hash, self._mac(f"head\0{head.seq}\0{head.hash}"))

    def sealed_by_us(self, sealed: SealedHead) -> bool:
        """Tell whether the head was sealed with this key and is unchanged."""
        return hmac.compare_digest(self.seal(sealed.head).mac, sealed.mac)

    def fault_of(self, link: Link, before: AuditHead) -> str | None:
        """Return why `link` does not follow `before`, or `None` when it does."""
        if link.seq != before.seq + 1:
            return f"entry {before.seq + 1} is missing; {link.seq} stands in its place"
        if link.previous != before.hash:
            return "the entry does not follow the one before it"
        if not hmac.compare_digest(self._hash(before.hash, link.body), link.hash):
            return "the entry was changed"
        if not _columns_agree(link):
            return "the entry's columns disagree with its body"
        return None

    def _hash(self, previous: str, body: str) -> str:
        return self._mac(f"entry\0{previous}\0{body}")

    def _mac(self, text: str) -> str:
        return hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256").hex()


class AuditVerifier:
    """Walks a chain in the order of its numbers and remembers the first fault."""

    def __init__(self, chain: Chain, *, anchor: AuditHead | None = None) -> None:
        self._chain = chain
        self._anchor = anchor
        self.head = GENESIS
        self.fault: AuditFault | None = None

    def feed(self, link: Link) -> None:
        """Check the next entry; what follows a fault is not looked at."""
        if self.fault is not None:
            return
        reason = self._chain.fault_of(link, self.head)
        if reason is None and self._anchor and self._anchor.seq == link.seq:
            reason = None if self._anchor.hash == link.hash else "the entry is not the anchored one"
        if reason is None:
            self.head = link.head
        else:
            self._fail(min(link.seq, self.head.seq + 1), reason)

    def finish(self, sealed: SealedHead | None) -> None:
        """Compare the end of the chain with the stored head and the anchor."""
        end = self.head.seq + 1
        if self.fault is not None:
            return
        if sealed is None:
            self._fail(end, "the head is missing")
        elif not self._chain.sealed_by_us(sealed):
            self._fail(end, "the head was changed, or sealed with another key")
        elif sealed.head != self.head:
            self._fail(
                min(end, sealed.seq + 1),
                f"the head names {sealed.seq}, the last entry is {end - 1}",
            )
        elif self._anchor and self._anchor.seq > self.head.seq:
            self._fail(end, f"the anchor names entry {self._anchor.seq}; the chain is shorter")

    def _fail(self, seq: int, reason: str) -> None:
        self.fault = AuditFault(seq, reason)


def _columns_agree(link: Link) -> bool:
    body = from_json(link.body)
    time = to_microseconds(datetime.fromisoformat(body["time"]))
    return (body["seq"], body["kind"], time) == (link.seq, link.kind, link.time)
