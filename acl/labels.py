"""Typed labels: what a document's security attributes are, and when a label is complete.

The laws of this file:

1. A schema declares every attribute with one of six types. A value of another type is refused.
2. A label is complete or it does not exist: every required attribute is present, nothing else is.
3. Text is normalised once, here, at the door: NFC, no control characters, no surrounding space,
   a bounded length. What is compared later is compared byte for byte.
4. A path has no empty segment inside, so that one place has one name.
5. Numbers stay within ±2^53, because a range in the vector engine is a double.
6. A moment is a whole number of seconds. One with a fraction is refused, never rounded.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, TypeAlias, assert_never

from acl.errors import LabelError, LabelFault, SchemaError

LabelValue: TypeAlias = str | int | bool | frozenset[str]

LabelKey: TypeAlias = frozenset[tuple[str, LabelValue]]

# Attributes with a meaning of their own, where a schema declares them.
CLASSIFICATION: Final = "classification"
OWNER: Final = "owner"
PATH: Final = "path"
READERS: Final = "readers"

SUBJECT_ATTRIBUTES: Final = (
    "id", "tenant", "clearance", "compartments", "groups", "principals",
)  # fmt: skip
"""What every subject has; what else there is of one is declared under `[subject]`."""

# What a token or a list of people says under a name of its own, so that no attribute can have it.
_SAID: Final = frozenset({*SUBJECT_ATTRIBUTES, "sub", "act", "attributes"})

MAX_TEXT: Final = 1024
MAX_SET: Final = 1000
MAX_INTEGER: Final = 2**53 - 1

# Attributes that Casbin would resolve to a method of the value instead of an entry of the label.
_SHADOWED: Final = frozenset(dir(dict))

# Attributes that Casbin's evaluator refuses to read at all, so that every rule on them raises.
_UNREADABLE: Final = frozenset(
    {"format", "format_map", "mro", "exec", "tb_frame", "gi_frame", "ag_frame", "cr_frame"}
)
_UNREADABLE_PREFIX: Final = "func_"


class AttributeType(StrEnum):
    """The six types an attribute can have; each has one index type in the engine."""

    KEYWORD = "keyword"
    KEYWORD_SET = "keyword_set"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    PATH = "path"


class Prefixes(StrEnum):
    """Which beginnings of a path are stored, and so which `keyMatch` patterns can be answered."""

    SEGMENT = "segment"
    CHARACTER = "character"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """One declared attribute.

    Attributes:
        name: identifier used in matchers as `r.obj.<name>`.
        type: the declared type.
        required: a label without it is incomplete. A rule that touches an optional attribute
            denies every document that lacks it.
        levels: names of an ordered integer, lowest first; `internal` is accepted for `1`.
        prefixes: for a path, where its beginnings are cut.
        allow_empty: whether `""` is a value. Off, except where foreign policies are replayed.
    """

    name: str
    type: AttributeType
    required: bool = True
    levels: tuple[str, ...] = ()
    prefixes: Prefixes = Prefixes.SEGMENT
    allow_empty: bool = False

    def __post_init__(self) -> None:
        if not self.name.isascii() or not self.name.isidentifier() or self.name.startswith("_"):
            raise SchemaError(f"attribute `{self.name}` is not a plain identifier")
        if self.levels and self.type is not AttributeType.INTEGER:
            raise SchemaError(f"attribute `{self.name}`: only an integer has levels")
        if len(set(self.levels)) != len(self.levels):
            raise SchemaError(f"attribute `{self.name}` names a level twice")

    def parse(self, raw: object) -> LabelValue:
        """Return the typed value of `raw`.

        Raises:
            ValueError: `raw` is not a value of this type; the text says what was expected.
        """
        match self.type:
            case AttributeType.KEYWORD:
                return self._text(raw)
            case AttributeType.PATH:
                return self._path(raw)
            case AttributeType.KEYWORD_SET:
                return self._texts(raw)
            case AttributeType.INTEGER:
                return self._integer(raw)
            case AttributeType.BOOLEAN:
                if not isinstance(raw, bool):
                    raise ValueError("expected true or false")
                return raw
            case AttributeType.DATETIME:
                return _timestamp(raw)
            case _:
                assert_never(self.type)

    def _text(self, raw: object) -> str:
        if not isinstance(raw, str):
            raise ValueError(f"expected text, not {_kind(raw)}")
        return normalise(raw, allow_empty=self.allow_empty)

    def _path(self, raw: object) -> str:
        path = self._text(raw)
        if "//" in path:  # law 4
            raise ValueError(
                "holds an empty segment (`//`); an address is written without it, such as "
                "`/wiki.acme.example/page`"
            )
        return path

    def _texts(self, raw: object) -> frozenset[str]:
        if not isinstance(raw, list | tuple | set | frozenset):
            raise ValueError(f"expected a list of texts, not {_kind(raw)}")
        if len(raw) > MAX_SET:
            raise ValueError(f"holds {len(raw)} entries; at most {MAX_SET} are allowed")
        return frozenset(self._text(entry) for entry in raw)

    def _integer(self, raw: object) -> int:
        if self.levels and isinstance(raw, str):
            if raw not in self.levels:
                raise ValueError(f"expected one of {', '.join(self.levels)}")
            return self.levels.index(raw)
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise ValueError(f"expected an integer, not {_kind(raw)}")
        if abs(raw) > MAX_INTEGER:  # law 5
            raise ValueError("is beyond ±2^53")
        if self.levels and not 0 <= raw < len(self.levels):
            raise ValueError(f"expected one of {', '.join(self.levels)}")
        return raw

    def display(self, value: LabelValue) -> object:
        """Return `value` as a person would write it: level names, sorted lists, ISO dates."""
        if self.levels and isinstance(value, int):
            return self.levels[value]
        if self.type is AttributeType.DATETIME and isinstance(value, int):
            return datetime.fromtimestamp(value, UTC).isoformat()
        return sorted(value) if isinstance(value, frozenset) else value


@dataclass(frozen=True, slots=True)
class Label:
    """A complete label: attribute name to typed value. Only `LabelSchema.parse` makes one."""

    values: Mapping[str, LabelValue]

    def as_json(self) -> dict[str, Any]:
        """Return the values with sets as sorted lists; the form in which a label is stored."""
        return {
            name: sorted(value) if isinstance(value, frozenset) else value
            for name, value in sorted(self.values.items())
        }

    @property
    def texts(self) -> frozenset[str]:
        """Every text in it, the elements of sets included."""
        values = self.values.values()
        texts = frozenset(value for value in values if isinstance(value, str))
        return texts.union(*(value for value in values if isinstance(value, frozenset)))

    @property
    def key(self) -> LabelKey:
        """What two labels share if and only if they are equal."""
        return frozenset(self.values.items())

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the canonical JSON; equal labels have equal digests."""
        return _digest(self.as_json())


@dataclass(frozen=True, slots=True)
class LabelSchema:
    """The declared attributes: of the label, of the document's metadata, and of subjects.

    Metadata is what a caller may narrow by and may see; the label decides access and is neither.
    """

    attributes: Mapping[str, Attribute]
    metadata: Mapping[str, Attribute] = field(default_factory=dict)
    subject: Mapping[str, Attribute] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in sorted(self.subject.keys() & _SAID):
            raise SchemaError(f"attribute `{name}` of a subject is said by other means")
        names = {**self.attributes, **self.subject}
        for name in sorted(names.keys() & _SHADOWED):
            raise SchemaError(f"attribute `{name}` is the name of a built-in method")
        for name in names:
            if name in _UNREADABLE or name.startswith(_UNREADABLE_PREFIX):
                raise SchemaError(f"attribute `{name}` cannot be read by Casbin's evaluator")

    @classmethod
    def from_toml(cls, text: str) -> LabelSchema:
        """Read `labels.toml`.

        Raises:
            SchemaError: unknown table, key or type, or no attribute at all.
        """
        try:
            tables = tomllib.loads(text.removeprefix("\ufeff"))
        except tomllib.TOMLDecodeError as error:
            raise SchemaError(f"labels.toml is not TOML: {error}") from error
        unknown = set(tables) - {"label", "metadata", "subject"}
        if unknown:
            raise SchemaError(f"unknown table `{min(unknown)}` in labels.toml")
        sections = {name: _attributes(name, tables.get(name, {})) for name in _SECTIONS}
        if not sections["label"]:
            raise SchemaError("labels.toml declares no attribute under [label]")
        return cls(sections["label"], sections["metadata"], sections["subject"])

    def of_subject(self, raw: Mapping[str, object]) -> dict[str, LabelValue]:
        """Return the typed values of a subject's declared attributes; each may be absent.

        Raises:
            LabelError: with one fault for each attribute that is not declared or mistyped.
        """
        return _parsed(self.subject, raw)

    def parse(self, raw: Mapping[str, object]) -> Label:
        """Return the complete, typed label of `raw`.

        Raises:
            LabelError: with one fault for each attribute that is missing, unknown or mistyped.
        """
        return Label(_parsed(self.attributes, raw))

    def legible(self, raw: Mapping[str, object]) -> Label:
        """Return what of `raw` can be read, for those who repair it. It never decides anything."""
        values: dict[str, LabelValue] = {}
        for name in raw.keys() & self.attributes:
            with suppress(ValueError):
                values[name] = self.attributes[name].parse(raw[name])
        return Label(values)

    @property
    def required(self) -> frozenset[str]:
        """Names of the attributes that every label has."""
        return frozenset(name for name, attribute in self.attributes.items() if attribute.required)

    @property
    def digest(self) -> str:
        """Hexadecimal SHA-256 of the label's declaration; stored with every point."""
        return _digest(_declaration(self.attributes))

    @property
    def subject_digest(self) -> str:
        """Hexadecimal SHA-256 of what is declared of subjects, or `""` if nothing is."""
        return _digest(_declaration(self.subject)) if self.subject else ""


def _declaration(declared: Mapping[str, Attribute]) -> dict[str, list[object]]:
    return {
        name: [one.type, one.required, list(one.levels), one.prefixes]
        for name, one in sorted(declared.items())
    }


def _parsed(declared: Mapping[str, Attribute], raw: Mapping[str, object]) -> dict[str, LabelValue]:
    # law 2
    faults = [LabelFault(str(name), "is not declared") for name in raw.keys() - declared.keys()]
    values: dict[str, LabelValue] = {}
    for name, attribute in declared.items():
        given = raw.get(name)
        if given is None:
            if attribute.required:
                faults.append(LabelFault(name, "is missing"))  # law 2
            continue
        try:
            values[name] = attribute.parse(given)  # law 1
        except ValueError as error:
            faults.append(LabelFault(name, str(error)))
    if faults:
        raise LabelError(tuple(sorted(faults, key=lambda fault: fault.attribute)))
    return values


_SECTIONS: Final = ("label", "metadata", "subject")
_KEYS: Final = frozenset({"type", "required", "levels", "prefixes"})


def _attributes(section: str, table: object) -> dict[str, Attribute]:
    if not isinstance(table, dict):
        raise SchemaError(f"[{section}] is not a table")
    return {name: _attribute(section, name, entry) for name, entry in table.items()}


def _attribute(section: str, name: str, entry: object) -> Attribute:
    where = f"[{section}] `{name}`"
    if not isinstance(entry, dict):
        raise SchemaError(f"{where} is not a table")
    of_subject = section == _SECTIONS[2]
    unknown = set(entry) - ({"type", "levels"} if of_subject else _KEYS)
    if unknown:
        raise SchemaError(f"{where}: unknown key `{min(unknown)}`")
    try:
        kind, cut = AttributeType(entry["type"]), Prefixes(entry.get("prefixes", "segment"))
    except (KeyError, ValueError) as error:
        types = ", ".join(AttributeType)
        raise SchemaError(f"{where}: `type` must be one of {types}") from error
    required, levels = entry.get("required", not of_subject), entry.get("levels", [])
    if not isinstance(required, bool) or not isinstance(levels, list):
        raise SchemaError(f"{where}: `required` is a boolean and `levels` a list")
    if not all(isinstance(level, str) and level for level in levels):
        raise SchemaError(f"{where}: every level is a non-empty text")
    return Attribute(name=name, type=kind, required=required, levels=tuple(levels), prefixes=cut)


def normalise(text: str, *, allow_empty: bool = False) -> str:
    """Return `text` in the one form in which it is stored and compared (law 3).

    Raises:
        ValueError: empty, too long, surrounded by space, or holding a control character.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"is longer than {MAX_TEXT} characters")
    text = unicodedata.normalize("NFC", text)  # law 3
    if not text and not allow_empty:
        raise ValueError("is empty")
    if text != text.strip():
        raise ValueError("begins or ends with white space")
    if any(unicodedata.category(character) in _FORBIDDEN for character in text):
        raise ValueError("holds a control or invisible character")
    return text


def require_bounded(label: Label) -> None:
    """Check that every value is one that some schema can read again (laws 3 and 5).

    Raises:
        LabelError: with one fault for each value that is not.
    """
    reasons = ((name, _beyond(value)) for name, value in sorted(label.values.items()))
    faults = tuple(LabelFault(name, reason) for name, reason in reasons if reason)
    if faults:
        raise LabelError(faults)


def _beyond(value: LabelValue) -> str:
    """Return why no schema would read a value, or `""`."""
    match value:
        case bool():
            return ""
        case int():
            kind = AttributeType.INTEGER
        case str():
            kind = AttributeType.KEYWORD
        case frozenset():
            kind = AttributeType.KEYWORD_SET
        case _:
            assert_never(value)
    try:
        read = Attribute(name="value", type=kind, allow_empty=True).parse(value)
    except ValueError as error:
        return str(error)
    return "" if read == value else "is not in normal form"


# Control, format (zero-width, bidi), surrogate, private use, unassigned, line, paragraph.
_FORBIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def _timestamp(raw: object) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool):
        moment = raw
    elif isinstance(raw, str | datetime):
        moment = _seconds(raw)
    else:
        raise ValueError(f"expected a date and time, not {_kind(raw)}")
    if abs(moment) > MAX_INTEGER:  # law 5
        raise ValueError("is beyond ±2^53")
    return moment


def _seconds(raw: str | datetime) -> int:
    expected = "expected a date and time with a zone, such as 2026-01-31T17:00:00+00:00"
    try:
        parsed = datetime.fromisoformat(raw) if isinstance(raw, str) else raw
    except ValueError:
        # The library's own text repeats the value, which may come from a stranger.
        raise ValueError(expected) from None
    if parsed.tzinfo is None:
        raise ValueError(expected)
    if parsed.microsecond:  # law 6
        raise ValueError("holds a fraction of a second; moments are kept to whole seconds")
    return int(parsed.timestamp())


def _kind(raw: object) -> str:
    return "null" if raw is None else type(raw).__name__


def _digest(document: object) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def classification_of(label: Label, schema: LabelSchema) -> str:
    """Return the name of the label's level, or `""` where the schema has none."""
    value = label.values.get(CLASSIFICATION)
    return "" if value is None else str(schema.attributes[CLASSIFICATION].display(value))


def level_name(levels: Attribute | None, level: int) -> str:
    """Return the name of a clearance, or its number where it has none."""
    names = levels.levels if levels is not None else ()
    return names[level] if level < len(names) else str(level)


def owner_of(label: Label) -> str:
    """Return the identity that owns the document, or `""` where the schema has none."""
    return str(label.values.get(OWNER, ""))


def stored_of(stored: Mapping[str, object], schema: LabelSchema) -> dict[str, object]:
    """Return stored values as a person would write them; what cannot be read stays as it is."""
    return {**stored, **label_of(schema.legible(stored), schema)}


def label_of(label: Label, schema: LabelSchema) -> dict[str, object]:
    """Return the whole label as a person would write it."""
    return {
        name: schema.attributes[name].display(value) for name, value in sorted(label.values.items())
    }
