"""Where each value of a label comes from: the source, a folder, or the document itself.

The laws of this file:

1. What was set on the document itself stands, until it is told to inherit again. Else the deepest
   folder that says something has the word. Else the source.
2. A folder adds compartments to those of the source and takes none away. Where secrets raised the
   classification, a folder may raise it further and not lower it.
3. `tenant` and `path` cannot be set: they say whose the document is and where it lies.
4. Shares are added to the readers, wherever those come from.
5. A source that says something new raises what was set on the document, attribute by attribute,
   and never lowers it: no lower classification, no compartment less, no reader more, same owner.
   What was set stays set, so that two steps do not lower it either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from acl.errors import LabelError, LabelFault
from acl.labels import PATH, READERS, AttributeType, Label, LabelSchema
from acl.records import FolderLabel, Share
from ingest.label.principals import principal_faults

FIXED: Final = frozenset({"tenant", PATH})
COMPARTMENTS: Final = "compartments"
CLASSIFICATION: Final = "classification"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where the values of one label come from.

    Attributes:
        source: the label as the source says it, in its stored form.
        raised: whether secrets raised its classification.
        own: the attributes that were set on the document itself.
        folders: attribute to the folder that says it.
    """

    source: Mapping[str, Any]
    raised: bool = False
    own: frozenset[str] = frozenset()
    folders: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Origins:
        """Return the value of a stored form."""
        return cls(
            source=stored["source"],
            raised=stored.get("raised", False),
            own=frozenset(stored.get("own", ())),
            folders=stored.get("folders", {}),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the stored form."""
        return {
            "source": dict(self.source),
            "raised": self.raised,
            "own": sorted(self.own),
            "folders": dict(self.folders),
        }

    def of_attribute(self, name: str) -> str:
        """Return where a value comes from, in words."""
        if name in self.own:
            return "document"
        folder = self.folders.get(name)
        return "source" if folder is None else f"folder {folder}"


def settled(
    schema: LabelSchema,
    own_values: Mapping[str, Any],
    origins: Origins,
    folders: Iterable[FolderLabel],
) -> tuple[Label, Origins]:
    """Return the label without shares that follows from everything that is said (laws 1 to 3).

    Args:
        schema: the declared attributes.
        own_values: attribute to value, of those that are set on the document itself.
        origins: which those are, and what the source says.
        folders: of the document's tenant; those that it does not lie in do not matter.

    Raises:
        LabelError: a folder says what the schema does not know, or a value is missing.
    """
    values, said = dict(origins.source), dict[str, str]()
    for folder in sorted(above(folders, str(values.get(PATH, ""))), key=lambda one: len(one.path)):
        for name, value in folder.attributes.items():
            values[name] = _joined(name, values.get(name), value, origins)  # law 2
            said[name] = folder.path
    for name in origins.own:  # law 1
        said.pop(name, None)
        values[name] = own_values.get(name)
    return schema.parse(values), replace(origins, folders=said)


def renewed(
    schema: LabelSchema,
    own_values: Mapping[str, Any],
    known: Origins,
    fresh: Origins,
    folders: Iterable[FolderLabel],
) -> tuple[Label, Origins, frozenset[str]]:
    """Return the label without shares after the source was read again (law 5).

    Args:
        schema: the declared attributes.
        own_values: attribute to value, of those that are set on the document itself.
        known: where the values came from until now.
        fresh: what the source says now.
        folders: of the document's tenant.

    Returns:
        The label, where its values come from, and the attributes for which the source newly says
        less than what was set on the document.

    Raises:
        LabelError: a folder says what the schema does not know, or a value is missing.
    """
    folders, values = tuple(folders), dict(own_values)
    news = {one for one in known.own if fresh.source.get(one) != known.source.get(one)}
    without_own, _ = settled(schema, values, replace(fresh, own=known.own - news), folders)
    said = without_own.as_json()
    stronger = {one for one in news if _at_least(one, said.get(one), values.get(one))}  # law 5
    values |= {one: said.get(one) for one in stronger}
    label, origins = settled(schema, values, replace(fresh, own=known.own), folders)
    return label, origins, frozenset(news - stronger)


def above(folders: Iterable[FolderLabel], path: str) -> list[FolderLabel]:
    """Return the folders in which a document of this path lies."""
    return [one for one in folders if one.attributes and path.startswith(one.path)]


def shared(schema: LabelSchema, label: Label, shares: Iterable[Share]) -> Label:
    """Return the label with those among its readers that it is shared with (law 4).

    Raises:
        LabelError: these are more readers than a label can have.
    """
    names = frozenset(one.principal for one in shares)
    if not names:
        return label
    readers = label.values.get(READERS, frozenset())
    assert isinstance(readers, frozenset)
    return schema.parse({**label.values, READERS: readers | names})  # law 4


def can_share(schema: LabelSchema) -> bool:
    """Say whether documents can be shared at all: whether labels have a set of readers."""
    readers = schema.attributes.get(READERS)
    return readers is not None and readers.type is AttributeType.KEYWORD_SET


def typed_values(schema: LabelSchema, attributes: Mapping[str, object]) -> dict[str, Any]:
    """Return what a person wants to set, in its stored form.

    Raises:
        LabelError: an attribute is not declared or cannot be set, or a value is mistyped.
    """
    typed: dict[str, Any] = {}
    faults: list[LabelFault] = []
    for name, value in sorted(attributes.items()):
        attribute = schema.attributes.get(name)
        if attribute is None or name in FIXED:  # law 3
            said = "is not declared" if attribute is None else "is where the document lies"
            faults.append(LabelFault(name, said))
            continue
        try:
            typed[name] = attribute.parse(value)
        except ValueError as error:
            faults.append(LabelFault(name, str(error)))
    faults += [LabelFault(*fault) for fault in principal_faults(schema, typed).items()]
    if faults:
        raise LabelError(tuple(faults))
    return Label(typed).as_json()


def _at_least(name: str, new: object, own: object) -> bool:
    """Say whether a value is at least as strict as the other one."""
    if name == CLASSIFICATION and isinstance(new, int) and isinstance(own, int):
        return new >= own
    if name == COMPARTMENTS and isinstance(new, list) and isinstance(own, list):
        return {*own} <= {*new}
    if name == READERS and isinstance(new, list) and isinstance(own, list):
        return {*new} <= {*own}
    return new == own


def _joined(name: str, below: object, said: object, origins: Origins) -> object:
    """Return what follows from what is known already and what a folder says (law 2)."""
    if name == COMPARTMENTS and isinstance(below, list) and isinstance(said, list):
        return sorted({*below, *said})
    if name == CLASSIFICATION and origins.raised and isinstance(below, int):
        assert isinstance(said, int)
        return max(below, said)
    return said
