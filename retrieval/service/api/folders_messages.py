"""The JSON of what folders say."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from acl.labels import LabelSchema
from acl.records import FolderLabel, FolderProposal
from retrieval.labels.folders import FolderRequest, FolderSet, FolderView
from retrieval.labels.selection import Planned
from retrieval.rights.display import stored_of
from retrieval.service.api.labels_messages import (
    Names,
    Reason,
    ShownExtent,
    Values,
)
from retrieval.service.api.messages import Answered, Asked


class FolderPatch(Asked):
    """What a folder is to say. What is not named stays."""

    folder: str = Field(min_length=1, max_length=1024, description="Such as /acme/hr/.")
    set: Values = Field(default_factory=dict, description="Attribute to its new value.")
    unset: Names = Field(
        default_factory=list, description="Attributes of which the folder says nothing any more."
    )
    reason: Reason = Field("", description="Kept with the change.")
    dry_run: bool = Field(False, description="Say what would happen, and do nothing.")

    def request(self, expected: int) -> FolderRequest:
        """Return the change as the desk takes it."""
        return FolderRequest(
            folder=self.folder,
            values=self.set,
            unset=frozenset(self.unset),
            expected_version=expected,
            reason=self.reason,
        )


class FolderApproval(Asked):
    """Which proposal is approved."""

    proposal: str = Field(min_length=1, max_length=64)


class ShownFolder(Answered):
    """What a folder says."""

    folder: str
    label: dict[str, Any]
    by: str
    at: datetime
    version: int = Field(description="What `If-Match` has to name, in quotation marks.")


class ShownFolderProposal(Answered):
    """What waits for somebody else's approval."""

    id: str
    folder: str
    label: dict[str, Any] = Field(description="All that the folder would say.")
    by: str
    at: datetime
    reason: str


class FolderList(Answered):
    """What folders say that the subject may set, and what waits for approval."""

    folders: list[ShownFolder]
    proposals: list[ShownFolderProposal]

    @classmethod
    def of(cls, view: FolderView, schema: LabelSchema) -> FolderList:
        """Return it as it is sent."""
        return cls(
            folders=[_folder(one, schema) for one in view.folders],
            proposals=[_proposal(one, schema) for one in view.proposals],
        )


class FolderAnswer(ShownExtent):
    """What came of a change, or would come of it."""

    folder: str
    version: int
    job: str = Field(description='What brings it to the documents; `""` if nothing does yet.')
    proposal: str = Field(description='The proposal that waits; `""` if it is done.')
    waits: bool = Field(description="Whether somebody else has to approve it.")

    @classmethod
    def of_plan(cls, folder: str, version: int, planned: Planned) -> FolderAnswer:
        """Return what a change would do."""
        return cls(
            folder=folder,
            version=version,
            job="",
            proposal="",
            waits=planned.waits,
            **dict(ShownExtent.planned(planned)),
        )

    @classmethod
    def of_set(cls, done: FolderSet) -> FolderAnswer:
        """Return what a change did."""
        total = 0 if done.job is None else done.job.total
        return cls(
            folder=done.folder,
            version=done.version,
            job="" if done.job is None else done.job.id,
            proposal=done.proposal,
            waits=bool(done.proposal),
            **dict(ShownExtent.begun(total, done.refused)),
        )


def _folder(one: FolderLabel, schema: LabelSchema) -> ShownFolder:
    label = stored_of(one.attributes, schema)
    return ShownFolder(folder=one.path, label=label, by=one.by, at=one.at, version=one.version)


def _proposal(one: FolderProposal, schema: LabelSchema) -> ShownFolderProposal:
    return ShownFolderProposal(
        id=one.id,
        folder=one.path,
        label=stored_of(one.attributes, schema),
        by=one.by,
        at=one.at,
        reason=one.reason,
    )
