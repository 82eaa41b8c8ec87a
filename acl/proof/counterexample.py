"""Counter-examples: where the compiled filter and Casbin differ, in words, and whom that concerns.

The law of this file: what people of a tenant are told holds no label of another tenant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from acl.decision import TENANT
from acl.labels import Label
from acl.subject import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """A name whose rights are in doubt.

    Attributes:
        tenant: where.
        principal: `role:…`, `group:…` or `user:…`.
        reason: the first counter-example in words, with no label of another tenant.
    """

    tenant: str
    principal: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counterexample:
    """A pair on which the compiled filter and Casbin differ.

    Attributes:
        index: its place in the plan.
        profile: who asks.
        action: what for.
        label: about which label.
        compiled: whether the compiled filter lets it pass.
        casbin: whether Casbin allows it.
        roles: the names whose rights are in doubt; who is named nowhere stands for everybody.
        rules: the rows that are addressed to the profile and the action, as they stand.
        error: why no filter could be compiled, or `""`.
    """

    index: int
    profile: Subject
    action: str
    label: Label
    compiled: bool
    casbin: bool
    roles: tuple[str, ...]
    rules: tuple[str, ...]
    error: str = ""

    @property
    def tenant(self) -> str:
        """The tenant of both profile and label, or `""` if they are of two."""
        mine = self.profile.tenant
        return mine if self.label.values.get(TENANT, mine) == mine else ""

    def __str__(self) -> str:
        return self.told(f"{self.label.as_json()}")

    @property
    def for_tenant(self) -> str:
        """The counter-example for people of the profile's tenant: no label of another one."""
        return str(self) if self.tenant else self.told("a label of another tenant")

    @property
    def suspects(self) -> Iterator[Suspect]:
        """Yield every name that it concerns."""
        for name in self.roles:
            yield Suspect(tenant=self.profile.tenant, principal=name, reason=self.for_tenant)

    def told(self, label: str) -> str:
        """Return the sentence, with `label` in the place of the label."""

        def said(allows: bool) -> str:  # noqa: FBT001 - it is the value
            return "allows" if allows else "denies"

        reason = f" ({self.error})" if self.error else ""
        return (
            f"{self.profile.id} {sorted(self.profile.groups)} in {self.profile.tenant}, "
            f"{self.action}, {label}: the filter {said(self.compiled)}{reason}, "
            f"Casbin {said(self.casbin)}"
        )
