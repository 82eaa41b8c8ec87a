"""The JSON of the AuthZEN Authorization API: what is answered. Nothing counts what is hidden."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from retrieval.access.known_subjects import kind_of
from retrieval.access.types import Evaluated, Found


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True)


class DecisionContext(_Answered):
    """Where the answer stands on record, and which policy and labels it regards."""

    decision_id: str
    policy_revision: int
    label_revision: int


class Decision(_Answered):
    """One decision."""

    decision: bool


class EvaluationAnswer(Decision):
    """The decision on one question."""

    context: DecisionContext

    @classmethod
    def of(cls, evaluated: Evaluated) -> EvaluationAnswer:
        """Return the answer as it is sent."""
        return cls(decision=evaluated.decisions[0], context=_context(evaluated))


class EvaluationsAnswer(_Answered):
    """The decisions, in the order of the questions."""

    evaluations: list[Decision]
    context: DecisionContext

    @classmethod
    def of(cls, evaluated: Evaluated) -> EvaluationsAnswer:
        """Return the answer as it is sent."""
        decisions = [Decision(decision=one) for one in evaluated.decisions]
        return cls(evaluations=decisions, context=_context(evaluated))


class Entity(_Answered):
    """A subject or a resource that was found."""

    type: str
    id: str


class NamedAction(_Answered):
    """An action that was found."""

    name: str


class NextPage(_Answered):
    """How to go on: `""` at the end."""

    next_token: str


class EntitiesAnswer(_Answered):
    """One page of subjects or resources."""

    results: list[Entity]
    page: NextPage
    context: DecisionContext

    @classmethod
    def of_resources(cls, found: Found, kind: str, token: str) -> EntitiesAnswer:
        """Return documents as they are sent."""
        results = [Entity(type=kind, id=one) for one in found.names]
        return cls(results=results, page=NextPage(next_token=token), context=_context(found))

    @classmethod
    def of_subjects(cls, found: Found, token: str) -> EntitiesAnswer:
        """Return identities as they are sent: the kind apart from the name."""
        results = [
            Entity(type=kind_of(one), id=one.removeprefix(f"{kind_of(one)}:"))
            for one in found.names
        ]
        return cls(results=results, page=NextPage(next_token=token), context=_context(found))


class ActionsAnswer(_Answered):
    """One page of actions."""

    results: list[NamedAction]
    page: NextPage
    context: DecisionContext

    @classmethod
    def of(cls, found: Found, token: str) -> ActionsAnswer:
        """Return actions as they are sent."""
        results = [NamedAction(name=one) for one in found.names]
        return cls(results=results, page=NextPage(next_token=token), context=_context(found))


class Configuration(_Answered):
    """The metadata of the policy decision point."""

    policy_decision_point: str
    access_evaluation_endpoint: str
    access_evaluations_endpoint: str
    search_subject_endpoint: str
    search_resource_endpoint: str
    search_action_endpoint: str

    @classmethod
    def at(cls, address: str) -> Configuration:
        """Return the metadata of the service that clients reach at `address`."""
        api = f"{address}/access/v1"
        return cls(
            policy_decision_point=address,
            access_evaluation_endpoint=f"{api}/evaluation",
            access_evaluations_endpoint=f"{api}/evaluations",
            search_subject_endpoint=f"{api}/search/subject",
            search_resource_endpoint=f"{api}/search/resource",
            search_action_endpoint=f"{api}/search/action",
        )


def _context(answer: Evaluated | Found) -> DecisionContext:
    return DecisionContext(
        decision_id=answer.decision_id,
        policy_revision=answer.policy_revision,
        label_revision=answer.label_revision,
    )
