"""The form of every attribute that is kept, checked before the SCIM library reads a body.

The laws of this file:

1. An attribute has one form wherever it is said: in a creation, a replacement, an operation with a
   path or without. Another form is refused in one sentence, with the name and what was sent.
2. A change of what is read-only is refused and never answered as done. A whole resource may carry
   it, and an operation without a path may repeat the resource's own `id`, as Okta does.
3. Truth values are understood as Entra sends them, `"True"` and `"False"`.
4. Attributes that are not kept have no form here.
5. A change of members by their ids is read as what it is, so that thousands are changed at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, TypeAlias

from scim2_models import (
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    MutabilityException,
    NoTargetException,
    SCIMException,
)

from acl.records.directory.types import (
    CORE_ATTRIBUTES,
    ENTERPRISE_ATTRIBUTES,
    MemberChange,
    MemberOperation,
)
from retrieval.service.scim.models import ENTERPRISE, RIGHTS, Group, User

PATCH: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
_SHOWN: Final = 60
_OPERATIONS: Final = ("add", "remove", "replace")
_ATTRIBUTE: Final = re.compile(r"([A-Za-z$][\w$-]*)(.*)", re.DOTALL)

_BY_ID: Final = re.compile(r'\[\s*value\s+eq\s+"([^"\\]+)"\s*\]', re.IGNORECASE)

Form: TypeAlias = Callable[[str, Any], Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of resource looks like.

    Attributes:
        schema: the address of its own schema.
        required: the attribute that names it.
        forms: the form of each attribute that is kept, by its name in lower case.
        read_only: attributes that no client changes, in lower case.
    """

    schema: str
    required: str
    forms: Mapping[str, tuple[str, Form]]
    read_only: frozenset[str]


def read_resource(kind: Kind, body: object) -> dict[str, Any]:
    """Return a body that creates or replaces a resource, in the spelling that is kept.

    Raises:
        SCIMException: an attribute has another form, or a required one is missing (law 1).
    """
    said = _object(body)
    _check_schemas(said, kind.schema)
    made = {name: _formed(kind, name, value) for name, value in said.items()}
    if not any(name.casefold() == kind.required.casefold() and made[name] for name in made):
        raise InvalidValueException(detail=f"`{kind.required}` is required")
    return made


def read_patch(kind: Kind, own_id: str, body: object) -> dict[str, Any]:
    """Return a body that changes the resource `own_id`, in the spelling that is kept.

    Raises:
        SCIMException: a value has another form, or what is read-only would change (laws 1 and 2).
    """
    said = _object(body)
    _check_schemas(said, PATCH)
    operations = _member(said, "Operations")
    if not isinstance(operations, list) or not operations:
        raise _wrong("Operations", "a list of one or more operations", operations)
    changed = [_operation(kind, own_id, each) for each in operations]
    return {"schemas": [PATCH], "Operations": changed}


def member_change(body: Mapping[str, Any]) -> MemberChange | None:
    """Return the change of members that a checked body makes, or `None` if it makes another one.

    Members are named by their ids: in a list, or by `members[value eq "…"]`.
    """
    steps = [_member_step(each) for each in body["Operations"]]
    known = tuple(step for step in steps if step is not None)
    return MemberChange(known) if len(known) == len(steps) else None


def _member_step(said: Mapping[str, Any]) -> tuple[MemberOperation, frozenset[str]] | None:
    attribute, rest = _split(GROUPS, said.get("path") or "")
    value = said.get("value")
    if not said.get("path") and isinstance(value, dict) and len(value) == 1:
        attribute, rest = _split(GROUPS, *value)
        (value,) = value.values()
    if attribute != "members":
        return None
    operation, by_id = MemberOperation(said["op"]), _BY_ID.fullmatch(rest)
    if operation is MemberOperation.REMOVE and by_id is not None and value is None:
        return operation, frozenset({by_id[1]})
    if rest or (value is None and operation is MemberOperation.ADD):
        return None
    if value is None:
        return MemberOperation.REPLACE, frozenset()
    return operation, frozenset(each["value"] for each in _members("members", value))


def read_search(body: object) -> dict[str, Any]:
    """Return a body that asks a question.

    Raises:
        SCIMException: it does not say that it is one.
    """
    said = _object(body)
    _check_schemas(said, SEARCH)
    return said


def _operation(kind: Kind, own_id: str, said: object) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise _wrong("Operations", "a list of objects", said)
    name, path = _member(said, "op"), _member(said, "path") or ""
    if not isinstance(name, str) or name.lower() not in _OPERATIONS:
        raise _wrong("op", "`add`, `remove` or `replace`", name)
    if not isinstance(path, str):
        raise _wrong("path", "a text", path)
    made: dict[str, Any] = {"op": name.lower()}
    if any(key.casefold() == "value" for key in said):
        made["value"] = _member(said, "value")
    if not path:
        return made | {"value": _without_path(kind, own_id, name.lower(), made.get("value"))}
    _check_path(kind, path)
    if "value" in made and (name.lower() != "remove" or _names_members(kind, path)):
        made["value"] = _formed(kind, path, made["value"], part=True)
    return made | {"path": path}


def _names_members(kind: Kind, path: str) -> bool:
    """Say whether a removal says in its value which members go, as Entra does."""
    return _split(kind, path) == ("members", "")


def _without_path(kind: Kind, own_id: str, name: str, value: object) -> dict[str, Any]:
    if name == "remove":
        raise NoTargetException(detail="a `remove` needs a `path`")
    if not isinstance(value, dict):
        raise _wrong("value", "an object of attributes, because there is no `path`", value)
    # law 2
    rest = {key: each for key, each in value.items() if (key.casefold(), each) != ("id", own_id)}
    for key in rest:
        _check_path(kind, key)
    return {key: _formed(kind, key, each, part=True) for key, each in rest.items()}


def _check_path(kind: Kind, path: str) -> None:
    attribute, rest = _split(kind, path)
    if attribute in kind.read_only:
        raise MutabilityException(detail=f"`{attribute}` is read-only and cannot be changed")
    name, form = kind.forms.get(attribute, (attribute, None))
    if rest and form in {_text, _truth}:
        raise InvalidPathException(detail=f"`{name}` has no parts")
    if rest and form is _members and not rest.endswith("]"):
        raise MutabilityException(detail=f"a part of `{name}` cannot be changed")


def _formed(kind: Kind, path: str, value: object, *, part: bool = False) -> object:
    """Return the value at `path` in its form; `part` says that it changes what is there."""
    attribute, rest = _split(kind, path)
    name, form = kind.forms.get(attribute, (attribute, None))
    if form is None or rest or value is None:  # law 4
        return value
    if part and form in _LISTS and not isinstance(value, list):
        value = [value]
    return form(name, value)


def _split(kind: Kind, path: str) -> tuple[str, str]:
    """Return the attribute that a path begins with, in lower case, and what follows it."""
    lower = path.casefold()
    for extension in (RIGHTS, ENTERPRISE):
        if lower.startswith(extension.casefold()):
            return lower.removesuffix(":"), ""
    if lower.startswith(f"{kind.schema.casefold()}:"):
        path = path[len(kind.schema) + 1 :]
    found = _ATTRIBUTE.match(path)
    return (found[1].casefold(), found[2]) if found else (path.casefold(), "")


def _text(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    if not isinstance(value, str):
        raise _wrong(name, "a text", value)
    return value


def _truth(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    if isinstance(value, str) and value.casefold() in {"true", "false"}:  # law 3
        return value.casefold() == "true"
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)
    return value


def _names(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    if not isinstance(value, list):
        raise _wrong(name, "a list of texts", value)
    for each in value:
        if not isinstance(each, str):
            raise _wrong(name, "a list of texts", each)
    return value


def _members(name: str, value: Any) -> Any:  # noqa: ANN401 - JSON is of any type
    if not isinstance(value, list):
        raise _wrong(name, "a list of members", value)
    for each in value:
        held = _member(each, "value") if isinstance(each, dict) else None
        if not isinstance(held, str) or not held:
            raise _wrong(name, "a list of objects whose `value` is an id", each)
    return [{"value": _member(each, "value")} for each in value]


def _extension(forms: Mapping[str, Form], name: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    for key, each in value.items():
        form = forms.get(key.casefold())
        if form is not None and each is not None:
            form(f"{name}:{key}", each)
    return value


def _extended(schema: str, forms: Mapping[str, Form]) -> dict[str, tuple[str, Form]]:
    """Return the forms of an extension, as a whole and of each of its attributes."""
    inner = {name.casefold(): form for name, form in forms.items()}
    return {schema.casefold(): (schema, partial(_extension, inner))} | {
        f"{schema}:{name}".casefold(): (f"{schema}:{name}", form) for name, form in forms.items()
    }


_LISTS: Final[tuple[Form, ...]] = (_names, _members)

USERS: Final = Kind(
    schema=str(User.__schema__),
    required="userName",
    forms={
        "username": ("userName", _text),
        "displayname": ("displayName", _text),
        "externalid": ("externalId", _text),
        "active": ("active", _truth),
        **_extended(RIGHTS, {"clearance": _text, "compartments": _names}),
    },
    read_only=frozenset({"id", "meta", "groups"}),
)


def users(declared: Collection[str]) -> Kind:
    """Return what users look like who have these attributes, declared in `labels.toml`, too."""
    core = {name.casefold(): (name, _text) for name in CORE_ATTRIBUTES if name in declared}
    work = {name: _text for name in ENTERPRISE_ATTRIBUTES if name in declared}
    return replace(USERS, forms={**USERS.forms, **core, **_extended(ENTERPRISE, work)})


GROUPS: Final = Kind(
    schema=str(Group.__schema__),
    required="displayName",
    forms={
        "displayname": ("displayName", _text),
        "externalid": ("externalId", _text),
        "members": ("members", _members),
    },
    read_only=frozenset({"id", "meta"}),
)


def _check_schemas(said: Mapping[str, Any], own: str) -> None:
    schemas = _member(said, "schemas")
    named = isinstance(schemas, list) and all(isinstance(each, str) for each in schemas)
    if not named or own.casefold() not in map(str.casefold, schemas):
        raise InvalidValueException(detail=f"`schemas` is required and names `{own}`")


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidSyntaxException(detail="the body is no JSON object")
    return body


def _member(said: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON is of any type
    """Return what an object says under a name in any case."""
    return next((said[key] for key in said if key.casefold() == name.casefold()), None)


def _wrong(name: str, wanted: str, value: object) -> SCIMException:
    shown = json.dumps(value, ensure_ascii=False)
    if len(shown) > _SHOWN:
        shown = f"{shown[:_SHOWN]}…"
    return InvalidValueException(detail=f"`{name}` must be {wanted}, and is `{shown}`")
