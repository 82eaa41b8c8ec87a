"""What writers of changes said, and what may therefore be found.

The laws of this file:

1. What was acknowledged is there. Of the step that was not, each part is as it was before or as it
   was to be; a step that is whole is there with all of its parts or with none.
2. As many changes are on the audit record as were made: one for a step that is whole, else one for
   each of its parts.
3. Whoever asks while a writer works sees what was right at some moment between question and answer.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from tests.crash.change_state import State

_FIRST_GUESS = 0.01


@dataclass(frozen=True, slots=True)
class Era:
    """What the records may have held from one moment to another."""

    state: State
    begin: float = -math.inf
    end: float = math.inf

    def meets(self, begin: float, end: float) -> bool:
        return self.begin <= end and begin <= self.end


@dataclass(slots=True)
class Expected:
    """What is known of one installation.

    Attributes:
        state: the records, as everything that was acknowledged left them.
        pending: the step that was begun and not acknowledged.
        later: what the job will make true that was begun and is not done.
        eras: what the records held one after the other since the last writer began.
        killed: how often a writer died in the middle of each kind of change.
        before: the records, as they were before the step that was not acknowledged.
        landed: how many of those steps were found done, at least in part.
        moved: the parts of the last such step that were found done.
        lasting: how long each kind takes, as far as that was seen.
        commits: how many transactions of the pending step were about to be committed.
        committing: how many transactions each kind took, as far as that was seen.
        recorded: how many changes are on the audit record.
    """

    state: State
    recorded: int
    hour: int = 0
    pending: dict[str, Any] | None = None
    later: State = field(default_factory=dict)
    eras: list[Era] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    committing: dict[str, int] = field(default_factory=dict)
    commits: int = 0
    landed: int = 0
    moved: set[str] = field(default_factory=set)
    before: State = field(default_factory=dict)
    lasting: dict[str, list[float]] = field(default_factory=dict)
    acks: int = 0

    def begin(self) -> None:
        """Forget the writer before."""
        self.pending, self.later, self.eras = None, {}, [Era(self.state)]

    def hear(self, line: dict[str, Any]) -> None:
        """Take in what a writer says."""
        if line["say"] == "intent":
            self.pending, self.commits = line, 0
            self.hour += line["hours"]
            self.eras.append(Era(applied(self.state, line["after"]), line["at"]))
        elif line["say"] == "ack":
            assert self.pending is not None
            lasted = self.lasting.setdefault(self.pending["kind"], [])
            lasted.append(line["at"] - self.pending["at"])
            self.recorded += changes(self.pending, self._parts())
            self.eras[-2] = replace(self.eras[-2], end=line["at"])
            self.state, self.later = self.eras[-1].state, self.pending["later"]
            self.committing[self.pending["kind"]] = self.commits
            self.pending = None
            self.acks += 1
        elif line["say"] == "commit":
            self.commits += 1
        else:
            raise AssertionError(line)

    def typical(self, kind: str) -> float:
        """Return how long a change of this kind takes."""
        return median(self.lasting.get(kind, [_FIRST_GUESS])[-20:])

    def find(self, found: State, *, recorded: int) -> None:
        """The records were found to hold this, after the writer was killed (laws 1 and 2)."""
        names = found.keys() | self.state.keys()
        self.moved = {one for one in names if found.get(one) != self.state.get(one)}
        if self.pending is not None:
            self._interrupted(self.pending, found)
            self.recorded += changes(self.pending, self.moved)
        else:
            assert not self.moved, {
                one: (self.state.get(one), found.get(one)) for one in self.moved
            }
        said = f"{recorded} changes are on record, {self.recorded} were made"
        assert recorded == self.recorded, said
        self.before, self.state = self.state, found

    def finish(self) -> None:
        """The job that was begun was carried out."""
        after = applied(self.state, self.later)
        self.recorded += sum(after[one] != self.state.get(one) for one in self.later)
        self.before, self.state = after, after

    def _parts(self) -> set[str]:
        """Return what the pending step is to change."""
        assert self.pending is not None
        after = self.pending["after"]
        return {one for one in after if after[one] != self.state.get(one)}

    def _interrupted(self, step: dict[str, Any], found: State) -> None:
        kind, after, parts = step["kind"], step["after"], self._parts()
        assert self.moved <= parts, f"{kind} changed {self.moved - parts}"
        for one in self.moved:
            assert found.get(one) == after[one], f"{kind} left half of {one}"
        assert not step["whole"] or self.moved in (parts, set()), f"{kind} is there in part"
        # A proposal takes effect after it was stored; a refutation is of the revision in effect.
        assert "policy" not in self.moved or "proposed" in self.moved or kind == "refute"
        if step["whole"] and self.moved:
            self.later = step["later"]
        self.killed[kind] += bool(parts)
        self.landed += bool(self.moved)


def changes(step: dict[str, Any], moved: set[str]) -> int:
    """Return how many changes a step was that moved so many of its parts (law 2)."""
    return min(1, len(moved)) if step["whole"] else len(moved)


def applied(state: State, after: State) -> State:
    """Return what is true when `after` is done; what is `None` is gone."""
    return {key: one for key, one in {**state, **after}.items() if one is not None}
