"""A source against the records, before a run changes anything.

The laws of this file:

1. Only what the same source brought is ever said to be gone.
2. A name that a document of another source bears is taken from nobody: the run ends before it
   begins.
3. A run that would remove more than a stated share of what the source has ends before it begins,
   unless somebody said that this is meant.
4. Where something could not be listed, nothing below it is gone.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acl.records import DocumentRecord, SourceRecord
from ingest.errors import IngestError, SourceError
from ingest.label.label_files import TENANT, LabelResolver, Statement
from ingest.parts import Stores
from ingest.read.parsed import MAX_FILE_BYTES
from ingest.sources.folder import Found, SourceFault, SourceFile, covers, read_regular
from ingest.sources.identity import renames

_SHOWN: Final = 5


class StoppedError(IngestError):
    """A run ended before it changed anything; the reason says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What a run will find.

    Attributes:
        known: the documents of the source that are live.
        new: names without a document.
        gone: live documents whose files are no longer there, in the order of their names.
        moved: new name to the document that had another one.
        unclear: new name to the names of documents that it may be, none of which is there any more.
    """

    known: int
    new: tuple[str, ...]
    gone: tuple[DocumentRecord, ...]
    moved: Mapping[str, DocumentRecord]
    unclear: Mapping[str, tuple[str, ...]]

    def require_moderate(self, share: float) -> None:
        """Hold law 3.

        Raises:
            StoppedError: more than `share` of the known documents, from 0 to 1, would be removed.
        """
        if len(self.gone) <= share * self.known:
            return
        names = [document.uri for document in self.gone]
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        raise StoppedError(
            f"nothing was changed: {len(names)} of {self.known} documents of this source would be "
            f"removed, which is more than {share:.0%}: {', '.join(names[:_SHOWN])}{more}; "
            "if that is meant, say `--yes`"
        )


class Comparer:
    """Compares what a walk found with what is on record."""

    def __init__(
        self, stores: Stores, resolver: LabelResolver, flags: Statement, source: SourceRecord | None
    ) -> None:
        self._sources = stores.records.sources
        self._resolver = resolver
        self._flags = flags
        self._record = source
        self._source = source.id if source else ""

    async def compare(self, found: Sequence[Found], *, whole: bool) -> Comparison:
        """Return what the run will find.

        Args:
            found: everything that the walk gave.
            whole: whether that is all there is of the source.

        Raises:
            StoppedError: a name belongs to another source (law 2).
        """
        files = {entry.uri: entry for entry in found if isinstance(entry, SourceFile)}
        faults = [entry.uri for entry in found if isinstance(entry, SourceFault)]
        await self._require_own(files)
        known = await self._sources.documents(self._source)  # law 1
        names = {document.uri for document in known}
        new = sorted(files.keys() - names)
        there = files.keys() if whole else await self._there(known)
        gone = [each for each in known if _is_gone(each.uri, there, faults)]
        moved, unclear = await self._renamed(gone, [files[uri] for uri in new])
        left = {document.id for document in moved.values()}
        return Comparison(
            known=sum(document.is_live for document in known),
            new=tuple(uri for uri in new if uri not in moved),
            gone=tuple(each for each in gone if whole and each.is_live and each.id not in left),
            moved=moved,
            unclear=unclear,
        )

    async def _there(self, known: Sequence[DocumentRecord]) -> Collection[str]:
        """Return the names of documents whose files are there, for a run over a part."""
        if self._record is None:
            return {document.uri for document in known}
        return await asyncio.to_thread(_present, known, self._record)

    async def _require_own(self, files: Mapping[str, SourceFile]) -> None:
        for document in await self._sources.at(files):
            if document.source != self._source:
                tenant = self._tenant(files[document.uri])
                if tenant in {"", document.tenant}:
                    raise await self._taken(document)  # law 2

    async def _taken(self, document: DocumentRecord) -> StoppedError:
        owners = {each.source.id: each.source for each in await self._sources.listed()}
        owner = owners.get(document.source)
        whose = f"`{owner.name}` at `{owner.root}`" if owner else "that was removed"
        return StoppedError(
            f"nothing was changed: `{document.uri}` comes from the source {whose}; give this "
            "folder a place of its own, as with `--at /archive`"
        )

    def _tenant(self, file: SourceFile) -> str:
        """Return the tenant as far as it is known before the text is read."""
        try:
            said = self._resolver.resolve(file, flags=self._flags).values.get(TENANT)
        except SourceError:
            return ""
        return said if isinstance(said, str) else ""

    async def _renamed(
        self, gone: Sequence[DocumentRecord], new: Sequence[SourceFile]
    ) -> tuple[dict[str, DocumentRecord], dict[str, tuple[str, ...]]]:
        if not gone or not new:
            return {}, {}
        digests = await asyncio.to_thread(_digests, new)
        moved: dict[str, DocumentRecord] = {}
        unclear: dict[str, tuple[str, ...]] = {}
        for tenant in sorted({document.tenant for document in gone}):
            mine = {each.uri: each for each in gone if each.tenant == tenant}
            here = {
                file.uri: digests[file.uri]
                for file in new
                if file.uri in digests and self._tenant(file) in {"", tenant}
            }
            pairs = renames({uri: each.content_digest for uri, each in mine.items()}, here)
            moved |= {fresh: mine[old] for fresh, old in pairs.moved.items() if fresh not in moved}
            unclear |= pairs.unclear
        return moved, {fresh: old for fresh, old in unclear.items() if fresh not in moved}


def _present(known: Sequence[DocumentRecord], source: SourceRecord) -> set[str]:
    begin = f"file:{source.at.strip('/')}/" if source.at else "file:"
    names = {document.uri for document in known}
    return {uri for uri in names if Path(source.root, uri.removeprefix(begin)).exists()}


def _digests(files: Sequence[SourceFile]) -> dict[str, str]:
    """Return the digest of each file's content; a file that cannot be read has none."""
    digests: dict[str, str] = {}
    for file in files:
        try:
            content = read_regular(file.path, limit=MAX_FILE_BYTES)
        except (SourceError, OSError):
            continue
        digests[file.uri] = hashlib.sha256(content).hexdigest()
    return digests


def _is_gone(uri: str, files: Collection[str], faults: Sequence[str]) -> bool:
    return uri not in files and not any(covers(place, uri) for place in faults)  # law 4
