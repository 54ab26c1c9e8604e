"""Reports: verdicts, and the book in which they are kept."""

import io
from pathlib import Path

from crm.demo.report import Book, Report
from crm.demo.story import PARTS, is_told
from crm.demo.terminal import Terminal


def test_a_wrong_figure_is_named_with_what_it_should_be() -> None:
    report = Report("Campaign")
    report.expect("recipients", 1049, 1050)
    stream = io.StringIO()

    report.show(Terminal(stream))

    assert "recipients  1,049, not 1,050  WRONG" in stream.getvalue()
    assert not report.is_right


def test_a_figure_that_cannot_be_judged_says_why_and_is_not_wrong() -> None:
    report = Report("Handover")
    report.expect("state", "running", "done", why_not="its clock cannot be moved")
    stream = io.StringIO()

    report.show(Terminal(stream))

    assert "running  not judged (its clock cannot be moved)" in stream.getvalue()
    assert report.is_right


def test_a_book_gives_back_what_was_kept(tmp_path: Path) -> None:
    report = Report("Campaign")
    report.say("sent", 1047)
    report.expect_that("largest batch", 200, right=True)

    Book(tmp_path / "reports.json").keep("campaign", report)

    assert Book(tmp_path / "reports.json").reports == {"campaign": report}


def test_a_torn_book_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / "reports.json").write_text('{"campaign": {')

    assert Book(tmp_path / "reports.json").reports == {}


def test_a_story_goes_on_while_figures_are_open(tmp_path: Path) -> None:
    book = Book(tmp_path / "reports.json")
    for part in PARTS:
        book.keep(part.name, Report(part.name))
    told = is_told(book)
    waiting = Report("Handover")
    waiting.expect("state", "running", "done", why_not="its clock cannot be moved")

    book.keep(PARTS[-1].name, waiting)

    assert told
    assert not is_told(book)
