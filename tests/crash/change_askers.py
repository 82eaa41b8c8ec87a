"""People who ask while things change, and what Casbin would have them find."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from acl.language.casbin_adapter import Oracle
from acl.policy.decide import request_of
from acl.policy.policy import Policy
from acl.records import Share
from acl.records.tables.types import ended, without
from acl.subject import Subject
from retrieval.access.documents import DocumentReader
from retrieval.rights.directory import SubjectResolver, UnknownSubjectError
from retrieval.rights.policy_source import read_source
from retrieval.rights.standing import Standing, UnsettledError
from retrieval.search.search import READ, Searcher, SearchRequest
from retrieval.search.store import Mode, Store
from tests.crash.change_expected import Expected
from tests.crash.change_rights import LINES, variant
from tests.crash.change_state import GROUPS, TENANT, State, documents_of, moment
from tests.integration.world import ADA, BOB, EVE, GUS, LEO, NOW, POLICY, QUERY_KEY, SAM, World

ASKERS = (ADA, BOB, EVE, LEO, SAM, GUS)
QUESTION = SearchRequest(query="note", top_k=50, mode=Mode.DENSE)

_SEARCHES = 0.7


class Rights:
    """What Casbin allows on the records, under the guards of tenant and directory."""

    def __init__(self) -> None:
        known = [read_source(POLICY), *map(variant, range(2 ** len(LINES)))]
        self._policies = {one.policy.digest: one.policy for one in known}
        self._answers: dict[tuple[str, str, Subject, datetime], bool] = {}

    def allowed(self, state: State, asker: Subject, at: datetime) -> frozenset[str]:
        """Return what `asker` may find at `at`."""
        policy = self._policies[state["policy"][1]]
        subject = _resolved(state, asker)
        if subject is None:
            return frozenset()
        return frozenset(
            uri
            for uri, one in documents_of(state)
            if subject.tenant == TENANT and self._may(policy, subject, label_at(one, at), at)
        )

    def _may(self, policy: Policy, subject: Subject, label: Any, at: datetime) -> bool:
        key = policy.digest, json.dumps(label, sort_keys=True), subject, at
        if key not in self._answers:
            asked = {**request_of(policy, subject, READ, at), "obj": label}
            request = (asked[one] for one in policy.names.request[1])
            self._answers[key] = _casbin(policy, at).enforce(*request)
        return self._answers[key]


class Askers:
    """Everybody who asks one installation."""

    def __init__(self, made: World) -> None:
        resolver = SubjectResolver(made.records.directory)

        async def resolve(subject: Subject) -> Subject:
            # Globex has no directory.
            return await resolver.resolve(subject) if subject.tenant == TENANT else subject

        standing = Standing(made.records, made.snapshots, resolve=resolve)
        self._reader = DocumentReader(records=made.records, standing=standing)
        self._searcher = Searcher(
            records=made.records,
            store=Store(made.engine, made.schema),
            encoder=made.tools.encoder,
            standing=standing,
            query_key=QUERY_KEY,
        )

    @property
    def alarms(self) -> int:
        """How many hits disagreed with the records without being known to lag."""
        return self._searcher.counts.alarm

    async def found(self, asker: Subject, at: datetime) -> frozenset[str]:
        """Return what a search finds; nothing where there is no answer."""
        with suppress(UnknownSubjectError, UnsettledError):
            page = await self._searcher.search(asker, QUESTION, at)
            return frozenset(one.uri for one in page.hits)
        return frozenset()

    async def listed(self, asker: Subject, at: datetime) -> frozenset[str]:
        """Return what a list holds; nothing where there is no answer."""
        with suppress(UnknownSubjectError, UnsettledError):
            page = await self._reader.list_documents(asker, now=at)
            return frozenset(one.uri for one in page.documents)
        return frozenset()


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer, and when it was asked for and given."""

    asker: Subject
    at: datetime
    begin: float
    end: float
    uris: frozenset[str]


@dataclass(slots=True)
class Watch:
    """Questions that go on while a writer works."""

    askers: Askers
    expected: Expected
    random: random.Random
    seen: list[Seen] = field(default_factory=list)

    async def run(self) -> None:
        """Ask until this is cancelled."""
        while True:
            asker, at = self.random.choice(ASKERS), moment(self.expected.hour)
            ask = self.askers.found if self.random.random() < _SEARCHES else self.askers.listed
            begin = time.monotonic()
            uris = await ask(asker, at)
            self.seen.append(Seen(asker, at, begin, time.monotonic(), uris))
            await asyncio.sleep(0.005)

    def check(self, rights: Rights) -> None:
        """Everything that was seen was right at some moment while it was asked."""
        for one in self.seen:
            eras = [era for era in self.expected.eras if era.meets(one.begin, one.end)]
            right = (rights.allowed(era.state, one.asker, one.at) for era in eras)
            wrong = one.uris - frozenset[str]().union(*right)
            assert not wrong, f"{one.asker.id} found {wrong}"


@lru_cache(maxsize=32)
def _casbin(policy: Policy, at: datetime) -> Oracle:
    return policy.oracle(at, parse_once=True)


def _resolved(state: State, asker: Subject) -> Subject | None:
    """Return the subject as the directory of record says it is, or `None` if it is nobody."""
    if asker.tenant != TENANT:
        return asker
    active, _ = state.get(asker.id, [False, 0])
    mine = frozenset(name for name in GROUPS if asker.id in state[name][0])
    return replace(asker, groups=mine) if active else None


def label_at(document: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Return a document's label without those whose shares have ended."""
    gone = ended(map(Share.from_json, document["shares"]), at)
    return dict(without(document["label"], gone))


def labels_until(document: Mapping[str, Any], hour: int) -> list[dict[str, Any]]:
    """Return a document's label as it stood at any time until `hour`: shares ended on the way."""
    now = moment(hour)
    ends = (one.until for one in map(Share.from_json, document["shares"]))
    return [label_at(document, at) for at in (NOW, *(one for one in ends if one and one <= now))]
