"""SCIM resources on the directory of record: the storage that the SCIM library asks.

The laws of this file:

1. One storage serves one request, of one tenant, and puts its changes on record under one event.
2. A name becomes an identity in one place, and a name that is refused is refused by its attribute.
3. No user gains by omission: a change that does not say `active`, or nothing of rights, leaves them
   as they are.
4. A filter is answered as the library evaluates it. What the records can look up narrows the
   entries that it is asked about, and decides nothing.
5. What takes long over a large tenant or group happens beside the event loop, so that no search
   waits for it.
6. What is read of a filter narrows: it holds for every entry that the filter matches, and may hold
   for others too. The filter itself decides.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar, cast

from scim2_models import (
    InvalidFilterException,
    InvalidValueException,
    Meta,
    NotFoundException,
    NotImplementedException,
    PreconditionFailedException,
    Reference,
    Resource,
    ResourceType,
    ResponseParameters,
    SearchRequest,
    UniquenessException,
)
from scim2_models.path.expressions import (
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    Not,
    ValuePath,
)
from scim2_server.storage import ScimStorage, SearchPage

from acl.errors import IdentityError
from acl.identity import display_name, principal_of
from acl.labels import level_name
from acl.records.database.errors import (
    DirectoryFaultError,
    StaleEntryError,
    TakenIdentityError,
    UnknownEntryError,
)
from acl.records.database.storable import is_storable
from acl.records.directory.directory import Directory, Edit, Place
from acl.records.directory.types import (
    DirectoryGroup,
    DirectoryUser,
    GroupState,
    Slice,
    UserState,
    Wanted,
)
from acl.subject import NO_ATTRIBUTES, PrincipalKind, name_of
from retrieval.service.scim.models import Group, Member, ScimModels


def narrowed(kind: PrincipalKind, node: FilterNode) -> Wanted | None:
    """Return what each entry has that the filter matches, or `None` if it can match none."""
    terms: tuple[FilterNode, ...] = (node,)
    if isinstance(node, LogicalExpr) and node.op is LogicalOperator.and_:
        terms = node.terms
    wanted = Wanted()
    for term in terms:
        # The last of two terms on one attribute is as good as the first: both must hold.
        following = _by(kind, wanted, term)
        if following is None:
            return None
        wanted = following
    return wanted


def texts(node: FilterNode) -> Iterator[str]:
    """Yield every text that a filter compares with."""
    match node:
        case Comparison(value=str() as text):
            yield text
        case Not(expr=inner) | ValuePath(val_filter=inner):
            yield from texts(inner)
        case LogicalExpr(terms=terms):
            for one in terms:
                yield from texts(one)
        case _:
            return


def _by(kind: PrincipalKind, wanted: Wanted, node: FilterNode) -> Wanted | None:
    if not isinstance(node, Comparison) or node.op is not CompareOperator.eq:
        return wanted
    path, value = node.attr_path, node.value
    if path.uri is not None or not isinstance(value, str):
        return wanted
    named = {PrincipalKind.USER: "username", PrincipalKind.GROUP: "displayname"}[kind]
    match path.attr.lower(), (path.sub_attr or "").lower():
        case "id", "":
            return replace(wanted, id=value)
        case "externalid", "":
            return replace(wanted, external_id=value) if value else wanted
        case "members", "" | "value" if kind is PrincipalKind.GROUP:
            return replace(wanted, member=value)
        case attribute, "" if attribute == named:
            return _called(kind, wanted, value)
        case _:
            return wanted


def _called(kind: PrincipalKind, wanted: Wanted, name: str) -> Wanted | None:
    try:
        return replace(wanted, identity=principal_of(kind.value, name))
    except IdentityError:
        # No entry has a name that names nobody.
        return None


T = TypeVar("T")

_PART: Final = 500
# Groups are read few at a time where their members are read too.
_PART_MEMBERS: Final = 10
_MEMBERS: Final = 10_000
_USER: Final = "User"

_NAMES: Final = {
    _USER: {
        "identity": "userName",
        "name": "userName",
        "external_id": "externalId",
        "display_name": "displayName",
    },
    "Group": {"identity": "displayName", "name": "displayName", "external_id": "externalId"},
}


class Wait(Protocol):
    """Waits for work of the event loop, in a thread that is none of its."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> T:
        """Return what comes of `work`."""
        ...


class DirectoryStorage(ScimStorage):
    """The users and groups of one tenant, for the length of one request.

    It is asked in a thread of its own (law 5) and reads the records through `wait`.
    """

    def __init__(
        self,
        directory: Directory,
        models: ScimModels,
        tenant: str,
        edit: Edit,
        *,
        wait: Wait,
    ) -> None:
        self._directory = directory
        self._wait = wait
        self._models = models
        self._tenant = tenant
        self._edit = edit

    def get(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        response_parameters: ResponseParameters[Any] | None = None,
    ) -> Resource[Any]:
        """Return a resource."""
        wanted = Wanted(id=resource_id)
        if resource_type.name == _USER:
            user = self._wait(self._directory.user(self._tenant, wanted))
            if user is not None:
                return self._of_user(user)
        else:
            members = _shows_members(response_parameters)
            group = self._wait(self._directory.group(self._tenant, wanted, members=members))
            if group is not None:
                return _of_group(group)
        raise NotFoundException(detail="there is no such resource")

    def search(
        self,
        resource_types: list[ResourceType],
        search_request: SearchRequest[Any],
        *,
        position: object = None,
    ) -> SearchPage:
        """Return one page of what matches, and how many match."""
        del position
        if len(resource_types) != 1:
            raise NotImplementedException(detail="one resource type is searched at a time")
        name = str(resource_types[0].name)
        start = (search_request.start_index or 1) - 1
        count = search_request.count or 0
        if search_request.filter is None:
            return self._page(name, search_request, Slice(start=start, limit=count))
        return self._filtered(name, search_request, Slice(start=start, limit=count))

    def create(self, resource_type: ResourceType, resource: Resource[Any]) -> Resource[Any]:
        """Store a new resource."""
        if resource_type.name == _USER:
            with told(_USER):
                state = self._user_state(resource, active=True)
                return self._of_user(
                    self._wait(self._directory.create_user(self._tenant, state, self._edit))
                )
        with told("Group"):
            group = _group_state(cast("Group", resource))
            made = self._wait(self._directory.create_group(self._tenant, group, self._edit))
            return _of_group(made)

    def update(
        self,
        resource_type: ResourceType,
        resource: Resource[Any],
        *,
        expected_version: str | None = None,
    ) -> Resource[Any]:
        """Replace what may be set of a resource."""
        place = self._place(str(resource.id), expected_version)
        if resource_type.name == _USER:
            with told(_USER):
                old = self._wait(self._directory.user(self._tenant, Wanted(id=place.id)))
                state = self._user_state(resource, active=old is not None and old.state.active)
                if old is not None and not self._says_rights(resource):
                    rights = old.state.clearance, old.state.compartments
                    state = replace(state, clearance=rights[0], compartments=rights[1])
                user = self._wait(self._directory.replace_user(place, state, self._edit))
                return self._of_user(user)
        with told("Group"):
            group = _group_state(cast("Group", resource))
            return _of_group(self._wait(self._directory.replace_group(place, group, self._edit)))

    def delete(
        self,
        resource_type: ResourceType,
        resource_id: str,
        *,
        expected_version: str | None = None,
    ) -> None:
        """Delete a resource."""
        place = self._place(resource_id, expected_version)
        with told(str(resource_type.name)):
            if resource_type.name == _USER:
                self._wait(self._directory.delete_user(place, self._edit))
            else:
                self._wait(self._directory.delete_group(place, self._edit))

    def _place(self, resource_id: str, version: str | None) -> Place:
        number = None if version is None else int(version.removeprefix('W/"').removesuffix('"'))
        return Place(tenant=self._tenant, id=resource_id, version=number)

    def _page(self, name: str, asked: SearchRequest[Any], part: Slice) -> SearchPage:
        if name == _USER:
            total = self._wait(self._directory.count_users(self._tenant))
        else:
            total = self._wait(self._directory.count_groups(self._tenant))
        if not part.limit:
            return SearchPage(total, [])
        listed = self._listed(name, Wanted(), part, members=False)
        return SearchPage(total, self._shown(name, asked, [made for _, made in listed]))

    def _filtered(self, name: str, asked: SearchRequest[Any], part: Slice) -> SearchPage:
        """Ask the filter about every entry that it could match (law 4)."""
        scim_filter = asked.filter
        assert scim_filter is not None
        if not all(map(is_storable, texts(scim_filter.ast))):
            raise InvalidFilterException(detail="the filter compares with what no text holds")
        wanted = narrowed(PrincipalKind(name.lower()), scim_filter.ast)
        if wanted is None:
            return SearchPage(0, [])
        total, page = 0, list[Resource[Any]]()
        for entries in self._parts(name, wanted, members="members" in str(scim_filter)):
            for one in filter(scim_filter.match, entries):
                if part.start <= total < part.start + part.limit:
                    page.append(one)
                total += 1
        return SearchPage(total, self._shown(name, asked, page))

    def _shown(
        self, name: str, asked: SearchRequest[Any], page: list[Resource[Any]]
    ) -> list[Resource[Any]]:
        """Return a page as it is answered: shorter where its groups have very many members."""
        if name == _USER or not _shows_members(asked):
            return page
        shown: list[Resource[Any]] = []
        members = 0
        for one in page:
            group = self._wait(self._directory.group(self._tenant, Wanted(id=str(one.id))))
            # Gone meanwhile, it is answered as it was when it was listed.
            shown.append(one if group is None else _of_group(group))
            members += 0 if group is None else len(group.members)
            if members >= _MEMBERS:
                break
        return shown

    def _parts(self, name: str, wanted: Wanted, *, members: bool) -> Iterator[list[Resource[Any]]]:
        last, limit = "", _PART_MEMBERS if members else _PART
        while entries := self._listed(
            name, wanted, Slice(after=last, limit=limit), members=members
        ):
            yield [made for _, made in entries]
            last = entries[-1][0]

    def _listed(
        self, name: str, wanted: Wanted, part: Slice, *, members: bool
    ) -> list[tuple[str, Resource[Any]]]:
        """Return a part of all entries, each with its identity."""
        if name == _USER:
            users = self._wait(self._directory.users(self._tenant, wanted, part))
            return [(one.identity, self._of_user(one)) for one in users]
        groups = self._wait(self._directory.groups(self._tenant, wanted, part, members=members))
        return [(one.identity, _of_group(one)) for one in groups]

    def _user_state(self, resource: Any, *, active: bool) -> UserState:  # noqa: ANN401 - the library's model
        rights = resource[self._models.rights]
        compartments = None if rights is None else rights.compartments
        return UserState(
            identity=principal_of(_USER.lower(), resource.user_name),
            name=resource.user_name,
            external_id=resource.external_id or "",
            display_name=resource.display_name or "",
            active=active if resource.active is None else resource.active,
            clearance=None if rights is None else self._level(rights.clearance),
            compartments=None if compartments is None else frozenset(compartments),
            attributes=self._models.attributes_of(resource),
        )

    def _says_rights(self, resource: Resource[Any]) -> bool:
        """Say whether a body mentions rights at all, be it with nothing in them."""
        return self._models.rights.__name__ in resource.model_fields_set

    def _level(self, name: str | None) -> int | None:
        if name is None:
            return None
        try:
            return self._models.level(name)
        except ValueError as error:
            raise DirectoryFaultError("clearance", f"is no level: {error}") from None

    def _of_user(self, user: DirectoryUser) -> Resource[Any]:
        state = user.state
        made: Any = self._models.user(
            id=user.id,
            external_id=state.external_id or None,
            user_name=state.name or display_name(name_of(state.identity)),
            display_name=state.display_name or None,
            active=state.active,
            meta=_meta(_USER, user),
        )
        if state.says_rights:
            level, names = state.clearance, state.compartments
            made[self._models.rights] = self._models.rights(
                clearance=None if level is None else level_name(self._models.levels, level),
                compartments=None if names is None else sorted(names),
            )
        self._models.carry(made, state.attributes or NO_ATTRIBUTES)
        return cast("Resource[Any]", made)


def _meta(name: str, entry: DirectoryUser | DirectoryGroup) -> Meta:
    return Meta(
        resource_type=name,
        created=entry.created_at,
        last_modified=entry.updated_at,
        version=f'W/"{entry.version}"',
    )


def _of_group(group: DirectoryGroup) -> Resource[Any]:
    members = [
        Member(
            value=one.id,
            ref=Reference(f"{one.kind.value.title()}s/{one.id}"),
            type=one.kind.value.title(),
        )
        for one in group.members
    ]
    return Group(
        id=group.id,
        external_id=group.external_id or None,
        display_name=group.name or display_name(name_of(group.called)),
        members=members or None,
        meta=_meta("Group", group),
    )


def _group_state(group: Group) -> GroupState:
    members = [one.value for one in group.members or ()]
    if not all(members):
        raise DirectoryFaultError("members", "have no `value`")
    return GroupState(
        identity=principal_of("group", group.display_name or ""),
        name=group.display_name or "",
        external_id=group.external_id or "",
        members=frozenset(one for one in members if one),
    )


def _shows_members(asked: ResponseParameters[Any] | None) -> bool:
    """Say whether the answer may hold members; reading them is what costs."""
    if asked is None:
        return True
    if asked.attributes:
        return any("members" in str(path).lower() for path in asked.attributes)
    return not any(str(path).lower() == "members" for path in asked.excluded_attributes or ())


@contextmanager
def told(name: str) -> Iterator[None]:
    """Turn the errors of the records into those of SCIM, in SCIM's words."""
    try:
        yield
    except DirectoryFaultError as error:
        attribute = _NAMES[name].get(error.attribute, error.attribute)
        raise InvalidValueException(detail=f"`{attribute}` {error.reason}") from error
    except IdentityError as error:
        raise InvalidValueException(detail=f"`{_NAMES[name]['identity']}` {error}") from error
    except TakenIdentityError as error:
        raise UniquenessException(
            detail=f"`{_NAMES[name]['identity']}` is the name of another"
        ) from error
    except UnknownEntryError as error:
        raise NotFoundException(detail="there is no such resource") from error
    except StaleEntryError as error:
        raise PreconditionFailedException(detail="the resource was changed meanwhile") from error
