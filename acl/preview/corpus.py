"""The corpus as a policy sees it: which labels there are, and which documents carry each.

A document is an id and its label of record, nothing else; documents under one label are decided
alike, so that each label is looked at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np

from acl.labels import Label, LabelSchema
from acl.preview.census import Census, Mask
from acl.proof.labels import CLASSIFICATION, LabelKey, key


class Corpus:
    """Documents by label."""

    def __init__(self, documents: Iterable[tuple[str, Label]], schema: LabelSchema) -> None:
        """Group `documents`, each an id and its label."""
        places: dict[LabelKey, int] = {}
        labels: list[Label] = []
        self._ids: list[list[str]] = []
        self._place: dict[str, int] = {}
        for document, label in documents:
            place = places.setdefault(key(label), len(labels))
            if place == len(labels):
                labels.append(label)
                self._ids.append([])
            self._ids[place].append(document)
            self._place[document] = place
        self.census = Census(labels, [len(ids) for ids in self._ids])
        self._levels, self._level_of = _levels(labels, schema)

    def label_of(self, document: str) -> Label | None:
        """Return the label of a document, or nothing if there is no such document."""
        place = self._place.get(document)
        return None if place is None else self.census.labels[place]

    def by_level(self, mask: Mask) -> tuple[tuple[str, int], ...]:
        """Return how many documents of each classification the mask chooses, lowest first."""
        counts = np.bincount(
            self._level_of[mask], weights=self.census.counts[mask], minlength=len(self._levels)
        )
        return tuple(
            (level, int(count)) for level, count in zip(self._levels, counts, strict=True) if count
        )

    def some(self, mask: Mask, limit: int) -> tuple[str, ...]:
        """Return up to `limit` ids of documents that the mask chooses."""
        ids = (one for place in np.flatnonzero(mask)[:limit] for one in self._ids[place])
        return tuple(islice(ids, limit))


def _levels(
    labels: Iterable[Label], schema: LabelSchema
) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return the names of the classifications that occur, and which one each label has."""
    attribute, values = (
        schema.attributes.get(CLASSIFICATION),
        [label.values.get(CLASSIFICATION) for label in labels],
    )
    present = sorted({value for value in values if isinstance(value, int)})
    names = [str(attribute.display(value)) if attribute else "" for value in present]
    place = {value: number for number, value in enumerate(present, start=1)}
    chosen = [place[value] if isinstance(value, int) else 0 for value in values]
    return ("", *names), np.array(chosen, dtype=np.int64)
