"""Fitting rules: which of them can let anybody do something with one document, and whom they name.

The laws of this file:

1. A rule that allows fits a label unless a part of it that reads nothing of the asker but tenant
   and action is false for the label. In doubt it fits.
2. Whoever is permitted, and would not be as a stranger, is or reaches a name that a fitting rule,
   the matcher or the label holds. Where a policy can name people in another way, that is not said.

So a search for whom a document is open to need not try everybody: it decides about those names.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from acl.decision import TENANT
from acl.labels import Label
from acl.language.casbin_adapter import FUNCTIONS, Effect, Evaluator, Row
from acl.language.expression import attributes_read, bare_names, parse
from acl.language.terms import Rule
from acl.policy.decide import ACTION_COLUMNS, SUBJECT_COLUMNS
from acl.policy.names import is_named
from acl.policy.policy import Policy
from acl.policy.ways import ROLES, addressed
from acl.subject import EVERYONE, is_identity


class Fitting:
    """The rules that fit one label, for one action in one tenant."""

    def __init__(self, policy: Policy, tenant: str, action: str, label: Label) -> None:
        """Take what is asked about."""
        self._policy, self._label = policy, label
        self._asked = _asked(policy, tenant, action, label)
        self._known = {
            f"{record}.{one}"
            for record, value in self._asked.items()
            if isinstance(value, Mapping)
            for one in value
        }
        self._known |= {one for one, value in self._asked.items() if isinstance(value, str)}
        self._known |= set(policy.columns) | set(FUNCTIONS)
        self._trees: dict[str, ast.expr] = {}

    def rules(self) -> Iterator[Row]:
        """Yield the rules that allow and fit (law 1)."""
        for row in self._policy.rules:
            if self._policy.effect_of(row) == "allow" and all(self._fits(row)):
                yield row

    def names(self) -> frozenset[str] | None:
        """Return the names of law 2 without `group:everyone`, or None where it does not say."""
        policy = self._policy
        if policy.matching or set(policy.model.roles) - {ROLES}:
            return None
        if policy.effect is Effect.SUBJECT_PRIORITY:  # Roles decide the order of rules.
            return None
        found = _texts_of(self._tree(policy.model.matchers[f"m{policy.suffix}"]))
        for row in self.rules():
            if not all(map(is_identity, addressed(policy, row))):
                return None
            found |= set(row.values)
            for text in self._spoken(row):
                found |= _texts_of(self._tree(text))
        for value in self._label.values.values():
            found |= value if isinstance(value, frozenset) else {str(value)}
        return frozenset(filter(is_named, found)) - {EVERYONE}

    def _fits(self, row: Row) -> Iterator[bool]:
        named = self._policy.named(row)
        for text, term in self._policy.conjuncts:
            tree = self._tree(named[term.column] if isinstance(term, Rule) else text)
            if bare_names(tree) | {".".join(one) for one in attributes_read(tree)} <= self._known:
                yield _can_hold(tree, {**self._asked, **named})

    def _spoken(self, row: Row) -> Iterator[str]:
        named = self._policy.named(row)
        for _, term in self._policy.conjuncts:
            if isinstance(term, Rule):
                yield named[term.column]

    def _tree(self, text: str) -> ast.expr:
        if text not in self._trees:
            self._trees[text] = parse(text)
        return self._trees[text]


def _asked(policy: Policy, tenant: str, action: str, label: Label) -> dict[str, object]:
    """Return what is known of a request before it is known who asks."""
    request, columns = policy.names.request
    known: dict[str, object] = {}
    for column in columns:
        name = f"{request}_{column}"
        if column in policy.names.resource:
            known[name] = {
                one: sorted(value) if isinstance(value, frozenset) else value
                for one, value in label.values.items()
            }
        elif column in SUBJECT_COLUMNS:
            known[name] = {TENANT: tenant}
        elif column in ACTION_COLUMNS:
            known[name] = action
        else:
            known[name] = tenant
    return known


def _can_hold(tree: ast.expr, names: Mapping[str, object]) -> bool:
    try:
        return bool(Evaluator(FUNCTIONS).value(tree, names))
    except Exception:  # noqa: BLE001 - what raises is for the decision to judge
        return True


def _texts_of(tree: ast.expr) -> set[str]:
    return {
        one.value
        for one in ast.walk(tree)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
