"""A name of a provider is one principal, for good, and no other name is the same one."""

from __future__ import annotations

import random

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from acl.errors import IdentityError
from acl.identity import MAX_NAME, display_name, escaped_name, folded_name, principal_of
from acl.subject import is_identity

# Pieces of which escapes, their markers and near misses are made.
PIECES = st.sampled_from(
    ["-", "--", "x", "20", "2d", "e9", "--20-", "--sha256-", "a", "A", "é", "É", "e\u0301"]
) | st.sampled_from(
    ["E\u0301", "\u212a", "k", "K", "/", "#EXT#", "@", ".", "_", "|", ":", "ß", "ẞ", "İ"]
)
NAMED = st.characters(blacklist_categories=("Cc", "Cs"))
NAMES = st.lists(PIECES | NAMED, min_size=1, max_size=12).map("".join).map(lambda text: text[:20])


@given(name=NAMES)
@example(name="x/")
@example(name="x--2f-")
@example(name="xn--fa-hia.de")
@example(name="a--20-b")
@example(name="a--d800-b")
@example(name="a--110000-b")
@example(name="a--sha256-" + "0" * 64)
def test_a_name_is_one_principal_and_reads_back(name: str) -> None:
    for exact in (False, True):
        principal = principal_of("user", name, exact=exact)
        assert is_identity(principal)
        spelt = name if exact else folded_name(name)
        assert display_name(principal) == f"user:{spelt}"
        assert principal_of("user", spelt, exact=exact) == principal


@given(one=NAMES, other=NAMES)
@example(one="x/", other="/")
@example(one="a b", other="a--20-b")
def test_two_names_are_never_one(one: str, other: str) -> None:
    assert (escaped_name(one, exact=True) == escaped_name(other, exact=True)) == (one == other)
    assume(folded_name(one) != folded_name(other))
    assert escaped_name(one) != escaped_name(other)


@given(name=st.from_regex(r"[a-z0-9]([._@-]?[a-z0-9]){0,30}", fullmatch=True))
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert escaped_name(name) == name


@pytest.mark.parametrize(
    ("name", "escaped"),
    [
        ("Ada", "ada"),
        ("2e8f03b7-91d5-4c6a-8b40-c7a6d5e4f390", "2e8f03b7-91d5-4c6a-8b40-c7a6d5e4f390"),
        ("a--b", "a--b"),
        ("joe_partner.example#EXT#@acme.example", "joe_partner.example--23-ext--23-@acme.example"),
        ("joe+test@acme.example", "joe--2b-test@acme.example"),
        ("pat.o'brien@acme.example", "pat.o--27-brien@acme.example"),
        ("jørgen@acme.example", "j--f8-rgen@acme.example"),
        ("Sales Team (EMEA)", "sales--20-team--20---28-emea--29-"),
        ("Geschäftsführung", "gesch--e4-ftsf--fc-hrung"),
        ("auth0|5f7c8ec7c33c6c004bbafe82", "auth0--7c-5f7c8ec7c33c6c004bbafe82"),
        ("/sales/emea", "x--2f-sales--2f-emea"),
        ("f:12:rita", "f--3a-12--3a-rita"),
        ("x/", "x--78---2f-"),
        ("a--20-b", "a--2d---2d-20--2d-b"),
    ],
)
def test_names_that_providers_send(name: str, escaped: str) -> None:
    assert escaped_name(name) == escaped


def test_a_name_in_another_spelling_is_the_same_and_a_look_alike_is_not() -> None:
    assert escaped_name("JØRGEN") == escaped_name("jørgen")
    assert escaped_name("Mallo\u0301ry") == escaped_name("MALLÓRY")
    assert escaped_name("H\u0331") == escaped_name("\u1e96")
    alike = ["kim", "\u212aim", "\uff4bim", "\u043aim", "kim\u200b", " kim", "k\u0131m", "kİm"]
    assert len({escaped_name(name) for name in alike}) == len(alike)
    assert escaped_name("Ada", exact=True) != escaped_name("ada", exact=True)


@given(name=st.text())
def test_folding_is_done_once(name: str) -> None:
    assert folded_name(folded_name(name)) == folded_name(name)
    if name.isascii():
        assert folded_name(name) == name.lower()


def test_a_long_name_keeps_its_beginning_and_is_told_by_its_digest() -> None:
    drawn = random.Random(7)
    names = {"".join(drawn.choices("aé b", k=drawn.randint(150, 400))) for _ in range(200)} | {
        "a" * 191,
        "a" * 192,
        "a" * 193,
        "é" * 191,
    }
    escaped = {escaped_name(name) for name in names}
    assert len(escaped) == len({folded_name(name) for name in names})
    assert all(is_identity(f"user:{one}") and len(one) <= MAX_NAME for one in escaped)
    assert escaped_name("a" * 191) == "a" * 191
    long = escaped_name("é" * 191)
    assert long.startswith("x--e9---e9-")
    assert display_name(f"group:{long}") == f"group:{'é' * 23}…"
    # Whoever is called like the form of a long name is somebody else.
    assert escaped_name(long) != long


@pytest.mark.parametrize("name", ["", "a\nb", "\0", "a\x7f", "\ud800"])
def test_what_names_nobody(name: str) -> None:
    with pytest.raises(IdentityError, match=r"is empty|a control character"):
        escaped_name(name)


def test_the_group_of_all_is_not_to_be_had() -> None:
    with pytest.raises(IdentityError, match="that all are in"):
        principal_of("group", "Everyone")
    assert principal_of("role", "Everyone") == "role:everyone"
