"""A name from outside is one principal, or none."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from acl.errors import IdentityError
from acl.identity import principal_of
from acl.subject import RESERVED, is_identity

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
def test_a_name_is_what_it_looks_like_or_is_seen_to_be_another(name: str) -> None:
    try:
        identity = principal_of("user", name)
    except IdentityError:
        return
    assert is_identity(identity)
    assert identity == f"user:{alike(name)}" or "--" in identity


@given(name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._@]{0,30}", fullmatch=True))
def test_plain_names_are_taken(name: str) -> None:
    assert principal_of("user", name) == f"user:{name.lower()}"


def test_every_name_that_the_program_gives_itself_is_reserved() -> None:
    root = Path(__file__).parents[3]
    files = [
        file for name in ("acl", "ingest", "retrieval") for file in (root / name).rglob("*.py")
    ]
    found = {name for file in files for name in re.findall(r'"(service:[^"]+)"', file.read_text())}

    # `service:idp` is what a provisioner is called unless it is given another name.
    assert found - {"service:", "service:idp"} == RESERVED
    for name in RESERVED:
        assert principal_of("user", name) not in RESERVED
