"""From what is written about a document to its raw label.

The laws of this file:

1. Strength, weakest first: `_label.toml` from the root down (in each, the folder before its rules,
   and a later rule before an earlier one), front matter, sidecar, flags. The stronger wins key by
   key.
2. The topmost place that says a tenant settles it. What lies below, or beside a document, says the
   same or is a fault; only a flag moves documents to another tenant.
   Front matter comes with the text, so the writer of the text writes it. Where the folder says a
   level, front matter may only raise it; it may add compartments and drop none; it cannot move a
   document to another tenant.
3. `path` is where the document lies. It cannot be set.
4. A fault in any of these places is a fault of the document: it waits in quarantine.

`_label.toml` in a folder holds `[label]`, `[metadata]` and `[[rule]]` tables. `NAME.label.toml`
beside a document holds `title`, `[label]` and `[metadata]`; front matter holds the same three. A
key that is not known is a fault that names the file and the key, because a typing error must never
weaken a label.

Completeness and types are the schema's to judge: the result goes through `LabelSchema.parse`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

from acl.labels import Attribute, AttributeType, LabelSchema, LabelValue
from ingest.errors import SourceError
from ingest.read import front_matter
from ingest.sources.folder import FOLDER_LABEL, SIDECAR_SUFFIX, SourceFile, read_regular

MAX_LABEL_FILE: Final = 256 * 1024
MAX_PATTERN: Final = 512
FRONT_MATTER: Final = "front matter"
TENANT: Final = "tenant"


@dataclass(frozen=True, slots=True)
class Statement:
    """What one place says about a document.

    Attributes:
        where: the place, as it is shown to a person.
        label: values of label attributes, not yet typed.
        metadata: values of metadata attributes, not yet typed.
        title: the document's title, or None.
    """

    where: str
    label: Mapping[str, object] = field(default_factory=dict)
    metadata: Mapping[str, object] = field(default_factory=dict)
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A statement about the documents whose path below the folder matches."""

    match: str
    statement: Statement


@dataclass(frozen=True, slots=True)
class FolderFile:
    """One `_label.toml`: what holds for the whole folder, and rules in order."""

    statement: Statement
    rules: tuple[Rule, ...] = ()


def read_folder_file(path: Path, *, where: str, schema: LabelSchema) -> FolderFile | None:
    """Return the `_label.toml` at `path`, or None when there is none.

    Raises:
        SourceError: it cannot be read, or says something that is not known.
    """
    table = _read(path, where)
    if table is None:
        return None
    _known(table, ("label", "metadata", "rule"), where, below=schema)
    rules = table.get("rule", [])
    if not isinstance(rules, list):
        raise SourceError(f"{where}: `rule` is not a list of tables, written `[[rule]]`")
    numbered = enumerate(rules, start=1)
    return FolderFile(
        _statement(table, where, schema),
        tuple(_rule(rule, f"{where}, rule {number}", schema) for number, rule in numbered),
    )


def read_sidecar(path: Path, *, where: str, schema: LabelSchema) -> Statement | None:
    """Return the sidecar at `path`, or None when there is none.

    Raises:
        SourceError: it cannot be read, or says something that is not known.
    """
    table = _read(path, where)
    if table is None:
        return None
    _known(table, ("title", "label", "metadata"), where, below=schema)
    return _statement(table, where, schema)


def read_front_matter(block: str, schema: LabelSchema) -> Statement:
    """Return what the front matter says about label, metadata and title; the rest is the text's.

    Raises:
        SourceError: not readable, or an attribute of the label stands outside `label`.
    """
    table = front_matter.load(block)
    for name, attribute in schema.attributes.items():
        if attribute.levels and name in table:
            raise SourceError(f"{FRONT_MATTER}: `{name}` belongs under `label`")
    return _statement(table, FRONT_MATTER, schema)


def _read(path: Path, where: str) -> dict[str, object] | None:
    try:
        return tomllib.loads(read_regular(path, limit=MAX_LABEL_FILE).decode("utf-8-sig"))
    except FileNotFoundError:
        return None
    except SourceError as error:
        raise SourceError(f"{where}: {error.reason}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{where}: is not TOML: {_first_line(error)}") from error


def _rule(table: object, where: str, schema: LabelSchema) -> Rule:
    if not isinstance(table, dict):
        raise SourceError(f"{where}: is not a table")
    _known(table, ("match", "label", "metadata"), where)
    match = table.get("match")
    if not isinstance(match, str) or not match or len(match) > MAX_PATTERN:
        raise SourceError(f"{where}: `match` is not a pattern of 1 to {MAX_PATTERN} characters")
    if not {"", ".", ".."}.isdisjoint(match.split("/")):
        raise SourceError(f"{where}: `match` is relative to its folder, without empty parts")
    return Rule(match, _statement(table, where, schema))


def _statement(table: Mapping[str, object], where: str, schema: LabelSchema) -> Statement:
    title = table.get("title")
    if title is not None and not isinstance(title, str):
        raise SourceError(f"{where}: `title` is not a text")
    label = _table(table, "label", where)
    for name in label:
        if _is_path(schema, name):
            raise SourceError(f"{where}: `{name}` is set by where the document lies")
    _known(label, schema.attributes, f"{where}, label")
    metadata = _table(table, "metadata", where)
    _known(metadata, schema.metadata, f"{where}, metadata")
    return Statement(where, label, metadata, title)


def _is_path(schema: LabelSchema, name: str) -> bool:
    attribute = schema.attributes.get(name)
    return name == "path" and attribute is not None and attribute.type is AttributeType.PATH


def _table(table: Mapping[str, object], name: str, where: str) -> dict[str, object]:
    part = table.get(name)
    if part is None:
        return {}
    if not isinstance(part, dict) or not all(isinstance(key, str) for key in part):
        raise SourceError(f"{where}: `{name}` is not a table")
    return part


def _known(
    table: Mapping[str, object],
    names: Collection[str],
    where: str,
    *,
    below: LabelSchema | None = None,
) -> None:
    unknown = sorted(table.keys() - set(names))
    if not unknown:
        return
    for part in ("label", "metadata"):
        declared = () if below is None else getattr(below, _DECLARED[part])
        if unknown[0] in declared:
            raise SourceError(
                f"{where}: `{unknown[0]}` stands outside a table; write it below a line `[{part}]`"
            )
    raise SourceError(f"{where}: unknown key `{unknown[0]}`; known are {', '.join(names)}")


_DECLARED: Final = {"label": "attributes", "metadata": "metadata"}


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]


class LabelSource(StrEnum):
    """Which kind of place said a value, weakest first."""

    LOCATION = "location"
    FOLDER = "folder"
    FRONT_MATTER = "front matter"
    SIDECAR = "sidecar"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from: the kind of place, and the place."""

    source: LabelSource
    where: str


@dataclass(frozen=True, slots=True)
class RawLabel:
    """What is said about a document, not yet checked for completeness.

    Attributes:
        values: label attribute to value as it was written.
        metadata: metadata attribute to value as it was written.
        title: the strongest title, or None.
        provenance: label attribute to the place that said its value.
    """

    values: Mapping[str, object]
    metadata: Mapping[str, object]
    title: str | None
    provenance: Mapping[str, Origin]


NO_FLAGS = Statement("flags")


class LabelResolver:
    """Resolves the raw labels of the documents below one root; reads each label file once."""

    def __init__(self, root: Path, schema: LabelSchema) -> None:
        top = root.resolve()
        self._root = top if top.is_dir() else top.parent
        self._schema = schema
        self._folders: dict[PurePosixPath, FolderFile | SourceError | None] = {}

    def resolve(
        self, file: SourceFile, *, front_matter: str | None = None, flags: Statement = NO_FLAGS
    ) -> RawLabel:
        """Return what is said about `file`.

        Raises:
            SourceError: one place is not readable, says something unknown, or weakens a label
                that it may not weaken. The reason names the place.
        """
        folder = tuple(self._folder_statements(file.relative))
        sidecar = self._sidecar(file)
        if TENANT not in flags.label:
            _require_one_tenant((*folder, sidecar))  # law 2
        raw = _merge(LabelSource.FOLDER, folder)  # law 1
        if front_matter is not None:
            own = read_front_matter(front_matter, self._schema)
            settled = sidecar.label.keys() | flags.label.keys()
            self._guard(own, raw, settled)  # law 2
            raw = _merge(LabelSource.FRONT_MATTER, (own,), raw)
        raw = _merge(LabelSource.SIDECAR, (sidecar,), raw)
        raw = _merge(LabelSource.FLAG, (flags,), raw)
        return self._located(raw, file)

    def _folder_statements(self, relative: PurePosixPath) -> Iterator[Statement]:
        for folder in reversed(relative.parents):
            found = self._folder_file(folder)
            if found is None:
                continue
            yield found.statement
            below = relative.relative_to(folder)
            yield from (rule.statement for rule in found.rules if matches(rule.match, below))

    def _folder_file(self, folder: PurePosixPath) -> FolderFile | None:
        if folder not in self._folders:
            self._folders[folder] = self._read_folder(folder)
        found = self._folders[folder]
        if isinstance(found, SourceError):
            raise SourceError(found.reason)  # law 4
        return found

    def _read_folder(self, folder: PurePosixPath) -> FolderFile | SourceError | None:
        relative = folder / FOLDER_LABEL
        try:
            return read_folder_file(
                self._root / relative, where=f"`{relative}`", schema=self._schema
            )
        except SourceError as error:
            return error

    def _sidecar(self, file: SourceFile) -> Statement:
        relative = file.relative.with_name(file.relative.name + SIDECAR_SUFFIX)
        where = f"`{relative}`"
        found = read_sidecar(self._root / relative, where=where, schema=self._schema)
        return found or Statement(where)

    def _guard(self, own: Statement, folder: RawLabel, settled: frozenset[str] | set[str]) -> None:
        """Hold law 2 for every value that would take effect."""
        for name in own.label.keys() & folder.values.keys() - settled:
            attribute = self._schema.attributes[name]
            origin = folder.provenance[name].where
            said = _typed(attribute, folder.values[name], origin)
            wanted = _typed(attribute, own.label[name], own.where)
            if _weakens(attribute, said, wanted):
                raise SourceError(
                    f"front matter may not weaken `{name}`: it says "
                    f"`{attribute.display(wanted)}`, {origin} says `{attribute.display(said)}`"
                )

    def _located(self, raw: RawLabel, file: SourceFile) -> RawLabel:
        attribute = self._schema.attributes.get("path")
        if attribute is None or attribute.type is not AttributeType.PATH:
            return raw
        if raw.provenance.get("path"):
            raise SourceError("`path` is set by where the document lies")  # law 3
        origin = Origin(LabelSource.LOCATION, file.uri)
        return RawLabel(
            {**raw.values, "path": file.label_path},
            raw.metadata,
            raw.title,
            {**raw.provenance, "path": origin},
        )


def _require_one_tenant(statements: tuple[Statement, ...]) -> None:
    """Refuse a place below another that says another tenant."""
    said = [each for each in statements if TENANT in each.label]
    for each in said[1:]:
        if each.label[TENANT] != said[0].label[TENANT]:
            raise SourceError(
                f"{each.where}: `{TENANT}` is settled by {said[0].where}, which says "
                f"`{said[0].label[TENANT]}`; no file below it moves a document to another tenant"
            )


_NOTHING = RawLabel({}, {}, None, {})


def _merge(
    source: LabelSource, statements: tuple[Statement, ...], below: RawLabel = _NOTHING
) -> RawLabel:
    values, metadata = dict(below.values), dict(below.metadata)
    provenance, title = dict(below.provenance), below.title
    for statement in statements:
        values |= statement.label
        metadata |= statement.metadata
        provenance |= dict.fromkeys(statement.label, Origin(source, statement.where))
        title = statement.title or title
    return RawLabel(values, metadata, title, provenance)


def _typed(attribute: Attribute, value: object, where: str) -> LabelValue:
    try:
        return attribute.parse(value)
    except ValueError as error:
        raise SourceError(f"{where}: `{attribute.name}`: {error}") from error


def _weakens(attribute: Attribute, said: LabelValue, wanted: LabelValue) -> bool:
    if attribute.levels and isinstance(said, int) and isinstance(wanted, int):
        return wanted < said
    if attribute.name == "compartments" and isinstance(said, frozenset):
        return not (isinstance(wanted, frozenset) and said <= wanted)
    return attribute.name == "tenant" and wanted != said


def matches(pattern: str, relative: PurePosixPath) -> bool:
    """Say whether the path below a folder matches `pattern`.

    `*`, `?` and `[…]` stay within one segment; `**` stands for any number of folders. `*.md` is
    therefore the folder's own Markdown, `**/*.md` that of every folder below as well.
    """
    wanted, parts = pattern.split("/"), relative.parts
    # reachable[i]: the segments read so far can be matched by the first i parts of the pattern.
    reachable = _through_stars({0}, wanted)
    for part in parts:
        stepped = {
            at if wanted[at] == "**" else at + 1
            for at in reachable
            if at < len(wanted) and (wanted[at] == "**" or _segment(wanted[at]).match(part))
        }
        reachable = _through_stars(stepped, wanted)
    return len(wanted) in reachable


def _through_stars(reachable: set[int], wanted: list[str]) -> set[int]:
    """Add what is reached by letting `**` stand for no folder at all."""
    reached = set(reachable)
    for at, segment in enumerate(wanted):
        if at in reached and segment == "**":
            reached.add(at + 1)
    return reached


@lru_cache(maxsize=1024)
def _segment(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
