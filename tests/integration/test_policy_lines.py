"""A proposal, its preview and its activation tell of each new line what it does today."""

from __future__ import annotations

import pytest

from acl.errors import PolicyError
from retrieval.policy.edits import Edit
from retrieval.policy.preview import LookBack
from retrieval.rights.authority import OPERATOR, Asker
from retrieval.service.api.policy import PreviewAnswer
from tests.integration.test_policy_desk import (
    TENANT_ADMIN,
    desk_of,
    revision_of,
    views_of,
    with_rights,
)
from tests.integration.world import NOW, World

pytestmark = pytest.mark.asyncio(loop_scope="session")


def line(who: str, folder: str, tenant: str = "acme") -> str:
    return f"p, {who}, {tenant}, {folder}, document:read, True, deny"


async def previewed(world: World, asker: Asker, *add: str) -> PreviewAnswer:
    found = await views_of(world).preview(asker, Edit(add=add), LookBack(days=0), NOW)
    return PreviewAnswer.of(found.preview, found.revision, world.schema)


async def test_rows_that_change_nothing_are_refused_or_told_loudly(light: World) -> None:
    base = await revision_of(light)
    exchanged = "p, group:finance, /contracts/*, acme, document:read, True, deny"
    with pytest.raises(PolicyError, match="are the columns in another order"):
        await desk_of(light).propose(
            OPERATOR, Edit(add=(exchanged,)), expected=base, reason="", now=NOW
        )

    seen = await previewed(
        light, OPERATOR, line("group:finance", "/acme/contracts/*"), line("group:hr", "/acme/*")
    )
    assert [(one.documents > 0, bool(one.why_none)) for one in seen.lines] == [
        (False, True),
        (True, False),
    ]
    assert seen.lines[0].why_none == "no document that there is now meets it"


async def test_what_is_odd_is_told_with_the_proposal(light: World) -> None:
    desk, views, base = desk_of(light), views_of(light), await revision_of(light)
    add = (line("role:contracter", "/acme/*"), line("group:finance", "/acme/x/*", "acmee"))
    found = await desk.propose(OPERATOR, Edit(add=add), expected=base, reason="", now=NOW)
    odd = await views.cautions(OPERATOR, found.revision, NOW)

    assert [one.nearest for one in odd] == ["role:contractor", "acme"]
    seen = await previewed(light, OPERATOR, *add)
    assert [one.nearest for one in seen.warnings] == ["role:contractor", "acme"]
    assert seen.lines[0].why_none == odd[0].reason
    assert await views.cautions(OPERATOR, base, NOW) == ()


async def test_whoever_decides_about_a_region_is_not_told_who_is_known(light: World) -> None:
    await with_rights(light)
    known = [
        (await previewed(light, TENANT_ADMIN, line(name, "/acme/engineering/*"))).warnings
        for name in ("group:finance", "group:financiers", "group:hr", "group:nobody")
    ]

    assert known == [[], [], [], []]
    assert (await previewed(light, OPERATOR, line("group:nobody", "/acme/*"))).warnings
