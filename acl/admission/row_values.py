"""The values of a policy's rows that match nothing, told by line and column.

The laws of this file:

1. A name or a tenant that nobody can have is refused wherever it stands: a ban with it bans nobody,
   and the opposite of a comparison with it always holds.
2. A path that no document can have is refused in a row that denies, under a `!` and within an
   expression. In a row that allows it gives nothing, so it is a caution.
3. A link is refused if it gives a person to a role, or ends before it begins.
4. A remark behind a value is refused: it would be part of the value. A file can be named like one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from acl.admission.columns import Columns, Mention, Named, Placed, Tenanted, Use
from acl.admission.values import fault, role_fault
from acl.errors import Caution, Refusal
from acl.language.casbin_adapter import Row
from acl.language.model_file import MODEL_FILE
from acl.language.rules_file import POLICY_FILE
from acl.policy.policy import Policy, link_of
from acl.subject import is_identity, is_tenant

ROLE_COLUMNS: Final = ("name", "role", "domain", "from", "until")
REMARK: Final = "what follows `#` is part of the value; a remark stands on a line of its own"
_REMARK: Final = re.compile(r"\s#")
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Fault:
    """A text that matches nothing; `severe` if the policy is refused for it."""

    where: str
    value: str
    reason: str
    column: str
    severe: bool

    @property
    def refusal(self) -> Refusal:
        """The same for somebody whose policy is refused."""
        return Refusal(self.where, self.value, self.reason, self.column)

    @property
    def caution(self) -> Caution:
        """The same for somebody whose policy is admitted."""
        return Caution(self.where, self.value, self.reason, self.column)


class RowValues:
    """Looks at every value of one policy's rows, and at the texts within its expressions."""

    def __init__(self, policy: Policy) -> None:
        """Find out what the values are compared with."""
        self._policy, self._columns = policy, Columns(policy)
        self._known = known_names(policy, self._columns)
        self._mentions = lru_cache(maxsize=None)(self._read)

    def faults(self) -> Iterator[Fault]:
        """Yield what matches nothing, in the order of the lines."""
        yield from self._within(MODEL_FILE, None, "")
        for row in self._policy.rows:
            if row.kind == f"p{self._policy.suffix}":
                yield from self._rule(row)
            elif row.kind in self._columns.askers_roles:
                yield from self._link(row)

    def _rule(self, row: Row) -> Iterator[Fault]:
        columns, denies = self._columns, self._policy.effect_of(row) == "deny"
        for name, value in self._policy.named(row).items():
            column = name.partition("_")[2]
            uses = columns.uses.get(name, frozenset())
            places = bool(uses) and all(map(_is_place, uses))
            if name not in columns.rule_columns and not places and _REMARK.search(value):
                yield Fault(line_of(row), value[:_SHOWN], REMARK, column, severe=True)  # law 4
            elif reason := fault(value, uses, self._known):
                severe = denies or name in columns.negated or not places
                yield Fault(line_of(row), value[:_SHOWN], reason, column, severe)  # laws 1 and 2
            if name in columns.rule_columns:
                yield from self._within(line_of(row), value, column)

    def _within(self, where: str, text: str | None, column: str) -> Iterator[Fault]:
        for said, reason in self._mentions(text):
            yield Fault(where, said[:_SHOWN], reason, column, severe=True)

    def _read(self, text: str | None) -> Sequence[tuple[str, str]]:
        mentions = dict.fromkeys(self._columns.mentions(text))
        faults = ((one.text, self._mentioned(one)) for one in mentions)
        return [(said, reason) for said, reason in faults if reason]

    def _mentioned(self, mention: Mention) -> str:
        return fault(mention.text, [mention.use], self._known)

    def _link(self, row: Row) -> Iterator[Fault]:
        uses = self._columns.link_uses(row)
        for place, (value, use) in enumerate(zip(row.values, uses, strict=False)):
            reason = "" if use is None else fault(value, [use], self._known)
            if place == 1 and use is not None:
                reason = role_fault(value) or reason  # law 3
            if reason:
                yield Fault(line_of(row), value[:_SHOWN], reason, ROLE_COLUMNS[place], severe=True)
        yield from self._window(row)

    def _window(self, row: Row) -> Iterator[Fault]:
        window = link_of(row, self._policy.model.roles[row.kind]).window
        if window.start is not None and window.end is not None and window.end <= window.start:
            reason = (
                f"lies at or before the beginning `{row.values[-2]}`, so it never holds"  # law 3
            )
            yield Fault(line_of(row), row.values[-1], reason, ROLE_COLUMNS[-1], severe=True)


def known_names(policy: Policy, columns: Columns) -> frozenset[str]:
    """Return the names and tenants that the rows spell well, from which hints are taken."""
    texts = {value for row in policy.rows for value in row.values if is_identity(value)}
    return frozenset(texts | {value for _, _, value in tenants_in(policy, columns)})


def tenants_in(policy: Policy, columns: Columns) -> Iterator[tuple[Row, str, str]]:
    """Yield each row that names a tenant, in which column, and the tenant."""
    for row in policy.rows:
        for column, value, uses in used(policy, columns, row):
            if any(isinstance(use, Tenanted) for use in uses) and is_tenant(value):
                yield row, column, value


def names_in(policy: Policy, columns: Columns) -> Iterator[tuple[Row, str, str]]:
    """Yield each row that names a principal, in which column, and the name."""
    for row in policy.rows:
        for column, value, uses in used(policy, columns, row):
            if any(isinstance(use, Named) for use in uses) and is_identity(value):
                yield row, column, value


def used(policy: Policy, columns: Columns, row: Row) -> Iterator[tuple[str, str, frozenset[Use]]]:
    """Yield the columns of a row whose use is known: the name, the value, and the uses."""
    if row.kind == f"p{policy.suffix}":
        for name, value in policy.named(row).items():
            if uses := columns.uses.get(name):
                yield name.partition("_")[2], value, uses
    elif row.kind in columns.askers_roles:
        for name, value, use in zip(ROLE_COLUMNS, row.values, columns.link_uses(row), strict=False):
            if use is not None:
                yield name, value, frozenset({use})


def line_of(row: Row) -> str:
    """Return where a row stands."""
    return f"{POLICY_FILE} line {row.number}"


def _is_place(use: Use) -> bool:
    return isinstance(use, Placed)
