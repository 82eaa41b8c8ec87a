"""What SCIM says of itself here: two kinds of resource, two extensions, and what is supported.

The laws of this file:

1. What is published is what is kept: a user's name, state and rights, and of the other core and
   enterprise attributes those that `labels.toml` declares of subjects; a group's name and members.
   Other attributes, such as addresses and telephone numbers, are accepted and not kept.
2. What is not announced is not done: no bulk requests, no sorting, no passwords.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeAlias, Union

from pydantic import Field, create_model
from scim2_models import (
    URN,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    Extension,
    External,
    Filter,
    Mutability,
    Pagination,
    Patch,
    Reference,
    Required,
    Resource,
    ResourceType,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models.path import AttributeBinding
from scim2_models.resources.resource import AnyExtension

from acl.identity import folded_name
from acl.labels import Attribute
from acl.records.database.errors import DirectoryFaultError
from acl.records.directory.types import (
    CORE_ATTRIBUTES,
    DIRECTORY_ATTRIBUTES,
    ENTERPRISE_ATTRIBUTES,
    MAX_CLEARANCE,
    typed,
)
from acl.subject import Attributes

RIGHTS: Final = "urn:strongroom:scim:schemas:1.0:User"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MAX_PAGE: Final = 200
DEFAULT_PAGE: Final = 100
_SHOWN: Final = 60


class User(Resource[AnyExtension]):
    """A user of this service."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = Field(
        None,
        description="The user's name. It makes the principal that tokens, rules and labels name: "
        "`ada` is `user:ada`. A renamed user keeps the first one.",
    )
    display_name: str | None = Field(None, description="The user's name, for people.")
    active: bool | None = Field(
        None,
        description="Whether the user's requests are answered. A new user is active; what is "
        "left out later changes nothing.",
    )


# A reference names the kinds of resource that it may point to.
_ToEntry: TypeAlias = Reference[Union["User", "Group"]]  # type: ignore[type-arg]


class Member(ComplexAttribute):
    """A user or group that is directly in a group."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = Field(
        None, description="The id of the user or group."
    )
    ref: Annotated[_ToEntry | None, Mutability.immutable] = Field(
        None, serialization_alias="$ref", validation_alias="$ref", description="Its address."
    )
    type: Annotated[str | None, Mutability.immutable] = Field(
        None,
        examples=["User", "Group"],
        description="Which of the two it is; the id decides, whatever is sent.",
    )


class Group(Resource[Any]):
    """A group of users and groups."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = Field(
        None,
        description="The group's name. It makes the principal that rules and labels name: "
        "`Finance` is `group:finance`. A renamed group keeps the first one.",
    )
    members: list[Member] | None = Field(
        None, description="The users and groups that are directly in the group."
    )


@dataclass(frozen=True, slots=True, eq=False)
class ScimModels:
    """The models that one label schema leads to; made at run time, so that their fields are `Any`.

    Attributes:
        rights: the extension that carries clearance and compartments.
        enterprise: the extension that carries declared attributes, or `None` if it has none.
        user: a user with these extensions.
        declared: the declared attributes of subjects that a directory can say.
    """

    provider: ScimProvider
    rights: Any
    enterprise: Any
    user: Any
    levels: Attribute | None
    declared: Mapping[str, Attribute]

    def level(self, name: str) -> int:
        """Return the clearance called `name`.

        Raises:
            ValueError: there is none; the text says which there are.
        """
        if self.levels is not None and self.levels.levels:
            level = self.levels.parse(name)
            assert isinstance(level, int)
            return level
        if not (name.isascii() and name.isdigit() and int(name[:9]) <= MAX_CLEARANCE):
            raise ValueError(f"expected a number from 0 to {MAX_CLEARANCE}")
        return int(name)

    def attributes_of(self, user: Any) -> Attributes | None:  # noqa: ANN401 - the library's model
        """Return the texts of declared attributes that a user carries, or `None` if it has none.

        Raises:
            DirectoryFaultError: one has a value that its declaration does not take.
        """
        extension = None if self.enterprise is None else user[self.enterprise]
        texts: dict[str, str] = {}
        for name, attribute in self.declared.items():
            text = getattr(user if name in CORE_ATTRIBUTES else extension, _field(name), None)
            if text:
                _check_type(attribute, text)
                texts[name] = text
        return Attributes(texts) if texts else None

    def carry(self, user: Any, attributes: Attributes) -> None:  # noqa: ANN401
        """Set the texts of declared attributes in a user."""
        texts = {name: text for name, text in attributes.items() if name in self.declared}
        for name in texts.keys() & set(CORE_ATTRIBUTES):
            setattr(user, _field(name), texts.pop(name))
        if texts:
            user[self.enterprise] = self.enterprise(**{_field(each): texts[each] for each in texts})


def _check_type(attribute: Attribute, text: str) -> None:
    try:
        typed(attribute, text)
    except ValueError as error:
        reason = f"is `{text[:_SHOWN]}`, but labels.toml declares it as `{attribute.type}`: {error}"
        raise DirectoryFaultError(attribute.name, reason) from None


def scim_models(
    levels: Attribute | None, declared: Mapping[str, Attribute] = MappingProxyType({})
) -> ScimModels:
    """Return the models.

    Args:
        levels: the attribute whose levels name clearances, if any.
        declared: the declared attributes of subjects.
    """
    told = {name: declared[name] for name in sorted(declared.keys() & DIRECTORY_ATTRIBUTES)}
    rights, enterprise = _rights(levels), _with(Enterprise, ENTERPRISE_ATTRIBUTES, told)
    core: Any = _with(User, CORE_ATTRIBUTES, told) or User
    user = core[rights if enterprise is None else rights | enterprise]
    provider = ScimProvider(
        models=[core, rights, Group, *([] if enterprise is None else [enterprise])],
        resource_types=[ResourceType.from_resource(user), ResourceType.from_resource(Group)],
        config=_config(),
        # What others keep is not refused, and groups are left as Entra says it.
        policy=ScimPolicy(
            unknown=ScimPolicy.Unknown.ignore,
            remove_value_as_filter=ScimPolicy.RemoveValue.apply,
            comparison_key=_compared,
        ),
    )
    return ScimModels(
        provider=provider,
        rights=rights,
        enterprise=enterprise,
        user=user,
        levels=levels,
        declared=told,
    )


class Enterprise(Extension):
    """What an employer knows of a person (RFC 7643, 4.3), as far as it is declared here."""

    __schema__ = URN(ENTERPRISE)


def _with(base: Any, names: tuple[str, ...], declared: Mapping[str, Attribute]) -> Any:  # noqa: ANN401
    """Return `base` with those attributes that are declared, or `None` if none of them is."""
    kept: dict[str, Any] = {
        _field(name): _declared_field(declared[name]) for name in names if name in declared
    }
    doc = base.__doc__
    return create_model(base.__name__, __base__=base, __doc__=doc, **kept) if kept else None


def _declared_field(attribute: Attribute) -> tuple[object, object]:
    description = f"The attribute `{attribute.name}` of a subject, of type `{attribute.type}`."
    text = Annotated[str | None, CaseExact.true]
    return text, Field(None, description=description)


def _field(name: str) -> str:
    """Return how the library's models call an attribute: `cost_center` for `costCenter`."""
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def _compared(binding: AttributeBinding, text: str) -> str:
    """Return what a filter compares: names are the same where their principals are."""
    return text if binding.case_exact else folded_name(text)


def _rights(levels: Attribute | None) -> type[Extension]:
    names = list(levels.levels) if levels is not None else []

    class Rights(Extension):
        """What a user may read at most, where the directory and not the token says so."""

        __schema__ = URN(RIGHTS)

        clearance: Annotated[str | None, CaseExact.true] = Field(
            None,
            examples=names or None,
            description="The highest classification that the user may read.",
        )
        compartments: Annotated[list[str] | None, CaseExact.true] = Field(
            None, description="The need-to-know sets that the user is in."
        )

    return Rights


def _config() -> ServiceProviderConfig:
    return ServiceProviderConfig(
        patch=Patch(supported=True),
        bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
        filter=Filter(supported=True, max_results=MAX_PAGE),
        change_password=ChangePassword(supported=False),
        sort=Sort(supported=False),
        etag=ETag(supported=True),
        pagination=Pagination(
            cursor=False, index=True, default_page_size=DEFAULT_PAGE, max_page_size=MAX_PAGE
        ),
        authentication_schemes=[
            AuthenticationScheme(
                type=AuthenticationScheme.Type.oauthbearertoken,
                name="access token",
                description="An access token by RFC 9068 whose subject may `directory:edit`.",
                spec_uri=Reference[External]("https://www.rfc-editor.org/rfc/rfc9068"),
                primary=True,
            )
        ],
    )
