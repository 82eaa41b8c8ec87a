"""Make the PDF and DOCX documents of the example company.

Needs two libraries that Strongroom itself does not need to write files with:
``pip install fpdf2 python-docx``. Then, from anywhere::

    python examples/make_binaries.py

Every ``binary_sources/*.md`` becomes one file under ``company/``. A source
begins with a short header between ``---`` lines: ``target`` (path under
``company/``; its suffix chooses the format), ``title``, ``author`` and ``date``.
The body is a small part of Markdown: ``#`` and ``##`` headings, paragraphs,
``-`` and ``1.`` lists, tables with ``|``, and ``**bold**``.

The output is deterministic: with the same versions of the two libraries a
second run writes the same bytes. All dates come from the header. The script
also writes the one PDF that is broken on purpose.
"""

from __future__ import annotations

import datetime as dt
import io
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from docx import Document
from docx.text.paragraph import Paragraph
from fpdf import FPDF
from fpdf.enums import XPos, YPos

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "binary_sources"
COMPANY = HERE / "company"
BROKEN_PDF = COMPANY / "acme" / "legal" / "scan-broken.pdf"
BROKEN_BYTES = (
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R\nscan interrupted"
)
ZIP_TIME = (2026, 1, 1, 0, 0, 0)


@dataclass
class Block:
    """One piece of a body: a heading, a paragraph, a list item or a table."""

    kind: str
    text: str = ""
    mark: str = ""
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Source:
    """A parsed source file."""

    target: Path
    title: str
    author: str
    date: dt.datetime
    blocks: list[Block]


def parse_header(text: str) -> tuple[dict[str, str], str]:
    """Split a source into its header and its body."""
    _, header, body = text.split("---\n", 2)
    pairs = (line.split(":", 1) for line in header.splitlines() if line.strip())
    return {key.strip(): value.strip() for key, value in pairs}, body


def parse_table(lines: list[str]) -> Block:
    """Turn lines of the form ``| a | b |`` into a table, without the rule line."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return Block("table", rows=[row for row in rows if set("".join(row)) - set("-: ")])


def parse_body(body: str) -> list[Block]:
    """Parse the small part of Markdown described at the top."""
    blocks: list[Block] = []
    for chunk in re.split(r"\n\s*\n", body.strip()):
        lines = chunk.splitlines()
        if lines[0].startswith("|"):
            blocks.append(parse_table(lines))
            continue
        for line in lines:
            if heading := re.match(r"(#{1,2}) (.*)", line):
                blocks.append(Block("h" + str(len(heading[1])), heading[2]))
            elif item := re.match(r"(-|\d+\.) (.*)", line):
                blocks.append(Block("item", item[2], mark=item[1]))
            else:
                blocks.append(Block("text", line))
    return blocks


def read_source(path: Path) -> Source:
    """Read one source file."""
    header, body = parse_header(path.read_text(encoding="utf-8"))
    date = dt.datetime.fromisoformat(header["date"]).replace(hour=9, tzinfo=dt.UTC)
    target = COMPANY / header["target"]
    return Source(target, header["title"], header["author"], date, parse_body(body))


def write_pdf(source: Source) -> None:
    """Write a PDF with the built-in fonts, so the text can be extracted again."""
    pdf = FPDF(format="A4")
    pdf.set_creation_date(source.date)
    pdf.set_title(source.title)
    pdf.set_author(source.author)
    pdf.set_producer("make_binaries.py")
    pdf.set_margin(22)
    pdf.add_page()
    for block in source.blocks:
        if block.kind == "table":
            pdf.set_font("Helvetica", size=10)
            with pdf.table(line_height=6, text_align="LEFT") as table:
                for cells in block.rows:
                    table.row(cells)
            pdf.ln(3)
            continue
        size, style = {"h1": (17, "B"), "h2": (13, "B")}.get(block.kind, (11, ""))
        pdf.set_font("Helvetica", style=style, size=size)
        text = f"{block.mark} {block.text}" if block.kind == "item" else block.text
        pdf.multi_cell(
            0, size * 0.5, text, markdown=True, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT
        )
        pdf.ln(1 if block.kind == "item" else 3)
    source.target.write_bytes(bytes(pdf.output()))


def add_runs(paragraph: Paragraph, text: str) -> None:
    """Add text to a paragraph, with ``**bold**`` parts as bold runs."""
    for number, part in enumerate(text.split("**")):
        if part:
            paragraph.add_run(part).bold = True if number % 2 else None


def write_docx(source: Source) -> None:
    """Write a DOCX, then pack it again with a fixed time for every member."""
    document = Document()
    core = document.core_properties
    core.title, core.author, core.last_modified_by = source.title, source.author, source.author
    core.comments = ""
    core.created = core.modified = source.date.replace(tzinfo=None)
    for block in source.blocks:
        if block.kind in {"h1", "h2"}:
            document.add_heading(block.text, level=int(block.kind[1]))
        elif block.kind == "table":
            table = document.add_table(rows=0, cols=len(block.rows[0]), style="Table Grid")
            for row in block.rows:
                for cell, text in zip(table.add_row().cells, row, strict=True):
                    cell.text = text
            document.add_paragraph()
        elif block.kind == "item":
            style = "List Bullet" if block.mark == "-" else "List Number"
            add_runs(document.add_paragraph(style=style), block.text)
        else:
            add_runs(document.add_paragraph(), block.text)
    packed = io.BytesIO()
    document.save(packed)
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(source.target, "w") as new:
        for name in sorted(old.namelist(), key=lambda n: (n != "[Content_Types].xml", n)):
            info = zipfile.ZipInfo(name, date_time=ZIP_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            new.writestr(info, old.read(name))


def main() -> None:
    """Write all documents and say how large they are."""
    writers = {".pdf": write_pdf, ".docx": write_docx}
    for path in sorted(SOURCES.glob("*.md")):
        source = read_source(path)
        source.target.parent.mkdir(parents=True, exist_ok=True)
        writers[source.target.suffix](source)
        print(f"{source.target.stat().st_size:7d}  {source.target.relative_to(HERE)}")
    BROKEN_PDF.write_bytes(BROKEN_BYTES)
    print(f"{BROKEN_PDF.stat().st_size:7d}  {BROKEN_PDF.relative_to(HERE)} (broken on purpose)")


if __name__ == "__main__":
    main()
