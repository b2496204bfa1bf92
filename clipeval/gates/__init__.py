"""Decides gates: whether a cell keeps the limits that a suite sets."""

from clipeval.gates.deciding import Absent, Counterpart, Itself, decide, judge_drop
from clipeval.gates.states import worst

__all__ = ["Absent", "Counterpart", "Itself", "decide", "judge_drop", "worst"]
