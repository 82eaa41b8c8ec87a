"""What a plan leaves out for its length is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.labels import selection as label_selection
from retrieval.labels.requests import LabelRequestError
from retrieval.labels.selection import COMPARED, Planned, _Draft
from retrieval.service.api.folders import FolderAnswer
from retrieval.service.api.labels import MAX_IDS, RelabelAnswer
from tests.unit.acl.default_policy import label
from tests.unit.retrieval.labels.test_requests import ask, state


def drafted(number: int) -> _Draft:
    draft = _Draft()
    for one in range(number):
        known = state(label(path=f"/acme/finance/{one % (COMPARED + 7)}"))
        outcome = ask(known, values={"classification": "restricted"})
        draft.add(replace(known.document, id=str(one)), outcome)
    return draft


def test_changes_beyond_the_first_hundred_are_counted_once() -> None:
    draft = drafted(2 * COMPARED)
    assert len(draft.items) == 2 * COMPARED
    assert (len(draft.compared), len(draft.changes)) == (COMPARED, COMPARED + 7)


def test_an_answer_says_how_much_it_leaves_off() -> None:
    items = {str(number): 1 for number in range(MAX_IDS + 3)}
    planned = Planned(items=items, uris={}, refused=(), effect=None, not_compared=7)
    for answer in (
        RelabelAnswer.planned(planned, job=""),
        FolderAnswer.planned(
            planned, folder="/acme/hr/", version=1, job="", proposal="", waits=False
        ),
    ):
        assert (len(answer.documents), answer.total) == (MAX_IDS, MAX_IDS + 3)
        assert (answer.documents_left_off, answer.changes_left_off) == (3, 7)


def test_a_selection_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_selection, "MAX_SELECTED", 3)
    with pytest.raises(LabelRequestError, match="holds more than 3 documents"):
        drafted(4)
