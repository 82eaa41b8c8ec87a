"""Policies broken in every way a person would: each mutant is refused, warned about, or shown.

A row's mutant is put in place of nothing, as somebody adds it who means the row; a definition's in
place of the definition. A mutant is *refused* when it is read, *warned* about with its line, or
*shown*: the preview tells that somebody gains or loses an action on some label. What is none of
these is *silent*; no mutant of a row that denies may be. Left out are mutants that mean the same,
and those of rows that change nothing themselves.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from acl.actions import Action
from acl.admission.cautions import cautions_of
from acl.admission.columns import Columns
from acl.admission.reading import read_policy
from acl.admission.row_values import tenants_in
from acl.errors import PolicyError
from acl.labels import LabelSchema
from acl.policy.policy import Policy
from acl.policy.profiles import profiles
from acl.preview.preview import Conditions, other_rights
from tests.properties.foreign_policies import foreign_policies

ROOT: Final = Path(__file__).parents[2]
TRANSLATED: Final = ROOT / "tests" / "conformance"
AT: Final = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
SAMPLE: Final = int(os.environ.get("STRONGROOM_MUTANTS", "40"))
"""How many mutants are tried; 0 for all of every set."""

UNTOLD: Final = ("lost line", "other effect", "other type")
SHIPPED, BANS = "shipped", "with bans"
OUTCOMES: Final = ("refused", "warned", "shown", "silent")


@dataclass(frozen=True, slots=True)
class Texts:
    """A policy as its author writes it."""

    name: str
    model: str
    rules: str
    labels: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A policy in which one line is broken.

    Attributes:
        kind: how.
        base: what is in effect before: a policy without the row, or with the definition as it was.
        right: what its author meant.
        texts: what they wrote.
        line: the line that is broken, and what became of it.
        denies: whether it is a row that denies.
    """

    kind: str
    base: Texts
    right: Texts
    texts: Texts
    line: str
    denies: bool = False


def sets() -> list[Texts]:
    """Return the policy of the project, a stricter one, and those that others wrote."""
    shipped = _texts(SHIPPED, ROOT / "policy")
    folders = sorted(path.parent for path in TRANSLATED.glob("*/*/translation.toml"))
    others = (Texts(name, *texts) for name, texts in foreign_policies(whole=not SAMPLE))
    return [shipped, _with_bans(shipped), *(_texts(one.name, one) for one in folders), *others]


def _texts(name: str, folder: Path) -> Texts:
    read = ((folder / one).read_text() for one in ("model.conf", "policy.csv", "labels.toml"))
    return Texts(name, *read)


def _with_bans(shipped: Texts) -> Texts:
    bans = (
        "p, user:mallory, acme, /*, document:read, True, deny\n"
        "p, group:guests, acme, /acme/legal/*, document:read, r.obj.classification >= 1, deny\n"
        "p, role:auditor, *, /acme/finance/*, document:tag, r.obj.owner != r.sub.id, deny\n"
        "g, user:zoe, role:contractor, globex, _, _\n"
        "g, group:guests, role:contractor, acme, _, _\n"
    )
    return Texts(BANS, shipped.model, shipped.rules + bans, shipped.labels)


Change = Callable[[str], Iterator[str]]
"""Yields what a text can become by one mistake."""


def _capital(text: str) -> Iterator[str]:
    if text != text.title() and text[:1].isalpha():
        yield text[0].upper() + text[1:]
    if ":" in text:
        yield re.sub(r":(\w)", lambda found: f":{found[1].upper()}", text, count=1)


def _prefix(text: str) -> Iterator[str]:
    kind, colon, name = text.partition(":")
    if colon:
        yield from (name, f"{kind}s:{name}", f"{kind};{name}")


def _letter(text: str) -> Iterator[str]:
    middle = len(text) // 2
    if text[middle : middle + 1].isalpha():
        yield text[:middle] + text[middle + 1 :]
        yield text[:middle] + text[middle] + text[middle:]


def _remark(text: str) -> Iterator[str]:
    yield f"{text} # as agreed"


def _blank(text: str) -> Iterator[str]:
    yield f"{text[: len(text) // 2]} {text[len(text) // 2 :]}"
    yield ""


def _slash(text: str) -> Iterator[str]:
    if text.startswith("/"):
        yield from (text[1:], text.removesuffix("*"), text.removesuffix("/*"), f"/{text}")


def _operator(text: str) -> Iterator[str]:
    for sign, other in (
        ("<=", "<"), (">=", ">"), ("==", "!="), ("==", "="), ("!=", "=="), ("&&", "||"),
        ("||", "&&"), (" in ", " not in "), ("<=", ">="), ("&&", "&"), ("subset_of", "any_of"),
        ("any_of", "subset_of"), ("keyMatch(", "keyMatch2("), ("r.sub.id", "r.sub.tenant"),
        ("True", "False"), ("True", "true"),
    ):  # fmt: skip
        for found in re.finditer(re.escape(sign), text):
            yield text[: found.start()] + other + text[found.end() :]


def _effect(text: str) -> Iterator[str]:
    yield from {"allow": ["deny", "Allow", "alow"], "deny": ["allow", "Deny", "dney"]}.get(text, [])


def _type(text: str) -> Iterator[str]:
    for found in re.finditer(r"\b\d+\b", text):
        yield f"{text[: found.start()]}'{found[0]}'{text[found.end() :]}"
        yield f"{text[: found.start()]}99{text[found.end() :]}"
    if "r.sub.id" in text:
        yield text.replace("r.sub.id", "3")


CHANGES: Final[dict[str, Change]] = {
    "case": _capital,
    "prefix": _prefix,
    "letter": _letter,
    "remark": _remark,
    "blank": _blank,
    "slash": _slash,
    "other operator": _operator,
    "other type": _type,
    "other effect": _effect,
}


def mutants(texts: Texts) -> Iterator[Mutant]:
    """Yield every mutant of a policy."""
    lines = texts.rules.split("\n")
    for place, line in enumerate(lines):
        if not line.strip() or line.startswith("#"):
            continue
        denies = line.rstrip().endswith("deny")
        without = replace(texts, rules="\n".join([*lines[:place], *lines[place + 1 :]]))
        for kind, changed in _rows(line):
            rules = "\n".join([*lines[:place], *changed, *lines[place + 1 :]])
            base = without if changed and len(changed) == 1 else texts
            said = f"{line} -> {' / '.join(changed)}"
            yield Mutant(kind, base, texts, replace(texts, rules=rules), said, denies)
    model = texts.model.split("\n")
    for place, line in enumerate(model):
        if not line.strip() or line.startswith("#"):
            continue
        for kind, changed in _definitions(line):
            text = "\n".join([*model[:place], *changed, *model[place + 1 :]])
            said = f"{line} -> {' / '.join(changed)}"
            yield Mutant(f"model: {kind}", texts, texts, replace(texts, model=text), said)


def _rows(line: str) -> Iterator[tuple[str, list[str]]]:
    yield from (("lost line", []), ("doubled line", [line, line]))
    fields = re.split(r",\s*(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", line)
    for place in range(1, len(fields)):
        for kind, change in CHANGES.items():
            for value in change(fields[place]):
                yield kind, [", ".join([*fields[:place], value, *fields[place + 1 :]])]
        swapped = [*fields]
        swapped[place - 1 : place + 1] = reversed(swapped[place - 1 : place + 1])
        yield "swap of columns", [", ".join(swapped)]


def _definitions(line: str) -> Iterator[tuple[str, list[str]]]:
    yield from (("lost line", []), ("doubled line", [line, line]), ("blank", ["", line]))
    yield "remark", [f"{line} # as agreed"]
    for kind in ("case", "letter", "other operator", "other type"):
        for changed in CHANGES[kind](line):
            yield kind, [changed]
    name, equals, value = line.partition(" = ")
    parts = value.split(" && ") if equals else []
    for place in range(len(parts)):
        yield "lost part", [f"{name} = {' && '.join(parts[:place] + parts[place + 1 :])}"]
    columns = value.split(", ") if equals and "(" not in value else []
    for place in range(1, len(columns)):
        swapped = [*columns]
        swapped[place - 1 : place + 1] = reversed(swapped[place - 1 : place + 1])
        yield "swap of columns", [f"{name} = {', '.join(swapped)}"]


@cache
def known(texts: Texts) -> tuple[Policy, Conditions] | None:
    """Return a policy that is in effect, or nothing if it could not be."""
    try:
        found = read_policy(texts.model, texts.rules, LabelSchema.from_toml(texts.labels))
    except PolicyError:
        return None
    return found, Conditions(found)


def became(mutant: Mutant) -> str:
    """Return what becomes of a mutant, or nothing if it means the same, or its row did nothing."""
    base, right = known(mutant.base), known(mutant.right)
    assert right is not None
    try:
        after = read_policy(mutant.texts.model, mutant.texts.rules, right[0].schema)
    except PolicyError:
        return "refused"
    if base is None or _meaning(after) == _meaning(right[0]):
        return ""
    there = {(row.kind, row.values) for row in base[0].rows}
    new = [row for row in after.rows if (row.kind, row.values) not in there]
    if cautions_of(after, rows=new) or len(cautions_of(after)) > len(cautions_of(base[0])):
        return "warned"
    if _shown(*base, after):
        return "shown"
    return "silent" if mutant.base == mutant.right or _shown(*base, right[0]) else ""


def _meaning(policy: Policy) -> object:
    model = policy.model
    rows = tuple(
        (row.kind, tuple("".join(value.split()) for value in row.values)) for row in policy.rows
    )
    # A request is put together by the names of its columns, in whatever order they stand.
    asked = {kind: frozenset(columns) for kind, columns in model.requests.items()}
    return asked, model.policies, model.roles, model.effect, model.matchers, rows


def _shown(before: Policy, conditions: Conditions, after: Policy) -> bool:
    """Say whether the preview tells of somebody who gains or loses something."""
    named = {value for one in (before, after) for _, _, value in tenants_in(one, Columns(one))}
    subjects = profiles(
        (before, after),
        tenants={"acme", "globex", *named},
        clearances=(0, 1, 2, 3),
        compartments=frozenset({"board", "finance"}),
    )
    new = Conditions(after)
    return any(
        other_rights(conditions, new, subjects, at=AT, actions=[action])
        for action in sorted(Action, key=lambda one: one is not Action.DOCUMENT_READ)
    )


def chosen() -> list[Mutant]:
    """Return the mutants to try: all, or a sample that holds some of each kind."""
    every = [mutant for texts in sets() for mutant in mutants(texts)]
    if not SAMPLE:
        return every
    by_kind: dict[tuple[str, bool], list[Mutant]] = {}
    for mutant in every:
        by_kind.setdefault((mutant.kind, mutant.denies), []).append(mutant)
    chance = random.Random(5)
    share = max(1, SAMPLE // len(by_kind))
    return [one for some in by_kind.values() for one in chance.sample(some, min(share, len(some)))]


def _is_lost_elsewhere(mutant: Mutant) -> bool:
    return mutant.kind in UNTOLD and mutant.base.name not in {SHIPPED, BANS}


def _table(counts: Counter[tuple[str, str]]) -> Table:
    table = Table(title="mutants of policies")
    for name in ("kind", *OUTCOMES):
        table.add_column(name)
    for kind in sorted({kind for kind, _ in counts}):
        table.add_row(kind, *(str(counts[kind, outcome] or "") for outcome in OUTCOMES))
    return table


def test_no_mutant_of_a_row_that_denies_passes_in_silence() -> None:
    counts, silent = Counter[tuple[str, str]](), list[Mutant]()
    for mutant in chosen():
        outcome = became(mutant)
        if outcome:
            counts[mutant.kind + (" (deny)" if mutant.denies else ""), outcome] += 1
        if outcome == "silent":
            silent.append(mutant)
    Console(width=100).print(_table(counts))
    for mutant in silent:
        Console(width=160).print(
            "silent:", mutant.texts.name, mutant.kind, mutant.line, markup=False
        )

    # Some rows of the other sets deny what nothing allows; to lose one changes nothing. Nor does
    # one that becomes an allow beside another, or stands last: the preview says `nothing changes`.
    assert [one for one in silent if one.denies and not _is_lost_elsewhere(one)] == []
    assert {outcome for _, outcome in counts} >= {"refused", "warned", "shown"}
