"""`/scim/v2`: users and groups from an identity provider, by SCIM 2.0 (RFC 7643, RFC 7644).

The laws of this file:

1. Every request needs a token whose subject may `directory:edit`, discovery included. The tenant
   is the token's, and nothing in a request can name another.
2. A change is made only while the rights under which it was decided stand; otherwise the request
   begins again.
3. Bodies are bounded and of one meaning, as everywhere. Every answer has SCIM's form, the errors of
   the layers around this one too.
4. An error is one sentence of this program's. Addresses in answers are those of the settings or the
   listening socket, never what a header says.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import defaultdict
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeVar, cast

import structlog
from fastapi import FastAPI
from pydantic import ValidationError
from scim2_models import (
    Error,
    InvalidFilterException,
    InvalidSyntaxException,
    InvalidValueException,
    SCIMException,
)
from scim2_server.handler import ScimHandler
from scim2_server.requests import ScimRequest
from scim2_server.responses import SCIM_MEDIA_TYPE, ScimResponse
from scim2_server.routing import Operation, Target
from scim2_server.service import ScimService
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from acl.actions import Action
from acl.errors import FilterTooLargeError, PolicyError, RequestError
from acl.records import AuditEvent, AuditKind, RecordsError
from acl.records.directory.directory import Edit, Place
from acl.records.directory.types import MemberChange
from acl.subject import Subject
from retrieval.rights.directory import UnknownSubjectError
from retrieval.rights.releases import Release
from retrieval.rights.standing import Pinned, UnsettledError, settled
from retrieval.service.http import problems
from retrieval.service.http.bodies import StrictJsonError, StrictRequest, parse_json
from retrieval.service.http.envelope import origin_of, request_id
from retrieval.service.http.problems import KINDS, ProblemError, ProblemType
from retrieval.service.http.tokens import levels
from retrieval.service.logs import places
from retrieval.service.scim.forms import (
    GROUPS,
    Kind,
    member_change,
    read_patch,
    read_resource,
    read_search,
    users,
)
from retrieval.service.scim.models import scim_models
from retrieval.service.scim.storage import DirectoryStorage, told
from retrieval.service.wiring import Parts

T = TypeVar("T")

PREFIX: Final = "/scim/v2"
MAX_FILTER: Final = 2000
MAX_OPERATIONS: Final = 100
MAX_REMOVED: Final = 100
_DIGITS: Final = 10
_PLAIN: Final = re.compile(r"[\w:.$-]+\Z", re.ASCII)
_THREADS: Final = 4
_WAIT_SECONDS: Final = 120

_BODIES: Final = frozenset({"POST", "PUT", "PATCH"})
_READING: Final = frozenset({"GET", "HEAD"})
_MEDIA: Final = frozenset({"application/json", SCIM_MEDIA_TYPE})

log = structlog.get_logger("strongroom.scim")


def mount(app: FastAPI, parts: Parts) -> None:
    """Serve SCIM at `PREFIX`."""
    app.mount(PREFIX, ScimEndpoint(parts))


class ScimEndpoint:
    """Answers SCIM requests of subjects that were authenticated."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._models = scim_models(levels(parts.schema), parts.schema.subject)
        self._kinds = {"users": users(self._models.declared), "groups": GROUPS}
        self._service = ScimService(self._models.provider)
        # A tenant's changes take turns, so that they do not begin again because of each other.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="scim")
        self._changing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = _ScimBody(scope, receive, limit=self._parts.settings.scim_max_bytes)
        try:
            answer = await self._answer(request)
        except Exception as error:  # noqa: BLE001 - every error gets SCIM's form
            answer = self._failed(scope, error)
        await _response(answer)(scope, receive, send)

    async def _answer(self, request: _ScimBody) -> ScimResponse:
        asked = await self._asked(request)
        if request.method in _READING:
            return await self._attempt(asked)
        async with self._changing[request.scope["state"]["subject"].tenant]:
            return await settled(self._attempt)(asked)

    async def _asked(self, request: _ScimBody) -> _Asked:
        """Return the request as the library takes it, with a body that was read strictly."""
        query = dict(request.query_params)
        _check_bounds(query)
        origin = origin_of(self._parts.settings.public_url, request.scope)
        root = request.scope.get("root_path", "")
        asked = ScimRequest(
            method=request.method,
            base_url=f"{origin.rstrip('/')}{PREFIX}",
            path=str(request.scope["path"]).removeprefix(root),
            query=query,
            headers=list(request.headers.items()),
            subject=request.scope["state"]["subject"],
        )
        # Raises where there is no such address, before a body is read.
        target = self._service.match(asked)
        if request.method not in _BODIES:
            return _Asked(asked)
        body = await request.body()
        # Thousands of members take long to read.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._read, asked, target, body)

    def _read(self, asked: ScimRequest, target: Target, raw: bytes) -> _Asked:
        """Return the request with its body, every attribute in its form."""
        kind = self._kinds.get((target.endpoint or "").casefold())
        body, plain = _formed(kind, target, _strict(raw)), not asked.header("If-Match")
        if target.operation is Operation.patch and kind is GROUPS and plain and not asked.query:
            members = member_change(body)
            if members is not None:
                return _Asked(asked, target.resource_id or "", members)
            _check_size(body)
        asked.body = json.dumps(body).encode()
        return _Asked(asked)

    async def _attempt(self, asked: _Asked) -> ScimResponse:
        subject = asked.request.subject
        assert isinstance(subject, Subject)
        pinned = await self._parts.standing.pin(subject, with_directory=True)
        event = await self._permitted(pinned)
        edit, directory = Edit(event, pinned.heads), self._parts.records.directory
        if asked.members is not None:
            place = Place(tenant=pinned.subject.tenant, id=asked.group_id)
            with told("Group"):
                await directory.change_members(place, asked.members, edit)
            return ScimResponse(HTTPStatus.NO_CONTENT)
        loop = asyncio.get_running_loop()
        storage = DirectoryStorage(
            directory, self._models, pinned.subject.tenant, edit, wait=partial(_wait, loop)
        )
        handler = ScimHandler(self._service, storage)
        return await loop.run_in_executor(self._threads, handler.handle, asked.request)

    async def _permitted(self, pinned: Pinned) -> AuditEvent:
        """Return the event of a change, or refuse (law 1)."""
        now, action = datetime.now(UTC), Action.DIRECTORY_EDIT
        decided = self._parts.decisions.decide(pinned.snapshot, pinned.subject, action, now)
        release = Release(pinned=pinned, now=now, action=action)
        event = release.event(AuditKind.DIRECTORY, permitted=decided.held)
        if not decided.held:
            await self._parts.records.audit.append(event)
            raise _refused(HTTPStatus.FORBIDDEN, "This subject may not `directory:edit`.")
        return event

    def _failed(self, scope: Scope, error: Exception) -> ScimResponse:
        """Return the answer for an error; one that was not expected says nothing."""
        match error:
            case SCIMException():
                return self._service.error_response(_plainly(error))
            case ProblemError():
                return _error(error.kind, headers=dict(error.headers or {}))
            case UnknownSubjectError():
                log.info("refused", id=request_id(scope), reason=str(error))
                return _error(ProblemType.UNAUTHENTICATED)
            case RequestError() | FilterTooLargeError():
                return _error(ProblemType.INVALID)
            case RecordsError() | PolicyError() | UnsettledError():
                log.warning("refused", id=request_id(scope), error=type(error).__name__)
                return _error(ProblemType.UNAVAILABLE)
            case _:
                name = type(error).__name__
                log.error("failed", id=request_id(scope), error=name, at=places(error))
                return _error(ProblemType.INTERNAL)


def refusal(error: ProblemError) -> Response:
    """Return an error of the layers around SCIM in its form: no token, no address (law 3)."""
    return _response(_error(error.kind, headers=dict(error.headers or {})))


class _ScimBody(StrictRequest):
    """A body by the laws of all bodies, of SCIM's media type and size."""

    def __init__(self, scope: Scope, receive: Receive, *, limit: int) -> None:
        super().__init__(scope, receive)
        self._limit = limit

    @property
    def limit(self) -> int:
        """How many bytes a body may have."""
        return self._limit

    @property
    def media(self) -> frozenset[str]:
        """What a body may say that it is."""
        return _MEDIA


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request as the library takes it; a change of members alone is not for it."""

    request: ScimRequest
    group_id: str = ""
    members: MemberChange | None = None


def _check_size(body: dict[str, Any]) -> None:
    """Refuse many members beside other changes: the library compares each with each."""
    for each in body["Operations"]:
        value = each.get("value")
        if each["op"] == "remove" and isinstance(value, list) and len(value) > MAX_REMOVED:
            words = f"more than {MAX_REMOVED} members are removed in a change of their own"
            raise _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)


def _strict(body: bytes) -> object:
    try:
        value = parse_json(body)
    except StrictJsonError as error:
        raise InvalidSyntaxException(detail=f"the body {error}") from None
    if isinstance(value, dict):
        _check_bounds(value)
    return cast("object", value)


def _formed(kind: Kind | None, target: Target, body: object) -> Any:  # noqa: ANN401 - JSON is of any type
    """Return the body with every attribute in its form."""
    if kind is not None and target.operation in {Operation.create, Operation.replace}:
        return read_resource(kind, body)
    if kind is not None and target.operation is Operation.patch:
        return read_patch(kind, target.resource_id or "", body)
    if target.operation is Operation.search_with_body:
        return read_search(body)
    return body


def _plainly(error: SCIMException) -> SCIMException:
    """Return an error in words of this program where the library repeats another one's (law 4)."""
    cause = error.__cause__
    if isinstance(cause, ValidationError):
        first = cause.errors(include_url=False, include_input=False)[0]
        if first["type"].startswith("scim_"):
            return error
        name = ".".join(str(part) for part in first["loc"] if _PLAIN.match(str(part)))
    elif "\n" not in error.detail:
        return error
    else:
        name = ""
    words = f"`{name}` has a value that it cannot have" if name else "a value has the wrong form"
    made = Error(status=error.status, scim_type=error.scim_type or None, detail=words)
    return SCIMException.from_error(made)


def _check_bounds(asked: Mapping[str, object]) -> None:
    """Refuse what would take long to read or do, and numbers beyond what is counted here."""
    for name, value in asked.items():
        match name.casefold(), value:
            case "filter", str() if len(value) > MAX_FILTER:
                words = f"the filter is longer than {MAX_FILTER} characters"
                raise InvalidFilterException(detail=words)
            case "operations", list() if len(value) > MAX_OPERATIONS:
                words = f"a change has at most {MAX_OPERATIONS} operations"
                raise _refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words)
            case "startindex" | "count", str() | int() if len(str(value)) > _DIGITS:
                raise InvalidValueException(detail=f"`{name}` has more than {_DIGITS} digits")
            case _:
                continue


def _wait(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], /) -> T:
    """Return what comes of `work` in the event loop, in a thread beside it."""
    return asyncio.run_coroutine_threadsafe(work, loop).result(_WAIT_SECONDS)


def _refused(status: HTTPStatus, detail: str) -> SCIMException:
    return SCIMException.from_error(Error(status=status, detail=detail))


def _error(kind: ProblemType, headers: dict[str, str] | None = None) -> ScimResponse:
    described = KINDS[kind]
    said = dict(headers or {})
    if kind is ProblemType.UNAUTHENTICATED:
        said.setdefault("WWW-Authenticate", problems.CHALLENGE_OF_TOKEN)
    if kind is ProblemType.UNAVAILABLE:
        said.setdefault("Retry-After", "2")
    status = HTTPStatus(described.status)
    return ScimResponse(status, _body(described.status, described.detail), said)


def _body(status: int, detail: str) -> dict[str, Any]:
    return Error(status=status, detail=detail).model_dump()


def _response(answer: ScimResponse) -> Response:
    body = b"" if answer.body is None else json.dumps(answer.body).encode()
    return Response(body, status_code=int(answer.status), headers=answer.headers)
