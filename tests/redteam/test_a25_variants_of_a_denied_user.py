"""A25: no spelling of a denied user's name, at the identity provider, is another principal."""

from __future__ import annotations

import unicodedata
from contextlib import nullcontext
from pathlib import Path

import pytest

from acl.errors import IdentityError
from acl.identity import principal_of
from acl.records import AuditEvent, AuditKind, Records
from acl.records.database.errors import TakenIdentityError
from acl.records.directory.directory import Edit
from acl.records.directory.types import UserState
from acl.subject import Subject
from retrieval.rights.directory import SubjectResolver, UnknownSubjectError
from tests.builders import KEY, NOW

DENIED = "mallory"
VARIANTS = [
    *("Mallory", "MALLORY", "mALLORY"),
    *("\uff4dallory", "m\u0430llory", "mallory\u200b", "\u202emallory", "ma\u00adllory"),
    *("mal\u217cory", "mallory\u0301", " mallory", "mallory ", "mallory\n", "\u1d50allory"),
    *(unicodedata.normalize("NFD", "mallóry"), "mallory\0", "user:mallory", "MALLOR\u028f"),
]
EDIT = Edit(AuditEvent(kind=AuditKind.DIRECTORY, time=NOW, subject="service:idp"))


@pytest.mark.parametrize("variant", VARIANTS)
async def test_a_variant_is_the_denied_user_or_seen_as_another(
    tmp_path: Path, variant: str
) -> None:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", KEY)
    denied = UserState(identity=f"user:{DENIED}", active=False)
    await records.directory.create_user("acme", denied, EDIT)

    try:
        same = UserState(identity=principal_of("user", variant), name=variant)
    except IdentityError:
        pass
    else:
        is_the_denied = same.identity == denied.identity
        with pytest.raises(TakenIdentityError) if is_the_denied else nullcontext():
            await records.directory.create_user("acme", same, EDIT)
        # What is somebody else is seen to be: the odd character is written out.
        assert is_the_denied == (variant.lower() == DENIED)
        assert is_the_denied or "--" in same.identity
    with pytest.raises(UnknownSubjectError):
        await SubjectResolver(records.directory).resolve(Subject(id=denied.identity, tenant="acme"))
    await records.close()
