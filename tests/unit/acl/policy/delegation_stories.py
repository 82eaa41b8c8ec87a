"""Stories of delegation: an edit, its editor, and what the editor is told.

`refused` is a part of the refusal, and empty where the edit may be made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Final

from acl.actions import Action
from acl.admission.admission import read_csv
from acl.labels import LabelSchema
from acl.policy.delegation import STEPS, Overreach, Verdict, may_change
from acl.policy.policy import Policy, load
from acl.subject import Subject
from tests.unit.acl.default_policy import MODEL, NOW, SCHEMA

COMPARTMENTS: Final = frozenset({"board"})
EDITOR: Final = Subject(id="user:editor", tenant="acme", clearance=3, compartments=COMPARTMENTS)
BASE: Final = (
    "p, user:admin, *, /*, policy:administer, True, allow",
    "p, user:editor, acme, /acme/*, policy:edit, True, allow",
    "p, user:editor, acme, /acme/*, policy:activate, r.obj.classification <= 1, allow",
    "p, user:editor, acme, /acme/finance/*, document:read, True, allow",
    "p, user:editor, acme, /acme/legal/*, document:read, True, allow",
    "p, group:legal, acme, /acme/legal/*, document:read, True, allow",
    "p, role:auditor, acme, /acme/hr/*, document:read, True, allow",
    "p, group:staff, globex, /globex/*, document:read, True, allow",
    "p, group:everyone, *, /*, document:read, r.obj.owner == r.sub.id, allow",
    "g, user:sam, role:auditor, globex, _, _",
)


def policy(*lines: str, model: str = MODEL, schema: LabelSchema = SCHEMA) -> Policy:
    return load(model, read_csv("\n".join(lines)), schema)


def asked(
    old: Policy,
    new: Policy,
    editor: Subject = EDITOR,
    *,
    activate: bool = False,
    steps: int = STEPS,
) -> Verdict:
    right = Action.POLICY_ACTIVATE if activate else Action.POLICY_EDIT
    return may_change(
        old, new, editor, right,
        clearances=(0, 1, 2, 3), compartments=COMPARTMENTS, at=NOW, steps=steps,
    )  # fmt: skip


def told(verdict: Verdict) -> str:
    """Return what the editor is told, or nothing if the edit may be made."""
    found = [verdict.sentence] if isinstance(verdict, Overreach) else map(str, verdict)
    return "\n".join(found)


GIVES: Final = "p, group:x, acme, /acme/finance/q/*, document:read, True, allow"
NOWHERE: Final = (
    "r.obj.classification < 0",
    '"r.obj.tenant == ""zz"""',
    "r.obj.classification > 1 && r.obj.classification < 1",
)
NO_OWNERS: Final = (*BASE[:8], *BASE[9:])
BARRED: Final = "p, role:barred, acme, /acme/hr/*, document:read, True, deny"
RANKED: Final = MODEL.replace("p = sub,", "p = priority, sub,").replace(
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))", "priority(p.eft) || deny"
)
HR: Final = "p, {}, acme, /acme/hr/*, document:read, {}, {}"
OWNED: Final = "r.obj.owner in r.sub.groups"
SHARED: Final = '"any_of(r.obj.readers, r.sub.groups)"'
EDIT_LEGAL: Final = "p, user:editor, acme, /acme/legal/*, policy:edit, True, allow"
ALLOWING: Final = MODEL.replace(" && !some(where (p.eft == deny))", "")
PLAIN: Final = MODEL.replace("g = _, _, _, (_, _)", "g = _, _, _")
SUBJECT_RANKED: Final = MODEL.replace(
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))", "subjectPriority(p.eft) || deny"
)
ADMINISTERS: Final = "p, user:other, acme, /acme/finance/*, policy:administer, {}, allow"
BEN_LEGAL: Final = "g, user:ben, group:legal, acme, _, _"
BEN_AUDITS: Final = "g, user:ben, role:auditor, acme, _, _"
EVE: Final = replace(EDITOR, id="user:eve")
AGENT: Final = Subject(id="agent:helper", tenant="acme")
NOT_HELD: Final = "where the editor does not hold it"
NOT_CHANGED: Final = "where the editor may not change the policy"
NO_RIGHT: Final = "the editor does not hold this right"
FOREIGN: Final = "is not a row of the editor's own tenant"
ADMINISTRATORS: Final = "only an administrator says who administers the policy"
FAILS: Final = "can fail"


@dataclass(frozen=True, kw_only=True)
class Story:
    """An edit, an editor, and what comes of it."""

    name: str
    adds: Sequence[str] = ()
    drops: Sequence[str] = ()
    refused: str = ""
    base: Sequence[str] = BASE
    editor: Subject = EDITOR
    model: str = MODEL
    activate: bool = False

    def told(self) -> str:
        """Return what the editor is told, or nothing."""
        before = [*self.base, *(line for line in self.drops if line not in self.base)]
        after = [*(line for line in before if line not in self.drops), *self.adds]
        old, new = (policy(*lines, model=self.model) for lines in (before, after))
        return told(asked(old, new, self.editor, activate=self.activate))


def adding(name: str, *lines: str, **parts: Any) -> Story:
    return Story(name=f"{name} (comes)", adds=lines, **parts)


def dropping(name: str, *lines: str, **parts: Any) -> Story:
    """Return the story of rows that go; those that the base lacks stand at its end."""
    return Story(name=f"{name} (goes)", drops=lines, **parts)


def edits(rows: Sequence[str]) -> tuple[str, ...]:
    """Return rows whose editor decides about finance alone."""
    return tuple(one.replace("/acme/*, policy:edit", "/acme/finance/*, policy:edit")
                 for one in rows)  # fmt: skip


def rule(when: str, effect: str = "allow", *, who: str = "group:x", path: str = "finance") -> str:
    quoted = '"' + when.replace('"', '""') + '"'
    return f"p, {who}, acme, /acme/{path}/*, document:read, {quoted}, {effect}"


RIGHTS: Final = (
    adding(
        "who administers may change anything",
        "p, user:eve, *, /*, policy:administer, True, allow",
        editor=Subject(id="user:admin", tenant="acme"),
    ),
    adding(
        "who has no right may change nothing",
        GIVES,
        editor=Subject(id="user:eve", tenant="acme"),
        refused=f"`policy:edit`: {NO_RIGHT}",
    ),
    adding(
        "a right in one tenant is none in another",
        GIVES,
        editor=replace(EDITOR, tenant="globex"),
        refused="`policy:edit`",
    ),
    adding(
        "an agent of the editor needs the right too",
        GIVES,
        editor=replace(EDITOR, actors=(AGENT,)),
        refused="`policy:edit`",
    ),
    *(
        adding(
            f"a right that holds for no label is not held: {when}",
            GIVES,
            base=(
                *BASE,
                *(
                    f"p, user:eve, acme, /*, {action}, {when}, allow"
                    for action in ("policy:administer", "policy:edit")
                ),
            ),
            editor=EVE,
            refused=NO_RIGHT,
        )
        for when in NOWHERE
    ),
    adding(
        "who is denied wherever they are allowed does not administer",
        GIVES,
        base=(
            *BASE,
            "p, group:admins, acme, /acme/*, policy:administer, True, allow",
            "p, user:eve, acme, /*, policy:administer, r.obj.classification >= 0, deny",
        ),
        editor=replace(EVE, groups=frozenset({"group:admins"})),
        refused=NO_RIGHT,
    ),
    adding(
        "a person and an agent without a label in common do not administer",
        GIVES,
        base=(
            *BASE,
            "p, user:eve, acme, /acme/finance/*, policy:administer, True, allow",
            "p, agent:helper, acme, /acme/legal/*, policy:administer, True, allow",
        ),
        editor=replace(EVE, actors=(replace(EDITOR, id="agent:helper"),)),
        refused=NO_RIGHT,
    ),
    adding("activation rests on its own right", GIVES, activate=True, refused=NOT_CHANGED),
    adding(
        "activation within its own right",
        GIVES.replace("True", "r.obj.classification <= 1"),
        activate=True,
    ),
    adding(
        "who may propose may not activate",
        GIVES.replace("True", "r.obj.classification <= 1"),
        base=tuple(line for line in BASE if "policy:activate" not in line),
        activate=True,
        refused="`policy:activate`",
    ),
)

BOUNDS: Final = (
    adding("a rule gives what its editor holds", GIVES),
    adding("a link gives what its editor holds", "g, user:sam, group:legal, acme, _, _"),
    Story(name="nothing changes"),
    adding(
        "an editor whose own requests fail holds nothing",
        GIVES,
        base=(*BASE, "p, user:editor, acme, /*, document:read, r.sub.clearance, allow"),
        refused=NOT_HELD,
    ),
    adding(
        "a rule gives what its editor lacks",
        "p, group:x, acme, /acme/*, document:read, True, allow",
        refused=f"policy.csv line 11 could give `document:read` {NOT_HELD}",
    ),
    adding(
        "a link gives what its editor lacks",
        BEN_AUDITS,
        refused=f"policy.csv line 11, which leads to line 7, could give `document:read` {NOT_HELD}",
    ),
    adding(
        "another action than the editor holds",
        GIVES.replace("document:read", "document:tag"),
        refused=f"could give `document:tag` {NOT_HELD}",
    ),
    adding(
        "nobody is cleared higher than the editor",
        GIVES,
        editor=replace(EDITOR, clearance=1),
        refused=f"could give `document:read` {NOT_CHANGED}",
    ),
    adding(
        "a rule that keeps to the editor's clearance",
        GIVES.replace("True", "r.obj.classification <= 1"),
        editor=replace(EDITOR, clearance=1),
    ),
    adding(
        "nobody is in a compartment that the editor is not in",
        GIVES,
        editor=replace(EDITOR, compartments=frozenset()),
        refused=NOT_CHANGED,
    ),
    adding(
        "an editor cannot widen their own region",
        "p, user:editor, acme, /*, policy:edit, True, allow",
        refused=f"could give `policy:edit` {NOT_CHANGED}",
    ),
    dropping(
        "what is taken lies in the region, held or not",
        "p, role:auditor, acme, /acme/hr/*, document:read, True, allow",
    ),
    dropping(
        "what is taken lies outside the region",
        BASE[6],
        base=edits(BASE),
        refused=f"line 7 the change could take `document:read` away {NOT_CHANGED}",
    ),
    adding("a deny that comes takes", BARRED),
    adding(
        "a deny that comes outside the region",
        BARRED,
        base=edits(NO_OWNERS),
        refused=f"could take `document:read` away {NOT_CHANGED}",
    ),
    dropping(
        "a deny that goes gives to whoever else is allowed",
        BARRED,
        base=NO_OWNERS,
        refused=f"without policy.csv line 10 the change could give `document:read` {NOT_HELD}",
    ),
    dropping("a deny that goes where the editor holds it", BARRED.replace("hr", "legal")),
    dropping(
        "a link that goes gives what its role denied",
        "g, user:ben, role:barred, acme, _, _",
        base=(*NO_OWNERS, BARRED),
        refused=f"could give `document:read` {NOT_HELD}",
    ),
    dropping("a link that goes takes what its role allowed", BEN_AUDITS, base=NO_OWNERS),
    dropping(
        "a link that goes takes what is outside the region",
        BEN_AUDITS,
        base=edits(NO_OWNERS),
        refused=f"could take `document:read` away {NOT_CHANGED}",
    ),
    adding(
        "a link that leads on by other links",
        "g, user:ben, role:w, acme, _, _",
        base=(*NO_OWNERS, "g, role:w, role:auditor, acme, _, _"),
        refused="policy.csv line 11, which leads to line 7,",
    ),
    adding(
        "links of other tenants lead nowhere",
        "g, user:ben, role:w, acme, _, _",
        base=(*NO_OWNERS, "g, role:w, role:auditor, globex, _, _"),
    ),
    adding(
        "links without windows are delegated too",
        "g, user:ben, group:legal, acme",
        base=(*BASE[:9], BARRED),
        model=PLAIN,
    ),
    adding(
        "links without windows are bound too",
        "g, user:ben, role:auditor, acme",
        base=(*BASE[:9], BARRED),
        model=PLAIN,
        refused=NOT_HELD,
    ),
    dropping("the last rule goes", BASE[1], base=()),
    adding(
        "rows of other definitions decide nothing",
        "p2, group:x, acme",
        model=MODEL.replace("[policy_definition]\n", "[policy_definition]\np2 = sub, tenant\n"),
    ),
)

ENDS: Final = "g, user:editor, role:temp, acme, _, 2026-06-02 00:00:00"
TEMP: Final = (*NO_OWNERS[:6], HR.format("role:temp", "True", "allow"), ENDS)

MOMENTS: Final = (
    adding(
        "what begins later counts today",
        "g, user:ben, role:auditor, acme, 2030-01-01 00:00:00, 2031-01-01 00:00:00",
        refused=NOT_HELD,
    ),
    adding(
        "what is over counts no more", "g, user:ben, role:auditor, acme, _, 2020-01-01 00:00:00"
    ),
    adding(
        "a rule gives for longer than its editor holds it",
        HR.format("user:editor", "True", "allow"),
        base=TEMP,
        refused=f"could give `document:read` {NOT_HELD} from 2026-06-02 00:00:00",
    ),
    adding(
        "a link gives no longer than its editor holds it",
        "g, user:ben, role:temp, acme, _, 2026-06-02 00:00:00",
        base=TEMP,
    ),
    adding(
        "a link gives for longer than its editor holds it",
        "g, user:ben, role:temp, acme, _, 2026-06-03 00:00:00",
        base=TEMP,
        refused="from 2026-06-02 00:00:00",
    ),
    Story(
        name="an editor renews what they hold for a time",
        drops=(ENDS,),
        adds=(ENDS.replace("06-02", "07-01"),),
        base=TEMP,
        refused="from 2026-06-02 00:00:00",
    ),
    adding(
        "a role that ends for the editor, and stays for a group of theirs that nothing asks for",
        HR.format("user:ben", "True", "allow"),
        base=(*TEMP, "g, group:boss, role:temp, acme, _, _"),
        editor=replace(EDITOR, groups=frozenset({"group:boss"})),
        model=MODEL.replace(" || p.sub in r.sub.groups", ""),
        refused="from 2026-06-02 00:00:00",
    ),
    adding(
        "what the editor holds later alone is not given",
        "g, user:ben, role:temp, acme, 2027-01-01 00:00:00, _",
        base=(*TEMP[:-1], "g, user:editor, role:temp, acme, 2027-01-01 00:00:00, _"),
        refused=NOT_HELD,
    ),
    adding(
        "a rule gives what a denial hides from its holder for a time",
        "p, user:ben, acme, /acme/hr/*, document:read, True, allow",
        base=(*BASE, "g, user:ben, role:barred, acme, _, 2030-01-01 00:00:00", BARRED),
        refused=NOT_HELD,
    ),
    adding(
        "where rules ask for roles of documents every moment counts",
        GIVES,
        base=(
            *BASE,
            rule(
                'g(r.obj.owner, "role:open", "acme") && r.obj.owner != "role:open"',
                "deny",
                who="user:editor",
            ),
            "g, user:bob, role:open, acme, 2027-01-01 00:00:00, _",
        ),
        refused="from 2027-01-01 00:00:00",
    ),
)

OPEN: Final = (
    'p, group:everyone, *, /*, document:read, "g(r.obj.owner, ""role:open"", ""acme"")", allow'
)

ROWS: Final = (
    *(
        change(
            f"who administers is not delegated: {when}",
            ADMINISTERS.format(when),
            refused=ADMINISTRATORS,
        )
        for change, when in product((adding, dropping), ("True", *NOWHERE))
    ),
    *(
        adding(
            f"an action's pattern that administering fits: {action}",
            f"p, user:editor, acme, /acme/finance/*, {action}, True, allow",
            model=MODEL.replace("r.act == p.act", "keyMatch(r.act, p.act)"),
            refused=refused,
        )
        for action, refused in (
            ("policy:*", "`policy:administer`"),
            ("*", "`policy:administer`"),
            ("policy:administer", "`policy:administer`"),
            ("document:r*", f"could give `document:r*` {NOT_HELD}"),
        )
    ),
    *(
        adding(
            f"a model that compares no action leaves what a row means in doubt: {action}",
            f"p, group:x, acme, /acme/finance/*, {action}, True, allow",
            model=MODEL.replace("r.act == p.act", '(r.act == p.act || r.sub.id == "user:nobody")'),
            refused="`policy:administer`",
        )
        for action in ("anything", "policy:administer")
    ),
    adding(
        "a rule of every tenant",
        "p, group:x, *, /acme/finance/*, document:read, True, allow",
        refused=FOREIGN,
    ),
    adding(
        "a link of another tenant",
        "g, user:eve, role:auditor, globex, _, _",
        refused=f"column `domain`: `g`: {FOREIGN}",
    ),
    dropping("a rule of another tenant goes", BASE[7], refused=FOREIGN),
    dropping("a rule of every tenant goes", BASE[8], refused=FOREIGN),
    adding(
        "a model that keeps no row to its tenant",
        GIVES,
        model=MODEL.replace("keyMatch(r.sub.tenant, p.tenant)", 'p.tenant != ""'),
        refused="does not keep such a row to its tenant",
    ),
    adding(
        "a model that lets one more tenant in",
        GIVES,
        model=MODEL.replace(
            "keyMatch(r.sub.tenant, p.tenant)",
            '(keyMatch(r.sub.tenant, p.tenant) || r.sub.tenant == "globex")',
        ),
        refused="does not keep such a row to its tenant",
    ),
    adding(
        "a link that leaves the order of rules as it is",
        BEN_LEGAL,
        base=NO_OWNERS,
        model=SUBJECT_RANKED,
    ),
    adding(
        "a link that says which rule comes first",
        "g, group:x, group:legal, acme, _, _",
        base=(*NO_OWNERS, "p, group:x, acme, /acme/legal/*, document:read, True, deny"),
        model=SUBJECT_RANKED.replace("sub, tenant,", "sub, dom,").replace("p.tenant", "p.dom"),
        refused="rules may not change places where their order counts",
    ),
    adding(
        "links that rules ask of documents",
        "g, user:ben, role:open, acme, _, _",
        base=(*BASE, OPEN),
        refused="rules ask for such links of documents",
    ),
    dropping(
        "links that rules ask of documents go",
        "g, user:ben, role:open, acme, _, _",
        base=(*BASE, OPEN),
        refused="rules ask for such links of documents",
    ),
    adding("a rule beside one that asks for roles of documents", GIVES, base=(*BASE, OPEN)),
    adding(
        "links that rules ask of others than the asker",
        BEN_LEGAL,
        base=(*BASE, rule('g("user:bob", "role:n", r.sub.tenant)')),
        refused="or of others than the asker",
    ),
    adding(
        "a role of the asker that the document names",
        "g, user:ben, role:open, acme, _, _",
        base=(
            *BASE,
            'p, group:everyone, *, /*, document:read, "g(r.sub.id, r.obj.owner, ""acme"")", allow',
        ),
        refused="rules ask for such links of documents",
    ),
)

BARE: Final = "p, barred, acme, /acme/hr/*, document:read, True, deny"
NAMED: Final = (
    "p, User:Ada, acme, /acme/finance/*, document:read, True, allow",
    "p, *, acme, /acme/finance/*, document:read, True, allow",
    "g, mid, role:barred, acme, _, _",
    "g, user:ben, barred, acme, _, _",
    "g, user:ben, user:editor, acme, _, _",
)

CONDITIONS: Final = (
    *(
        change(f"any condition, since a bound holds for each asker: {when}", rule(when))
        for change in (adding, dropping)
        for when in (
            "r.sub.clearance == 1",
            '"board" in r.sub.compartments || True',
            "!any_of(r.obj.readers, r.sub.principals)",
            "r.obj.owner not in r.sub.groups",
            "r.obj.owner == r.sub.id",
            "r.obj.owner != r.sub.id",
            'any_of(r.obj.readers, r.sub.principals) && !(r.obj.owner == "user:bob")',
            "r.obj.classification == r.sub.clearance",
            "(r.obj.classification <= 1 || r.obj.owner == r.sub.id) && 1 < 2",
            f"any_of(r.obj.readers, r.sub.groups) && {OWNED}",
            f"any_of(r.obj.readers, r.sub.groups) || {OWNED}",
            "r.obj.owner in r.sub.compartments",
            "any_of(r.obj.readers, r.sub.compartments)",
            "any_of(r.obj.compartments, r.sub.groups)",
            "any_of(r.obj.compartments, r.sub.compartments)",
            "r.sub.clearance > 1 && r.sub.id in r.obj.readers",
            'keyMatch(r.sub.id, "agent:*")',
            "subset_of(r.obj.readers, r.sub.groups)",
            'g(r.obj.owner, "role:n", r.sub.tenant)',
        )
    ),
    *(
        change(
            f"what can fail for an asker has no bound: {when}",
            rule(when),
            refused=f"could give `document:read` {NOT_CHANGED}, since line 11 {FAILS}",
        )
        for change in (adding, dropping)
        for when in (
            "r.obj.classification <= r.sub.clearance - 1",
            "r.obj.classification <= r.sub.tenant",
            "keyMatch(r.obj.path, r.sub.tenant)",
            "r.obj.owner in r.sub.id",
            "r.obj.owner in [r.sub.id]",
            "g(r.obj.owner, r.sub.groups, r.sub.tenant)",
            "r.sub.clearance",
            "5",
            "1 / 0 == 1",
            "1 < r.sub.clearance < 3",
            'regexMatch(r.sub.id, "a")',
            "r.sub.age == 5",
            "r.sub.clearance in r.sub.id",
        )
    ),
    *(
        change(f"a row may name any text: {line}", line)
        for change, line in product((adding, dropping), NAMED)
    ),
    adding("a deny for a role that only links reach", BARE),
    dropping("a deny for a role that only links reach", BARE, refused=NOT_HELD),
)

ASKING: Final = (
    "any_of(r.obj.readers, r.sub.groups)",
    "r.obj.owner in r.sub.groups",
    "r.sub.id in r.sub.groups",
    "any_of(r.obj.readers, r.sub.groups) && r.obj.owner == r.sub.id",
    "any_of(r.obj.readers, r.sub.groups) || r.obj.owner == r.sub.id",
    "!(!any_of(r.obj.readers, r.sub.groups) || !(r.obj.owner in r.sub.groups))",
    '"role:z" in r.sub.groups',
    '!("role:z" not in r.sub.groups)',
    'any_of(["group:n"], r.sub.groups)',
    'g(r.sub.id, "role:z", r.sub.tenant)',
    "g(r.sub.id, r.sub.id, r.sub.tenant)",
    "subset_of(r.obj.readers, r.sub.groups)",
)
"""Conditions that one more role can make true."""
AGAINST: Final = (
    "!any_of(r.obj.readers, r.sub.groups)",
    "r.obj.owner not in r.sub.groups",
    "!subset_of(r.obj.readers, r.sub.groups)",
    '"role:z" not in r.sub.groups',
    '!g(r.sub.id, "role:z", r.sub.tenant)',
)
"""Conditions that one more role can make false."""
UNMOVED: Final = (
    "True",
    "r.obj.classification <= r.sub.clearance",
    "r.obj.owner == r.sub.id",
    "r.sub.id in r.obj.readers",
    "r.obj.owner != r.sub.id",
    '"group:n" in r.sub.groups',
    '"group:n" not in r.sub.groups',
    'g(r.sub.id, "role:n", r.sub.tenant)',
    '!g(r.sub.id, "role:n", r.sub.tenant)',
    'r.sub.id == "user:x"',
)
"""Conditions that the role of a link changes nothing about."""
ANYHOW: Final = (
    "any_of(r.sub.groups, r.sub.principals)",
    "any_of(r.obj.readers, r.sub.groups) && !any_of(r.obj.readers, r.sub.groups)",
    "r.obj.owner == r.sub.groups",
    "r.sub.groups in r.sub.groups",
)
LINK: Final = "g, user:ben, role:z, acme, _, _"


def beside(name: str, when: str, *, comes: bool, effect: str = "allow", refused: str = "") -> Story:
    """Return the story of a link beside a rule whose folder the editor decides about, and lacks."""
    change = adding if comes else dropping
    base = (*NO_OWNERS, rule(when, effect, who="group:staff", path="hr"))
    return change(f"{name}, {effect}: {when}", LINK, base=base, refused=refused)


LINKS: Final = (
    *(beside("a link can make it true", when, comes=True, refused=NOT_HELD) for when in ASKING),
    *(beside("a link less takes", when, comes=False) for when in ASKING[:8]),
    *(
        beside("a link can make a denial true", when, comes=True, effect="deny")
        for when in ASKING[:8]
    ),
    *(
        beside("a link less can end a denial", when, comes=False, effect="deny", refused=NOT_HELD)
        for when in ASKING
    ),
    *(beside("a link can make it false", when, comes=True) for when in AGAINST),
    *(
        beside("a link less can make it true", when, comes=False, refused=NOT_HELD)
        for when in AGAINST
    ),
    *(
        beside("a link can end a denial", when, comes=True, effect="deny", refused=NOT_HELD)
        for when in AGAINST
    ),
    *(
        beside(f"a link changes nothing, comes: {comes}", when, comes=comes, effect=effect)
        for when in UNMOVED
        for comes in (True, False)
        for effect in ("allow", "deny")
    ),
    *(
        beside(
            f"in doubt it can do both, comes: {comes}",
            when,
            comes=comes,
            effect=effect,
            refused=NOT_HELD,
        )
        for when in ANYHOW
        for comes in (True, False)
        for effect in ("allow", "deny")
    ),
    *(
        adding(
            f"a rule beside one that asks for names: {when}",
            GIVES,
            base=(*BASE, HR.format("group:everyone", '"' + when.replace('"', '""') + '"', "allow")),
        )
        for when in (*ASKING, *AGAINST, *UNMOVED)
    ),
    adding(
        "rules of other tenants that ask for names",
        LINK,
        base=(*NO_OWNERS, HR.format("group:everyone", SHARED, "allow").replace("acme", "globex")),
    ),
)

OWNED_BY_OTHERS: Final = (
    f'"{OWNED} && r.obj.owner != ""group:everyone"" && r.obj.owner != ""group:legal"""'
)
SECRET: Final = (
    '"any_of(r.obj.readers, r.sub.groups) && !any_of(r.obj.readers, [""group:everyone""])"'
)
SECRET_BASE: Final = (
    *NO_OWNERS[:5],
    f"p, user:editor, acme, /acme/*, document:read, {SECRET}, deny",
)
SHARED_WITH_OTHERS: Final = (
    '"any_of(r.obj.readers, r.sub.groups) && !any_of(r.obj.readers, '
    '[""role:barred"", ""group:y"", ""group:everyone""])"'
)
Y_READS: Final = HR.format("group:y", "True", "allow")
UNREADABLE: Final = "p, group:x, acme, /acme/hr/*, document:read, r.sub.clearance, allow"
MID: Final = (
    *NO_OWNERS[:6],
    Y_READS,
    HR.format("barred", "True", "deny"),
    "g, mid, barred, acme, _, _",
    "g, user:ben, mid, acme, _, _",
)
PUBLIC: Final = (
    *NO_OWNERS,
    "p, public, acme, /acme/hr/*, document:read, True, allow",
    "g, group:everyone, public, acme, _, _",
    "p, user:editor, acme, /acme/hr/*, document:read, True, deny",
    BARRED,
)

COMPANY: Final = (
    adding(
        "a first rule overrules what denies somebody else",
        "p, 20, group:x, acme, /acme/hr/*, document:read, True, allow",
        base=(
            "p, 10, user:editor, acme, /acme/*, policy:edit, True, allow",
            "p, 30, role:barred, acme, /acme/hr/*, document:read, True, deny",
            "p, 50, group:x, acme, /acme/hr/*, document:read, True, allow",
        ),
        model=RANKED,
        refused=NOT_HELD,
    ),
    adding(
        "a group that no row names gains too",
        HR.format("group:everyone", OWNED_BY_OTHERS, "allow"),
        refused=NOT_HELD,
    ),
    dropping(
        "a group that no row names loses too",
        HR.format("group:everyone", OWNED_BY_OTHERS, "allow"),
        base=(BASE[0], BASE[3], EDIT_LEGAL),
        refused=f"take `document:read` away {NOT_CHANGED}",
    ),
    adding(
        "a wall around the editor that is not around those who gain",
        f"p, group:everyone, acme, /acme/legal/*, document:read, {SECRET}, allow",
        base=SECRET_BASE,
    ),
    adding(
        "a wall around the editor's own group",
        f"p, group:everyone, acme, /acme/legal/*, document:read, {SECRET}, allow",
        base=SECRET_BASE,
        editor=replace(EDITOR, groups=frozenset({"group:deal-x"})),
        refused=NOT_HELD,
    ),
    dropping(
        "who is barred gains what is shared with a group that no row names",
        BARRED,
        base=(*NO_OWNERS[:6], HR.format("role:reader", SHARED_WITH_OTHERS, "allow")),
        refused=NOT_HELD,
    ),
    dropping(
        "a link to a role that leads on to a denial goes",
        "g, group:z, role:w, acme, _, _",
        base=(*MID, "g, group:z, role:w, acme, _, _", "g, role:w, barred, acme, _, _"),
        refused=NOT_HELD,
    ),
    adding("a denial beside one that only links reach", Y_READS.replace("allow", "deny"), base=MID),
    adding(
        "a link to a role whose row asks for names",
        "g, user:ben, role:x, acme, _, _",
        base=(
            *NO_OWNERS,
            HR.format("role:x", SHARED, "allow"),
            "g, user:editor, role:x, acme, _, _",
        ),
        refused=NOT_HELD,
    ),
    adding(
        "a role that a link gives is a group that other rows ask for",
        "g, group:z, role:w, acme, _, _",
        base=(*NO_OWNERS, HR.format("group:y", SHARED, "allow")),
        refused=NOT_HELD,
    ),
    dropping(
        "a role that a link gives is a group that denials ask for",
        "g, group:z, role:w, acme, _, _",
        base=(*NO_OWNERS[:6], Y_READS, HR.format("role:barred", SHARED, "deny")),
        refused=NOT_HELD,
    ),
    dropping(
        "a denial that asks for names goes",
        HR.format("role:barred", SHARED_WITH_OTHERS, "deny"),
        base=(*NO_OWNERS[:6], Y_READS),
        refused=NOT_HELD,
    ),
    adding(
        "only an owner gains, since all others may already",
        HR.format("group:x", "True", "allow"),
        base=(
            *BASE[:3],
            HR.format("group:everyone", "r.obj.owner != r.sub.id", "allow"),
            HR.format("user:editor", "True", "allow"),
            HR.format("user:editor", '"r.obj.owner == ""user:bob"""', "deny"),
        ),
        refused=NOT_HELD,
    ),
    adding("without denials, a rule", GIVES, model=ALLOWING),
    adding("without denials, a link", BEN_LEGAL, model=ALLOWING),
    adding(
        "beside a rule that is no condition",
        GIVES,
        base=(*NO_OWNERS, HR.format("group:x", "True", "allow"), UNREADABLE),
    ),
    adding(
        "a link to a rule that is no condition",
        "g, group:legal, group:x, acme, _, _",
        base=(*NO_OWNERS, HR.format("group:x", "True", "allow"), UNREADABLE),
        refused=NOT_HELD,
    ),
    dropping(
        "a link to a rule that is no condition goes",
        "g, group:y, group:x, acme, _, _",
        base=(*NO_OWNERS, UNREADABLE, Y_READS),
        refused=FAILS,
    ),
    dropping(
        "a row that is no condition goes",
        HR.format("group:x", "5", "allow"),
        base=NO_OWNERS,
        refused=FAILS,
    ),
    adding(
        "a row that is no condition comes",
        HR.format("group:x", "5", "allow"),
        base=NO_OWNERS,
        refused=FAILS,
    ),
    dropping(
        "a row that cannot be compared goes",
        HR.format("group:x", "1 / 0 == 1", "allow"),
        base=NO_OWNERS,
        refused=FAILS,
    ),
    dropping(
        "a denial goes beside a role that everybody reaches", BARRED, base=PUBLIC, refused=NOT_HELD
    ),
    adding(
        "many rules are decided within bounds",
        *tuple(rule("r.obj.owner == r.sub.id", who=f"group:n{place}") for place in range(500)),
        base=BASE[:8],
    ),
)

STORIES: Final = (*RIGHTS, *BOUNDS, *MOMENTS, *ROWS, *CONDITIONS, *LINKS, *COMPANY)
