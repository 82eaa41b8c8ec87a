"""What an ingest run says while it runs and when it is done. No text of a document is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from ingest.sources.folder import covers


class EventKind(StrEnum):
    """What has just happened."""

    ADDED = "added"
    UPDATED = "updated"
    RELABELLED = "relabelled"
    UNCHANGED = "unchanged"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    RENAMED = "renamed"
    VANISHED = "vanished"
    REMOVED = "removed"
    ENCODING = "encoding"
    OPTIMIZING = "optimizing"


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestEvent:
    """One step, for a progress bar or a log.

    Attributes:
        kind: what happened.
        uri: the document's name; `""` where no single document is meant.
        detail: one sentence, or `""`.
        done: documents that are settled.
        total: documents that the source holds.
        passages: passages that were encoded so far.
    """

    kind: EventKind
    uri: str = ""
    detail: str = ""
    done: int = 0
    total: int = 0
    passages: int = 0


@dataclass(frozen=True, slots=True)
class KeptOut:
    """A source that is in quarantine, or could not be written, and why.

    Attributes:
        withdrawn: whether an earlier version of it was taken out of the index.
    """

    uri: str
    reason: str
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class RaisedLabel:
    """A document whose classification was raised because of secrets, named by kind."""

    uri: str
    level: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overruled:
    """A document whose source newly says less than what was set on the document, which stands."""

    uri: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stranger:
    """An owner or reader whom nobody known bears, so that the name matches no one today.

    Attributes:
        uris: documents that name them, the first ones.
        nearest: a known name that looks like it, or `""`.
    """

    principal: str
    tenant: str
    uris: tuple[str, ...]
    nearest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What a run did.

    Attributes:
        quarantined: what is kept out, with the reason.
        failed: what could not be written because it was changed meanwhile; run again.
        raised: labels that were raised because of secrets.
        overruled: values of sources that did not take effect, because people set more.
        vanished: uris that the records hold and the source does not, unless they were removed.
        renamed: old and new name of each document whose file moved and kept its bytes.
        encoded: passages that were encoded.
        strangers: owners and readers of stored documents who match no one; the caller adds them.
    """

    added: int = 0
    updated: int = 0
    relabelled: int = 0
    unchanged: int = 0
    removed: int = 0
    encoded: int = 0
    quarantined: tuple[KeptOut, ...] = ()
    failed: tuple[KeptOut, ...] = ()
    raised: tuple[RaisedLabel, ...] = ()
    overruled: tuple[Overruled, ...] = ()
    vanished: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    strangers: tuple[Stranger, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReconcileReport:
    """What the reconciler found and repaired; after a clean stop every number is 0.

    Attributes:
        abandoned: versions that were begun and never went live.
        deletions: versions whose points were still to be deleted.
        projected: labels that the engine had not been known to carry.
        orphans: versions that had points and no record.
        mislabelled: documents of which a point carried another label than the record.
        surplus: documents that had points beyond their passages, or points with other metadata than
            the record; all of their points were made again, and are counted as missing, too.
        missing: points that the engine had lost and that were encoded again.
        unreadable: ids of documents whose label of record cannot be read. No search finds them, and
            no repair is possible here: a person has to set the label anew.
    """

    abandoned: int = 0
    deletions: int = 0
    projected: int = 0
    orphans: int = 0
    mislabelled: int = 0
    surplus: int = 0
    missing: int = 0
    unreadable: tuple[str, ...] = ()

    @property
    def differences(self) -> int:
        """How many differences between records and engine there were."""
        return (
            self.abandoned
            + self.deletions
            + self.projected
            + self.orphans
            + self.mislabelled
            + self.surplus
            + self.missing
        )


class Progress:
    """What a run has seen and done, told as it happens and summed up at the end.

    Attributes:
        encoded: passages that were encoded.
        raised: labels that were raised because of secrets.
        overruled: what sources say and what does not take effect.
        renamed: old and new name of each document that moved.
        present: tenant and uri of each document that the source has.
        unclear: uris of files of which nothing is known, or of folders and all that is below them.
    """

    def __init__(self, on_event: Callable[[IngestEvent], None], *, total: int) -> None:
        self._on_event = on_event
        self._total = total
        self._done = 0
        self._counts: Counter[EventKind] = Counter()
        self._quarantined: list[KeptOut] = []
        self._failed: list[KeptOut] = []
        self._vanished: list[str] = []
        self.encoded = 0
        self.raised: list[RaisedLabel] = []
        self.overruled: list[Overruled] = []
        self.renamed: list[tuple[str, str]] = []
        self.present: set[tuple[str, str]] = set()
        self.unclear: set[str] = set()

    def is_gone(self, tenant: str, uri: str) -> bool:
        """Say whether a document of the records is no longer in the source, as far as one can."""
        if (tenant, uri) in self.present:
            return False
        return not any(covers(place, uri) for place in self.unclear)

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

    def vanished(self, uri: str, *, removed: bool) -> None:
        """Count a document that the source no longer has, and say whether it was deleted."""
        if removed:
            self._counts[EventKind.REMOVED] += 1
        else:
            self._vanished.append(uri)
        self.tell(EventKind.REMOVED if removed else EventKind.VANISHED, uri)

    def encoding(self, passages: int) -> None:
        """Count passages that were encoded."""
        self.encoded += passages
        self.tell(EventKind.ENCODING, detail=f"{self.encoded} passages")

    def tell(self, kind: EventKind, uri: str = "", detail: str = "") -> None:
        """Tell one step."""
        self._on_event(
            IngestEvent(
                kind=kind,
                uri=uri,
                detail=detail,
                done=self._done,
                total=self._total,
                passages=self.encoded,
            )
        )

    def report(self) -> IngestReport:
        """Return the sum of it."""
        return IngestReport(
            added=self._counts[EventKind.ADDED],
            updated=self._counts[EventKind.UPDATED],
            relabelled=self._counts[EventKind.RELABELLED],
            unchanged=self._counts[EventKind.UNCHANGED],
            removed=self._counts[EventKind.REMOVED],
            encoded=self.encoded,
            quarantined=tuple(self._quarantined),
            failed=tuple(self._failed),
            raised=tuple(self.raised),
            overruled=tuple(self.overruled),
            vanished=tuple(self._vanished),
            renamed=tuple(self.renamed),
        )
