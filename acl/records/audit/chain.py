"""The audit chain as pure functions: how an event is linked, and where a chain first fails.

The laws of this file:

1. An entry's hash is HMAC-SHA256(key, previous hash || body), where the body is canonical JSON that
   includes the sequence number, the time and the kind. Without the key no entry can be made.
2. Sequence numbers are gapless from 1. The head names the last number and its hash under an HMAC
   of its own, so that cutting the tail shows.
3. What cannot show: someone who restores an *older state as a whole* - entries and the head of
   that time - restores a chain that was once true. Only a head kept elsewhere tells; compare
   with `AuditVerifier.finish(anchor=...)`. A holder of the key can write any history.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.records.audit.events import AuditEvent, AuditFault, AuditHead
from acl.records.database.errors import UnstorableError
from acl.records.database.storable import from_json, to_json, to_microseconds

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
