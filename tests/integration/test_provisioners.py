"""Credentials for provisioning: they live for months, and end at the next request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from acl.errors import RequestError
from acl.records import AuditEvent, AuditKind, Records
from acl.records.database.errors import UnknownEntryError
from acl.records.directory.directory import Edit
from acl.subject import PROGRAM, Subject
from retrieval.policy.seeding import seeded
from retrieval.rights.authority import OPERATOR, ForbiddenError
from retrieval.rights.decisions import Decisions, SnapshotHolder
from retrieval.rights.provisioners import MAX_OVERLAP, PREFIX, CredentialError, Provisioners
from retrieval.rights.standing import Standing
from tests.builders import KEY, NOW
from tests.provisioning import with_idp

DAY = timedelta(days=1)
IDP = Subject(id="service:idp", tenant="acme")
PEPPER = b"p" * 32
UNUSED = Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=NOW, subject="service:test"))


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Office:
    provisioners: Provisioners
    clock: Clock

    async def living(self, secret: str) -> bool:
        try:
            return await self.provisioners.verify(secret) == IDP
        except CredentialError:
            return False


@pytest.fixture(name="office")
async def _office(tmp_path: Path) -> AsyncIterator[Office]:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    clock = Clock()
    snapshot = await seeded(records, with_idp(tmp_path), actor=PROGRAM, now=NOW)
    provisioners = Provisioners(
        records=records,
        standing=Standing(records, SnapshotHolder(snapshot)),
        decisions=Decisions(),
        key=PEPPER,
        clock=clock,
    )
    yield Office(provisioners, clock)
    await records.close()


@pytest.mark.parametrize(("service", "may"), [("service:idp", True), ("service:other", False)])
async def test_whether_its_service_may_keep_the_directory(
    office: Office, service: str, *, may: bool
) -> None:
    made = await office.provisioners.create(OPERATOR, "acme", service)
    assert await office.provisioners.may_edit(made.credential) is may


async def test_it_lives_until_it_is_revoked_and_not_a_request_longer(office: Office) -> None:
    made = await office.provisioners.create(OPERATOR, "acme", "service:idp")
    assert made.secret.startswith(PREFIX)
    for days in (0, 1, 90, 700):
        office.clock.now = NOW + days * DAY
        assert await office.living(made.secret)
    (shown,) = await office.provisioners.listed(OPERATOR, "acme")
    assert shown.used_at == office.clock.now
    assert made.secret not in repr(shown) + repr(made.credential)
    assert made.credential.digest not in repr(shown)

    await office.provisioners.revoke(OPERATOR, "acme", made.credential.id)
    assert not await office.living(made.secret)
    with pytest.raises(UnknownEntryError):
        await office.provisioners.revoke(OPERATOR, "acme", made.credential.id)
    gone = replace(made.credential, ends_at=None)
    with pytest.raises(UnknownEntryError):
        await office.provisioners.records.credentials.revoke(gone, office.clock.now, UNUSED)
    for unstorable in ("a\0b", "\ud800"):
        with pytest.raises(UnknownEntryError):
            await office.provisioners.revoke(OPERATOR, "acme", unstorable)
    events = await office.provisioners.records.audit.events(kind=AuditKind.DIRECTORY)
    assert [each.event.detail["change"] for each in events] == [
        "credential created",
        "credential revoked",
    ]
    assert made.secret not in repr(events)
    assert made.credential.digest not in repr(events)


async def test_a_successor_and_the_old_one_overlap(office: Office) -> None:
    old = await office.provisioners.create(OPERATOR, "acme", "service:idp")
    new = await office.provisioners.rotate(OPERATOR, "acme", old.credential.id, 2 * DAY)
    assert new.credential.service == "service:idp"
    office.clock.now = NOW + 2 * DAY - timedelta(seconds=1)
    assert await office.living(old.secret)
    # An overlap that is under way is not made longer.
    await office.provisioners.rotate(OPERATOR, "acme", old.credential.id, 80 * DAY)
    office.clock.now = NOW + 2 * DAY
    assert not await office.living(old.secret)
    assert await office.living(new.secret)
    with pytest.raises(UnknownEntryError):
        await office.provisioners.rotate(OPERATOR, "acme", old.credential.id, DAY)
    for wrong in (-DAY, MAX_OVERLAP + DAY):
        with pytest.raises(RequestError, match="the overlap is from 0 hours to 90 days"):
            await office.provisioners.rotate(OPERATOR, "acme", new.credential.id, wrong)


async def test_it_is_of_one_tenant(office: Office) -> None:
    made = await office.provisioners.create(OPERATOR, "acme", "service:idp")
    assert await office.provisioners.listed(OPERATOR, "globex") == ()
    with pytest.raises(UnknownEntryError):
        await office.provisioners.revoke(OPERATOR, "globex", made.credential.id)
    assert (await office.provisioners.verify(made.secret)).tenant == "acme"


async def test_nothing_near_a_secret_is_one(office: Office) -> None:
    made = (await office.provisioners.create(OPERATOR, "acme", "service:idp")).secret
    random = Random(3)
    for _ in range(100):
        at, letter = random.randrange(len(made)), random.choice("abcdef0123456789_")
        near = made[:at] + letter + made[at + 1 :]
        assert near == made or not await office.living(near)
    for near in ("", PREFIX, made[:-1], made + "0", made.upper(), f" {made}"):
        assert not await office.living(near)
    other = replace(office.provisioners, key=b"q" * 32)
    with pytest.raises(CredentialError):
        await other.verify(made)


async def test_who_may_not_keep_the_directory_makes_none(office: Office) -> None:
    nobody = Subject(id="user:bob", tenant="acme")
    made = await office.provisioners.create(OPERATOR, "acme", "service:idp")
    for work in (
        office.provisioners.create(nobody, "acme", "service:idp"),
        office.provisioners.listed(nobody, "acme"),
        office.provisioners.revoke(nobody, "acme", made.credential.id),
        office.provisioners.listed(nobody, "globex"),
    ):
        with pytest.raises(ForbiddenError):
            await work
    for service in ("user:ada", "service:operator", "service:A", "idp"):
        with pytest.raises(RequestError, match="made for a service of your naming"):
            await office.provisioners.create(OPERATOR, "acme", service)
    with pytest.raises(RequestError, match="not a plain name"):
        await office.provisioners.create(OPERATOR, "Acme!", "service:idp")
