"""The order of what was found: deterministic, and independent of what was not found.

The laws of this file:

1. Candidates are ordered by score, best first, and equal scores by id. The engine's own order of
   equal scores follows where points lie on disk, which hidden points have a part in.
2. Lists are fused by reciprocal rank. Equal scores have an equal rank, so that the order of ids
   decides nothing but the order of what is equal in every list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.index.engine import Candidate, Payload

RRF_K: Final = 60
"""The constant of Cormack, Clarke and Büttcher (SIGIR 2009), as Qdrant and others use it."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate in its final place.

    Attributes:
        id: the chunk's id.
        score: the leaf's score, or the sum of reciprocal ranks when lists were fused.
        payload: the engine's bookkeeping, without any label.
    """

    id: str
    score: float
    payload: Payload

    @property
    def document(self) -> str:
        """Id of the document that the chunk belongs to."""
        return str(self.payload["document"]["id"])

    @property
    def version(self) -> int:
        """Version of the document at which the chunk was written."""
        return int(self.payload["document"]["version"])


def ordered(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates best first, equal scores in the order of ids (law 1)."""
    return sorted(candidates, key=lambda one: (-one.score, one.id))


def ranks(candidates: Sequence[Candidate]) -> dict[str, int]:
    """Return id to rank, counted from 1; as many places are skipped as scores are equal."""
    found: dict[str, int] = {}
    rank, last = 0, 0.0
    for place, one in enumerate(ordered(candidates), start=1):
        if place == 1 or one.score != last:
            rank, last = place, one.score
        found[one.id] = rank
    return found


def fuse(lists: Sequence[Sequence[Candidate]], *, limit: int) -> list[Ranked]:
    """Return the best `limit` of all lists by reciprocal rank (law 2)."""
    payloads: dict[str, Payload] = {}
    scores: dict[str, float] = {}
    for candidates in lists:
        payloads |= {one.id: one.payload for one in candidates}
        for identity, rank in ranks(candidates).items():
            scores[identity] = scores.get(identity, 0.0) + 1.0 / (RRF_K + rank)
    return _best(scores, payloads, limit)


def alone(candidates: Sequence[Candidate], *, limit: int) -> list[Ranked]:
    """Return the best `limit` of one list with its own scores."""
    return [Ranked(one.id, one.score, one.payload) for one in ordered(candidates)[:limit]]


def _best(scores: Mapping[str, float], payloads: Mapping[str, Payload], limit: int) -> list[Ranked]:
    best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return [Ranked(identity, score, payloads[identity]) for identity, score in best]
