"""A name from outside is one principal, or none."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from acl.errors import IdentityError
from acl.subject import RESERVED, PrincipalKind, identity_of, is_identity, name_of

# Characters that some folding, normalising or displaying takes for plain ones.
ODD = st.sampled_from(
    "\u212a\u0131\u0130\uff41\uff4d\u0430\u043e\u200b\u00ad\u202e\u0301\ufb01\u017f\n\0 "
)
NEAR = st.text(st.sampled_from("aAlLoOrRyYkKmMiI01._-") | ODD | st.characters(), max_size=12)


def alike(name: str) -> str:
    """What an identity provider may take a name for: compatibility forms, case, nothing unseen."""
    shown = "".join(one for one in name if unicodedata.category(one) != "Cf")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", shown).casefold())


@given(name=NEAR)
def test_a_name_is_refused_or_is_what_it_looks_like(name: str) -> None:
    try:
        identity = identity_of(PrincipalKind.USER, name)
    except IdentityError:
        return
    assert identity == f"user:{alike(name)}"
    assert is_identity(identity)
    assert identity_of(PrincipalKind.USER, name_of(identity)) == identity


@given(name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,30}", fullmatch=True))
def test_plain_names_are_taken(name: str) -> None:
    assert identity_of(PrincipalKind.USER, name) == f"user:{name.lower()}"


@given(name=st.text().filter(lambda one: not one.isascii()))
@example(name="\u212aim")
def test_what_is_not_plain_is_refused_even_where_it_folds_to_a_name(name: str) -> None:
    with pytest.raises(IdentityError, match="holds a character other than plain"):
        identity_of(PrincipalKind.USER, name)


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "user:a", "a:b", "a" * 192, "a\n", "a+b@c"])
def test_what_names_nobody_is_refused(name: str) -> None:
    with pytest.raises(IdentityError, match="is not a name of letters"):
        identity_of(PrincipalKind.USER, name)


def test_the_group_of_all_is_not_to_be_had() -> None:
    with pytest.raises(IdentityError, match="that all are in"):
        identity_of(PrincipalKind.GROUP, "EveryOne")
    assert identity_of(PrincipalKind.USER, "everyone") == "user:everyone"


def test_every_name_that_the_program_gives_itself_is_reserved() -> None:
    root = Path(__file__).parents[3]
    files = [
        file for name in ("acl", "ingest", "retrieval") for file in (root / name).rglob("*.py")
    ]
    found = {name for file in files for name in re.findall(r'"(service:[^"]+)"', file.read_text())}

    assert found - {"service:"} == RESERVED
    for name in RESERVED:
        with pytest.raises(IdentityError, match="is not a name of letters"):
            identity_of(PrincipalKind.USER, name)
