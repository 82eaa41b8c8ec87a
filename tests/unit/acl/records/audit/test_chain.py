"""Any change of the chain shows, and where."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acl.records.audit.chain import (
    GENESIS,
    AuditEvent,
    AuditFault,
    AuditHead,
    AuditKind,
    AuditVerifier,
    Chain,
    Link,
    SealedHead,
)
from acl.records.database.errors import UnstorableError

KEY = b"k" * 32
CHAIN = Chain(KEY)

EVENTS = st.builds(
    AuditEvent,
    kind=st.sampled_from(AuditKind),
    time=st.datetimes(timezones=st.just(UTC)),
    subject=st.text(),
    resources=st.lists(st.text(max_size=5), max_size=3).map(tuple),
)
HISTORIES = st.lists(EVENTS, min_size=2, max_size=8)


def linked(events: list[AuditEvent], chain: Chain = CHAIN) -> list[Link]:
    links: list[Link] = []
    for one in events:
        links.append(chain.link(links[-1].head if links else GENESIS, one))
    return links


def sealed(links: list[Link]) -> SealedHead:
    return CHAIN.seal(links[-1].head if links else GENESIS)


def fault(
    links: list[Link], head: SealedHead | None, anchor: AuditHead | None = None
) -> AuditFault | None:
    verifier = AuditVerifier(CHAIN, anchor=anchor)
    for link in links:
        verifier.feed(link)
    verifier.finish(head)
    return verifier.fault


def fault_at(links: list[Link], head: SealedHead | None, anchor: AuditHead | None = None) -> int:
    found = fault(links, head, anchor)
    assert found is not None
    return found.seq


@given(st.lists(EVENTS, max_size=8), st.data())
def test_an_untouched_chain_holds_under_any_of_its_anchors(
    events: list[AuditEvent], data: st.DataObject
) -> None:
    links = linked(events)
    anchor = data.draw(st.sampled_from([None, GENESIS, *(link.head for link in links)]))

    assert fault(links, sealed(links), anchor) is None


@given(HISTORIES, st.data())
def test_an_edit_shows_where_it_is(events: list[AuditEvent], data: st.DataObject) -> None:
    links = linked(events)
    place = data.draw(st.integers(0, len(links) - 1))
    old = links[place]
    change: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"time": old.time + 1},
                {"kind": "searched"},
                {"body": old.body.replace('"seq":', '"seq": ')},
                {"body": old.body + "\udc80"},
                {"previous": "1" * 64},
                {"hash": "1" * 64},
            ]
        )
    )
    edited = [*links[:place], replace(old, **change), *links[place + 1 :]]

    assert fault_at(edited, sealed(links)) == place + 1


@given(HISTORIES, st.data())
def test_a_rewritten_entry_under_another_key_shows(
    events: list[AuditEvent], data: st.DataObject
) -> None:
    links = linked(events)
    place = data.draw(st.integers(0, len(links) - 1))
    before = links[place - 1].head if place else GENESIS
    forged = Chain(b"x" * 32).link(before, replace(events[place], subject="user:nobody"))

    assert fault_at([*links[:place], forged, *links[place + 1 :]], sealed(links)) == place + 1


@given(HISTORIES, st.data())
def test_a_deletion_shows_where_it_was(events: list[AuditEvent], data: st.DataObject) -> None:
    links = linked(events)
    place = data.draw(st.integers(0, len(links) - 1))

    assert fault_at([*links[:place], *links[place + 1 :]], sealed(links)) == place + 1


@given(HISTORIES, st.data())
def test_a_swap_shows_at_its_first_place(events: list[AuditEvent], data: st.DataObject) -> None:
    links = linked(events)
    first = data.draw(st.integers(0, len(links) - 2))
    second = data.draw(st.integers(first + 1, len(links) - 1))
    swapped = list(links)
    swapped[first] = replace(links[second], seq=first + 1)
    swapped[second] = replace(links[first], seq=second + 1)

    assert fault_at(swapped, sealed(links)) == first + 1


@given(HISTORIES, st.data())
def test_a_cut_tail_shows_at_the_first_missing_number(
    events: list[AuditEvent], data: st.DataObject
) -> None:
    links = linked(events)
    kept = data.draw(st.integers(0, len(links) - 1))

    assert fault_at(links[:kept], sealed(links)) == kept + 1


@given(HISTORIES, st.data())
def test_a_cut_tail_with_the_head_of_that_time_shows_against_an_anchor_alone(
    events: list[AuditEvent], data: st.DataObject
) -> None:
    links = linked(events)
    kept = links[: data.draw(st.integers(0, len(links) - 1))]

    assert fault(kept, sealed(kept)) is None
    assert fault_at(kept, sealed(kept), links[-1].head) == len(kept) + 1


def test_another_history_under_the_same_key_shows_against_an_anchor() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    events = [
        AuditEvent(kind=AuditKind.SEARCH, time=moment + timedelta(number), subject="user:a")
        for number in range(3)
    ]
    ours = linked(events)
    other = linked([*events[:2], replace(events[2], subject="user:b")])

    assert fault(other, sealed(other), ours[2].head) == AuditFault(
        3, "the entry is not the anchored one"
    )


@given(HISTORIES)
def test_an_entry_behind_the_head_shows(events: list[AuditEvent]) -> None:
    links = linked(events)

    assert fault_at(links, sealed(links[:-1])) == len(links)


@given(HISTORIES)
def test_a_smuggled_first_entry_shows(events: list[AuditEvent]) -> None:
    links = linked(events)

    assert fault_at([replace(links[0], seq=0), *links], sealed(links)) == 0


@given(HISTORIES)
def test_a_head_that_is_missing_changed_or_of_another_key_shows(events: list[AuditEvent]) -> None:
    links = linked(events)
    end, head = len(links) + 1, sealed(links)

    assert fault_at(links, None) == end
    assert fault_at(links, replace(head, mac="0" * 64)) == end
    assert fault_at(links, Chain(b"x" * 32).seal(head.head)) == end
    assert fault_at(links[:-1], replace(head, seq=len(links) - 1, hash=links[-2].hash)) == end - 1


def test_a_head_is_no_entry() -> None:
    link = CHAIN.link(GENESIS, AuditEvent(kind=AuditKind.FETCH, time=datetime.now(UTC), subject=""))

    assert CHAIN.seal(link.head).mac != link.hash
    assert not CHAIN.sealed_by_us(SealedHead(link.seq, link.hash, link.hash))


def test_columns_that_disagree_with_the_body_show() -> None:
    event = AuditEvent(kind=AuditKind.FETCH, time=datetime.now(UTC), subject="user:a")
    link = CHAIN.link(GENESIS, event)

    assert CHAIN.fault_of(replace(link, kind="search"), GENESIS) == (
        "the entry's columns disagree with its body"
    )


def test_a_short_key_is_refused() -> None:
    with pytest.raises(UnstorableError, match="shorter than 32 bytes"):
        Chain(b"k" * 31)
