"""How a label is shown to a subject who may read the document."""

from __future__ import annotations

from collections.abc import Mapping

from acl.labels import Attribute, Label, LabelSchema

_CLASSIFICATION = "classification"
_OWNER = "owner"


def classification_of(label: Label, schema: LabelSchema) -> str:
    """Return the name of the label's level, or `""` where the schema has none."""
    value = label.values.get(_CLASSIFICATION)
    return "" if value is None else str(schema.attributes[_CLASSIFICATION].display(value))


def level_name(levels: Attribute | None, level: int) -> str:
    """Return the name of a clearance, or its number where it has none."""
    names = levels.levels if levels is not None else ()
    return names[level] if level < len(names) else str(level)


def owner_of(label: Label) -> str:
    """Return the identity that owns the document, or `""` where the schema has none."""
    return str(label.values.get(_OWNER, ""))


def stored_of(stored: Mapping[str, object], schema: LabelSchema) -> dict[str, object]:
    """Return stored values as a person would write them; what cannot be read stays as it is."""
    return {**stored, **label_of(schema.legible(stored), schema)}


def label_of(label: Label, schema: LabelSchema) -> dict[str, object]:
    """Return the whole label as a person would write it."""
    return {
        name: schema.attributes[name].display(value) for name, value in sorted(label.values.items())
    }
