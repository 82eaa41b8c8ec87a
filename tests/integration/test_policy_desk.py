"""Policies are proposed, looked at, proved, and take effect; or they change nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from acl.errors import PolicyError
from acl.records import AuditKind, Outcome, ProofState, StalePolicyError, UnknownRevisionError
from acl.subject import Subject
from retrieval.policy.desk import PolicyDesk
from retrieval.policy.edits import (
    Edit,
    FailedTestsError,
    FourEyesError,
    OverreachError,
    UnchangedError,
)
from retrieval.policy.preview import LookBack, outlook
from retrieval.policy.trials import tried
from retrieval.policy.views import PolicyViews
from retrieval.rights.authority import OPERATOR, ForbiddenError, authority_of
from retrieval.rights.decisions import Decisions
from retrieval.rights.policy_source import read_labels, source_of
from tests.builders import last_event
from tests.integration.policies import changed, put_in_effect
from tests.integration.world import ADA, BOB, EVE, NOW, POLICY, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

ENGINEERING = "p, group:engineering, acme, /acme/engineering/*, document:read, True, allow"
BOARD = "p, group:engineering, acme, /acme/board/*, document:read, True, allow"
THREAD = "file:acme/engineering/thread.eml"

ADMIN = replace(ADA, id="user:root", groups=frozenset({"role:root"}))
COMPARTMENTS = frozenset({"board", "falcon", "finance"})
TENANT_ADMIN = replace(
    BOB,
    id="user:tess",
    clearance=3,
    compartments=COMPARTMENTS,
    groups=frozenset({"group:engineering", "role:editor"}),
)
RIGHTS = (
    "p, role:root, acme, /*, policy:administer, True, allow",
    "p, role:editor, acme, /acme/engineering/*, policy:edit, True, allow",
    "p, role:editor, acme, /acme/engineering/*, policy:activate, True, allow",
)


def desk_of(world: World, *, four_eyes: bool = False) -> PolicyDesk:
    return PolicyDesk(
        records=world.records,
        standing=world.standing,
        decisions=world.searcher._decisions,
        schema_text=read_labels(POLICY),
        four_eyes=four_eyes,
        budget=300,
    )


def views_of(world: World) -> PolicyViews:
    return PolicyViews(
        records=world.records, standing=world.standing, decisions=world.searcher._decisions
    )


async def with_rights(world: World) -> int:
    source = changed(POLICY, world.schema, add=RIGHTS)
    return (await put_in_effect(world.records, source, now=NOW)).revision


async def revision_of(world: World) -> int:
    return (await world.records.standing.read()).policy


async def test_a_change_is_proposed_proved_and_obeyed(light: World) -> None:
    desk = desk_of(light)
    assert THREAD in await light.uris(EVE, "supplier")
    base = await revision_of(light)

    found = await desk.propose(
        OPERATOR, Edit(remove=(ENGINEERING,)), expected=base, reason="they moved", now=NOW
    )
    assert (found.base, found.author, found.reason) == (base, "service:operator", "they moved")
    assert THREAD in await light.uris(EVE, "supplier")

    activated = await desk.activate(OPERATOR, found.revision, expected=base, now=NOW)

    assert not activated.proof.plan.everything
    assert activated.proof.holds
    assert 0 < activated.proof.allowed < activated.proof.stop
    proof = await light.records.policies.proof(found.revision)
    assert proof is not None
    labels = len(await light.records.catalog.distinct_labels())
    assert (proof.state, proof.labels) == (ProofState.SAMPLED, labels)
    assert THREAD not in await light.uris(EVE, "supplier")
    assert (await light.ask(EVE, "supplier")).policy_revision == found.revision
    back = await desk.roll_back(OPERATOR, base, expected=found.revision, reason="", now=NOW)
    assert back.reason == f"back to revision {base}"
    await desk.activate(OPERATOR, back.revision, expected=found.revision, now=NOW)
    assert THREAD in await light.uris(EVE, "supplier")


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (Edit(add=("p, role:x, acme, /*, document:raed, True, allow",)), "document:raed"),
        (Edit(add=("p, role:x, acme, /*, document:read, True, alow",)), "neither `allow` nor"),
        (Edit(add=("p, role:x, acme, /*, document:read, True",)), "6 columns|5 columns"),
        (Edit(add=("p, role:x, acme, /*, document:read, r.obj.nothing == 1, allow",)), "nothing"),
        (Edit(add=("p, , acme, /*, document:read, True, allow",)), "is empty"),
        (Edit(add=(ENGINEERING,)), "repeats line"),
        (Edit(add=("p, role:x\nacme",)), "a row is one line"),
        (Edit(add=("# only a comment",)), "is not a row"),
        (Edit(add=('p, "role:x',)), "balanced quotes"),
        (Edit(remove=("p, role:unknown, acme, /*, document:read, True, allow",)), "is not a rule"),
        (Edit(add=("g, role:a, role:b, acme, _, _", "g, role:b, role:a, acme, _, _")), "role"),
        (Edit(model="[nonsense]"), "model"),
        (Edit(rules=""), "has no rule"),
    ],
)
async def test_what_is_refused_changes_nothing_and_is_on_record(
    light: World, edit: Edit, reason: str
) -> None:
    base = await revision_of(light)
    before = await light.records.policies.revisions()

    with pytest.raises(PolicyError, match=reason):
        await desk_of(light).propose(OPERATOR, edit, expected=base, reason="", now=NOW)

    assert await light.records.policies.revisions() == before
    event = await last_event(light.records)
    assert (event.kind, event.outcome) == (AuditKind.POLICY_REFUSED, Outcome.DENIED)


async def test_a_proposal_to_the_letter_keeps_every_comment(light: World) -> None:
    base = await revision_of(light)
    texts = await light.records.policies.texts(base)
    found = await desk_of(light).propose(
        OPERATOR, Edit(add=(BOARD,)), expected=base, reason="", now=NOW
    )

    rules = (await light.records.policies.texts(found.revision)).rules
    assert rules == f"{texts.rules.rstrip()}\n{BOARD}\n"
    assert texts.rules == (Path(POLICY) / "policy.csv").read_text()
    with pytest.raises(UnchangedError):
        await desk_of(light).propose(
            OPERATOR, Edit(rules=texts.rules), expected=base, reason="", now=NOW
        )


async def test_a_change_names_the_revision_that_it_was_made_on(light: World) -> None:
    desk, base = desk_of(light), await revision_of(light)
    edit = Edit(add=(BOARD,))
    with pytest.raises(StalePolicyError):
        await desk.propose(OPERATOR, edit, expected=base + 1, reason="", now=NOW)
    found = await desk.propose(OPERATOR, edit, expected=base, reason="", now=NOW)
    await with_rights(light)

    for expected in (base, base + 2):
        with pytest.raises(StalePolicyError):
            await desk.activate(OPERATOR, found.revision, expected=expected, now=NOW)
    with pytest.raises(UnknownRevisionError):
        await desk.activate(OPERATOR, 99, expected=base + 2, now=NOW)
    with pytest.raises(UnknownRevisionError):
        await desk.roll_back(OPERATOR, 99, expected=base + 2, reason="", now=NOW)


async def test_who_has_no_right_sees_and_changes_nothing(light: World) -> None:
    desk, base = desk_of(light), await with_rights(light)

    for attempt in (
        desk.propose(EVE, Edit(add=(BOARD,)), expected=base, reason="", now=NOW),
        desk.activate(EVE, base, expected=base, now=NOW),
        desk.roll_back(EVE, 1, expected=base, reason="", now=NOW),
        views_of(light).texts(EVE, base, NOW),
        views_of(light).compared(EVE, 1, base, NOW),
        views_of(light).proof(EVE, base, NOW),
    ):
        with pytest.raises(ForbiddenError):
            await attempt
    assert await revision_of(light) == base


async def test_a64_nobody_grants_what_they_do_not_hold(light: World) -> None:
    desk, base = desk_of(light), await with_rights(light)
    beyond = (
        BOARD,
        "p, group:engineering, globex, /acme/engineering/*, document:read, True, allow",
        "p, group:engineering, *, /acme/engineering/*, document:read, True, allow",
        "p, user:tess, acme, /*, policy:administer, True, allow",
        "g, user:tess, role:root, acme, _, _",
    )

    for row in beyond:
        with pytest.raises(OverreachError):
            await desk.propose(TENANT_ADMIN, Edit(add=(row,)), expected=base, reason="", now=NOW)
    with pytest.raises(OverreachError):
        await desk.propose(
            TENANT_ADMIN,
            Edit(remove=("p, group:finance, acme, /acme/finance/*, document:read, True, allow",)),
            expected=base,
            reason="",
            now=NOW,
        )

    within = "p, group:sales, acme, /acme/engineering/*, document:read, True, allow"
    found = await desk.propose(TENANT_ADMIN, Edit(add=(within,)), expected=base, reason="", now=NOW)
    await desk.activate(TENANT_ADMIN, found.revision, expected=base, now=NOW)
    assert await revision_of(light) == found.revision
    sales = Subject(id="user:sal", tenant="acme", clearance=1, groups=frozenset({"group:sales"}))
    assert THREAD in await light.uris(sales, "supplier")


async def test_a_right_that_no_label_can_meet_is_nobody_s(light: World) -> None:
    mallory = replace(TENANT_ADMIN, id="user:mallory", groups=frozenset({"role:editor"}))
    never = "r.obj.classification < 1 && r.obj.classification > 1"
    row = f"p, user:mallory, acme, /acme/engineering/*, {{}}, {never}, allow"
    base, desk = await with_rights(light), desk_of(light)

    with pytest.raises(OverreachError, match="only an administrator says who administers"):
        await desk.propose(
            mallory,
            Edit(add=(row.format("policy:administer"),)),
            expected=base,
            reason="tidy",
            now=NOW,
        )
    rows = (*RIGHTS, *(row.format(one) for one in ("policy:administer", "policy:read")))
    await put_in_effect(light.records, changed(POLICY, light.schema, add=rows), now=NOW)
    nobody = replace(mallory, groups=frozenset())
    with pytest.raises(ForbiddenError):
        await views_of(light).seeing(nobody, NOW)


async def test_an_administrator_of_a_tenant_does_not_see_the_rules_of_another(
    light: World,
) -> None:
    source = changed(
        POLICY,
        light.schema,
        add=(*RIGHTS, "p, role:x, globex, /globex/secret-plan/*, document:read, True, allow"),
    )
    number = (await put_in_effect(light.records, source, now=NOW)).revision
    views = views_of(light)

    seen = (await views.texts(TENANT_ADMIN, number, NOW)).rules

    assert "secret-plan" not in seen
    assert "#" not in seen
    assert ENGINEERING in seen
    assert "secret-plan" not in (await views.compared(TENANT_ADMIN, 1, number, NOW)).text
    assert "secret-plan" in (await views.texts(ADMIN, number, NOW)).rules


async def test_four_eyes(light: World) -> None:
    desk, base = desk_of(light, four_eyes=True), await with_rights(light)
    found = await desk.propose(ADMIN, Edit(add=(BOARD,)), expected=base, reason="", now=NOW)

    with pytest.raises(FourEyesError, match="another has to"):
        await desk.activate(ADMIN, found.revision, expected=base, now=NOW)

    other = replace(ADMIN, id="user:ruth")
    await desk.activate(other, found.revision, expected=base, now=NOW)
    current = await light.records.policies.current()
    assert current is not None
    assert (current.author, current.activated_by) == ("user:root", "user:ruth")


async def test_of_two_activations_at_once_one_takes_effect(light: World) -> None:
    desk, base = desk_of(light), await revision_of(light)
    proposals = [
        await desk.propose(OPERATOR, Edit(add=(row,)), expected=base, reason="", now=NOW)
        for row in (BOARD, RIGHTS[0])
    ]

    outcomes = await asyncio.gather(
        *(desk.activate(OPERATOR, one.revision, expected=base, now=NOW) for one in proposals),
        return_exceptions=True,
    )

    assert sorted(type(one).__name__ for one in outcomes) == ["Activated", "StalePolicyError"]


async def test_a_preview_says_who_gains_and_loses_what(light: World) -> None:
    await light.ask(BOB, "Falcon supplier")
    await light.ask(EVE, "Falcon supplier")
    base = await revision_of(light)
    texts = Edit(remove=(ENGINEERING,), add=(BOARD,)).applied(
        await light.records.policies.texts(base)
    )
    proposed = source_of(texts, light.schema).policy

    found = await outlook(
        light.records,
        await authority_of(light.standing, Decisions(), OPERATOR, NOW),
        proposed,
        LookBack(days=1),
    )

    assert found.documents == len(await light.documents())
    (people,) = found.people
    lost = {one.id: change.lost.documents for change in people.changes for one in change.subjects}
    assert lost[BOB.id] > 0
    assert lost[EVE.id] > 0
    assert {one.release.subject.id for one in found.releases.refused} == {BOB.id, EVE.id}
    assert await revision_of(light) == base


TESTS = """[label]
owner = "group:engineering"
compartments = []
readers = []

[[test]]
subject = { id = "user:eve", tenant = "acme", groups = ["group:engineering"] }
action = "document:read"
label = { path = "/acme/engineering/thread", classification = "public" }
expect = "allow"
"""


async def test_tests_are_kept_beside_the_rules_and_are_for_administrators(light: World) -> None:
    desk, views, base = desk_of(light), views_of(light), await with_rights(light)
    first = await desk.propose(ADMIN, Edit(tests=TESTS), expected=base, reason="", now=NOW)
    base = (await desk.activate(ADMIN, first.revision, expected=base, now=NOW)).revision.revision
    later = await desk.propose(ADMIN, Edit(add=(BOARD,)), expected=base, reason="", now=NOW)

    assert (await light.records.policies.texts(later.revision)).tests == TESTS
    assert (await views.texts(ADMIN, base, NOW)).tests == TESTS
    assert (await views.texts(TENANT_ADMIN, base, NOW)).tests == ""
    assert "tests.toml" in (await views.compared(ADMIN, base - 1, base, NOW)).text
    assert "tests.toml" not in (await views.compared(TENANT_ADMIN, base - 1, base, NOW)).text
    with pytest.raises(OverreachError, match=r"tests\.toml: .*only an administrator"):
        await desk.propose(TENANT_ADMIN, Edit(tests=""), expected=base, reason="", now=NOW)


async def test_what_fails_its_tests_takes_no_effect(light: World) -> None:
    desk, views, base = desk_of(light), views_of(light), await with_rights(light)
    edit = Edit(tests=TESTS, remove=(ENGINEERING,))
    number = (await desk.propose(ADMIN, edit, expected=base, reason="", now=NOW)).revision

    (failing,) = await views.failing_tests(ADMIN, number, NOW)
    assert failing.startswith(
        "tests.toml line 6: expected allow, but the nearest rule asks for more: "
        "`r.obj.owner == r.sub.id` of policy.csv line "
    )
    with pytest.raises(FailedTestsError, match="the nearest rule asks for more"):
        await desk.activate(ADMIN, number, expected=base, now=NOW)
    event = await last_event(light.records)
    assert (event.kind, event.outcome) == (AuditKind.POLICY_REFUSED, Outcome.DENIED)
    assert await revision_of(light) == base
    (told,) = await views.failing_tests(TENANT_ADMIN, number, NOW)
    assert told == "1 of the tests that administrators of every tenant wrote do not hold"


async def test_tests_can_name_documents_and_people_of_record(light: World) -> None:
    base, documents = await revision_of(light), await light.documents()
    known = next(one for one in documents if one.label_json["tenant"] == "acme")
    path = known.label_json["path"]
    test = """[[test]]
subject = "acme/user:{}"
action = "document:read"
document = "{}"
expect = "deny"
"""
    texts = await light.records.policies.texts(base)

    async def failing(*named: tuple[str, str]) -> list[str]:
        tests = "".join(test.format(*one) for one in named)
        source = source_of(replace(texts, tests=tests), light.schema)
        return [one.reason for one in (await tried(light.records, source, NOW)).failures]

    assert await failing(("nobody", path)) == [
        "the directory has no active person `acme/user:nobody`"
    ]
    inline = '{ id = "user:nobody", tenant = "acme" }'
    test = test.replace('"acme/user:{}"', "{}")
    assert await failing((inline, path), (inline, known.id)) == []
    assert await failing((inline, "/acme/gone"), (inline, "0" * 36)) == [
        "there is no document `/acme/gone`",
        f"there is no document `{'0' * 36}`",
    ]
    test = test.replace('"deny"', '"allow"')
    assert len(await failing((inline, path), (inline, known.id))) == 2
