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
6. A row that is plainly false for a request contributes to no decision, under any effect, and
   raises for no label. So a subject is decided alike if no row concerns them that only one policy
   has, and for others the rows of both are evaluated once. This holds as long as the rest is the
   same: the model, the links of roles, the schema, the order of the rows that both have; and each
   policy has rules, none of them twice.

Most of a change concerns few: decisions are compared first, and subjects with the same decisions
before and after are looked at once and told of together.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from acl.actions import Action
from acl.containment.search import escapee
from acl.decision import guard
from acl.errors import AclError, UndecidedError
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Row
from acl.policy.compiler import condition_of, residuals
from acl.policy.decide import decide, request_of
from acl.policy.policy import Policy
from acl.predicate import NEVER, Condition, holds
from acl.preview.census import Corpus, Mask
from acl.subject import Subject


@dataclass(frozen=True, slots=True)
class Decided:
    """Which labels a subject is permitted, or why there is no filter for them."""

    condition: Condition
    error: str = ""


class Conditions:
    """What subjects are permitted under one policy, found out once for each."""

    def __init__(self, policy: Policy) -> None:
        """Begin with nothing found out."""
        self.policy = policy
        self._known: dict[tuple[Subject, str, int, int], Decided] = {}

    def of(self, subject: Subject, action: str, at: datetime) -> Decided:
        """Return what `subject` is permitted; between two boundaries of roles it is the same."""
        asked = self._asked(subject, action, at)
        if asked not in self._known:
            self._known[asked] = self._decided(subject, action, at)
        return self._known[asked]

    def keep(self, subject: Subject, action: str, at: datetime, decided: Decided) -> Decided:
        """Remember what was found out elsewhere."""
        return self._known.setdefault(self._asked(subject, action, at), decided)

    def _asked(self, subject: Subject, action: str, at: datetime) -> tuple[Subject, str, int, int]:
        moments = self.policy.boundaries
        return subject, action, bisect_left(moments, at), bisect_right(moments, at)

    def _decided(self, subject: Subject, action: str, at: datetime) -> Decided:
        try:
            decision = decide(self.policy, subject, action, at)
        except AclError as error:
            return Decided(NEVER, str(error))
        return Decided(decision.condition)


@dataclass(frozen=True, slots=True)
class Difference:
    """Two policies that differ in rules alone.

    Attributes:
        after: the second of them.
        removed: the rules that only the first has, as a policy of their own.
        added: those that only the second has.
        places: where each rule stands among those of the first policy.
    """

    before: Policy
    after: Policy
    removed: Policy
    added: Policy
    places: Mapping[tuple[str, ...], int]

    def conditions(
        self, subject: Subject, action: str, at: datetime
    ) -> tuple[Condition, Condition] | None:
        """Return what each policy permits, or nothing if no rule that differs concerns the subject.

        Raises:
            RequestError, FilterTooLargeError: the subject cannot be decided upon.
        """
        removed, added = (
            residuals(side, request_of(side, subject, action, at), at)
            for side in (self.removed, self.added)
        )
        if not removed and not added:
            return None
        new = residuals(self.after, request_of(self.after, subject, action, at), at)
        old = [residual for residual in new if residual.row.values in self.places] + removed
        old.sort(key=lambda residual: self.places[residual.row.values])
        fence = guard(self.after.schema, subject.tenant)
        return condition_of(self.before, old, fence), condition_of(self.after, new, fence)


class Comparison:
    """Two policies, subject by subject."""

    def __init__(self, before: Conditions, after: Conditions) -> None:
        """Find out how much the two share."""
        self._before, self._after = before, after
        self._difference = difference_of(before.policy, after.policy)

    def of(self, subject: Subject, action: str, at: datetime) -> tuple[Decided, Decided] | None:
        """Return what each policy permits, or nothing if that is plainly the same.

        What is found out is kept for the next question.
        """
        asked = subject, action, at
        # Who acts through agents is decided by several requests at once.
        if self._difference is not None and not subject.actors:
            try:
                found = self._difference.conditions(*asked)
            except AclError:
                return self._before.of(*asked), self._after.of(*asked)
            if found is None:  # law 6
                return None
            old, new = map(Decided, found)
            return self._before.keep(*asked, old), self._after.keep(*asked, new)
        return self._before.of(*asked), self._after.of(*asked)


def difference_of(before: Policy, after: Policy) -> Difference | None:
    """Return the rules that differ, or nothing if more than rules may differ."""
    old, new = ([row.values for row in policy.rules] for policy in (before, after))
    places, others = {values: place for place, values in enumerate(old)}, set(new)
    once = len(places) == len(old) and len(others) == len(new)
    if not old or not new or not once or _frame(before) != _frame(after):
        return None
    if [values for values in old if values in others] != [
        values for values in new if values in places
    ]:
        return None
    return Difference(
        before=before,
        after=after,
        removed=_only(before, places.keys() - others),
        added=_only(after, others - places.keys()),
        places=places,
    )


def _frame(policy: Policy) -> tuple[object, ...]:
    links = tuple((row.kind, row.values) for row in _links(policy))
    return policy.model.text, links, policy.matching, policy.schema.digest, policy.suffix


def _links(policy: Policy) -> list[Row]:
    return [row for row in policy.rows if row.kind in policy.model.roles]


def _only(policy: Policy, values: set[tuple[str, ...]]) -> Policy:
    rules = [row for row in policy.rules if row.values in values]
    return policy.with_rows([*rules, *_links(policy)])


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
