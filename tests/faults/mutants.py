"""The faults: one changed text each, in a module of the core."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault.

    Attributes:
        name: what is broken.
        module: where.
        original: text that stands in the module exactly once.
        mutated: what stands there instead.
    """

    name: str
    module: str
    original: str
    mutated: str

    def __str__(self) -> str:
        return self.name.replace(" ", "-")


MUTANTS: Final = (
    # How the effects of rows are joined.
    Mutant("drop the guard", "acl.policy.compiler", "all_of(guard, rules)", "rules"),
    Mutant("drop the tenant", "acl.policy.decide", "at, guard=fence)", "at)"),
    Mutant(
        "ignore the agents", "acl.policy.decide", "in (subject, *subject.actors)", "in (subject,)"
    ),
    Mutant(
        "ignore deny",
        "acl.policy.compiler",
        '*(row.outcome.false for row in rows if row.effect == "deny"),',
        "",
    ),
    Mutant(
        "deny that raises permits",
        "acl.policy.compiler",
        "        *(row.outcome.defined for row in rows),\n",
        "",
    ),
    Mutant(
        "an unknown effect permits",
        "acl.policy.compiler",
        'if row.effect == "allow":\n            permits',
        'if row.effect != "deny":\n            permits',
    ),
    Mutant(
        "a row that raises is passed over",
        "acl.policy.compiler",
        "if not row.outcome.total:",
        "if not row.effect:",
    ),
    Mutant("priority from the end", "acl.policy.compiler", "reversed(groups)", "groups"),
    Mutant(
        "priority ignores deny",
        "acl.policy.compiler",
        'if effect == "deny":\n        return all_of(rest, *(outcome.false for',
        'if effect == "deny":\n        return all_of(rest, *(ALWAYS for',
    ),
    Mutant(
        "priority ignores a deny of an unknown effect that raises",
        "acl.policy.compiler",
        "return all_of(rest, *(outcome.defined for outcome in outcomes))",
        "return rest",
    ),
    Mutant(
        "priority joins past a row that raises",
        "acl.policy.compiler",
        "groups[-1][0] == row.effect and groups[-1][1][-1].outcome.total",
        "groups[-1][0] == row.effect",
    ),
    Mutant("the hole of the empty policy", "acl.policy.compiler", " or _has_empty(request):", ":"),
    Mutant(
        "forget when to decide again", "acl.policy.compiler", "if moment >= at", "if moment < at"
    ),
    # Outcomes.
    Mutant(
        "false where it raises",
        "acl.algebra.outcome",
        "later = other.false if self.total else all_of(self.true, other.false)",
        "later = other.false",
    ),
    Mutant(
        "swap and with or",
        "acl.algebra.outcome",
        "all_of(self.true, other.true), any_of(self.false, later)",
        "any_of(self.true, other.true), all_of(self.false, later)",
    ),
    Mutant(
        "defined as soon as the first part is",
        "acl.algebra.outcome",
        "        if not other.total:\n",
        "        if not self.total and not other.total:\n",
    ),
    Mutant(
        "a negation never raises",
        "acl.algebra.outcome",
        "Outcome(self.false, self.true, self.defined)",
        "Outcome(self.false, self.true)",
    ),
    Mutant(
        "a negation is lost",
        "acl.algebra.outcome",
        "Outcome(self.false, self.true, self.defined)",
        "Outcome(self.true, self.false, self.defined)",
    ),
    Mutant("nothing raises", "acl.algebra.outcome", "return self.defined is ALWAYS", "return True"),
    Mutant(
        "optional attributes never raise",
        "acl.algebra.outcome",
        "ALWAYS if attribute.required else Present(attribute.name)",
        "ALWAYS",
    ),
    # Leaves and their duals.
    Mutant(
        "the dual of a bound is off by one",
        "acl.predicate",
        "return MoreThan(attribute, bound)",
        "return MoreThan(attribute, bound - 1)",
    ),
    Mutant(
        "a missing attribute satisfies",
        "acl.predicate",
        "value is not None and leaf_holds",
        "value is None or leaf_holds",
    ),
    Mutant(
        "none of is always true",
        "acl.predicate",
        "        case NoneOf(_, values):\n            return values.isdisjoint(_elements(value))",
        "        case NoneOf(_, values):\n            return True",
    ),
    Mutant(
        "a subset must be proper",
        "acl.predicate",
        "            return _elements(value) <= texts",
        "            return _elements(value) < texts",
    ),
    Mutant(
        "below instead of at most",
        "acl.predicate",
        "_count(value) <= bound",
        "_count(value) < bound",
    ),
    Mutant("depth is not checked", "acl.predicate", "else len(parts) != depth:", "else False:"),
    Mutant(
        "a wildcard matches nothing at all",
        "acl.predicate",
        'case Wildcard.SOME:\n            return part != ""',
        "case Wildcard.SOME:\n            return True",
    ),
    # Predicate to filter.
    Mutant(
        "must becomes should",
        "acl.engine.filter",
        "Filter(must=tuple(_condition(part",
        "Filter(should=tuple(_condition(part",
    ),
    Mutant(
        "should becomes must",
        "acl.engine.filter",
        "Filter(should=tuple(_condition(part",
        "Filter(must=tuple(_condition(part",
    ),
    Mutant(
        "forget presence",
        "acl.engine.filter",
        "Filter(must=(_present(attribute),), must_not=(condition,))",
        "Filter(must=(MatchAny(COMPLETE, (1,)),), must_not=(condition,))",
    ),
    Mutant(
        "the filter's lower bound is off by one",
        "acl.engine.filter",
        "gte=_clamp(bound + 1)",
        "gte=_clamp(bound)",
    ),
    Mutant(
        "the filter's upper bound is off by one",
        "acl.engine.filter",
        "lte=_clamp(bound)",
        "lte=_clamp(bound + 1)",
    ),
    Mutant(
        "not a subset is a subset",
        "acl.engine.filter",
        "return Filter(must=(_present(attribute), inside))",
        "return _unless(attribute, inside)",
    ),
    Mutant(
        "labels of another schema pass",
        "acl.engine.filter",
        "MatchAny(COMPLETE, (1,)), MatchAny(SCHEMA, (schema.digest,))",
        "MatchAny(COMPLETE, (1,)), MatchAny(COMPLETE, (1,))",
    ),
    Mutant(
        "incomplete labels pass",
        "acl.engine.filter",
        "MatchAny(COMPLETE, (1,)), MatchAny(SCHEMA, (schema.digest,))",
        "MatchAny(SCHEMA, (schema.digest,)), MatchAny(SCHEMA, (schema.digest,))",
    ),
    # Label to payload.
    Mutant(
        "prefixes are cut at segments alone",
        "acl.engine.payload",
        'cut is Prefixes.CHARACTER or path[end - 1] == "/"',
        'path[end - 1] == "/"',
    ),
    Mutant("the filter forgets the depth", "acl.engine.payload", 'else f"#{depth}"', 'else "0."'),
    Mutant(
        "an empty segment counts",
        "acl.engine.payload",
        '        if segment:\n            yield f"{position}+"',
        '        yield f"{position}+"',
    ),
    Mutant(
        "every attribute is said to be present",
        "acl.engine.payload",
        '"present": sorted(label.values)',
        '"present": sorted(schema.attributes)',
    ),
    # Roles.
    Mutant("one hop more", "acl.language.roles", "HOPS: Final = 9", "HOPS: Final = 10"),
    Mutant("one hop less", "acl.language.roles", "HOPS: Final = 9", "HOPS: Final = 8"),
    Mutant(
        "one timed hop less",
        "acl.language.roles",
        "HOPS_TIMED: Final = 10",
        "HOPS_TIMED: Final = 9",
    ),
    Mutant("keep an expired role", "acl.language.roles", " and link.window.holds(at)", ""),
    Mutant("a role begins late", "acl.language.roles", "at > self.start", "at < self.start"),
    Mutant(
        "roles of every domain",
        "acl.language.roles",
        "self._links[link.domain][link.name].append(link)",
        'for one in ("acme", "best", link.domain):\n'
        "                self._links[one][link.name].append(link)",
    ),
    # Simplification.
    Mutant(
        "merge keeps the first",
        "acl.algebra.conditions",
        "AnyOf(attribute, frozenset().union(*sets))",
        "AnyOf(attribute, first.values)",
    ),
    Mutant(
        "merge keeps the lower bound",
        "acl.algebra.conditions",
        "max(leaf.bound for leaf in leaves",
        "min(leaf.bound for leaf in leaves",
    ),
    Mutant(
        "join keeps the looser bound",
        "acl.algebra.conditions",
        "min(leaf.bound for leaf in leaves",
        "max(leaf.bound for leaf in leaves",
    ),
    Mutant(
        "of several denies the first is kept",
        "acl.algebra.conditions",
        "dual(_union([dual(leaf) for leaf in leaves]))",
        "leaves[0]",
    ),
    Mutant(
        "a common condition is lost",
        "acl.algebra.conditions",
        "all_of(*common, any_of",
        "all_of(any_of",
    ),
    Mutant(
        "two bounds with a gap cover everything",
        "acl.algebra.conditions",
        "and other.bound <= bound",
        "and other.bound != bound",
    ),
    # Terms to leaves.
    Mutant(
        "less than is at most",
        "acl.algebra.leaves",
        "-_floor(-value) - 1",
        "_floor(value)",
    ),
    Mutant(
        "numbers equal their text",
        "acl.algebra.leaves",
        "value if isinstance(value, str) else None",
        "str(value)",
    ),
    Mutant(
        "an order on a text is false",
        "acl.algebra.leaves",
        "not isinstance(value, int | float):\n            return RAISES",
        "not isinstance(value, int | float):\n            return _never(attribute)",
    ),
    Mutant(
        "unequal is equal",
        "acl.algebra.leaves",
        '"!=":\n            return ~_equal',
        '"!=":\n            return _equal',
    ),
    Mutant(
        "nobody has their own role",
        "acl.algebra.leaves",
        "if name == role:\n        return present(attribute)",
        "if name == role:\n        return _never(attribute)",
    ),
    Mutant(
        "patterns of a role are forgotten",
        "acl.algebra.leaves",
        "outcome = outcome.otherwise(matching)",
        "outcome = outcome",
    ),
    Mutant(
        "a pattern overrules a name",
        "acl.algebra.leaves",
        "matching.then(~_equal(attribute, known)) if known else matching",
        "matching",
    ),
    # Patterns.
    Mutant("nothing may follow", "acl.algebra.leaves", "Shape(segments, tail)", "Shape(segments)"),
    Mutant(
        "prefix without slash",
        "acl.algebra.leaves",
        '_under(attribute, f"{text}/"',
        "_under(attribute, text",
    ),
    Mutant(
        "a star shows hidden files",
        "acl.algebra.leaves",
        'Wildcard.VISIBLE if part == "*"',
        'Wildcard.SOME if part == "*"',
    ),
    Mutant(
        "a star inside a segment",
        "acl.algebra.leaves",
        'and not prefix.endswith("/")',
        "and not prefix",
    ),
    # Reading.
    Mutant(
        "remember a term without its columns",
        "acl.algebra.partial",
        "key = term, tuple(",
        "key = term, () and tuple(",
    ),
    Mutant("what raises is false", "acl.algebra.partial", "return RAISES", "return FALSE"),
    Mutant("ignore the second operand's order", "acl.language.fragment", '"<": ">"', '"<": "<"'),
    Mutant(
        "not in is in",
        "acl.language.fragment",
        "return Negation(self._membership",
        "return (self._membership",
    ),
    Mutant(
        "rules in the order of the file",
        "acl.language.casbin_adapter",
        "        holder.sort_policies_by_priority()\n",
        "        pass\n",
    ),
    Mutant(
        "no hierarchy of subjects",
        "acl.language.casbin_adapter",
        "        holder.sort_policies_by_subject_hierarchy()\n        holder",
        "        holder",
    ),
    Mutant("a rewritten literal", "acl.language.expression", 're.compile(r"&&|', 're.compile(r"'),
    Mutant(
        "a comment",
        "acl.language.tokens",
        '    "#": "begins a comment: Casbin cuts the expression here",\n',
        "",
    ),
    Mutant(
        "permit by default",
        "acl.policy.policy",
        "elif Effect(model.effect) is Effect.DENY_OVERRIDE:",
        "elif not model.effect:",
    ),
    Mutant("a misspelt effect", "acl.admission.admission", "value not in EFFECTS", "not value"),
    # What somebody who edits a part of the policy may do.
    Mutant(
        "links without the rules that ask for names",
        "acl.policy.extent",
        "(lead.kind == _ROLES and not names.isdisjoint(self._names))",
        "False",
    ),
    Mutant(
        "a link leads to its role alone",
        "acl.policy.delegation",
        "edge = [role for name in edge for role in onward[name] - seen]",
        "edge = []",
    ),
    Mutant(
        "a deny that goes gives nothing",
        "acl.policy.delegation",
        '(policy.effect_of(rule) == "allow") in claim.comings',
        'policy.effect_of(rule) == "allow" and True in claim.comings',
    ),
    Mutant(
        "the rights of today alone",
        "acl.policy.delegation",
        "for moment in (side, side + _INSTANT)]",
        "for moment in () if side]",
    ),
    Mutant(
        "a link binds while it does not hold",
        "acl.policy.delegation",
        "filter(window.holds, (self.at, *begins, *later))",
        "(self.at, *begins, *later)",
    ),
    Mutant(
        "rows of any tenant are touched",
        "acl.policy.delegation",
        "elif row.values[place] != tenant:",
        "elif row.values[place] == tenant + tenant:",
    ),
    Mutant(
        "an extent reaches every tenant",
        "acl.policy.delegation",
        "labels = all_of(guard(policy.schema, self.editor.tenant), extent.labels)",
        "labels = extent.labels",
    ),
    Mutant(
        "the region alone binds",
        "acl.policy.delegation",
        "product(actions if gives else (), moments)",
        "product((), moments)",
    ),
    Mutant(
        "what is held alone binds",
        "acl.policy.delegation",
        "if outside is not None:",
        "if outside is not None and not gives:",
    ),
    Mutant(
        "an extent forgets the path",
        "acl.policy.extent",
        "return _Bound(outcome.true, outcome.false, fails)",
        "return _Bound(ALWAYS, ALWAYS, fails)",
    ),
    Mutant(
        "an extent forgets a negation",
        "acl.policy.extent",
        "return ~self._bound(part, row)",
        "return self._bound(part, row)",
    ),
    Mutant(
        "what can fail has a bound",
        "acl.policy.extent",
        "return Extent(ALWAYS, fails=True)",
        "return Extent(NEVER, fails=False)",
    ),
    Mutant(
        "who administers is delegated",
        "acl.policy.delegation",
        "Action.POLICY_ADMINISTER in meanings.of(row)",
        "not meanings.of(row)",
    ),
    Mutant(
        "moments are not told apart",
        "acl.policy.delegation",
        "graph.reached(name, domain, moment) for graph, name, domain in ways",
        "graph.reached(name, domain, moment) for graph, name, domain in ways[:0]",
    ),
    Mutant(
        "documents that links concern are not looked at",
        "acl.policy.delegation",
        "if link.kind in self.old.extents.beyond_askers | self.new.extents.beyond_askers:",
        "if not link.kind:",
    ),
)
