"""Whose rights a change of the policy rests on, when, and what others see of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from acl.proof.proof import Progress
from acl.records import AuditKind
from acl.records.tables.heads import mark_refuted
from acl.subject import Subject
from retrieval.policy.desk import PolicyDesk
from retrieval.policy.edits import Edit, FourEyesError, OverreachError
from retrieval.policy.preview import LookBack
from retrieval.rights.authority import OPERATOR, ForbiddenError, authority_of, share_nobody
from retrieval.rights.decisions import Decisions
from retrieval.rights.policy_source import read_labels
from tests.integration.policies import changed, put_in_effect
from tests.integration.test_policy_desk import ADMIN, BOARD, RIGHTS, TENANT_ADMIN, views_of
from tests.integration.world import NOW, POLICY, World

pytestmark = pytest.mark.asyncio(loop_scope="session")

AGENT = Subject(id="agent:helper", tenant="acme", clearance=3, groups=ADMIN.groups)
RUTH = replace(ADMIN, id="user:ruth")
GLOBAL = "p, role:root, *, /*, policy:administer, True, allow"
FINANCE = "p, user:tess, acme, /acme/finance/*, policy:activate, True, allow"
SECRET = "p, role:x, globex, /globex/secret-plan/*, document:read, True, allow"
WITHIN = "p, group:sales, acme, /acme/engineering/*, document:read, True, allow"
TEMPORARY = "g, user:tim, role:root, acme, _, 2026-02-01 12:00:05"


class Meanwhile:
    """A clock, and something that happens while a proof runs."""

    def __init__(self, world: World, happens: str) -> None:
        self.world, self.happens = world, happens
        self.seconds = 0.0
        self.tasks: list[asyncio.Task[None]] = []

    def __call__(self) -> float:
        return self.seconds

    def on_progress(self, _: Progress) -> None:
        self.seconds = 10.0
        if self.happens == "group":
            self.world.standing._resolve = _without_role
        elif self.happens == "refutation" and not self.tasks:
            self.tasks.append(asyncio.create_task(self._refute()))

    async def _refute(self) -> None:
        await self.world.records.database.write(mark_refuted)


async def _without_role(subject: Subject) -> Subject:
    return replace(subject, groups=subject.groups - {"role:editor"})


@pytest.fixture
def resolving(light: World) -> Iterator[World]:
    yield light
    light.standing._resolve = None


def desk_of(world: World, *, clock: Meanwhile | None = None, four_eyes: bool = False) -> PolicyDesk:
    more = {} if clock is None else {"clock": clock}
    return PolicyDesk(
        records=world.records,
        standing=world.standing,
        decisions=world.searcher._decisions,
        schema_text=read_labels(POLICY),
        four_eyes=four_eyes,
        budget=300,
        **more,
    )


async def put(world: World, *rows: str) -> int:
    source = changed(POLICY, world.schema, add=(*RIGHTS, *rows))
    return (await put_in_effect(world.records, source, now=NOW)).revision


async def test_a_role_that_ends_during_the_proof_activates_nothing(light: World) -> None:
    base, meanwhile = await put(light, TEMPORARY), Meanwhile(light, "time")
    desk = desk_of(light, clock=meanwhile)
    tim = Subject(id="user:tim", tenant="acme", clearance=3)
    found = await desk.propose(tim, Edit(add=(BOARD,)), expected=base, reason="", now=NOW)

    with pytest.raises(ForbiddenError):
        await desk.activate(
            tim, found.revision, expected=base, now=NOW, on_progress=meanwhile.on_progress
        )

    assert (await light.records.standing.read()).policy == base
    assert (await light.records.policies.revision(found.revision)).activated_at is None


async def test_an_activation_is_of_its_own_moment(light: World) -> None:
    base, meanwhile = await put(light), Meanwhile(light, "time")
    desk = desk_of(light, clock=meanwhile)
    found = await desk.propose(ADMIN, Edit(add=(BOARD,)), expected=base, reason="", now=NOW)

    done = await desk.activate(
        ADMIN, found.revision, expected=base, now=NOW, on_progress=meanwhile.on_progress
    )

    assert done.revision.activated_at == NOW + timedelta(seconds=10)


async def test_a_right_that_is_taken_away_during_the_proof_is_missed(resolving: World) -> None:
    base, meanwhile = await put(resolving, FINANCE), Meanwhile(resolving, "group")
    desk = desk_of(resolving, clock=meanwhile)
    found = await desk.propose(TENANT_ADMIN, Edit(add=(WITHIN,)), expected=base, reason="", now=NOW)

    with pytest.raises(OverreachError):
        await desk.activate(
            TENANT_ADMIN, found.revision, expected=base, now=NOW, on_progress=meanwhile.on_progress
        )

    assert (await resolving.records.standing.read()).policy == base


async def test_rights_that_moved_and_still_reach_activate(light: World) -> None:
    base, meanwhile = await put(light), Meanwhile(light, "refutation")
    desk = desk_of(light, clock=meanwhile)
    found = await desk.propose(TENANT_ADMIN, Edit(add=(WITHIN,)), expected=base, reason="", now=NOW)

    await desk.activate(
        TENANT_ADMIN, found.revision, expected=base, now=NOW, on_progress=meanwhile.on_progress
    )

    assert meanwhile.tasks
    assert (await light.records.standing.read()).policy == found.revision


@pytest.mark.parametrize(
    ("author", "other"),
    [
        (ADMIN, replace(RUTH, actors=(ADMIN,))),
        (replace(RUTH, actors=(ADMIN,)), ADMIN),
        (replace(ADMIN, actors=(AGENT,)), replace(RUTH, actors=(AGENT,))),
        (OPERATOR, OPERATOR),
    ],
)
async def test_four_eyes_are_of_two_people(light: World, author: Subject, other: Subject) -> None:
    base, desk = await put(light), desk_of(light, four_eyes=True)
    found = await desk.propose(author, Edit(add=(BOARD,)), expected=base, reason="", now=NOW)

    with pytest.raises(FourEyesError, match="another has to"):
        await desk.activate(other, found.revision, expected=base, now=NOW)

    assert (await light.records.standing.read()).policy == base


async def test_the_same_name_in_another_tenant_is_somebody_else(light: World) -> None:
    base, desk = await put(light, GLOBAL), desk_of(light, four_eyes=True)
    found = await desk.propose(ADMIN, Edit(add=(BOARD,)), expected=base, reason="", now=NOW)
    assert found.parties == ("acme/user:root",)

    done = await desk.activate(
        replace(ADMIN, tenant="globex"), found.revision, expected=base, now=NOW
    )

    assert done.revision.revision == found.revision


async def test_a_proposal_of_before_parties_were_kept_is_of_its_name_in_every_tenant(
    light: World,
) -> None:
    await put(light)

    for tenant in ("acme", "globex"):
        authority = await authority_of(
            light.standing, Decisions(), replace(ADMIN, tenant=tenant), NOW
        )
        assert not share_nobody(("user:root",), authority)
        assert share_nobody(("user:ruth", "initech/user:root"), authority)


@pytest.mark.parametrize(
    "edit",
    [
        ("# contractors never read", "# globex: obsolete, remove. contractors never read"),
        ("# owners tag their documents\n", ""),
        ("p, role:x, globex", 'p, "role:x", globex'),
        (SECRET, f"{SECRET}\n# a last word"),
    ],
)
async def test_what_is_no_row_of_the_tenant_stays_to_the_letter(
    light: World, edit: tuple[str, str]
) -> None:
    base, desk = await put(light, SECRET), desk_of(light)
    whole = (await light.records.policies.texts(base)).rules
    assert edit[0] in whole
    rules = whole.replace(*edit) + f"{WITHIN}\n"

    with pytest.raises(OverreachError, match="not a row of the editor's own tenant"):
        await desk.propose(TENANT_ADMIN, Edit(rules=rules), expected=base, reason="", now=NOW)

    found = await desk.propose(ADMIN, Edit(rules=rules), expected=base, reason="", now=NOW)
    with pytest.raises(OverreachError, match="not a row of the editor's own tenant"):
        await desk.activate(TENANT_ADMIN, found.revision, expected=base, now=NOW)


async def test_who_and_why_is_told_to_those_whose_rows_change(light: World) -> None:
    base, desk = await put(light), desk_of(light)
    for add, reason in ((SECRET, "the merger"), (WITHIN, "sales asked"), (GLOBAL, "for all")):
        await desk.propose(ADMIN, Edit(add=(add,)), expected=base, reason=reason, now=NOW)
    texts = await light.records.policies.texts(base)
    comment = Edit(rules=f"{texts.rules}# a word about the merger\n")
    await desk.propose(ADMIN, comment, expected=base, reason="the merger", now=NOW)
    model = Edit(model=f"{texts.model}\n# plain\n")
    await desk.propose(ADMIN, model, expected=base, reason="the model", now=NOW)

    views = views_of(light)
    seen = await views.revisions(TENANT_ADMIN, NOW, after=base)

    reasons = ["", "sales asked", "for all", "", "the model"]
    assert [one.reason for one in seen] == reasons
    assert [one.author for one in seen] == [one and "user:root" for one in reasons]
    assert {one.parties for one in seen if not one.reason} == {()}
    assert [one.reason for one in await views.latest(TENANT_ADMIN, NOW, limit=5)] == reasons[::-1]
    assert (await views.revision(TENANT_ADMIN, base + 1, NOW)).reason == ""
    whole = await views.revisions(ADMIN, NOW, after=base)
    assert [one.reason for one in whole] == [one or "the merger" for one in reasons]
    (first,) = await views.revisions(TENANT_ADMIN, NOW, limit=1)
    assert first.reason == "the policy folder, at first start"


async def test_a_preview_is_on_record_whoever_asks(light: World) -> None:
    base, views = await put(light), views_of(light)

    found = await views.preview(OPERATOR, Edit(add=(BOARD,)), LookBack(days=1), NOW)
    assert found.revision == base
    await views.preview(TENANT_ADMIN, base, LookBack(days=1), NOW)

    events = await light.records.audit.events(limit=1000, kind=AuditKind.POLICY_PREVIEWED)
    assert [one.event.subject for one in events] == ["service:operator", "user:tess"]
