"""Files made by program, whose words are known by place: each is in the text once, in order."""

from __future__ import annotations

import io
import random
import re
import zipfile
from email.message import EmailMessage
from itertools import count

import docx
import pytest
from fpdf import FPDF

from ingest.errors import FaultKind, ParseError
from ingest.read import front_matter
from ingest.read.extract import extract
from ingest.read.parsed import Parsed

WORD = re.compile(r"w\d+x")


def words(*counts: int) -> list[str]:
    """Return texts of so many words each, of which no two share a word."""
    numbers = count()
    return [" ".join(f"w{next(numbers)}x" for _ in range(size)) for size in counts]


def found(parsed: Parsed) -> list[str]:
    return WORD.findall(parsed.text)


def pdf() -> FPDF:
    made = FPDF(unit="pt", format="A4")
    made.set_font("Helvetica", size=10)
    return made


def written(made: FPDF) -> Parsed:
    return extract("made.pdf", bytes(made.output()))


@pytest.mark.parametrize("seed", range(40))
def test_two_columns_drawn_across_are_read_one_after_the_other(seed: int) -> None:
    draw = random.Random(seed)
    left_lines, right_lines = draw.randint(3, 12), draw.randint(3, 12)
    sizes = [draw.randint(4, 6) for _ in range(2 + left_lines + right_lines)]
    head, *lines, foot = words(*sizes)
    left, right = lines[:left_lines], lines[left_lines:]
    made = pdf()
    made.add_page()
    made.text(50, 60, head)
    for row in range(max(left_lines, right_lines)):
        for side, at in ((left, 50), (right, 320)):
            if row < len(side):
                made.text(at, 100 + 14 * row, side[row])
    made.text(50, 500, foot)

    assert found(written(made)) == " ".join([head, *left, *right, foot]).split()


@pytest.mark.parametrize("seed", range(40))
def test_a_row_of_a_table_stays_together_and_comes_once(seed: int) -> None:
    draw = random.Random(seed)
    columns, rows = draw.randint(2, 5), draw.randint(3, 15)
    cells = words(*[draw.randint(1, 2) for _ in range(columns * rows)])
    made = pdf()
    made.add_page()
    with made.table(line_height=14) as table:
        for row in range(rows):
            line = table.row()
            for cell in cells[row * columns : (row + 1) * columns]:
                line.cell(cell)

    assert found(written(made)) == " ".join(cells).split()


def test_a_pdf_knows_where_its_pages_begin() -> None:
    made, texts = pdf(), words(9, 9, 9)
    for text in texts:
        made.add_page()
        made.text(50, 60, text)

    parsed = written(made)

    assert [parsed.text[at:].split()[0] for at in parsed.pages] == [t.split()[0] for t in texts]


def test_a_word_that_was_parted_at_the_end_of_a_line_is_joined() -> None:
    made = pdf()
    made.add_page()
    made.text(50, 60, "The harbour mas-")
    made.text(50, 74, "ter signs on 3-4 June, well-known.")

    assert "harbour master signs on 3-4 June, well-known." in written(made).text


@pytest.mark.parametrize(
    ("said", "title"),
    [("Berth rules", "Berth rules"), ("Microsoft Word - x.doc", None), ("Untitled", None)],
)
def test_a_title_that_is_none_is_passed_over(said: str, title: str | None) -> None:
    made = pdf()
    made.set_title(said)
    made.add_page()
    made.text(50, 60, "Words")

    assert written(made).title == title


def test_a_locked_pdf_and_one_without_text_say_so() -> None:
    locked, empty = pdf(), pdf()
    for made in (locked, empty):
        made.add_page()
    locked.set_encryption(owner_password="a", user_password="b")

    for made, kind in ((locked, FaultKind.ENCRYPTED), (empty, FaultKind.NO_TEXT)):
        with pytest.raises(ParseError) as caught:
            written(made)
        assert caught.value.kind is kind


def test_a_broken_pdf_says_so() -> None:
    with pytest.raises(ParseError) as caught:
        extract("made.pdf", b"%PDF-1.7\nnothing that follows")
    assert caught.value.kind is FaultKind.BROKEN


def test_a_word_document_has_what_stands_around_its_body_once() -> None:
    body, header, footer, cell = words(20, 4, 3, 2)
    made = docx.Document()
    made.add_paragraph(body)
    made.add_table(1, 1).cell(0, 0).text = cell
    for section in (made.sections[0], made.add_section()):
        section.header.is_linked_to_previous = False
        section.footer.is_linked_to_previous = False
        section.header.paragraphs[0].text = header
        section.footer.paragraphs[0].text = footer
    made.add_comment(made.paragraphs[0].runs[0], text="A comment of w999x", author="Bo")
    content = io.BytesIO()
    made.save(content)

    parsed = extract("made.docx", content.getvalue())

    wanted = f"{body} {cell} {header} {footer} w999x".split()
    assert sorted(found(parsed)) == sorted(wanted)


def word_document(header: str) -> bytes:
    """Return a document whose header holds this XML."""
    made, content = docx.Document(), io.BytesIO()
    made.add_paragraph("The body")
    made.sections[0].header.paragraphs[0].text = "MARK"
    made.save(content)
    changed = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.infolist():
            text = old.read(part)
            if part.filename.startswith("word/header"):
                text = re.sub(rb"<w:p[ >].*</w:p>", header.encode(), text, flags=re.DOTALL)
            new.writestr(part, text)
    return changed.getvalue()


def test_a_text_box_in_a_header_comes_once() -> None:
    outer, boxed = words(3, 4)
    box = f"<w:txbxContent><w:p><w:r><w:t>{boxed}</w:t></w:r></w:p></w:txbxContent>"
    namespace = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    choice = f"<mc:Choice Requires='wps'>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
    boxes = f"<w:r><mc:AlternateContent {namespace}>{choice}</mc:AlternateContent></w:r>"

    parsed = extract("a.docx", word_document(f"<w:p><w:r><w:t>{outer}</w:t></w:r>{boxes}</w:p>"))

    assert found(parsed) == f"{outer} {boxed}".split()


@pytest.mark.parametrize("header", ["<w:p>", "<!DOCTYPE a><w:p/>"])
def test_a_damaged_part_of_a_word_document_is_told(header: str) -> None:
    with pytest.raises(ParseError) as caught:
        extract("a.docx", word_document(header))
    assert caught.value.kind is FaultKind.BROKEN


def mail(plain: str, html: str) -> Parsed:
    made = EmailMessage()
    made["Subject"], made["From"] = "News", "ann@acme.example"
    made.set_content(plain)
    made.add_alternative(html, subtype="html")
    return extract("made.eml", made.as_bytes())


def test_of_two_alternatives_that_say_the_same_the_plain_one_is_read() -> None:
    (text,) = words(30)

    assert found(mail(text, f"<p><b>{text}</b> View in browser</p>")) == text.split()


@pytest.mark.parametrize("stub", ["", "This mail needs a program that shows HTML.", "w999x"])
def test_a_stub_instead_of_the_news_is_passed_over(stub: str) -> None:
    (text,) = words(30)

    assert found(mail(stub, f"<h1>News</h1><p>{text}</p>")) == text.split()


def test_an_html_that_only_points_elsewhere_does_not_hide_the_text() -> None:
    (text,) = words(30)

    assert found(mail(text, "<p>Open this message in your browser</p>")) == text.split()


@pytest.mark.parametrize(
    ("line", "title"),
    [
        ("title: Berth rules: part two", "Berth rules: part two"),
        ("title: 12:30: lunch  ", "12:30: lunch"),
        ('title: Say "no": a guide', 'Say "no": a guide'),
        ('title: "Quoted: already"', "Quoted: already"),
    ],
)
def test_a_title_with_a_colon_is_a_title(line: str, title: str) -> None:
    parsed = extract("a.md", f"---\n{line}\ntags: [a, b]\n---\n\nText\n".encode())
    assert parsed.front_matter is not None
    assert front_matter.load(parsed.front_matter)["title"] == title
