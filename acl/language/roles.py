"""Role graphs: which role a name reaches, under a domain, at a moment.

The laws of this file, each pinned by a differential test against Casbin's own role managers:

1. A name reaches itself, known or not. Otherwise it reaches what its links lead to within 9 hops,
   or 10 in a graph whose links carry a time window; Casbin's managers differ by one.
2. Links count in their own domain alone.
3. A link with a window holds strictly between its start and its end; `_` leaves a side open.

The graph never learns the names it is asked about, so strangers cannot grow it. Graphs with
matching functions keep Casbin's managers, because a pattern changes the graph as it is read;
`acl.language.casbin_adapter` answers for those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

HOPS: Final = 9
HOPS_TIMED: Final = 10
OPEN: Final = "_"
TIME_FORMAT: Final = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Window:
    """When a link holds, both ends excluded and in UTC; `None` leaves a side open."""

    start: datetime | None = None
    end: datetime | None = None

    @classmethod
    def parse(cls, start: str, end: str) -> Window:
        """Read the two columns of a time-limited link.

        Raises:
            ValueError: neither `_` nor a moment such as `2026-01-31 17:00:00`.
        """
        return cls(_moment(start), _moment(end))

    def holds(self, at: datetime) -> bool:
        """Say whether the link holds at `at`."""
        # law 3
        return (self.start is None or at > self.start) and (self.end is None or at < self.end)


ALWAYS_OPEN: Final = Window()


@dataclass(frozen=True, slots=True)
class Link:
    """One row of a role definition: `name` has `role` in `domain` during `window`."""

    name: str
    role: str
    domain: str = ""
    window: Window = ALWAYS_OPEN


class PlainRoleGraph:
    """A role graph without matching functions."""

    def __init__(self, links: Iterable[Link], *, timed: bool) -> None:
        """Index `links`; `timed` says whether the definition has window columns at all."""
        self._hops = HOPS_TIMED if timed else HOPS
        self._links: dict[str, dict[str, list[Link]]] = defaultdict(lambda: defaultdict(list))
        for link in links:
            self._links[link.domain][link.name].append(link)  # law 2

    def has_link(self, name: str, role: str, domain: str, at: datetime) -> bool:
        """Say whether `name` reaches `role` in `domain` at `at`."""
        return name == role or role in self.reached(name, domain, at)  # law 1

    def reached(self, name: str, domain: str, at: datetime) -> frozenset[str]:
        """Return every name that `name` reaches, itself included."""
        links = self._links.get(domain, {})
        seen, edge = {name}, [name]
        for _ in range(self._hops):
            edge = [
                link.role
                for reached in edge
                for link in links.get(reached, ())
                if link.role not in seen and link.window.holds(at)
            ]
            if not edge:
                break
            seen.update(edge)
        return frozenset(seen)

    def path(self, name: str, role: str, domain: str, at: datetime) -> tuple[str, ...] | None:
        """Return the names from `name` to `role`, the fewest that will do, or nothing."""
        links = self._links.get(domain, {})

        def onward(held: str) -> Iterable[str]:
            return (link.role for link in links.get(held, ()) if link.window.holds(at))

        return shortest(name, role, onward, hops=self._hops)

    def names(self, domain: str) -> Iterable[str]:
        """Return every name that a link of `domain` mentions."""
        links = self._links.get(domain, {})
        return {name for each in links.values() for link in each for name in (link.name, link.role)}

    def domains(self) -> Iterable[str]:
        """Return every domain that a link mentions."""
        return self._links.keys()

    def boundaries(self) -> Iterator[datetime]:
        """Yield every moment at which a link begins or ceases to hold."""
        for links in self._links.values():
            for link in (link for each in links.values() for link in each):
                yield from (side for side in (link.window.start, link.window.end) if side)


def shortest(
    name: str, role: str, onward: Callable[[str], Iterable[str]], *, hops: int
) -> tuple[str, ...] | None:
    """Return the fewest names that lead from `name` to `role` within `hops`, or nothing.

    Args:
        name: where to begin.
        role: where to end.
        onward: returns the roles that a name has by a link of its own.
        hops: how many links may be followed.
    """
    before: dict[str, str | None] = {name: None}
    edge = [name]
    for _ in range(hops):
        following: list[str] = []
        for reached in edge:
            for other in sorted(onward(reached)):
                if other not in before:
                    before[other] = reached
                    following.append(other)
        edge = [] if role in before else following
    return tuple(reversed([*_back(role, before)])) if role in before else None


def _back(role: str, before: dict[str, str | None]) -> Iterator[str]:
    step: str | None = role
    while step is not None:
        yield step
        step = before[step]


def _moment(text: str) -> datetime | None:
    return None if text == OPEN else datetime.strptime(text, TIME_FORMAT).replace(tzinfo=UTC)
