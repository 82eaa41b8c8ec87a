"""What lowers a label waits for somebody who does not stand behind it, under whatever name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from retrieval.labels.views import OwnProposalError
from retrieval.rights.authority import OPERATOR, Asker
from tests.integration.folders import write_company
from tests.integration.label_office import HR, SECOND, STEWARD, TRAVEL, office_of
from tests.integration.world import NOW, world
from tests.plain import plain_tools

AGENT = replace(STEWARD, id="agent:helper")


@pytest.mark.parametrize(
    ("author", "same", "other"),
    [
        (STEWARD, replace(SECOND, actors=(STEWARD,)), SECOND),
        (replace(SECOND, actors=(STEWARD,)), STEWARD, AGENT),
        (replace(STEWARD, actors=(AGENT,)), replace(SECOND, actors=(AGENT,)), SECOND),
        (OPERATOR, OPERATOR, STEWARD),
    ],
)
async def test_a_proposal_is_approved_by_nobody_who_stands_behind_it(
    tmp_path: Path, author: Asker, same: Asker, other: Asker
) -> None:
    async with world(tmp_path / "data", plain_tools()) as made:
        await made.ingest(write_company(tmp_path / "source"))
        office = office_of(made, four_eyes=True)
        await office.change(HR, TRAVEL, classification="internal")
        asked = await office.change(author, TRAVEL, classification="public")
        identity = await office.id_of(TRAVEL)

        with pytest.raises(OwnProposalError):
            await office.desk.approve(same, identity, asked.proposal, now=NOW)
        done = await office.desk.approve(other, identity, asked.proposal, now=NOW)

        assert (done.version, done.after["classification"]) == (3, "public")
