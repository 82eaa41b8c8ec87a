"""What is left to prove of a revision: live labels that were not compared under it yet.

The law of this file: a label counts as compared only if it was under this revision, and while its
tenant had the levels and compartments of today (`acl.proof.label_plan.Surroundings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from acl.decision import TENANT
from acl.labels import Label, LabelSchema
from acl.proof.label_plan import Surroundings, surroundings_of
from acl.records import ComparedLabel, DistinctLabel, Records
from retrieval.policy.live_labels import legible
from retrieval.rights.threads import in_turn


@dataclass(frozen=True, slots=True)
class Waiting:
    """A label that is to be compared, and how that is recorded."""

    label: Label
    record: ComparedLabel


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a look at the records found.

    Attributes:
        revision: under which labels are compared.
        counter: the number of the last change of labels, read before the labels.
        labels: distinct labels of live documents.
        waiting: those that are left.
        surroundings: per tenant.
    """

    revision: int
    counter: int
    labels: int
    waiting: tuple[Waiting, ...]
    surroundings: Mapping[str, Surroundings]

    @property
    def done(self) -> int:
        """How many labels were compared."""
        return self.labels - len(self.waiting)


async def survey(records: Records, schema: LabelSchema, revision: int) -> Survey:
    """Look which labels are left to compare under `revision`.

    Raises:
        RecordsError: the records cannot be asked.
    """
    counter = await records.proofs.label_counter()
    live = await records.catalog.distinct_labels()
    compared = await records.proofs.compared(revision)

    def look() -> Survey:
        # What cannot be read lets nobody read, under any policy.
        read, _ = legible(live, schema)
        around = surroundings_of([label for _, label in read], schema)
        digests = {tenant: one.digest(tenant, schema) for tenant, one in around.items()}
        every = (Waiting(label, _record(one, label, digests)) for one, label in read)
        return Survey(
            revision=revision,
            counter=counter,
            labels=len(read),
            waiting=tuple(one for one in every if one.record not in compared),
            surroundings=around,
        )

    return await in_turn(look)


def _record(one: DistinctLabel, label: Label, digests: Mapping[str, str]) -> ComparedLabel:
    return ComparedLabel(one.digest, digests[str(label.values[TENANT])])
