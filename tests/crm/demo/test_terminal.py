"""Lines in the terminal: calm where a line stays, written over where it does not."""

import io

from crm.demo.terminal import Terminal, width


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_writes_over_its_progress_line() -> None:
    screen = Screen()
    terminal = Terminal(screen)

    terminal.progress("3 of 10 sent")
    terminal.progress("10 of 10")
    terminal.say("done")

    assert screen.getvalue() == "\r3 of 10 sent\r10 of 10    \ndone\n"


def test_a_file_gets_a_line_now_and_then_and_the_last_one() -> None:
    clock = iter([10.0, 10.0, 11.0, 12.0, 12.0])
    stream = io.StringIO()
    terminal = Terminal(stream, clock=lambda: next(clock))

    terminal.progress("1 of 3")
    terminal.progress("2 of 3")
    terminal.progress("3 of 3", last=True)

    assert stream.getvalue() == "1 of 3\n3 of 3\n"


def test_the_same_words_are_not_said_twice() -> None:
    stream = io.StringIO()
    terminal = Terminal(stream, clock=lambda: 100.0)

    terminal.progress("waiting", last=True)
    terminal.progress("waiting", last=True)

    assert stream.getvalue() == "waiting\n"


def test_chinese_letters_take_two_columns() -> None:
    stream = io.StringIO()

    Terminal(stream).table("Figures", [("林悦", "116"), ("Grace", "7")])

    assert width("林悦") == 4
    assert stream.getvalue().splitlines()[-2:] == ["  林悦   116", "  Grace  7"]
