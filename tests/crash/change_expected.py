"""What writers of changes said, and what may therefore be found.

The laws of this file:

1. What was acknowledged is there. Of the step that was not, each part is as it was before or as it
   was to be; a step that is whole is there with all of its parts or with none.
2. Whoever asks while a writer works sees what was right at some moment between question and answer.
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
        lasting: how long each kind takes, as far as that was seen.
    """

    state: State
    hour: int = 0
    pending: dict[str, Any] | None = None
    later: State = field(default_factory=dict)
    eras: list[Era] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    lasting: dict[str, list[float]] = field(default_factory=dict)
    acks: int = 0

    def begin(self) -> None:
        """Forget the writer before."""
        self.pending, self.later, self.eras = None, {}, [Era(self.state)]

    def hear(self, line: dict[str, Any]) -> None:
        """Take in what a writer says."""
        if line["say"] == "intent":
            self.pending = line
            self.hour += line["hours"]
            self.eras.append(Era(applied(self.state, line["after"]), line["at"]))
        elif line["say"] == "ack":
            assert self.pending is not None
            lasted = self.lasting.setdefault(self.pending["kind"], [])
            lasted.append(line["at"] - self.pending["at"])
            self.eras[-2] = replace(self.eras[-2], end=line["at"])
            self.state, self.later = self.eras[-1].state, self.pending["later"]
            self.pending = None
            self.acks += 1
        else:
            raise AssertionError(line)

    def typical(self, kind: str) -> float:
        """Return how long a change of this kind takes."""
        return median(self.lasting.get(kind, [_FIRST_GUESS])[-20:])

    def find(self, found: State) -> None:
        """The records were found to hold this, after the writer was killed (law 1)."""
        moved = {key for key in found.keys() | self.state.keys() if self._moved(found, key)}
        if self.pending is not None:
            self._interrupted(found, moved)
        else:
            assert not moved, f"{ {key: (self.state.get(key), found.get(key)) for key in moved} }"
        self.state = found

    def possible(self, key: str) -> list[Any]:
        """Return what a thing may have been since the last writer began, the last steps alone."""
        after = self.pending["after"] if self.pending is not None else {}
        states = [self.state, after, self.later]
        return [one[key] for one in states if one.get(key) is not None]

    def _moved(self, found: State, key: str) -> bool:
        return bool(found.get(key) != self.state.get(key))

    def _interrupted(self, found: State, moved: set[str]) -> None:
        assert self.pending is not None
        kind, after = self.pending["kind"], self.pending["after"]
        assert moved <= after.keys(), f"{kind} changed {moved - after.keys()}"
        for key in moved:
            assert found.get(key) == after[key], f"{kind} left half of {key}"
        parts = {key for key in after if after[key] != self.state.get(key)}
        if self.pending["whole"]:
            assert moved in (parts, set()), f"{kind} left {moved} of {parts}"
            if moved:
                self.later = self.pending["later"]
        assert "policy" not in moved or "proposed" in moved
        if parts:
            self.killed[kind] += 1


def applied(state: State, after: State) -> State:
    """Return what is true when `after` is done; what is `None` is gone."""
    return {key: one for key, one in {**state, **after}.items() if one is not None}
