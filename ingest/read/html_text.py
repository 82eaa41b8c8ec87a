"""HTML to the words that a reader sees.

The standard library's parser is used, because it accepts every input and never gives up in the
middle: kreuzberg 4.10 lost up to half of the words of a malformed page, and everything after an
unclosed cell. Scripts, styles and comments are not text.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

_SILENT: Final = frozenset({"script", "style", "template", "svg", "math"})
_INLINE: Final = frozenset(
    {
        *("a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn"),
        *("em", "font", "i", "ins", "kbd", "mark", "q", "s", "samp", "small", "span", "strike"),
        *("strong", "sub", "sup", "time", "tt", "u", "var", "wbr", "nobr"),
    }
)
_CELLS: Final = frozenset({"td", "th"})
_SPACES: Final = re.compile(r"[ \t\n\f\v\xa0]+")
_BREAKS: Final = re.compile(r" ?\n[ \n]*\n[ \n]*| ?\n ?")


def html_text(source: str) -> tuple[str, str | None]:
    """Return the visible text of a page, and its title or None."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    title = " ".join("".join(reader.title).split())
    return _tidy("".join(reader.parts)), title or None


class _Reader(HTMLParser):
    """Collects text; every element that is not inline ends a line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title: list[str] = []
        self._silent = ""
        self._depth = 0
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent:
            self._depth += tag == self._silent
        elif tag in _SILENT:
            self._silent, self._depth = tag, 1
        elif tag == "title" and not self.title:
            self._in_title = True
        elif tag == "img":
            self.parts.append(f" {dict(attrs).get('alt') or ''} ")
        self._separate(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # `<script/>` does not close itself in HTML, but nothing follows it in XHTML.
        self.handle_starttag(tag, attrs)
        if tag in _SILENT or tag == "title":
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._depth -= tag == self._silent
            if self._depth == 0:
                self._silent = ""
        elif tag == "title":
            self._in_title = False
        self._separate(tag)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._in_title:
            self.title.append(data)
        else:
            self.parts.append(_SPACES.sub(" ", data))

    def _separate(self, tag: str) -> None:
        if not self._silent and tag not in _INLINE and tag != "img":
            self.parts.append(" " if tag in _CELLS else "\n" if tag == "br" else "\n\n")


def _tidy(text: str) -> str:
    """Keep one empty line between blocks and one space between words."""
    text = re.sub(r" {2,}", " ", text)
    return _BREAKS.sub(lambda gap: "\n" if gap[0].count("\n") == 1 else "\n\n", text).strip()
