"""What a run has seen and done, told as it happens and summed up at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ingest.report import (
    EventKind,
    IngestEvent,
    IngestReport,
    KeptOut,
    Overruled,
    RaisedLabel,
)


class Tally:
    """Counts, lists, and the names that the source still has."""

    def __init__(self, on_event: Callable[[IngestEvent], None], *, total: int) -> None:
        self._on_event = on_event
        self._total = total
        self._done = 0
        self._counts: Counter[EventKind] = Counter()
        self._encoded = 0
        self._quarantined: list[KeptOut] = []
        self._failed: list[KeptOut] = []
        self._raised: list[RaisedLabel] = []
        self._overruled: list[Overruled] = []
        self._vanished: list[str] = []
        self._present: set[tuple[str, str]] = set()
        self._unclear: set[str] = set()

    @property
    def encoded(self) -> int:
        """How many passages were encoded."""
        return self._encoded

    @property
    def tenants(self) -> frozenset[str]:
        """The tenants of which the source holds a document."""
        return frozenset(tenant for tenant, _ in self._present)

    def present(self, tenant: str, uri: str) -> None:
        """Note that the source has this document."""
        self._present.add((tenant, uri))

    def unclear(self, uri: str) -> None:
        """Note that nothing is known of a file, or of a folder and everything below it."""
        self._unclear.add(uri)

    def is_gone(self, tenant: str, uri: str) -> bool:
        """Say whether a document of the records is no longer in the source, as far as one can."""
        if (tenant, uri) in self._present:
            return False
        return not any(_covers(place, uri) for place in self._unclear)

    def settled(self, kind: EventKind, uri: str) -> None:
        """Count a document that the run is done with, and tell it."""
        self._done += 1
        self._counts[kind] += 1
        self.tell(kind, uri)

    def kept_out(self, uri: str, reason: str, *, withdrawn: bool) -> None:
        """Count a source that was put into quarantine."""
        self._quarantined.append(KeptOut(uri, reason, withdrawn))
        self._done += 1
        self.tell(EventKind.QUARANTINED, uri, reason)

    def failed(self, uri: str, reason: str) -> None:
        """Count a document that could not be written this time."""
        self._failed.append(KeptOut(uri, reason))
        self._done += 1
        self.tell(EventKind.FAILED, uri, reason)

    def raised(self, label: RaisedLabel) -> None:
        """List a label that was raised."""
        self._raised.append(label)

    def overruled(self, said: Overruled) -> None:
        """List what a source says and what does not take effect."""
        self._overruled.append(said)

    def vanished(self, uri: str) -> None:
        """List a document that the source no longer has."""
        self._vanished.append(uri)
        self.tell(EventKind.VANISHED, uri)

    def removed(self, uri: str) -> None:
        """Count a document that was deleted because the source no longer has it."""
        self._counts[EventKind.REMOVED] += 1
        self.tell(EventKind.REMOVED, uri)

    def encoding(self, passages: int) -> None:
        """Count passages that were encoded."""
        self._encoded += passages
        self.tell(EventKind.ENCODING, detail=f"{self._encoded} passages")

    def tell(self, kind: EventKind, uri: str = "", detail: str = "") -> None:
        """Tell one step."""
        self._on_event(
            IngestEvent(kind=kind, uri=uri, detail=detail, done=self._done, total=self._total)
        )

    def report(self) -> IngestReport:
        """Return the sum of it."""
        return IngestReport(
            added=self._counts[EventKind.ADDED],
            updated=self._counts[EventKind.UPDATED],
            relabelled=self._counts[EventKind.RELABELLED],
            unchanged=self._counts[EventKind.UNCHANGED],
            removed=self._counts[EventKind.REMOVED],
            encoded=self._encoded,
            quarantined=tuple(self._quarantined),
            failed=tuple(self._failed),
            raised=tuple(self._raised),
            overruled=tuple(self._overruled),
            vanished=tuple(self._vanished),
        )


def _covers(place: str, uri: str) -> bool:
    # The root itself, when it could not be listed, is named `file:.`.
    return place in {uri, "file:."} or uri.startswith(f"{place}/")
