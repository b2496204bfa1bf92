import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.text import Text

from clipeval.cli.console import TerminalProgress, plain, print_json


def console(*, is_terminal):
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=100, color_system=None)


class TestProgress:
    def test_says_nothing_where_there_is_no_terminal(self):
        log = console(is_terminal=False)
        with TerminalProgress(log).stage("digits x tiny", total=10, unit="images") as advance:
            for _ in range(10):
                advance(1)
        assert log.file.getvalue() == ""

    def test_shows_count_rate_and_time_left_on_a_terminal(self):
        terminal = console(is_terminal=True)
        with TerminalProgress(terminal).stage("a[b] x tiny", total=9, unit="images") as advance:
            for _ in range(9):
                advance(1)
        shown = terminal.file.getvalue()
        assert "a[b] x tiny" in shown
        assert "9/9" in shown
        assert "images/s" in shown
        assert "0:00:00" in shown


# rich doubles a backslash at the very end, so that it does not escape a tag that may follow.
@given(st.text().map(lambda text: text.rstrip("\\")))
def test_plain_text_drives_no_terminal_and_is_no_markup(text):
    shown = Text.from_markup(plain(text)).plain
    assert len(shown) == len(text)
    assert not any(ord(c) < 32 and c not in "\n\t" for c in shown)
    assert not any("\x7f" <= c <= "\x9f" for c in shown)
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "value", ["한국어", "\x1b[2J", "\x9b2J", "caf\udce9", "\u202e", 'quote " \\ \n', 1.5, None]
)
def test_json_reads_back_and_drives_no_terminal(value, capsys):
    print_json({"key": [value]})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"key": [value]}
    assert not set(printed) & set("\x1b\x9b\udce9\u202e")


def test_json_without_a_number_is_refused_rather_than_printed():
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_json(float("nan"))
