"""What a tenant's editor is let do gives nobody more than the editor has, whoever they are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from acl.admission import read_csv
from acl.decide import decide
from acl.decision import Permitted
from acl.delegation import Overreach, Verdict, may_propose
from acl.errors import PolicyError
from acl.labels import Label
from acl.policy import Policy, load
from acl.predicate import holds
from acl.profiles import profiles
from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW, SCHEMA

PRIORITY: Final = MODEL.replace("p = sub,", "p = priority, sub,").replace(
    "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "e = priority(p.eft) || deny",
)
READ, EDIT = "document:read", "policy:edit"
GROUPS: Final = ("group:finance", "group:legal", "group:x", "role:auditor", "role:contractor")
USERS: Final = ("user:ada", "user:bob", "user:eve", "user:unheard-of")
COMPARTMENTS: Final = frozenset({"board", "finance"})
WHEN: Final = (
    "True",
    "True",
    "r.obj.classification <= 2",
    "r.obj.owner == r.sub.id",
    '"any_of(r.obj.readers, r.sub.principals)"',
    '"any_of(r.obj.readers, [""group:x""])"',
    'r.obj.owner != ""user:bob""'.replace('""', '"'),
    "r.obj.classification >= 2",
    '"board" in r.obj.compartments',
    "r.obj.classification == r.sub.clearance",
    "r.sub.clearance >= 2",
    '"board" in r.sub.compartments',
)
PATHS: Final = ("/acme/*", "/acme/finance/*", "/acme/legal/*", "/acme/finance/q/*")
MOMENTS: Final = (NOW, datetime(2027, 6, 1, tzinfo=UTC), datetime(2029, 6, 1, tzinfo=UTC))
WINDOWS: Final = (
    "_, _", "2027-01-01 00:00:00, _", "_, 2028-01-01 00:00:00",
    "2027-01-01 00:00:00, 2028-01-01 00:00:00",
)  # fmt: skip


def rule(rng: random.Random, *, tenants: tuple[str, ...] = ("acme",)) -> str:
    who = rng.choice([*GROUPS, *USERS[:3], "group:everyone"])
    action = rng.choice([READ, READ, READ, EDIT])
    asks = rng.random() < 0.05  # those make the profiles many
    path, when = rng.choice(PATHS), rng.choice(WHEN if asks else WHEN[:9])
    effect = "deny" if rng.random() < 0.3 else "allow"
    return f"{who}, {rng.choice(tenants)}, {path}, {action}, {quoted(when)}, {effect}"


def quoted(when: str) -> str:
    if when.startswith('"any_of') or '"' not in when:
        return when
    return '"' + when.replace('"', '""') + '"'


def link(rng: random.Random) -> str:
    name = rng.choice([*USERS[:3], *GROUPS[:3]])
    return f"g, {name}, {rng.choice(GROUPS[3:])}, acme, {rng.choice(WINDOWS)}"


def rows(rng: random.Random, *, ranked: bool) -> list[str]:
    found = [rule(rng, tenants=("acme", "acme", "*", "globex")) for _ in range(rng.randint(2, 8))]
    wide = rng.random() < 0.6
    editor = [
        f"user:editor, acme, {PATHS[0] if wide else rng.choice(PATHS)}, {action}, "
        f"{'True' if wide else quoted(rng.choice(WHEN[:3]))}, allow"
        for action in (READ, EDIT)
    ]
    rules = [*found, *editor]
    rng.shuffle(rules)
    numbered = [
        f"p, {place * 10}, {one}" if ranked else f"p, {one}" for place, one in enumerate(rules)
    ]
    return [*numbered, *(link(rng) for _ in range(rng.randint(0, 3)))]


def changed(rng: random.Random, before: list[str], *, ranked: bool) -> list[str]:
    after = list(before)
    for _ in range(rng.randint(1, 2)):
        mine = [place for place, one in enumerate(after) if ", acme, " in one]
        if mine and rng.random() < 0.5:
            after.pop(rng.choice(mine))
        elif rng.random() < 0.4:
            after.append(link(rng))
        else:
            rank = f"{rng.randint(0, 12) * 10 + 5}, " if ranked else ""
            after.append(f"p, {rank}{rule(rng)}")
    return after


def policy(text: list[str], *, ranked: bool) -> Policy:
    return load(PRIORITY if ranked else MODEL, read_csv("\n".join(dict.fromkeys(text))), SCHEMA)


def people(rng: random.Random) -> Iterator[Subject]:
    for _ in range(40):
        yield Subject(
            id=rng.choice(USERS),
            tenant=rng.choice(["acme", "acme", "acme", "globex"]),
            clearance=rng.randint(0, 3),
            compartments=frozenset(rng.sample(sorted(COMPARTMENTS), rng.randint(0, 2))),
            groups=frozenset(rng.sample(GROUPS, rng.randint(0, 3))),
        )


def paper(rng: random.Random) -> Label:
    return SCHEMA.parse(
        {
            "tenant": rng.choice(["acme", "acme", "globex"]),
            "owner": rng.choice([*USERS, "user:somebody"]),
            "classification": rng.randint(0, 3),
            "compartments": rng.sample(sorted(COMPARTMENTS), rng.randint(0, 2)),
            "readers": rng.sample([*GROUPS, *USERS], rng.randint(0, 2)),
            "path": rng.choice(
                ["/acme/a", "/acme/finance/a", "/acme/finance/q/a", "/acme/legal/a"]
            ),
        }
    )


def right(
    one: Policy, subject: Subject, action: str, at: datetime = NOW
) -> Callable[[Label], bool]:
    """Return what tells whether `subject` may do `action` with a document of a label."""
    decision = decide(one, subject, action, at)
    return lambda label: isinstance(decision, Permitted) and holds(decision.predicate, label)


def editor(rng: random.Random) -> Subject:
    cleared = rng.random() < 0.6
    return Subject(
        id="user:editor",
        tenant="acme",
        clearance=3 if cleared else 2,
        compartments=COMPARTMENTS if cleared else frozenset({"finance"}),
    )


@dataclass(frozen=True)
class Edit:
    """A change that somebody proposes, and what became of it."""

    old: Policy
    new: Policy
    editor: Subject
    verdict: Verdict

    def rightful(self, label: Label, action: str, *, gained: bool) -> bool:
        region = right(self.old, self.editor, EDIT)
        return region(label) and (not gained or right(self.old, self.editor, action)(label))


def edit(rng: random.Random) -> Edit | None:
    ranked = rng.random() < 0.4
    before = rows(rng, ranked=ranked)
    try:
        old = policy(before, ranked=ranked)
        new = policy(changed(rng, before, ranked=ranked), ranked=ranked)
    except PolicyError:  # A link that stands twice with two windows.
        return None
    who = editor(rng)
    everybody = profiles(
        [old, new], tenants=["acme", "globex"], clearances=(0, 1, 2, 3), compartments=COMPARTMENTS
    )
    return Edit(old, new, who, may_propose(old, new, who, profiles=everybody, at=NOW))


def test_nobody_gains_or_loses_by_a_permitted_change_what_its_editor_could_not_give() -> None:
    """Anybody at all, not only profiles: any groups, any clearance, at any time to come."""
    rng = random.Random(2)
    permitted = differences = 0
    while permitted < 16:
        made = edit(rng)
        if made is None or made.verdict != ():
            continue
        permitted += 1
        papers = [paper(rng) for _ in range(60)]
        for subject in people(rng):
            action, at = rng.choice([READ, READ, EDIT]), rng.choice(MOMENTS)
            before, after = (right(one, subject, action, at) for one in (made.old, made.new))
            for one in papers:
                if before(one) != after(one):
                    differences += 1
                    assert made.rightful(one, action, gained=after(one)), (made, subject, one, at)
    assert differences > 20


def test_a_refused_change_does_what_the_refusal_says() -> None:
    rng = random.Random(3)
    found = 0
    while found < 10:
        made = edit(rng)
        if made is None or not isinstance(made.verdict, Overreach):
            continue
        found += 1
        said = made.verdict
        before, after = (
            right(one, said.profile, said.action, said.at)(said.label)
            for one in (made.old, made.new)
        )
        assert before != after
        assert ("gain" in said.sentence) == after
        assert not made.rightful(said.label, said.action, gained=after)
