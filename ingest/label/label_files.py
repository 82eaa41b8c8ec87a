"""What a person wrote about labels, read strictly.

`_label.toml` in a folder holds `[label]`, `[metadata]` and `[[rule]]` tables; `NAME.label.toml`
beside a document holds `title`, `[label]` and `[metadata]`; front matter holds the same three names
among others. A key that is not known is a fault that names the file and the key, because a typing
error must never weaken a label.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from acl.labels import AttributeType, LabelSchema
from ingest.errors import SourceError
from ingest.read import front_matter
from ingest.sources.folder import read_regular

MAX_LABEL_FILE: Final = 256 * 1024
MAX_PATTERN: Final = 512
FRONT_MATTER: Final = "front matter"


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
    _known(table, ("label", "metadata", "rule"), where)
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
    _known(table, ("title", "label", "metadata"), where)
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
        return tomllib.loads(read_regular(path, limit=MAX_LABEL_FILE).decode())
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


def _known(table: Mapping[str, object], names: Collection[str], where: str) -> None:
    unknown = sorted(table.keys() - set(names))
    if unknown:
        raise SourceError(f"{where}: unknown key `{unknown[0]}`")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
