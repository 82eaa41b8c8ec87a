"""What the SCIM library is told when an entry goes or changes under its hands."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from scim2_models import (
    NotFoundException,
    PreconditionFailedException,
    Resource,
    ResourceType,
    SearchRequest,
    UniquenessException,
)
from scim2_server.utils import parametrize

from acl.identity import folded_name
from acl.records import AuditEvent, AuditKind, Records
from acl.records.directory.directory import Edit
from retrieval.service.scim import storage as scim_storage
from retrieval.service.scim.models import Group, scim_models
from retrieval.service.scim.routes import _wait
from retrieval.service.scim.storage import DirectoryStorage
from tests.builders import KEY, NOW

MODELS = scim_models(None)
USERS, GROUPS = MODELS.provider.resource_types
EDIT = Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp"))


@pytest.fixture(name="storage")
async def _storage(tmp_path: Path) -> AsyncIterator[DirectoryStorage]:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    wait = partial(_wait, asyncio.get_running_loop())
    yield DirectoryStorage(records.directory, MODELS, "acme", EDIT, wait=wait)
    await records.close()


beside = asyncio.to_thread


def named(kind: ResourceType, name: str) -> Resource[Any]:
    if kind is USERS:
        return MODELS.user(user_name=name)  # type: ignore[no-any-return]
    return Group.model_validate({"displayName": name})


@pytest.mark.parametrize("kind", [USERS, GROUPS])
async def test_what_is_gone_or_changed_is_said(
    storage: DirectoryStorage, kind: ResourceType
) -> None:
    made = await beside(storage.create, kind, named(kind, "one"))
    assert made.meta is not None
    assert made.id is not None
    await beside(storage.update, kind, made, expected_version=made.meta.version)

    with pytest.raises(PreconditionFailedException, match="changed meanwhile"):
        await beside(storage.update, kind, made, expected_version=made.meta.version)
    with pytest.raises(PreconditionFailedException):
        await beside(storage.delete, kind, made.id, expected_version=made.meta.version)
    await beside(storage.delete, kind, made.id)
    for gone in (
        beside(storage.get, kind, made.id),
        beside(storage.update, kind, made),
        beside(storage.delete, kind, made.id),
    ):
        with pytest.raises(NotFoundException, match="no such resource"):
            await gone


ODD = " #+'()[]äøß/\\&,é:;=?!*漢|%~^"


def odd_names(number: int) -> list[str]:
    """Names as providers send them, the same each time."""
    random = Random(7)
    letters = f"abcXYZ019._@-{ODD}"
    return ["".join(random.choices(letters, k=random.randint(1, 12))) for _ in range(number)]


async def test_any_two_names_are_two_principals_and_come_back(storage: DirectoryStorage) -> None:
    known: dict[str, str] = {}
    for name in odd_names(int(os.environ.get("STRONGROOM_NAMES", "100"))):
        if folded_name(name) in known:
            with pytest.raises(UniquenessException, match="is the name of another"):
                await beside(storage.create, USERS, named(USERS, name))
            continue
        made: Any = await beside(storage.create, USERS, named(USERS, name))
        assert made.user_name == name
        known[folded_name(name)] = made.id
    assert len(set(known.values())) == len(known) > 90


async def test_a_filter_is_asked_about_every_entry_part_by_part(
    storage: DirectoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scim_storage, "_PART", 3)
    for number in range(8):
        await beside(storage.create, USERS, named(USERS, f"u{number}"))
    asked = parametrize(SearchRequest, MODELS.user).model_validate(
        {
            "filter": 'userName sw "u" and not (userName eq "u3")',
            "startIndex": 3,
            "count": 4,
        }
    )
    page = await beside(storage.search, [USERS], asked)

    assert page.total == 7
    found: list[Any] = page.resources
    assert [one.user_name for one in found] == ["u2", "u4", "u5", "u6"]


async def test_a_page_of_groups_with_very_many_members_is_shorter(
    storage: DirectoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scim_storage, "_MEMBERS", 4)
    monkeypatch.setattr(scim_storage, "_PART_MEMBERS", 2)
    made = [await beside(storage.create, USERS, named(USERS, f"u{one}")) for one in range(3)]
    held = [{"value": one.id} for one in made]
    for name in "abcde":
        group = Group.model_validate({"displayName": name, "members": held})
        await beside(storage.create, GROUPS, group)
    asking = parametrize(SearchRequest, Group)

    async def asked(**said: object) -> tuple[int | None, list[str]]:
        page = await beside(storage.search, [GROUPS], asking.model_validate(said))
        found: list[Any] = page.resources
        assert all(len(one.members or ()) == 3 for one in found if "excluded" not in str(said))
        return page.total, [one.display_name for one in found]

    assert await asked(count=5) == (5, ["a", "b"])
    assert await asked(count=5, startIndex=3) == (5, ["c", "d"])
    assert await asked(count=5, filter='displayName ne "a"') == (4, ["b", "c"])
    members = f'members eq "{made[0].id}" and displayName ne "b"'
    assert await asked(count=5, filter=members) == (4, ["a", "c"])
    every = await asked(count=5, excludedAttributes=["members"])
    assert every == (5, ["a", "b", "c", "d", "e"])


async def test_a_group_that_goes_while_a_page_is_made_is_shown_as_listed(
    storage: DirectoryStorage,
) -> None:
    made = await beside(storage.create, GROUPS, named(GROUPS, "one"))
    assert made.id is not None
    await beside(storage.delete, GROUPS, made.id)

    asked = parametrize(SearchRequest, Group).model_validate({"count": 5})
    assert await beside(storage._shown, "Group", asked, [made]) == [made]
