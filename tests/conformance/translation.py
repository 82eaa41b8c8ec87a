"""An example of another engine, as policy, labels and subjects of this one.

A folder holds `model.conf`, `policy.csv`, `labels.toml` and `translation.toml`. The last says what
each name of the original became, and which of its assertions were left out, and why. Assertions
themselves are not repeated: they are read where the original lies.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from acl.actions import Action
from acl.admission.admission import admit, read_csv
from acl.decision import Permitted
from acl.labels import Label, LabelSchema
from acl.language.casbin_adapter import Oracle
from acl.policy.decide import decide, request_of
from acl.policy.policy import Policy, load
from acl.predicate import holds
from acl.subject import Subject

TENANT = "acme"
NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assertion:
    """What an example says must come out.

    Attributes:
        name: where it stands.
        subject: in the original's words; `type` alone where subjects are listed.
        resource: the same.
        context: what the original's request brings along.
        facts: relations that this one test adds.
        expected: a decision, or the names that a list holds.
    """

    name: str
    subject: str
    action: str
    resource: str
    expected: bool | frozenset[str]
    context: Mapping[str, Any] = field(default_factory=dict)
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Translation:
    """One folder."""

    folder: Path

    @cached_property
    def said(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "translation.toml").read_text(encoding="utf-8"))

    @cached_property
    def policy(self) -> Policy:
        schema = LabelSchema.from_toml((self.folder / "labels.toml").read_text(encoding="utf-8"))
        rows = read_csv((self.folder / "policy.csv").read_text(encoding="utf-8"))
        policy = load((self.folder / "model.conf").read_text(encoding="utf-8"), rows, schema)
        admit(policy)
        return policy

    @property
    def originals(self) -> list[str]:
        found: list[str] = self.said["originals"]
        return found

    @cached_property
    def oracles(self) -> dict[datetime, Oracle]:
        return {}

    def left_out(self, assertion: Assertion) -> str | None:
        """Return why an assertion was left out, or None."""
        for entry in self.said.get("left_out", []):
            if _matches(entry, assertion):
                return str(entry["why"])
        return None

    def unused(self, assertions: Iterable[Assertion]) -> list[str]:
        """Return the reasons that leave nothing out."""
        every = list(assertions)
        entries = self.said.get("left_out", [])
        return [str(e["why"]) for e in entries if not any(_matches(e, one) for one in every)]

    def answer(self, assertion: Assertion) -> bool | frozenset[str]:
        """Return what the compiled policy says, after Casbin said the same."""
        if isinstance(assertion.expected, bool):
            return self._permitted(assertion, assertion.subject, assertion.resource)
        return frozenset(
            resource if resource.startswith(f"{assertion.resource}:") else subject
            for subject in self._named("subjects", assertion.subject)
            for resource in self._named("documents", assertion.resource)
            if self._permitted(assertion, subject, resource)
        )

    def _named(self, table: str, name: str) -> list[str]:
        """Return a name itself, or every name of a type."""
        known = self.said[table]
        return [name] if name in known else [one for one in known if one.startswith(f"{name}:")]

    def _permitted(self, assertion: Assertion, subject: str, resource: str) -> bool:
        asker, label = self._subject(subject), self._label(resource, assertion)
        action = Action(self.said["actions"][assertion.action])
        moment = self._moment(assertion)
        decision = decide(self.policy, asker, action, moment)
        compiled = isinstance(decision, Permitted) and holds(decision.predicate, label)
        assert compiled == self._enforced(asker, action, label, moment), assertion
        return compiled

    def _enforced(self, subject: Subject, action: Action, label: Label, moment: datetime) -> bool:
        if moment not in self.oracles:
            self.oracles[moment] = self.policy.oracle(moment)
        request = dict(request_of(self.policy, subject, action, moment))
        request["obj"] = label.as_json()
        values = [request[name] for name in self.policy.names.request[1]]
        return self.oracles[moment].enforce(*values)

    def _subject(self, name: str) -> Subject:
        said = self.said["subjects"][name]
        groups = frozenset(said.get("groups", []))
        return Subject(id=said.get("id", name), tenant=TENANT, groups=groups)

    def _label(self, name: str, assertion: Assertion) -> Label:
        label = {"tenant": TENANT, **self.said["documents"][name]}
        brought = self.said.get("label_from_context")
        if brought is not None:
            label |= assertion.context[brought]
        for relation, resource in assertion.facts:
            if resource == name:
                label |= self.said["label_from_tuples"][relation]
        if "consent" in self.said:
            regions = assertion.context["consent"]["team_region_list"]
            label["consent"] = [self.said["consent"][one] for one in regions]
        return self.policy.schema.parse(label)

    def _moment(self, assertion: Assertion) -> datetime:
        given = assertion.context.get("current_time")
        if given is None:
            now: datetime = self.said.get("now", NOW)
            return now
        return given if isinstance(given, datetime) else datetime.fromisoformat(given)


def _matches(entry: Mapping[str, str], assertion: Assertion) -> bool:
    said = {
        "user": assertion.subject,
        "relation": assertion.action,
        "object": assertion.resource,
        "name": assertion.name,
    }
    return all(said[key] == value for key, value in entry.items() if key != "why")
