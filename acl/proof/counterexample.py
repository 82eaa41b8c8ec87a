"""A pair on which the filter and Casbin differ, in words.

The laws of this file:

1. It says who asks, for which action, about which label, and what each side says by which line of
   `policy.csv`, so that its reader can repeat it.
2. A counterexample that holds a label of another tenant is shown to administrators of all tenants
   alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from acl.decision import TENANT
from acl.labels import Label
from acl.language.casbin_adapter import Row
from acl.language.rules_file import POLICY_FILE
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
        filter_rule: the row by which the filter allows or denies, in words; `""` if it is none.
        casbin_rule: the row by which Casbin does.
    """

    profile: Subject
    action: str
    label: Label
    compiled: bool
    casbin: bool
    error: str = ""
    filter_rule: str = ""
    casbin_rule: str = ""

    @property
    def tenant(self) -> str:
        """The tenant of both profile and label, or `""` if they are of two."""
        mine = self.profile.tenant
        return mine if self.label.values.get(TENANT, mine) == mine else ""  # law 2

    def __str__(self) -> str:
        ours = f" ({self.error})" if self.error else _by(self.filter_rule)
        return (
            f"{_who(self.profile)} asks for {self.action} of a document with "
            f"{_words(self.label)}: the filter {_said(self.compiled)}{ours}, "
            f"Casbin {_said(self.casbin)}{_by(self.casbin_rule)}"
        )


def said_of(row: Row) -> str:
    """Return the place of a row and its text."""
    return f"{POLICY_FILE} line {row.number} (`{', '.join((row.kind, *row.values))[:200]}`)"


def _who(profile: Subject) -> str:
    through = "".join(f" through {actor.id}" for actor in profile.actors)
    groups = f", in {', '.join(sorted(profile.groups))}," if profile.groups else ""
    return f"{profile.id}{through} of {profile.tenant}{groups}"


def _words(label: Label) -> str:
    """Return what a label says, such as `owner user:ada, readers none`."""
    values = label.as_json().items()
    return ", ".join(f"{name} {_value(value)}" for name, value in values)


def _value(value: object) -> str:
    if isinstance(value, list):
        return " and ".join(map(str, value)) or "none"
    return str(value)


def _by(rule: str) -> str:
    return f" by {rule}" if rule else " by no rule"


def _said(allows: bool) -> str:  # noqa: FBT001 - it is the value
    return "allows" if allows else "denies"
