"""What anything that is judged comes to."""

from typing import Literal

Verdict = Literal["pass", "fail", "inconclusive", "error"]
