"""Counter-examples: where the compiled filter and Casbin differ, in words, and whose tenant it is.

The law of this file: a counter-example that holds a label of another tenant than the asker's is of
no tenant, so that it is told to nobody but those who administer every tenant.
"""

from __future__ import annotations

from dataclasses import dataclass

from acl.decision import TENANT
from acl.labels import Label
from acl.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """A pair on which the compiled filter and Casbin differ.

    Attributes:
        profile: who asks.
        action: what for.
        label: about which label.
        compiled: whether the compiled filter lets it pass.
        casbin: whether Casbin allows it.
        error: why no filter could be compiled, or `""`.
    """

    profile: Subject
    action: str
    label: Label
    compiled: bool
    casbin: bool
    error: str = ""

    @property
    def tenant(self) -> str:
        """The tenant of both profile and label, or `""` if they are of two."""
        mine = self.profile.tenant
        return mine if self.label.values.get(TENANT, mine) == mine else ""

    def __str__(self) -> str:
        reason = f" ({self.error})" if self.error else ""
        through = "".join(f" through {one.id}" for one in self.profile.actors)
        return (
            f"{self.profile.id}{through} {sorted(self.profile.groups)} in {self.profile.tenant}, "
            f"{self.action}, {self.label.as_json()}: the filter {_said(self.compiled)}{reason}, "
            f"Casbin {_said(self.casbin)}"
        )


def _said(allows: bool) -> str:  # noqa: FBT001 - it is the value
    return "allows" if allows else "denies"
