"""Authentication: before the address is looked at and before a byte of the body is read.

The laws of this file:

1. Every address needs a token, except those in `PUBLIC`. A route that is added later is closed
   until it is named here.
2. Identity is read from the `Authorization` header alone, and from exactly one.
3. The answer is the same 401 for everything that can be wrong with a token. The reason goes to
   the log.
4. A request that brought a token is told `invalid_token`, so that a client fetches another; one
   that brought none is told nothing of the kind (RFC 6750).
5. A credential for provisioning is taken below the prefixes that are named for it, and nowhere
   else.
6. A token that was revoked is refused by the request after that. What cannot be asked for is not
   taken.
7. Where a request comes from is the peer of its connection and the address that was called. No
   header is read for it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Annotated, Final

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from acl.records import RecordsError
from acl.subject import Channel, Origin, Subject
from retrieval.rights.provisioners import PREFIX, CredentialError, Provisioners
from retrieval.service.http.envelope import refusal, request_id
from retrieval.service.http.problems import CHALLENGE, CHALLENGE_OF_TOKEN, ProblemError, ProblemType
from retrieval.service.http.token_keys import KeysUnavailableError
from retrieval.service.http.tokens import TokenError, TokenVerifier

PUBLIC: Final = frozenset(
    {
        "/",
        "/livez",
        "/readyz",
        "/openapi.json",
        "/.well-known/security.txt",
        "/.well-known/authzen-configuration",
    }
)

_CHANNELS: Final = {"/access/v1/": Channel.AUTHZEN, "/scim/v2/": Channel.SCIM}
_BEARER: Final = re.compile(r"bearer(\s|\Z)", re.IGNORECASE)

log = structlog.get_logger("strongroom.authentication")

# For the OpenAPI document; the check itself is the middleware's.
bearer = HTTPBearer(
    scheme_name="access token", bearerFormat="RFC 9068", auto_error=False, description="A JWT."
)


async def _none_revoked(_subject: Subject, _token_id: str, _issued_at: datetime) -> bool:
    return False


class Authentication:
    """Lets a request through with its subject, or answers 401."""

    def __init__(
        self,
        app: ASGIApp,
        verifier: TokenVerifier,
        doors: Mapping[str, Provisioners] | None = None,
        revoked: Callable[[Subject, str, datetime], Awaitable[bool]] = _none_revoked,
    ) -> None:
        """Wrap `app`.

        Args:
            app: what is called with a subject.
            verifier: reads tokens.
            doors: below each of these prefixes credentials for provisioning are taken too.
            revoked: says of a token's subject, id and time of issue whether it is refused (law 6).
        """
        self._app = app
        self._verifier = verifier
        self._doors = doors or {}
        self._revoked = revoked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate one request."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in PUBLIC):
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise NotImplementedError("only HTTP is served")
        try:
            token = _token(Headers(scope=scope))
            subject = await self._subject(scope, token)
            scope["state"]["subject"] = subject.coming_from(_origin(scope))  # law 7
        except (TokenError, CredentialError) as error:
            log.info("refused", id=request_id(scope), reason=str(error))
            problem = ProblemError(ProblemType.UNAUTHENTICATED, headers=_challenge(scope))  # law 4
        except RecordsError:
            problem = ProblemError(ProblemType.UNAVAILABLE, headers={"Retry-After": "2"})
        except KeysUnavailableError:
            log.warning("no keys", id=request_id(scope))
            problem = ProblemError(ProblemType.UNAVAILABLE, headers={"Retry-After": "30"})
        else:
            await self._app(scope, receive, send)
            return
        await refusal(problem, scope)(scope, receive, send)

    async def _subject(self, scope: Scope, token: str) -> Subject:
        if not token.startswith(PREFIX):
            shown = await self._verifier.verified(token)
            if await self._revoked(shown.subject, shown.token_id, shown.issued_at):
                raise TokenError("the token is revoked")  # law 6
            return shown.subject
        for prefix, provisioners in self._doors.items():  # law 5
            if scope["path"].startswith(f"{prefix}/"):
                return await provisioners.verify(token)
        raise TokenError("a credential for provisioning is taken at the directory alone")


def _origin(scope: Scope) -> Origin:
    """Return where a request comes from (law 7)."""
    path = scope["path"]
    doors = ((door, channel) for door, channel in _CHANNELS.items() if path.startswith(door))
    _, channel = next(doors, ("", Channel.HTTP))
    return Origin(network=_address(scope.get("client")), channel=channel)


def _address(client: tuple[str, int] | None) -> str:
    """Return the peer's address, or nothing where it has none, as on a socket that is a file."""
    try:
        address = ipaddress.ip_address(client[0] if client else "")
    except ValueError:
        return ""
    # A socket for both families shows 10.0.0.7 as ::ffff:10.0.0.7, which no rule would expect.
    return str(getattr(address, "ipv4_mapped", None) or address)


def _challenge(scope: Scope) -> dict[str, str]:
    given = Headers(scope=scope).getlist("authorization")
    brought = any(_BEARER.match(one) for one in given)
    return {"WWW-Authenticate": CHALLENGE_OF_TOKEN if brought else CHALLENGE}


def _token(headers: Headers) -> str:
    given = headers.getlist("authorization")
    if len(given) != 1:
        raise TokenError("there is not exactly one `Authorization` header")
    scheme, _, token = given[0].partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise TokenError("the header is not `Bearer` and a token")
    return token


def _subject(request: Request, _: Annotated[object, Depends(bearer)]) -> Subject:
    subject = request.scope["state"]["subject"]
    if not isinstance(subject, Subject):
        raise TypeError("an address without authentication asks for a subject")
    return subject


Asker = Annotated[Subject, Depends(_subject)]
"""The authenticated subject, as a route asks for it."""
