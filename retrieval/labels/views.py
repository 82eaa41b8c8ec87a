"""What the desk of data owners is told, and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from acl.actions import Action
from acl.errors import AclError
from acl.records import (
    Approval,
    AuditEvent,
    AuditKind,
    DocumentRecord,
    Records,
    Share,
)
from ingest.project import Projector
from retrieval.access.audience import Audience, Effect, roles
from retrieval.rights.authority import Authority, share_nobody
from retrieval.rights.decisions import Decisions
from retrieval.rights.standing import Standing


class OwnProposalError(AclError):
    """Those who proposed a lower label cannot approve it as well."""

    def __init__(self) -> None:
        super().__init__("a proposal is approved by somebody else than its author")


class OtherOutcomeError(AclError):
    """A proposal was approved that would set another label by now than was proposed."""

    def __init__(self) -> None:
        super().__init__(
            "another label would come of this by now than was proposed; propose it again"
        )


class SecondPersonError(AclError):
    """What lowers a label in bulk has no second person's approval."""

    def __init__(self) -> None:
        super().__init__("lowering needs a second person: change it by itself")


def require_other(proposal: Approval, authority: Authority) -> None:
    """Check that none of those who asked for an approval gives it.

    Raises:
        OwnProposalError: one does.
    """
    if not share_nobody(proposal.parties, authority):
        raise OwnProposalError


def decision_of(authority: Authority, request: Approval, *, granted: bool) -> AuditEvent:
    """Return the audit event of a decision about a request for access."""
    return authority.event(
        AuditKind.ACCESS_DECIDED,
        Action.DOCUMENT_SHARE,
        tenant=request.tenant,
        resources=(request.about,),
        permitted=granted,
        detail={"for": request.by, "request": request.id},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelDeskSettings:
    """How the desk works.

    Attributes:
        four_eyes: whether lowering a label needs a second person.
    """

    four_eyes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelView:
    """A label as it is shown to those who may know of the document.

    Attributes:
        label: attribute to value, as a person would write it.
        origins: attribute to where the value comes from: `source`, `folder …` or `document`.
        proposals: what waits for approval, the oldest first.
    """

    document: DocumentRecord
    label: Mapping[str, object]
    origins: Mapping[str, str]
    shares: tuple[Share, ...]
    proposals: tuple[Approval, ...]

    @property
    def version(self) -> int:
        """The version that a change has to name."""
        return self.document.label_version


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """What a request did to one document, or would do.

    Attributes:
        version: the label's version now.
        before: attribute to value, as a person would write it.
        actions: the rights that it needed.
        told: works out `effect`.
        proposal: the id under which it waits for approval; `""` where it does not wait.
        dry: whether nothing was done.
        projected: whether the engine carries the label already.
    """

    document: DocumentRecord
    version: int
    before: Mapping[str, object]
    after: Mapping[str, object]
    actions: frozenset[Action]
    told: Callable[[], Effect | None] = field(repr=False)
    proposal: str = ""
    dry: bool = False
    projected: bool = True

    @property
    def effect(self) -> Effect | None:
        """Who gains and loses; `None` where the asker may not review access.

        Worked out when it is first asked for: it costs more than the change.
        """
        return self.told()


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelParts:
    """What the desk works with.

    Attributes:
        decisions: keeps those of askers.
        audience: whose reading is compared before and after a change.
    """

    records: Records
    standing: Standing
    projector: Projector
    decisions: Decisions
    settings: LabelDeskSettings = LabelDeskSettings()
    audience: Audience = roles


@dataclass(frozen=True, slots=True)
class Target:
    """A document whose label is to change, and the version of the label that the asker saw."""

    document_id: str
    version: int
