"""GitHub-flavoured markdown that text from outside cannot break."""

from __future__ import annotations

import html
import re

from clipeval.report.format import visible

_INERT = re.compile(r"[^\W_](?:[^\W_]|[ ./+-]|(?<=[^\W_])[_@](?=[^\W_]))*")
"""Text that means the same with and without markdown; an @ inside a word mentions nobody."""
_SIGN = "[+\N{MINUS SIGN}-]?"
_INERT_SENTENCE = re.compile(
    r"[^\W_](?:[^\W_]|[ ./+,;%≥≤\"'-]|\N{MINUS SIGN}|:(?= )|(?<=\d):(?=\d)|(?<= )\(|(?<!\])\)|(?<=-)>(?= )"
    r"|(?<= )<(?= )|(?<=[^\W_])[_@](?=[^\W_])"
    rf"|(?<= )\[{_SIGN}\d[\d.]*%?, {_SIGN}\d[\d.]*%?\](?![(\[]))*"
)
"""The same with the punctuation of a sentence, and intervals such as [-0.2, +0.7] after a space.

A bracket before `(` or another bracket would be a link; an angle without a name is no tag.
"""
MAX_NAME = 160
MAX_SENTENCE = 240
"""Characters; longer text from outside is shortened, so that one name cannot fill a comment."""
_LINKED = re.compile(r"www\.|://", re.IGNORECASE)
_WORD_JOINER = "\N{WORD JOINER}"
_WHITESPACE = re.compile(r"\s+")


def escape(text: str) -> str:
    """Make text inert in one line of markdown or one cell of a table.

    Plain names stay as they are; anything else becomes a code span, the only place where GitHub
    reads neither markup, HTML, links nor mentions. A long one loses its middle.
    """
    flat = _shortened_name(text)
    return flat if _is_inert(flat, _INERT) else _code_span(flat)


def escape_sentence(text: str) -> str:
    """Make a sentence inert, keeping ordinary punctuation readable; anything else is a code span.

    A long one loses its end.
    """
    flat = flatten(text)
    if len(flat) > MAX_SENTENCE:
        flat = flat[: MAX_SENTENCE - 1].rstrip() + "…"
    return flat if _is_inert(flat, _INERT_SENTENCE) else _code_span(flat)


def flatten(text: str) -> str:
    """Put text on one line, without what cannot be shown."""
    return _WHITESPACE.sub(" ", visible(text)).strip()


def code_html(text: str) -> str:
    """Make text inert inside an HTML block, where markdown is not read but mentions still are."""
    return f"<code>{html.escape(_shortened_name(text))}</code>"


def details_start(summary_html: str) -> str:
    """Begin a fold; GitHub reads what is in it as markdown only after a blank line."""
    return f"<details><summary>{summary_html}</summary>\n\n"


DETAILS_END = "\n\n</details>"


def table_head(header: list[str], *, numeric: range) -> str:
    """Lay out the head of a table, to which rows are added; the `numeric` columns align right."""
    rule = ["---:" if i in numeric else "---" for i in range(len(header))]
    return f"{table_row(header)}\n{table_row(rule)}\n"


def table_row(cells: list[str]) -> str:
    """Lay out one row of a table."""
    return "| " + " | ".join(cells) + " |"


def _shortened_name(text: str) -> str:
    flat = flatten(text)
    if len(flat) <= MAX_NAME:
        return flat
    half = (MAX_NAME - 1) // 2
    return f"{flat[:half]}…{flat[-half:]}"


def _is_inert(flat: str, pattern: re.Pattern[str]) -> bool:
    return pattern.fullmatch(flat) is not None and _LINKED.search(flat) is None


def _code_span(flat: str) -> str:
    runs = [len(run) for run in re.findall("`+", flat)]
    fence = "`" * (max(runs, default=0) + 1)
    # a backslash before a pipe would escape the pipe's own escape and end the table cell
    in_cell = flat.replace("\\|", f"\\{_WORD_JOINER}|").replace("|", "\\|")
    return f"{fence} {in_cell} {fence}" if runs or not flat else f"`{in_cell}`"
