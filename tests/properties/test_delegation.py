"""What a tenant's editor is let do gives nobody more than the editor has, whoever they are."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Final

import pytest

from acl.actions import Action
from acl.admission.admission import read_csv
from acl.containment.search import is_held
from acl.decision import Permitted
from acl.errors import PolicyError, RequestError
from acl.labels import Label, LabelSchema
from acl.policy.decide import decide
from acl.policy.delegation import Overreach, Verdict, may_change
from acl.policy.policy import Policy, load
from acl.predicate import holds
from acl.subject import Subject
from tests.unit.acl.default_policy import FOLDER, MODEL, NOW, SCHEMA

PRIORITY: Final = MODEL.replace("p = sub,", "p = priority, sub,").replace(
    "e = some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "e = priority(p.eft) || deny",
)
READ, EDIT = "document:read", "policy:edit"
MODEL_G2: Final = MODEL.replace("g = _, _, _, (_, _)", "g = _, _, _, (_, _)\ng2 = _, _, _, (_, _)")
ADMINISTER: Final = "policy:administer"
GROUPS: Final = ("group:finance", "group:legal", "group:x", "role:auditor", "role:contractor")
UNNAMED: Final = ("group:deal-x", "role:deal-y")
"""Groups and roles that people hold and no row names."""
BARE: Final = ("barred", "mid")
"""Roles without a kind: nobody's token holds them, and links lead to them."""
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
ASKING: Final = (
    "True",
    '"any_of(r.obj.readers, r.sub.groups)"',
    "r.obj.owner in r.sub.groups",
    'r.obj.owner in r.sub.principals && r.obj.owner != "group:x"',
    '"any_of(r.obj.readers, r.sub.groups) && r.obj.owner in r.sub.groups"',
    '"!any_of(r.obj.readers, r.sub.principals)"',
    "r.obj.owner != r.sub.id",
    "r.obj.owner in r.sub.compartments",
    "r.obj.classification < 0",
    'r.obj.tenant == "zz"',
)
FOLDERS: Final = 'g2(r.obj.owner, "secret", "acme")'
PATHS: Final = ("/acme/*", "/acme/finance/*", "/acme/legal/*", "/acme/finance/q/*")
MOMENTS: Final = (NOW, datetime(2027, 6, 1, tzinfo=UTC), datetime(2029, 6, 1, tzinfo=UTC))
WINDOWS: Final = (
    "_, _", "2027-01-01 00:00:00, _", "_, 2028-01-01 00:00:00",
    "2027-01-01 00:00:00, 2028-01-01 00:00:00",
)  # fmt: skip


FAILING: Final = (
    'r.obj.topic == ""x""',
    'r.obj.topic != ""x"" || r.obj.owner in r.sub.groups',
    "r.obj.owner == r.sub.id && r.obj.topic in r.sub.groups",
    "r.sub.age == 1",
    "r.sub.clearance",
    "1 < r.sub.clearance < 3",
    "any_of(r.obj.readers, r.sub.groups) || r.sub.clearance < r.sub.tenant",
)
"""Conditions that fail for some labels or some askers."""
TOPICS: Final = LabelSchema.from_toml(
    f'{(FOLDER / "labels.toml").read_text()}\n[label.topic]\ntype = "keyword"\nrequired = false\n'
)


@dataclass(frozen=True)
class World:
    """Another way in which rules are joined, or rules that can fail."""

    name: str
    model: str = MODEL_G2
    fails: bool = False

    def __str__(self) -> str:
        return self.name


DENIES: Final = "some(where (p.eft == allow)) && !some(where (p.eft == deny))"
DOMAIN: Final = MODEL_G2.replace("sub, tenant,", "sub, dom,").replace("p.tenant", "p.dom")
ONE_ALLOW: Final = MODEL_G2.replace(DENIES, "some(where (p.eft == allow))")
BY_LINKS: Final = DOMAIN.replace(DENIES, "subjectPriority(p.eft) || deny")
WORLDS: Final = (
    World("one allow is enough", ONE_ALLOW),
    World("one allow that can fail", ONE_ALLOW, fails=True),
    World("links rank rules", BY_LINKS),
    World("links rank rules that can fail", BY_LINKS, fails=True),
    World("rules can fail", fails=True),
)

PEOPLE: Final = 60
PAPERS: Final = 60


def rule(rng: random.Random, *, tenants: tuple[str, ...] = ("acme",)) -> str:
    bare = rng.random() < 0.1
    who = rng.choice(BARE if bare else [*GROUPS, *USERS[:3], "group:everyone", "group:everyone"])
    action = rng.choice([READ, READ, READ, EDIT])
    if rng.random() < 0.03:
        action = ADMINISTER
    asks = rng.random() < 0.05  # those make the profiles many
    path, when = rng.choice(PATHS), rng.choice(WHEN if asks else WHEN[:9])
    if rng.random() < 0.3:
        when = rng.choice(ASKING)
    effect = "deny" if rng.random() < 0.3 else "allow"
    return f"{who}, {rng.choice(tenants)}, {path}, {action}, {quoted(when)}, {effect}"


def quoted(when: str) -> str:
    if when.startswith(('"any_of', '"!any_of')) or '"' not in when:
        return when
    return '"' + when.replace('"', '""') + '"'


def link(rng: random.Random) -> str:
    name = rng.choice([*USERS[:3], *GROUPS[:3], "user:editor", BARE[1]])
    role = rng.choice([*GROUPS[3:], *GROUPS[3:], *BARE])
    return f"g, {name}, {role}, acme, {rng.choice(WINDOWS)}"


def rows(rng: random.Random, *, ranked: bool) -> list[str]:
    found = [rule(rng, tenants=("acme", "acme", "*", "globex")) for _ in range(rng.randint(2, 8))]
    wide = rng.random() < 0.5
    editor = [
        f"user:editor, acme, {PATHS[0] if wide else rng.choice(PATHS)}, {action}, "
        f"{'True' if wide else quoted(rng.choice(WHEN[:3]))}, allow"
        for action in (READ, EDIT)
    ]
    if rng.random() < 0.3:
        editor = [f"user:editor, acme, /acme/*, {EDIT}, True, allow"]
    rules = [*found, *editor]
    rng.shuffle(rules)
    numbered = [
        f"p, {place * 10}, {one}" if ranked else f"p, {one}" for place, one in enumerate(rules)
    ]
    links = [link(rng) for _ in range(rng.randint(0, 4))]
    if rng.random() < 0.2 and not ranked:
        numbered.append(f"p, group:everyone, acme, /acme/*, {READ}, {quoted(FOLDERS)}, deny")
        links.append("g2, user:bob, secret, acme, _, _")
    return [*numbered, *links]


def ploy(rng: random.Random) -> tuple[list[str], list[str]]:
    """Return rows that stay, and rows that come or go, which together could give too much."""
    region = rng.choice(("/acme/hr/*", "/acme/legal/*"))
    gives = f"p, {{}}, acme, {region}, {READ}, {{}}, {{}}"
    group, role, user = rng.choice(GROUPS[:3]), rng.choice(GROUPS[3:]), rng.choice(USERS[:3])
    asks = quoted(rng.choice(ASKING[1:3]))
    named = " && ".join(f'r.obj.owner != "{one}"' for one in ("group:everyone", *GROUPS))
    plain, deny = gives.format(group, "True", "allow"), gives.format("{}", "True", "deny")
    for_a_time = [
        gives.format(role, "True", "allow"),
        f"g, user:editor, {role}, acme, {WINDOWS[2]}",
    ]
    return rng.choice(
        (
            ([], [gives.format(user, quoted(ASKING[-1]), "allow").replace(READ, ADMINISTER)]),
            ([], [gives.format("group:everyone", quoted(f"{ASKING[2]} && {named}"), "allow")]),
            ([plain, f"g, {user}, barred, acme, _, _"], [deny.format("barred")]),
            (
                [plain, deny.format(role), f"g, {user}, mid, acme, _, _"],
                [f"g, mid, {role}, acme, _, _"],
            ),
            (
                [plain, gives.format("group:everyone", quoted(FOLDERS), "deny")],
                ["g2, user:bob, secret, acme, _, _"],
            ),
            ([gives.format(role, asks, "allow")], [f"g, {user}, {role}, acme, _, _"]),
            ([gives.format(group, asks, "allow")], [deny.format(role)]),
            ([plain], [gives.format(role, asks, "deny")]),
            (for_a_time, [gives.format(user, "True", "allow")]),
            (for_a_time, [f"g, {user}, {role}, acme, _, _"]),
        )
    )


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


def policy(text: list[str], *, ranked: bool, world: World | None = None) -> Policy:
    model = world.model if world else PRIORITY if ranked else MODEL_G2
    schema = TOPICS if world and world.fails else SCHEMA
    return load(model, read_csv("\n".join(dict.fromkeys(text))), schema)


def people(rng: random.Random) -> Iterator[Subject]:
    for _ in range(PEOPLE):
        weak = rng.random() < 0.3
        yield Subject(
            id=rng.choice([*USERS, "user:editor"]),
            tenant="globex" if rng.random() < 0.1 else "acme",
            clearance=rng.randint(0, 3) if weak else 3,
            compartments=(
                frozenset(rng.sample(sorted(COMPARTMENTS), rng.randint(0, 2)))
                if weak
                else COMPARTMENTS
            ),
            groups=frozenset(rng.sample([*GROUPS, *UNNAMED], rng.randint(0, 4))),
        )


def paper(rng: random.Random) -> Label:
    return SCHEMA.parse(
        {
            "tenant": rng.choice(["acme", "acme", "globex"]),
            "owner": rng.choice([*USERS, *GROUPS, *UNNAMED, "user:somebody"]),
            "classification": rng.randint(0, 3),
            "compartments": rng.sample(sorted(COMPARTMENTS), rng.randint(0, 2)),
            "readers": rng.sample([*GROUPS, *UNNAMED, *USERS], rng.randint(0, 2)),
            "path": rng.choice(
                ["/acme/a", "/acme/finance/a", "/acme/finance/q/a", "/acme/legal/a", "/acme/hr/a"]
            ),
        }
    )


def right(
    one: Policy, subject: Subject, action: str, at: datetime = NOW
) -> Callable[[Label], bool]:
    """Return what tells whether `subject` may do `action` with a document of a label."""
    try:
        decision = decide(one, subject, action, at)
    except RequestError:  # A request that fails is refused.
        return lambda _: False
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
    _rights: dict[tuple[str, datetime], Callable[[Label], bool]] = field(default_factory=dict)

    def rightful(self, label: Label, action: str, at: datetime, *, gained: bool) -> bool:
        """Say whether the editor decides about a label, and holds what is gained, now and then."""
        return self._may(label, EDIT, NOW) and (
            not gained or (self._may(label, action, NOW) and self._may(label, action, at))
        )

    def _may(self, label: Label, action: str, at: datetime) -> bool:
        if (action, at) not in self._rights:
            self._rights[action, at] = right(self.old, self.editor, action, at)
        return self._rights[action, at](label)


def edit(rng: random.Random, world: World | None = None) -> Edit | None:
    ranked = world is None and rng.random() < 0.4
    before = rows(rng, ranked=ranked)
    if not ranked and rng.random() < 0.5:
        stays, moves = ploy(rng)
        before, after = [*before, *stays, *moves], [*before, *stays]
        if rng.random() < 0.5:
            before, after = after, before
    else:
        after = changed(rng, before, ranked=ranked)
    if world and world.fails:
        before, after = failing(rng, before, after)
    try:
        old, new = (policy(text, ranked=ranked, world=world) for text in (before, after))
    except PolicyError:  # A link that stands twice with two windows.
        return None
    who = editor(rng)
    try:
        verdict = may_change(
            old, new, who, Action.POLICY_EDIT,
            clearances=(0, 1, 2, 3), compartments=COMPARTMENTS, at=NOW,
        )  # fmt: skip
    except RequestError:  # The editor's own request fails.
        return None
    return Edit(old, new, who, verdict)


def failing(rng: random.Random, *texts: list[str]) -> list[list[str]]:
    """Return the same rows with conditions that can fail in the place of some."""
    told = {line: line for text in texts for line in text}
    for line in sorted(told):
        if ", True, " in line and "user:editor" not in line and rng.random() < 0.5:
            told[line] = line.replace(", True, ", f', "{rng.choice(FAILING)}", ')
    return [[told[line] for line in text] for text in texts]


def permitted(rng: random.Random, world: World | None = None) -> Iterator[Edit]:
    """Yield changes that do something and are permitted to somebody who does not administer."""
    while True:
        made = edit(rng, world)
        if made is None or made.verdict != () or made.old.digest == made.new.digest:
            continue
        if not administers(made.old, made.editor):
            yield made


def administers(one: Policy, subject: Subject) -> bool:
    try:
        return is_held(decide(one, subject, ADMINISTER, NOW), one.schema)
    except RequestError:
        return False


def beyond(made: Edit, rng: random.Random) -> tuple[int, list[str]]:
    """Return how much differs for anybody at all, and what of it nobody had a right to."""
    papers, differences, wrong = [paper(rng) for _ in range(PAPERS)], 0, []
    if made.old.schema is TOPICS:
        papers = [Label({**one.values, **rng.choice(({}, {"topic": "x"}, {"topic": "group:x"}))})
                  for one in papers]  # fmt: skip
    for subject in people(rng):
        before, after = (administers(one, subject) for one in (made.old, made.new))
        if after > before:
            wrong.append(f"{subject} would administer")
        action, at = rng.choice([READ, READ, EDIT]), rng.choice(MOMENTS)
        could, can = (right(one, subject, action, at) for one in (made.old, made.new))
        for label in papers:
            if could(label) != can(label):
                differences += 1
                if not made.rightful(label, action, at, gained=can(label)):
                    wrong.append(f"{subject} {action} {at} {label}")
    return differences, wrong


@pytest.mark.parametrize("world", [None, *WORLDS], ids=str)
def test_nobody_gains_or_loses_by_a_permitted_change_what_its_editor_could_not_give(
    world: World | None,
) -> None:
    """Anybody at all: any groups, any clearance, at any time to come."""
    rng = random.Random(2)
    differences = 0
    for made in islice(permitted(rng, world), 8 if world else 16):
        found, wrong = beyond(made, rng)
        differences += found
        assert not wrong, (wrong[0], made.editor, told(made))
    assert differences > 20


def told(made: Edit) -> str:
    """Return what a change adds and removes, and the rows that stay."""
    before, after = ({(row.kind, *row.values) for row in one.rows} for one in (made.old, made.new))
    marks = [("-", before - after), ("+", after - before), (" ", before & after)]
    return "\n" + "\n".join(f"{mark} {', '.join(row)}" for mark, found in marks for row in found)


def test_a_refused_change_reaches_a_label_on_which_its_editor_lacks_the_right() -> None:
    rng = random.Random(3)
    found = 0
    while found < 10:
        made = edit(rng)
        if made is None or not isinstance(made.verdict, Overreach):
            continue
        found += 1
        said = made.verdict
        assert not made.rightful(said.label, said.action, said.at, gained="give" in said.sentence)
