"""The preview: what a change of policy gives and takes, before it takes effect.

The laws of this file:

1. A subject gains the documents that the proposed policy permits and the one in effect does not,
   and loses the others that differ; counted exactly, over every label there is.
2. Ids are shown only of documents that the person who previews may read.
3. A past release would have been refused if, under the labels of today and the roles of its own
   moment, the proposed policy does not permit one of its documents.
4. Another action than reading is gained if some label that there could be is permitted after the
   change and not before, and lost the other way round. Whether a document carries it now does not
   matter: rights to a policy or to labels are used on what comes.
5. What cannot be decided is told as if it happened.

Most of a change concerns few: decisions are compared first, and subjects with the same decisions
before and after are looked at once and told of together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.actions import Action
from acl.containment.budget import UndecidedError
from acl.containment.search import escapee
from acl.labels import Label, LabelSchema
from acl.predicate import Condition, holds
from acl.preview.census import Corpus, Mask
from acl.preview.difference import Comparison, Conditions, Decided
from acl.subject import Subject

SAMPLES: Final = 5

OTHERS: Final = tuple(sorted(one for one in Action if one is not Action.DOCUMENT_READ))
"""The actions whose change a count of documents does not show."""

STEPS: Final = 200_000


@dataclass(frozen=True, slots=True)
class Tally:
    """Documents on one side of a change.

    Attributes:
        documents: how many.
        by_level: how many of each classification, the lowest first.
        samples: some of their ids, of those that the person who previews may read.
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
        unchanged: how many subjects are decided as before.
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
        release: which; its own list of documents is not shown.
        refused: the documents that it would have refused and that the person who previews may read.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """An action that some subjects gain, lose, or both.

    Attributes:
        action: which.
        subjects: who; one or more.
        gained: whether they may do it on some label on which they may not now.
        lost: whether they may not do it on some label on which they may now.
        example: a label on which one of them gains it or, if none does, loses it; `None` where that
            was too much to be decided.
    """

    action: str
    subjects: tuple[Subject, ...]
    gained: bool
    lost: bool
    example: Label | None = None


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
        readable: what the person who previews may read; samples are taken from there (law 2).
        samples: how many ids are shown of what is gained, and of what is lost.
    """
    everyone = tuple(subjects)
    shown = corpus.census.mask(readable)
    changes: list[Change] = []
    for (old, new), members in _changed(Comparison(before, after), everyone, action, at).items():
        first, second = corpus.census.mask(old.condition), corpus.census.mask(new.condition)
        if (first != second).any():
            change = Change(
                subjects=tuple(members),
                gained=_tally(corpus, second & ~first, shown, samples),
                lost=_tally(corpus, first & ~second, shown, samples),
                error=new.error,
            )
            changes.append(change)
    changes.sort(key=lambda change: -change.gained.documents - change.lost.documents)
    unchanged = len(everyone) - sum(len(change.subjects) for change in changes)
    return Preview(action=action, changes=tuple(changes), unchanged=unchanged)


def _changed(
    comparison: Comparison, subjects: Iterable[Subject], action: str, at: datetime
) -> Mapping[tuple[Decided, Decided], Sequence[Subject]]:
    """Return those who are decided otherwise than before; those who are decided alike, together."""
    alike: dict[tuple[Decided, Decided], list[Subject]] = defaultdict(list)
    for subject in subjects:
        pair = comparison.of(subject, action, at)
        if pair is not None and pair[0] != pair[1]:
            alike[pair].append(subject)
    return alike


def review_releases(
    after: Conditions, releases: Iterable[PastRelease], corpus: Corpus, *, readable: Condition
) -> ReleaseReview:
    """Return which past releases the policy `after` would have refused, and how much of them."""
    reviews: list[RefusedRelease] = []
    looked_at = gone = 0
    for release in releases:
        looked_at += 1
        permitted = after.of(release.subject, release.action, release.at).condition
        labels = {document: corpus.label_of(document) for document in release.documents}
        gone += sum(label is None for label in labels.values())
        refused = [
            (document, label)
            for document, label in labels.items()
            if label is not None and not holds(permitted, label)
        ]
        if refused:
            shown = tuple(document for document, label in refused if holds(readable, label))
            hidden = len(refused) - len(shown)
            reviews.append(RefusedRelease(release=release, refused=shown, hidden=hidden))
    return ReleaseReview(releases=looked_at, refused=tuple(reviews), gone=gone)


def _tally(corpus: Corpus, mask: Mask, shown: Mask, samples: int) -> Tally:
    return Tally(
        corpus.census.count(mask), corpus.by_level(mask), corpus.some(mask & shown, samples)
    )


def other_rights(  # noqa: PLR0913 - two policies, who, what, when, and for how long
    before: Conditions,
    after: Conditions,
    subjects: Iterable[Subject],
    *,
    at: datetime,
    actions: Iterable[str] = OTHERS,
    steps: int = STEPS,
) -> tuple[Shift, ...]:
    """Return who gains or loses which action, in the order of the actions.

    Args:
        before: the policy in effect.
        after: the proposed policy.
        subjects: those to look at, such as `acl.policy.profiles.profiles` of both policies.
        at: the moment for which time-limited roles are decided.
        actions: which actions to look at.
        steps: how long one comparison may take.
    """
    comparison, schema = Comparison(before, after), after.policy.schema
    everyone, shifts = tuple(subjects), dict[tuple[str, bool, bool], Shift]()
    for action in actions:
        for (old, new), members in _changed(comparison, everyone, action, at).items():
            gained, on = _beyond(new.condition, old.condition, schema, steps)
            lost, off = _beyond(old.condition, new.condition, schema, steps)
            if gained or lost:
                kind = action, gained, lost
                known = shifts.get(kind)
                shifts[kind] = Shift(
                    action=action,
                    subjects=(*(known.subjects if known else ()), *members),
                    gained=gained,
                    lost=lost,
                    example=(known and known.example) or (on if gained else off),
                )
    return tuple(shifts.values())


def _beyond(
    inner: Condition, outer: Condition, schema: LabelSchema, steps: int
) -> tuple[bool, Label | None]:
    """Say whether a label satisfies `inner` and not `outer`, and which (law 4)."""
    try:
        example = escapee(inner, outer, schema, budget=steps)
    except UndecidedError:
        return True, None  # law 5
    return example is not None, example
