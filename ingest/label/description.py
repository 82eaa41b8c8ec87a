"""What a file is to be indexed as: its complete label, its metadata, its title.

The laws of this file:

1. A label is complete or the document waits in quarantine; which attribute is wrong is said.
2. Secrets may only raise: to the configured level, where the label is below it. Nothing else of
   the label moves, and nothing lowers it.
3. What the places say is compared with what they said last time, and not with the label of record:
   a label that people changed since then stays until the places say something new. The record
   keeps what is needed for that under `_source` of its metadata, a name that no schema can declare.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, Final

from acl.errors import LabelError
from acl.labels import AttributeType, Label, LabelSchema
from acl.records import DocumentRecord
from ingest.errors import SourceError
from ingest.label.label_files import TENANT, RawLabel
from ingest.label.principals import principal_faults
from ingest.read.parsed import MAX_TITLE, Parsed

SOURCE: Final = "_source"
PAGES: Final = "_pages"
"""Where the pages of a document begin in its text; kept as `_source` is."""
CLASSIFICATION: Final = "classification"
FORMAT: Final = "format"
MODIFIED: Final = "modified"


@dataclass(frozen=True, slots=True)
class SourceState:
    """What a document's source said when it was last looked at.

    Attributes:
        inputs: digest of what stands around the text: label files, sidecar, flags.
        label: digest of the label that came of it and of the text.
        making: digest of how documents are made: the model, the schema, this program's format.
    """

    inputs: str
    label: str
    making: str

    @classmethod
    def of(cls, document: DocumentRecord) -> SourceState:
        """Return the state that is kept with a document; an unknown one equals no other."""
        kept = document.metadata.get(SOURCE)
        kept = kept if isinstance(kept, dict) else {}
        return cls(*(str(kept.get(name, "")) for name in ("inputs", "label", "making")))

    def as_metadata(self) -> dict[str, object]:
        """Return the entry of a record's metadata."""
        return {SOURCE: {"inputs": self.inputs, "label": self.label, "making": self.making}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A document's description, as its source gives it.

    Attributes:
        rules: kinds of secrets for which the label was raised.
    """

    label: Label
    metadata: Mapping[str, object]
    title: str
    rules: tuple[str, ...]

    @property
    def tenant(self) -> str:
        """Whose document it is."""
        return str(self.label.values[TENANT])


class Labeller:
    """Describes documents under one schema."""

    def __init__(self, schema: LabelSchema, *, secret_level: str) -> None:
        """Take the schema, and the name of the level that secrets ask for.

        Raises:
            SourceError: the schema has levels, and this is none of them.
        """
        self._schema = schema
        self._floor = _floor(schema, secret_level)

    def describe(
        self,
        raw: RawLabel,
        parsed: Parsed,
        secrets: Sequence[str],
        *,
        relative: PurePosixPath,
        modified: datetime,
    ) -> Described:
        """Return the description of a document.

        Raises:
            SourceError: the label is incomplete, or a value is of another type (law 1).
        """
        try:
            label = self._schema.parse(raw.values)
        except LabelError as error:
            raise SourceError(f"the label is not complete: {error}") from error  # law 1
        for name, reason in principal_faults(self._schema, label.values).items():
            place = raw.provenance.get(name)
            where = f"{place.where}: " if place is not None else ""
            raise SourceError(f"{where}`{name}`: {reason}")
        label, rules = self.raised(label, secrets)
        return Described(
            label=label,
            metadata=self._metadata(raw, parsed, modified),
            title=title_of(raw, parsed, relative),
            rules=rules,
        )

    def raised(self, label: Label, secrets: Sequence[str]) -> tuple[Label, tuple[str, ...]]:
        """Return `label` as the secrets ask for, and their kinds if that raised it (law 2)."""
        now = label.values.get(CLASSIFICATION)
        if not secrets or self._floor is None or not isinstance(now, int) or now >= self._floor:
            return label, ()
        return Label({**label.values, CLASSIFICATION: self._floor}), tuple(secrets)  # law 2

    def level(self, label: Label) -> str:
        """Return the name of the label's classification, or `""`."""
        value = label.values.get(CLASSIFICATION)
        return "" if value is None else str(self._schema.attributes[CLASSIFICATION].display(value))

    def _metadata(self, raw: RawLabel, parsed: Parsed, modified: datetime) -> dict[str, object]:
        given = self._known_by_itself(parsed, modified) | dict(raw.metadata)
        metadata: dict[str, object] = {}
        for name, attribute in self._schema.metadata.items():
            if given.get(name) is None:
                if attribute.required:
                    raise SourceError(f"metadata `{name}`: is missing")
                continue
            try:
                metadata[name] = attribute.parse(given[name])
            except ValueError as error:
                raise SourceError(f"metadata `{name}`: {error}") from error
        return metadata

    def _known_by_itself(self, parsed: Parsed, modified: datetime) -> dict[str, object]:
        """Return what needs no saying, where the schema declares it with the type it has."""
        known = {
            FORMAT: (AttributeType.KEYWORD, parsed.format.value),
            MODIFIED: (AttributeType.DATETIME, modified),
        }
        return {
            name: value
            for name, (kind, value) in known.items()
            if name in self._schema.metadata and self._schema.metadata[name].type is kind
        }


def title_of(raw: RawLabel, parsed: Parsed, relative: PurePosixPath) -> str:
    """Return the title that was given, the one in the document, or the file's name."""
    given = " ".join((raw.title or parsed.title or "").split())
    return given[:MAX_TITLE] or relative.name


def same_description(document: DocumentRecord, described: Described) -> bool:
    """Say whether title and metadata are as recorded; a touched file is not a changed one."""
    recorded = {
        name: value
        for name, value in document.metadata.items()
        if name not in {SOURCE, PAGES, MODIFIED}
    }
    wanted = {
        name: sorted(value) if isinstance(value, frozenset) else value
        for name, value in described.metadata.items()
        if name != MODIFIED
    }
    return document.title == described.title and recorded == wanted


def inputs_digest(raw: RawLabel) -> str:
    """Return the digest of what stands around a text, and of the places that said it."""
    places = {name: [one.source, one.where] for name, one in raw.provenance.items()}
    return _digest([raw.values, raw.metadata, raw.title, places])


def making_digest(schema: LabelSchema, *, model: str, form: int) -> str:
    """Return the digest of how documents are made; with another one, each is made anew."""
    declared = {name: one.type for name, one in schema.metadata.items()}
    return _digest([form, model, schema.digest, declared])


def moment_of(seconds: float) -> datetime:
    """Return the time of a file's last change, to the second."""
    return datetime.fromtimestamp(int(seconds), UTC)


def _floor(schema: LabelSchema, level: str) -> int | None:
    attribute = schema.attributes.get(CLASSIFICATION)
    if not level or attribute is None or not attribute.levels:
        return None
    if level not in attribute.levels:
        raise SourceError(f"`{level}` is not a level; there are {', '.join(attribute.levels)}")
    return attribute.levels.index(level)


def _digest(value: Any) -> str:  # noqa: ANN401 - TOML and YAML hold many types
    text = json.dumps(value, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode()).hexdigest()
