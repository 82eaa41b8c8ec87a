"""The YAML between two `---` lines at the top of a text: where it ends, and what it says.

The laws of this file:

1. Front matter begins at the first line and looks like `key: value`; a rule drawn across a text is
   no front matter.
2. A block that is opened and never closed is a fault, because a label may be written in it.
3. A value with a colon in it is taken as the text that it is, also without quotes.
4. It is read with the safe loader, without aliases and without repeated keys, and it is short: an
   alias bomb and `classification` written twice are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from itertools import accumulate
from typing import Any, Final

import yaml

from ingest.errors import SourceError

MAX_FRONT_MATTER: Final = 16 * 1024
MAX_DEPTH: Final = 32

_OPENING: Final = re.compile(r"\ufeff?---[ \t]*\n")
_CLOSING: Final = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE)
# A value with a colon and without quotes, as people write titles: YAML takes it for a mapping.
_COLONS: Final = re.compile(
    r"""^([\w-]+:[ \t]+)([^\s"'\[{>|&*!%#@`-][^\n]*:[ \t][^\n]*)$""", re.MULTILINE
)
_KEY: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[\w-]+[ \t]*:(?:\s|\Z)")


def split(text: str) -> tuple[str | None, str]:
    """Return the front matter of `text`, or None, and the text that follows it.

    Raises:
        SourceError: it is opened and not closed, or too long.
    """
    opening = _OPENING.match(text)
    if opening is None or not _KEY.match(text, opening.end()):  # law 1
        return None, text
    closing = _CLOSING.search(text, opening.end(), opening.end() + MAX_FRONT_MATTER)
    if closing is None:  # law 2
        raise SourceError(f"the front matter is not closed within {MAX_FRONT_MATTER} characters")
    return text[opening.end() : closing.start()], text[closing.end() :]


def load(block: str) -> dict[str, object]:
    """Return what a front matter says.

    Raises:
        SourceError: not a YAML mapping of texts to values, or one of the refused shapes.
    """
    if len(block) > MAX_FRONT_MATTER:
        raise SourceError(f"the front matter is longer than {MAX_FRONT_MATTER} characters")
    if _depth(block) > MAX_DEPTH:
        # The library takes seconds for what it then refuses.
        raise SourceError("the front matter is nested too deeply")
    try:
        loaded = _loaded(block)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SourceError(f"the front matter is not accepted: {_problem(error)}") from error
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise SourceError("the front matter is not a mapping of names to values")
    return loaded


def _loaded(block: str) -> Any:  # noqa: ANN401 - whatever YAML gives
    # The loader below is the safe one with two shapes less.
    try:
        return yaml.load(block, Loader=_Loader)  # noqa: S506
    except yaml.scanner.ScannerError as error:
        quoted = _COLONS.sub(_in_quotes, block)
        if quoted == block:
            raise
        try:
            return yaml.load(quoted, Loader=_Loader)  # noqa: S506
        except yaml.YAMLError:
            raise error from None  # the lines as they were written are what the writer knows


def _in_quotes(line: re.Match[str]) -> str:
    return line[1] + json.dumps(line[2].rstrip(), ensure_ascii=False)


class _Loader(yaml.SafeLoader):
    """The safe loader without aliases and without repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")  # law 4
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the library's signature
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(names)) != len(names):
            raise yaml.YAMLError("a name is given twice")  # law 4
        return super().construct_mapping(node, deep)


def _depth(block: str) -> int:
    """Return how many brackets are open at once, at most; those in quotes count too."""
    steps = ((one in "[{") - (one in "]}") for one in block)
    return max(accumulate(steps), default=0)


def _problem(error: Exception) -> str:
    """Say what is wrong without quoting the document."""
    if isinstance(error, yaml.MarkedYAMLError):
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return f"{error.problem or 'bad yaml'} (line {line})"
    return "is nested too deeply" if isinstance(error, RecursionError) else str(error)
