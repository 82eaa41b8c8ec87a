"""The only road to the data: every question passes here, inside the policy's filter.

The laws of this file:

1. No signature has a default filter, and every leaf and count is checked before it is sent
   (`retrieval.search.guarded`). Nothing takes a point's id, and no vector comes out.
2. What the asker can see up to `exact_points` is always searched exactly, whatever the engine's
   estimate says: an estimate above it is verified by a count.
3. Under the exact plan the answer depends on visible points alone, bit for bit. A leaf that ends
   in the middle of equal scores is asked again, wider, until they are all there, and then cut by
   the order of ids; sparse scores are summed in a fixed order. Under a graph plan hidden points
   shape the graph; the promise there is the recall that `bench.recall` measures.
4. A graph that comes back short is not believed: the leaf is asked again, exactly.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from msgspec.structs import replace

from acl.engine.filter import labelled
from acl.engine.wire import Filter
from acl.labels import LabelSchema
from ingest.index.engine import (
    TOLERANCE,
    Candidate,
    DenseLeaf,
    Leaf,
    Plan,
    SparseLeaf,
    Vector,
    VectorEngine,
)
from retrieval.search.guarded import assert_guarded, assert_guarded_filter, guard
from retrieval.search.plan import Chosen, PlanSettings, choose
from retrieval.search.rank import Ranked, alone, fuse, ordered

MAX_LIMIT: Final = 1000

# How deep each list is read before two are fused.
_DEPTH: Final = 50
# Ties are completed up to here: more than a set that is searched exactly can hold, given how far
# the engine's estimate can be off.
_WIDEST: Final = 20_000
_WIDENING: Final = 4

_COUNTS_KEPT: Final = 1024
_COUNT_SECONDS: Final = 30.0


class Mode(StrEnum):
    """Which lists answer a question."""

    HYBRID = "hybrid"
    DENSE = "dense"
    SPARSE = "sparse"


@dataclass(frozen=True, slots=True)
class Question:
    """A question's words, and its vector; a sparse search needs no vector."""

    text: str
    vector: Vector | None


class Store:
    """Searches and counts, always inside the policy's filter."""

    def __init__(
        self,
        engine: VectorEngine,
        schema: LabelSchema,
        *,
        settings: PlanSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._guards = labelled(schema)
        self._settings = settings or PlanSettings()
        self._clock = clock
        self._counts: OrderedDict[Filter, tuple[float, int]] = OrderedDict()

    async def search(
        self,
        permit: Filter,
        question: Question,
        *,
        mode: Mode,
        narrowing: Filter | None,
        limit: int,
    ) -> list[Ranked]:
        """Return the best `limit` passages inside `permit` and `narrowing`.

        Args:
            permit: the policy's filter, made by `acl.engine.filter.to_filter`.
            question: what is asked.
            mode: which lists answer.
            narrowing: what the caller restricts itself to, made by `retrieval.search.narrow`, or
                `None`.
            limit: at most so many passages, from 1 to `MAX_LIMIT`.

        Raises:
            ValueError: `limit` is out of range, or the question lacks the vector it needs.
            UnguardedQueryError: `permit` is not a policy's filter.
            EngineError: the engine failed.
        """
        if not 1 <= limit <= MAX_LIMIT:
            raise ValueError(f"a limit lies between 1 and {MAX_LIMIT}")
        chosen = await self.plan(permit, narrowing=narrowing)
        scope = _Scope(guard(permit, narrowing), guard(permit, None), chosen)
        match mode:
            case Mode.HYBRID:
                depth = max(_DEPTH, 2 * limit)
                leaves = [_dense(scope, question, depth), _sparse(scope, question, depth)]
                return fuse(await self._ask(permit, leaves), limit=limit)
            case Mode.DENSE:
                (found,) = await self._ask(permit, [_dense(scope, question, limit)])
            case Mode.SPARSE:
                (found,) = await self._ask(permit, [_sparse(scope, question, limit)])
            case _:
                assert_never(mode)
        return alone(found, limit=limit)

    async def plan(self, permit: Filter, *, narrowing: Filter | None) -> Chosen:
        """Return how a dense search inside `permit` and `narrowing` is carried out (law 2).

        Raises:
            UnguardedQueryError: `permit` is not a policy's filter.
            EngineError: the engine failed.
        """
        where = guard(permit, narrowing)
        assert_guarded_filter(where, permit=permit, guards=self._guards)
        visible = await self._engine.count(where, exact=False)
        if visible > self._settings.exact_points:
            visible = await self._counted(where)
        total = visible
        if visible > self._settings.exact_points:
            # Of labels alone, so it is no policy's filter; it chooses between graphs.
            total = await self._counted(Filter(must=self._guards))
        return choose(visible=visible, total=total, settings=self._settings)

    async def _ask(self, permit: Filter, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        """Answer every leaf in one call, then complete those that need it."""
        # One more than wanted shows whether the last score goes on behind the cut.
        answers = await self._send(permit, [_wider(leaf, leaf.limit + 1) for leaf in leaves])
        return [
            await self._completed(permit, leaf, found)
            for leaf, found in zip(leaves, answers, strict=True)
        ]

    async def _completed(
        self, permit: Filter, leaf: Leaf, found: list[Candidate]
    ) -> list[Candidate]:
        if isinstance(leaf, DenseLeaf) and leaf.plan is not Plan.EXACT and len(found) < leaf.limit:
            # More than `exact_points` are visible, and no limit is larger: the graph lost some.
            exact = replace(leaf, plan=Plan.EXACT)
            (found,) = await self._send(permit, [_wider(exact, leaf.limit + 1)])
            leaf = exact
        asked = leaf.limit + 1
        while len(found) == asked < _WIDEST and _tied(found, leaf):
            asked = min(asked * _WIDENING, _WIDEST)
            (found,) = await self._send(permit, [_wider(leaf, asked)])
        return ordered(found)[: leaf.limit]

    async def _send(self, permit: Filter, leaves: Sequence[Leaf]) -> list[list[Candidate]]:
        for leaf in leaves:
            assert_guarded(leaf, permit=permit, guards=self._guards)
        return await self._engine.query(leaves)

    async def _counted(self, where: Filter) -> int:
        """Return an exact count that may be half a minute old; it only chooses a plan."""
        now = self._clock()
        kept = self._counts.get(where)
        if kept is not None and now - kept[0] < _COUNT_SECONDS:
            self._counts.move_to_end(where)
            return kept[1]
        counted = await self._engine.count(where, exact=True)
        self._counts[where] = (now, counted)
        self._counts.move_to_end(where)
        if len(self._counts) > _COUNTS_KEPT:
            self._counts.popitem(last=False)
        return counted


@dataclass(frozen=True, slots=True)
class _Scope:
    """What both leaves of a question share."""

    filter: Filter
    corpus: Filter
    chosen: Chosen


def _dense(scope: _Scope, question: Question, limit: int) -> Leaf:
    if question.vector is None:
        raise ValueError("a dense search needs the question's vector")
    return DenseLeaf(
        vector=question.vector,
        filter=scope.filter,
        limit=limit,
        plan=scope.chosen.plan,
        ef=max(scope.chosen.ef, limit),
    )


def _sparse(scope: _Scope, question: Question, limit: int) -> Leaf:
    return SparseLeaf(
        text=question.text,
        filter=scope.filter,
        corpus=scope.corpus,
        limit=limit,
        steady=scope.chosen.plan is Plan.EXACT,
    )


def _wider(leaf: Leaf, limit: int) -> Leaf:
    if isinstance(leaf, DenseLeaf):
        return replace(leaf, limit=limit, ef=max(leaf.ef, limit))
    return replace(leaf, limit=limit)


def _tied(found: Sequence[Candidate], leaf: Leaf) -> bool:
    """Say whether the score at the cut goes on to the end of what was returned.

    Sparse candidates were chosen by sums that are off by a little, and the nearly equal may have
    been left out for the sake of that little.
    """
    scores = sorted((one.score for one in found), reverse=True)
    margin = TOLERANCE if isinstance(leaf, SparseLeaf) else 0.0
    cut = scores[leaf.limit - 1]
    return scores[-1] >= cut - margin * abs(cut)
