"""Casbin's own answers to every request of a set's universe.

This side shares nothing with the compiler but the two set functions, which Casbin lacks: it loads
the text with Casbin's adapter and asks `enforce` once for each request.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import casbin
from casbin import util
from casbin.persist.adapters import StringAdapter

from acl.language.casbin_adapter import any_of, subset_of
from tests.conformance.casbin.cases import Case

MAX_DECISIONS: Final = 60_000
"""A larger universe is cut here, in the order of its requests."""

_MAX_VALUES: Final = 40
_STRANGER: Final = "zzz-none"
_DOMAIN_COLUMNS: Final = frozenset({"dom", "domain", "org", "1sub"})
_NAME_COLUMNS: Final = frozenset(
    {"sub", "user", "subject", "obj", "thing", "res", "act", "dom", "org", "domain"}
)

Request = tuple[Any, ...]


class Answer(StrEnum):
    """What `enforce` did."""

    ALLOW = "allow"
    DENY = "deny"
    ERROR = "error"


@dataclass(slots=True)
class Table:
    """Every request of a universe with Casbin's answer, in order."""

    columns: tuple[str, ...]
    values: list[list[Any]]
    answers: dict[int, Answer] = field(default_factory=dict)
    digest: str = ""

    def requests(self) -> Iterator[tuple[int, Request]]:
        """Yield the position and the values of each request."""
        product = itertools.product(*self.values)
        return enumerate(itertools.islice(product, MAX_DECISIONS))

    def count(self, answer: Answer) -> int:
        """Count the requests with this answer."""
        return sum(one is answer for one in self.answers.values())


def tabulate(case: Case, *, without: Collection[int] = ()) -> Table:
    """Ask Casbin about every request of `case`.

    Args:
        case: the set.
        without: lines of the policy that are left out, counted from 1; the universe stays that of
            the whole policy.

    Raises:
        Exception: whatever Casbin raises when it cannot load the set.
    """
    table = _universe(_enforcer(case, ()), case)
    enforcer = _enforcer(case, without)
    context: tuple[Any, ...] = ()
    if case.suffix:
        chosen = enforcer.new_enforce_context(case.suffix)
        chosen.etype = "e"
        context = (chosen,)
    digest = hashlib.sha256()
    for position, request in table.requests():
        answer = _answer(enforcer, (*context, *request))
        table.answers[position] = answer
        digest.update((json.dumps(request, sort_keys=True) + answer).encode())
    table.digest = digest.hexdigest()[:16]
    return table


def _answer(enforcer: Any, request: Request) -> Answer:
    try:
        return Answer.ALLOW if enforcer.enforce(*request) else Answer.DENY
    except Exception:  # noqa: BLE001 - whatever it raises, nothing may be returned
        return Answer.ERROR


def _enforcer(case: Case, without: Collection[int]) -> Any:
    model = casbin.Enforcer.new_model(text=case.model)
    lines = [
        line
        for number, raw in enumerate(case.policy.split("\n"), start=1)
        if number not in without and (line := raw.strip()) and not line.startswith("#")
    ]
    adapter = [StringAdapter("\n".join(lines))] if lines else []
    enforcer = casbin.Enforcer(model, *adapter)
    enforcer.add_function("any_of", any_of)
    enforcer.add_function("subset_of", subset_of)
    for kind, by in case.matching.items():
        if "match" in by:
            assert enforcer.add_named_matching_func(kind, getattr(util, by["match"]))
        if "domain" in by:
            assert enforcer.add_named_domain_matching_func(kind, getattr(util, by["domain"]))
    if case.temporal:
        _limit_in_time(enforcer, 3 if case.temporal == "domain" else 2)
    return enforcer


def _limit_in_time(enforcer: Any, arity: int) -> None:
    add = (
        enforcer.add_named_domain_link_condition_func
        if arity == 3
        else enforcer.add_named_link_condition_func
    )
    for link in enforcer.get_grouping_policy():
        add("g", *link[:arity], util.time_match_func)


def _universe(enforcer: Any, case: Case) -> Table:
    """Derive the requests worth asking from the rows: their values, strangers and nothing."""
    columns = _columns(enforcer, "r")
    if case.universe is not None:
        return Table(columns, [list(case.universe.get(one, ["x"])) for one in columns])
    found: dict[str, set[Any]] = {column: set() for column in columns}
    for row in enforcer.model["p"]["p"].policy:
        for column, value in zip(_columns(enforcer, "p"), row, strict=False):
            if column in found:
                found[column] |= _instances(value)
    names, domains = _linked(enforcer)
    for column, values in found.items():
        if column in _DOMAIN_COLUMNS:
            values.update(domains)
        if column in _NAME_COLUMNS:
            values.update(*map(_instances, names))
        values.update(case.extra.get(column, ()), (_STRANGER, ""))
    return Table(columns, [sorted(found[one], key=str)[:_MAX_VALUES] for one in columns])


def _columns(enforcer: Any, kind: str) -> tuple[str, ...]:
    return tuple(token.partition("_")[2] for token in enforcer.model[kind][kind].tokens)


def _linked(enforcer: Any) -> tuple[set[str], set[str]]:
    names: set[str] = set()
    domains: set[str] = set()
    definitions = dict(enforcer.model.model.get("g") or {})
    for definition in definitions.values():
        for row in definition.policy:
            names.update(row[:2])
            if len(definition.tokens) > 2:
                domains.add(row[2])
    return names, domains


_PATTERN_SIGNS: Final = frozenset("*:{?[(")
_BRACED: Final = re.compile(r"\{[^/}]+\}")
_COLON: Final = re.compile(r"(?<=/):[^/]+")


def _instances(value: str) -> set[str]:
    """Return a value and, if it is a pattern, some texts that it may match."""
    if _PATTERN_SIGNS.isdisjoint(value):
        return {value}
    plain = _BRACED.sub("1", _COLON.sub("1", value))
    stars: Sequence[str] = ("x", "x/y", "")
    first = re.sub(r"[()|]", "", value.split("|", maxsplit=1)[0])
    return {value, first, *(plain.replace("*", star) for star in stars)}
