"""Owners and readers are principals that somebody can bear, through every door."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl.errors import LabelError
from acl.labels import LabelSchema
from acl.subject import is_identity
from ingest.label.inherit import typed_values
from ingest.label.principals import principal_faults, principals_in

SCHEMA = LabelSchema.from_toml(
    '[label.tenant]\ntype = "keyword"\nrequired = true\n'
    '[label.owner]\ntype = "keyword"\n'
    '[label.readers]\ntype = "keyword_set"\n'
    '[label.team]\ntype = "keyword"\n'
)
GOOD = st.sampled_from(["user:ada", "group:hr", "role:auditor", "service:idp", "group:everyone"])
NEAR = st.one_of(
    st.sampled_from(
        ["ada", "User:ada", "user:Ada", "user:", "grp:hr", "group: hr", "everyone", "*"]
    ),
    st.from_regex(r"[A-Za-z:]{1,10}", fullmatch=True),
).filter(lambda text: not is_identity(text))


@given(
    owner=GOOD,
    readers=st.lists(GOOD, max_size=3),
    wrong=NEAR,
    name=st.sampled_from(["owner", "readers"]),
)
def test_a_name_that_nobody_can_have_is_refused_with_why(
    owner: str, readers: list[str], wrong: str, name: str
) -> None:
    good = {"owner": owner, "readers": readers, "team": wrong}
    assert principal_faults(SCHEMA, good) == {}
    assert principals_in(SCHEMA, good) == {owner, *readers}
    bad = {**good, name: wrong if name == "owner" else [*readers, wrong]}
    assert list(principal_faults(SCHEMA, bad)) == [name]
    with pytest.raises(LabelError, match="no name that anybody can have"):
        typed_values(SCHEMA, {name: bad[name]})


def test_a_hint_says_what_may_be_meant() -> None:
    assert "did you mean `user:ada`" in principal_faults(SCHEMA, {"owner": "User:Ada"})["owner"]
    several = principal_faults(SCHEMA, {"owner": "olaf"})["owner"]
    assert "`user:olaf` or `group:olaf`" in several


def test_an_attribute_of_another_type_names_nobody() -> None:
    plain = LabelSchema.from_toml(
        '[label.tenant]\ntype = "keyword"\n[label.owner]\ntype = "integer"\n'
    )
    assert principal_faults(plain, {"owner": 7, "readers": ["x"]}) == {}
