"""One policy for the length of one request.

The laws of this file:

1. A snapshot is frozen: policy, schema, revision and what was found about it belong together.
2. A request pins one snapshot and asks it for everything. Activating a policy swaps one
   reference; requests under way go on under the policy that they began with.
3. The label schema is a property of the stored points: a policy of another one is refused.
4. Under a revision that was refuted, Casbin itself decides on each label (`decisions`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from acl.errors import SchemaError
from acl.labels import LabelSchema
from acl.policy.policy import Policy
from acl.proof.oracle import PolicyOracle


@dataclass(frozen=True, eq=False, kw_only=True)
class PolicySnapshot:
    """A policy that is in effect, under its revision number.

    Attributes:
        refuted: whether its compiled filters and Casbin were found to differ.
    """

    policy: Policy
    revision: int
    refuted: bool = False

    @property
    def schema(self) -> LabelSchema:
        """The label's attributes, against which the policy was typed."""
        return self.policy.schema

    @property
    def digest(self) -> str:
        """Which policy this is, whatever its number."""
        return self.policy.digest

    @cached_property
    def oracle(self) -> PolicyOracle | None:
        """Casbin, where it has to be asked about each label (law 4)."""
        return PolicyOracle(self.policy) if self.refuted else None


class SnapshotHolder:
    """The snapshot in effect, as far as this process knows."""

    def __init__(self, snapshot: PolicySnapshot) -> None:
        self._current = snapshot

    def pin(self) -> PolicySnapshot:
        """Return the snapshot in effect, to be used for the whole request."""
        return self._current

    def swap(self, snapshot: PolicySnapshot) -> None:
        """Let requests from now on pin `snapshot`.

        Raises:
            SchemaError: it was typed against other labels than the stored ones.
        """
        if snapshot.schema.digest != self._current.schema.digest:
            raise SchemaError("the policy was typed against another labels.toml than the index")
        self._current = snapshot
