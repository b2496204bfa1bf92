"""A text that has to stay below a number of bytes: what matters least is left out, and that is said."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from clipeval.wording import count

FEWEST_LINES = 10
"""Lines that each section keeps as long as it is possible at all."""
_BETWEEN = "\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Lines that belong together; each is shown whole or not at all."""

    lines: tuple[str, ...]
    nouns: tuple[str, str]
    """What one line is of, and several are, for the sentence that counts those left out."""
    opening: str = ""
    """Stands before the first line: a title, the head of a table."""
    closing: str = ""
    between: str = "\n"
    most: int = sys.maxsize
    """How many lines are shown however much room there is."""

    def text(self, n_lines: int) -> str:
        """Return the section with its first lines only, and a sentence about the others."""
        left = len(self.lines) - n_lines
        told = f"{count(left, *self.nouns)} left out here; report.html in the run folder has all."
        if not n_lines:
            return told if left else ""
        shown = self.opening + self.between.join(self.lines[:n_lines])
        return shown + (_BETWEEN + told if left else "") + self.closing


def fit(head: str, sections: Sequence[Section], *, max_bytes: int) -> str:
    """Put a text together; of the last sections, lines are left out first.

    Args:
        head: stays whole.
        sections: the most important first; those without lines are skipped.
        max_bytes: of the text in UTF-8. It is kept if there is room for the head and for a sentence on
            each section.
    """
    filled = [section for section in sections if section.lines]
    shown = [min(len(section.lines), section.most) for section in filled]
    texts = [section.text(n) for section, n in zip(filled, shown, strict=True)]
    for fewest in (FEWEST_LINES, 0):
        for i in reversed(range(len(filled))):
            excess = _n_bytes(_joined(head, texts)) - max_bytes
            if excess <= 0:
                break
            allowed = _n_bytes(texts[i]) - excess
            shown[i] = _n_fitting(filled[i], shown[i], fewest=fewest, allowed=allowed)
            texts[i] = filled[i].text(shown[i])
    return _joined(head, texts)


def _n_fitting(section: Section, n_shown: int, *, fewest: int, allowed: int) -> int:
    """Return how many lines fit, fewer than are shown but not fewer than `fewest`."""
    start = min(fewest, n_shown)
    numbers = range(start, n_shown)
    n_possible = bisect_right(numbers, allowed, key=lambda n: _n_bytes(section.text(n)))
    return max(start, start + n_possible - 1)


def _joined(head: str, texts: Sequence[str]) -> str:
    return _BETWEEN.join([head, *texts]) + "\n"


def _n_bytes(text: str) -> int:
    return len(text.encode("utf-8"))
