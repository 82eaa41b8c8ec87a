"""The preview: who would gain and who would lose which documents, before a policy takes effect.

The laws of this file:

1. A subject gains the documents that the proposed policy permits and the one in effect does not,
   and loses the others that differ; counted exactly, over every label there is.
2. Ids are shown only of documents that whoever previews may read themself.
3. A past release would have been refused if, under the labels of today and the roles of its own
   moment, the proposed policy does not permit one of its documents.

Most of a change concerns few: decisions are compared first, and subjects with the same decisions
before and after are looked at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.labels import Label
from acl.predicate import Condition, Constant, holds
from acl.preview.census import Mask
from acl.preview.corpus import Corpus
from acl.preview.difference import Comparison, Conditions, Decided
from acl.subject import Subject

SAMPLES: Final = 5


@dataclass(frozen=True, slots=True)
class Tally:
    """Documents on one side of a change.

    Attributes:
        documents: how many.
        by_level: how many of each classification, the lowest first.
        samples: some of their ids, readable by whoever previews.
    """

    documents: int
    by_level: tuple[tuple[str, int], ...]
    samples: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What subjects who are decided alike would gain and lose.

    Attributes:
        subjects: who; one or more.
        gained: what they may not do today and then could.
        lost: what they may do today and then could not.
        error: why the proposed policy has no filter for them, so that they lose all, or `""`.
    """

    subjects: tuple[Subject, ...]
    gained: Tally
    lost: Tally
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a change of policy changes for one action.

    Attributes:
        action: which.
        changes: the largest first.
        unchanged: subjects for whom nothing changes.
    """

    action: str
    changes: tuple[Change, ...]
    unchanged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRelease:
    """A past answer, as the audit record has it: who got which documents, and when."""

    id: str
    subject: Subject
    action: str
    documents: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedRelease:
    """A release that the proposed policy would not have made in full.

    Attributes:
        release: which; its own list of documents is not for everybody's eyes.
        refused: the documents that it would have refused, as far as whoever previews may read them.
        hidden: how many further ones.
    """

    release: PastRelease
    refused: tuple[str, ...]
    hidden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseReview:
    """What the proposed policy would have done to past releases.

    Attributes:
        releases: how many were looked at.
        refused: those that it would not have made in full.
        gone: documents in them that no longer exist, and so cannot be judged.
    """

    releases: int
    refused: tuple[RefusedRelease, ...]
    gone: int


def preview(  # noqa: PLR0913 - two policies, who, what, on which documents, for whose eyes
    before: Conditions,
    after: Conditions,
    subjects: Iterable[Subject],
    action: str,
    corpus: Corpus,
    *,
    at: datetime,
    readable: Condition,
    samples: int = SAMPLES,
) -> Preview:
    """Return who gains and who loses which documents.

    Args:
        before: the policy in effect.
        after: the proposed policy.
        subjects: those to look at, such as `acl.policy.profiles.profiles` of both policies.
        action: what they may or may not do.
        corpus: the live documents.
        at: the moment for which time-limited roles are decided.
        readable: what whoever previews may read; samples are taken from there.
        samples: how many ids are shown of what is gained, and of what is lost.
    """
    alike: dict[tuple[Decided, Decided], list[Subject]] = defaultdict(list)
    unchanged, comparison = 0, Comparison(before, after)
    for subject in subjects:
        pair = comparison.of(subject, action, at)
        if pair is None or pair[0] == pair[1]:
            unchanged += 1
        else:
            alike[pair].append(subject)
    shown = corpus.census.mask(readable)
    changes: list[Change] = []
    for (old, new), members in alike.items():
        first, second = corpus.census.mask(old.condition), corpus.census.mask(new.condition)
        if (first == second).all():
            unchanged += len(members)
            continue
        changes.append(
            Change(
                subjects=tuple(members),
                gained=_tally(corpus, second & ~first, shown, samples),
                lost=_tally(corpus, first & ~second, shown, samples),
                error=new.error,
            )
        )
    changes.sort(key=lambda one: -one.gained.documents - one.lost.documents)
    return Preview(action=action, changes=tuple(changes), unchanged=unchanged)


def review_releases(
    after: Conditions, releases: Iterable[PastRelease], corpus: Corpus, *, readable: Condition
) -> ReleaseReview:
    """Return which past releases the policy `after` would have refused, and how much of them."""
    found: list[RefusedRelease] = []
    looked_at = gone = 0
    for release in releases:
        looked_at += 1
        permitted = after.of(release.subject, release.action, release.at).condition
        labels = {one: corpus.label_of(one) for one in release.documents}
        gone += sum(label is None for label in labels.values())
        refused = [
            (one, label)
            for one, label in labels.items()
            if label is not None and not _holds(permitted, label)
        ]
        if refused:
            shown = tuple(one for one, label in refused if _holds(readable, label))
            hidden = len(refused) - len(shown)
            found.append(RefusedRelease(release=release, refused=shown, hidden=hidden))
    return ReleaseReview(releases=looked_at, refused=tuple(found), gone=gone)


def _tally(corpus: Corpus, mask: Mask, shown: Mask, samples: int) -> Tally:
    return Tally(
        corpus.census.count(mask), corpus.by_level(mask), corpus.some(mask & shown, samples)
    )


def _holds(condition: Condition, label: Label) -> bool:
    return bool(condition.value) if isinstance(condition, Constant) else holds(condition, label)
