"""What a verdict comes to: exit code and colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import Verdict

EXIT_OF: dict[Verdict, int] = {"pass": 0, "inconclusive": 0, "fail": 1, "error": 2}
VERDICT_COLOURS: dict[Verdict, str] = {
    "pass": "green",
    "inconclusive": "yellow",
    "fail": "red",
    "error": "red",
}
