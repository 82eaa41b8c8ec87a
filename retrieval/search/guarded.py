"""The policy's filter in every leaf: how it is put there, and the proof that it is there.

The laws of this file, rules R1 to R5 of the filter semantics:

1. A leaf's filter is `must: [policy, narrowing]`, nothing beside it. There is no leaf without.
2. A sparse leaf counts document frequencies over what the policy passes, and nothing else. The
   narrowing is left out on purpose: what the subject may read is the largest corpus that tells
   nothing about the rest, frequencies over it are steadier than over a narrow slice, and the
   score of a passage does not move when the caller narrows.
3. The policy's filter begins with the label's own guards: complete, and of this schema. Another
   filter, however it came here, is refused.
4. No node is empty.
"""

from __future__ import annotations

from typing import TypeAlias, assert_never

from acl.engine.wire import Filter, MatchAny, MatchExcept, Range, WireCondition
from acl.errors import AclError
from ingest.index.engine import DenseLeaf, Leaf, SparseLeaf

Guards: TypeAlias = tuple[WireCondition, ...]


class UnguardedQueryError(AclError):
    """A query was about to be sent without the policy's filter. Nothing was sent."""


def guard(permit: Filter, narrowing: Filter | None) -> Filter:
    """Return the filter of a leaf (law 1)."""
    return Filter(must=(permit,) if narrowing is None else (permit, narrowing))


def assert_guarded(leaf: Leaf, *, permit: Filter, guards: Guards) -> None:
    """Check the laws of this file on what is about to be sent; `guards` are the label's own.

    Raises:
        UnguardedQueryError: one of them is broken.
    """
    assert_guarded_filter(leaf.filter, permit=permit, guards=guards)
    match leaf:
        case DenseLeaf():
            return
        case SparseLeaf():
            if leaf.corpus != guard(permit, None):
                # law 2
                raise UnguardedQueryError("frequencies would be counted over another corpus")
        case _:
            assert_never(leaf)


def assert_guarded_filter(filter_: Filter, *, permit: Filter, guards: Guards) -> None:
    """Check the laws on a filter.

    Raises:
        UnguardedQueryError: one of them is broken.
    """
    if not guards or permit.must[: len(guards)] != guards:
        # law 3
        raise UnguardedQueryError("the policy's filter does not begin with the label's guards")
    if filter_.should or filter_.must_not or permit not in filter_.must[:1]:
        raise UnguardedQueryError("the policy's filter is not nested under `must`")  # law 1
    _assert_not_empty(filter_)


def _assert_not_empty(condition: WireCondition) -> None:
    match condition:
        case Filter(must, should, must_not):
            if not must and not should:
                raise UnguardedQueryError("a node of the filter has no positive condition")
            for part in (*must, *should, *must_not):
                _assert_not_empty(part)
        case MatchAny(_, values):
            if not values:
                raise UnguardedQueryError("a node of the filter matches nothing")
        case Range(_, gte, lte):
            if gte is None and lte is None:
                raise UnguardedQueryError("a node of the filter has no bound")
        case MatchExcept():
            return
        case _:
            assert_never(condition)
