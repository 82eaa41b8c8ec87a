"""Guards: conditions that no rule can lift, joined to every decision outside the policy.

The tenant is the hard boundary. It is not a column that a rule could leave out or write as `*`;
it comes from the verified token and stands beside whatever the rules permit. That a label is
complete and of the current schema is guarded in the filter itself.
"""

from __future__ import annotations

from typing import Final

from acl.errors import SchemaError
from acl.labels import AttributeType, LabelSchema
from acl.predicate import AnyOf, Condition

TENANT: Final = "tenant"


def guard(schema: LabelSchema, tenant: str) -> Condition:
    """Return the condition that holds for the documents of `tenant` alone.

    Raises:
        SchemaError: the schema does not declare a required keyword `tenant`.
    """
    attribute = schema.attributes.get(TENANT)
    if attribute is None or not attribute.required or attribute.type is not AttributeType.KEYWORD:
        raise SchemaError("labels.toml must declare `tenant` as a required keyword")
    return AnyOf(TENANT, frozenset({tenant}))
