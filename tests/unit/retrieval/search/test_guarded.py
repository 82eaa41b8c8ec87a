from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from msgspec.structs import force_setattr

from acl.engine.filter import labelled, to_filter
from acl.engine.wire import Filter, MatchAny, MatchExcept, Range
from acl.labels import LabelSchema
from acl.predicate import AnyOf, Labelled
from ingest.index.engine import DenseLeaf, SparseLeaf
from retrieval.search.guarded import UnguardedQueryError, assert_guarded, guard
from tests.conformance.corpus import SCHEMA

PERMIT = to_filter(AnyOf("tenant", frozenset({"a"})), SCHEMA)
OTHER = to_filter(AnyOf("tenant", frozenset({"b"})), SCHEMA)
NARROW = Filter(must=(MatchAny("meta.language", ("de",)),))
VECTOR = np.ones(4, dtype=np.float32)


def hollow(made: Any, **parts: object) -> Any:
    """A value that its constructor would refuse, as a bug further up might make it."""
    for name, value in parts.items():
        force_setattr(made, name, value)
    return made


EMPTY = hollow(Filter(must=(NARROW,)), must=())


@pytest.mark.parametrize("narrowing", [None, NARROW])
def test_what_is_guarded_passes(narrowing: Filter | None) -> None:
    where = guard(PERMIT, narrowing)

    assert where.must[0] == PERMIT
    assert not where.should
    for leaf in (
        DenseLeaf(vector=VECTOR, filter=where, limit=1),
        SparseLeaf(text="x", filter=where, corpus=guard(PERMIT, None), limit=1),
    ):
        assert_guarded(leaf, permit=PERMIT, guards=labelled(SCHEMA))


FILTERS: dict[str, tuple[Filter, str]] = {
    "the policy's filter itself": (PERMIT, "not nested under `must`"),
    "another subject's": (guard(OTHER, None), "not nested under `must`"),
    "the narrowing alone": (Filter(must=(NARROW,)), "not nested under `must`"),
    "a should beside it": (Filter(must=(PERMIT,), should=(NARROW,)), "not nested under `must`"),
    "a must_not beside it": (Filter(must=(PERMIT,), must_not=(NARROW,)), "not nested under"),
    "under should": (Filter(should=(PERMIT,)), "not nested under `must`"),
    "second": (Filter(must=(NARROW, PERMIT)), "not nested under `must`"),
    "an empty node": (Filter(must=(PERMIT, EMPTY)), "no positive condition"),
    "an empty node below": (
        Filter(must=(PERMIT, Filter(must=(NARROW,), must_not=(EMPTY,)))),
        "no positive condition",
    ),
    "a match on nothing": (
        Filter(must=(PERMIT, hollow(MatchAny("a", (1,)), values=()))),
        "matches nothing",
    ),
    "a range without bounds": (
        Filter(must=(PERMIT, hollow(Range("a", gte=1), gte=None))),
        "has no bound",
    ),
}


@pytest.mark.parametrize(("where", "message"), FILTERS.values(), ids=FILTERS)
def test_what_is_not_guarded_is_refused(where: Filter, message: str) -> None:
    leaf = DenseLeaf(vector=VECTOR, filter=where, limit=1)
    with pytest.raises(UnguardedQueryError, match=message):
        assert_guarded(leaf, permit=PERMIT, guards=labelled(SCHEMA))


@pytest.mark.parametrize("corpus", [guard(PERMIT, NARROW), guard(OTHER, None), NARROW, PERMIT])
def test_another_corpus_is_refused(corpus: Filter) -> None:
    leaf = SparseLeaf(text="x", filter=guard(PERMIT, None), corpus=corpus, limit=1)
    with pytest.raises(UnguardedQueryError, match="another corpus"):
        assert_guarded(leaf, permit=PERMIT, guards=labelled(SCHEMA))


def test_a_filter_that_is_no_policy_s_is_refused() -> None:
    other = LabelSchema.from_toml('[label]\ntenant = { type = "keyword" }')
    for permit in (NARROW, to_filter(Labelled(), other), Filter(must=(PERMIT,))):
        leaf = DenseLeaf(vector=VECTOR, filter=guard(permit, None), limit=1)
        with pytest.raises(UnguardedQueryError, match="does not begin with the label's guards"):
            assert_guarded(leaf, permit=permit, guards=labelled(SCHEMA))


def test_a_negative_exception_may_be_of_nothing() -> None:
    present = Filter(must=(PERMIT, Filter(must=(MatchExcept("meta.language", ()),))))
    ranged = Filter(must=(PERMIT, Range("meta.pages", gte=1)))
    for where in (present, ranged):
        assert_guarded(
            DenseLeaf(vector=VECTOR, filter=where, limit=1), permit=PERMIT, guards=labelled(SCHEMA)
        )
