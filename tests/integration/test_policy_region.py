"""Who edits a region learns of nothing outside it, and asks for no more than is soon answered."""

from __future__ import annotations

import time
from contextlib import nullcontext

import pytest

from acl.subject import Subject
from retrieval.policy.edits import MAX_DELEGATED, Edit, OverreachError
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

HIDDEN = "/acme/finance/forecast.md"
OWN = "/acme/engineering/*"
SOON = 2.0


def line(path: str, when: str = "True", who: str = "group:probe") -> str:
    return f'p, {who}, acme, {path}, document:read, "{when}", allow'


async def previewed(world: World, asker: Asker, *add: str) -> str:
    found = await views_of(world).preview(asker, Edit(add=add), LookBack(days=0), NOW)
    answer = PreviewAnswer.of(found.preview, found.revision, world.schema)
    return answer.model_dump_json().replace(add[0].split(", ")[3], "PATH")


@pytest.mark.parametrize(
    "when",
    [
        "True",
        "r.obj.owner == 'group:finance'",
        "'group:finance' in r.obj.readers",
        "'finance' in r.obj.compartments",
        "r.obj.classification >= 2",
    ],
)
async def test_a_preview_is_the_same_whether_or_not_a_document_lies_outside(
    light: World, when: str
) -> None:
    await with_rights(light)
    seen = [
        await previewed(light, TENANT_ADMIN, line(path, when))
        for path in (HIDDEN, HIDDEN.replace("forecast", "forecasts"))
    ]
    everywhere = await previewed(light, OPERATOR, line(HIDDEN))

    assert seen[0] == seen[1]
    assert '"documents":1' in everywhere, "the document is there, and the operator sees it"


async def test_what_lies_in_the_region_is_counted(light: World) -> None:
    await with_rights(light)
    found = await views_of(light).preview(
        TENANT_ADMIN, Edit(add=(line(OWN),)), LookBack(days=0), NOW
    )

    assert found.preview.documents > 0
    assert any(one.changes for one in found.preview.roles)


@pytest.mark.parametrize("count", [MAX_DELEGATED, MAX_DELEGATED + 1, 1000])
async def test_many_lines_are_answered_soon(light: World, count: int) -> None:
    base = await with_rights(light)
    rows = tuple(line(f"/acme/engineering/f{number}/*") for number in range(count))
    many = pytest.raises(OverreachError, match="at most 100 lines")

    began = time.monotonic()
    with many if count > MAX_DELEGATED else nullcontext():
        await proposed(light, TENANT_ADMIN, base, rows)
    assert time.monotonic() - began < 3 * SOON, "a quiet machine answers within 2 s"
    with many if count > MAX_DELEGATED else nullcontext():
        await previewed(light, TENANT_ADMIN, *rows)
    await proposed(light, OPERATOR, await revision_of(light), rows)


async def proposed(world: World, asker: Subject | Asker, base: int, rows: tuple[str, ...]) -> None:
    await desk_of(world).propose(asker, Edit(add=rows), expected=base, reason="", now=NOW)
