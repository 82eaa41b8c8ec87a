"""The questions of the AuthZEN Authorization API, as their JSON asks them.

The laws of this file:

1. Fields that are not declared are ignored, as the specification wants it. So nothing that matters
   may ever be read from one.
2. A field of another type is an error; no value is converted.
3. Of a context `min_revision` and `min_label_revision` are read, and nothing else.
4. Of a subject's properties `clearance`, `compartments` and `groups` are read, and of a resource's
   or an action's none: a label is what the records say, not what a request says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from acl.errors import RequestError
from acl.labels import Attribute
from acl.subject import MAX_GROUPS
from retrieval.access.types import Claimed, Party, Question, Semantic, Target
from retrieval.rights.standing import ANY, AtLeast
from retrieval.service.cursors import MAX_CURSOR
from retrieval.service.http.dependencies import RevisionsAsked
from retrieval.service.http.tokens import clearance_of

MAX_EVALUATIONS: Final = 200

Text = Annotated[str, Field(max_length=1024)]
Texts = Annotated[list[Text], Field(max_length=MAX_GROUPS)]
Anything = dict[str, Any]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class SubjectProperties(_Asked):
    """What is said of another subject; heeded where the asker holds `access:review`."""

    clearance: Text | int | None = Field(None, description="A level, by name or number.")
    compartments: Texts | None = None
    groups: Texts | None = Field(None, description="`group:…` and `role:…`.")

    def claimed(self, levels: Attribute | None) -> Claimed:
        """Return the attributes.

        Raises:
            RequestError: one is none that a subject can have.
        """
        level = None if self.clearance is None else _level(self.clearance, levels)
        return Claimed.of(level, self.compartments, self.groups)


class SubjectEntity(_Asked):
    """A subject."""

    type: Text = Field(description="`user`, `service` or `agent`.")
    id: Text = Field(description="`ada`, or the whole identity: `user:ada`.")
    properties: SubjectProperties | None = None

    def party(self, levels: Attribute | None) -> Party:
        """Return the subject as the decision point takes it.

        Raises:
            RequestError: a property is none that a subject can have.
        """
        claimed = (self.properties or SubjectProperties()).claimed(levels)  # type: ignore[call-arg]
        return Party(kind=self.type, name=self.id, claimed=claimed)


class ResourceEntity(_Asked):
    """A resource."""

    type: Text = Field(description="`document`.")
    id: Text = Field(description="The document's id.")
    properties: Anything | None = None

    def target(self) -> Target:
        """Return the resource as the decision point takes it."""
        return Target(kind=self.type, name=self.id)


class ActionEntity(_Asked):
    """An action."""

    name: Text = Field(description="Such as `document:read`.")
    properties: Anything | None = None


class TypeOnly(_Asked):
    """The type of what is searched for."""

    type: Text


class Page(_Asked):
    """Which page."""

    token: Annotated[str, Field(max_length=MAX_CURSOR)] = Field(
        "", description="The `next_token` of the page before."
    )
    limit: int | None = Field(None, ge=1, description="At most so many results; 200 at most.")


class Context(RevisionsAsked, _Asked):
    """At least which revisions the answer must regard; anything else is taken and not read."""


class _InContext(_Asked):
    context: Context | None = None

    @property
    def at_least(self) -> AtLeast:
        """Return the revisions that the answer must not be older than."""
        return ANY if self.context is None else self.context.at_least()


class EvaluationQuestion(_InContext):
    """May the subject do this?"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "subject": {"type": "user", "id": "ada"},
                    "action": {"name": "document:read"},
                    "resource": {"type": "document", "id": "1d9ab8a4-6d86-5cd6-a0cc-8a10b2f1c9a1"},
                }
            ]
        }
    )

    subject: SubjectEntity
    action: ActionEntity
    resource: ResourceEntity

    def question(self, levels: Attribute | None) -> Question:
        """Return the question as the decision point takes it.

        Raises:
            RequestError: a property is none that a subject can have.
        """
        return Question(
            party=self.subject.party(levels),
            action=self.action.name,
            target=self.resource.target(),
        )


class DefaultSubject(_Asked):
    """What an evaluation takes where it names no subject of its own."""

    type: Text | None = None
    id: Text | None = None
    properties: SubjectProperties | None = None


class DefaultResource(_Asked):
    """What an evaluation takes where it names no resource of its own."""

    type: Text | None = None
    id: Text | None = None
    properties: Anything | None = None


class DefaultAction(_Asked):
    """What an evaluation takes where it names no action of its own."""

    name: Text | None = None
    properties: Anything | None = None


class EvaluationsOptions(_Asked):
    """How a list of evaluations is executed."""

    evaluations_semantic: Literal["execute_all", "deny_on_first_deny", "permit_on_first_permit"] = (
        "execute_all"
    )


class EvaluationsQuestion(_InContext):
    """Several evaluations, with values for those that leave something out."""

    subject: DefaultSubject | None = None
    action: DefaultAction | None = None
    resource: DefaultResource | None = None
    evaluations: Annotated[list[Anything], Field(max_length=MAX_EVALUATIONS)] | None = None
    options: EvaluationsOptions | None = None

    @property
    def semantic(self) -> Semantic:
        """Return when the list ends."""
        options = self.options or EvaluationsOptions()
        return Semantic(options.evaluations_semantic)

    @property
    def newest(self) -> AtLeast:
        """Return the revisions that no answer of the list must be older than."""
        asked = [self.at_least]
        for given in self.evaluations or ():
            with suppress(ValidationError):
                asked.append(_InContext.model_validate(given).at_least)
        return AtLeast(
            policy=max(one.policy for one in asked), label=max(one.label for one in asked)
        )

    def single(self) -> EvaluationQuestion:
        """Return the one question that a body without evaluations asks.

        Raises:
            ValidationError: it leaves something out.
        """
        return EvaluationQuestion.model_validate(self._defaults())

    def questions(self, levels: Attribute | None) -> Iterator[Question | None]:
        """Yield each question, and None for each that is malformed."""
        defaults = self._defaults()
        for given in self.evaluations or ():
            try:
                yield EvaluationQuestion.model_validate(_merged(defaults, given)).question(levels)
            except (ValidationError, RequestError):
                yield None

    def _defaults(self) -> dict[str, Anything]:
        return self.model_dump(
            include={"subject", "action", "resource", "context"}, exclude_none=True
        )


class ResourceSearchQuestion(_InContext):
    """With which documents may the subject do this?"""

    subject: SubjectEntity
    action: ActionEntity
    resource: TypeOnly
    page: Page | None = None


class SubjectSearchQuestion(_InContext):
    """Who may do this with the document?"""

    subject: TypeOnly
    action: ActionEntity
    resource: ResourceEntity
    page: Page | None = None


class ActionSearchQuestion(_InContext):
    """What may the subject do with the document?"""

    subject: SubjectEntity
    resource: ResourceEntity
    page: Page | None = None


SearchQuestion: TypeAlias = ResourceSearchQuestion | SubjectSearchQuestion | ActionSearchQuestion


def _merged(defaults: Mapping[str, Anything], given: Anything) -> Anything:
    """Return an evaluation with what it leaves out.

    An entity that it names stands for the whole default, but for `type`, `id` and `name`.
    """
    merged: Anything = dict(defaults)
    for name, entity in given.items():
        default = defaults.get(name)
        if isinstance(entity, dict) and default is not None:
            kept = {key: default[key] for key in ("type", "id", "name") if key in default}
            merged[name] = kept | entity
        else:
            merged[name] = entity
    return merged


def _level(value: str | int, levels: Attribute | None) -> int:
    try:
        return clearance_of(value, levels)
    except ValueError:
        raise RequestError("the subject's clearance is not a level") from None
