"""Tables of records and comparisons: what a row says, and what the title counts."""

import pytest
from rich.console import Console

from clipeval.cli.comparison_tables import comparisons_table, details
from clipeval.cli.tables import gates_table
from tests.report.conftest import (
    make_cell,
    make_class_difference,
    make_comparison,
    make_difference,
    make_gate,
    make_run,
)


def lines_of(printed):
    """Return what is printed without a terminal, blanks between words made one."""
    console = Console(width=160, highlight=False)
    with console.capture() as capture:
        console.print(printed)
    return [" ".join(line.split()) for line in capture.get().splitlines()]


class TestGates:
    def test_the_title_counts_limits_and_each_failed_class_has_a_row(self):
        classes = [
            make_gate(metric="recall", class_name=name, state="fail", message=f"recall of '{name}'")
            for name in ("one", "two")
        ]
        run = make_run([make_cell(gates=(make_gate(message="top1 keeps"), *classes))])
        lines = lines_of(gates_table(run))
        assert lines[0] == "1 of 2 gates passed, 1 failed"
        assert [line for line in lines if line.startswith(("PASS", "FAIL"))] == [
            "PASS digits/tiny/photo top1 keeps",
            "FAIL digits/tiny/photo recall of 'one'",
            "FAIL digits/tiny/photo recall of 'two'",
        ]


class TestComparisons:
    def test_a_row_has_points_p_flips_and_what_could_be_seen(self):
        lines = lines_of(comparisons_table([make_comparison(p_value=0.0004)]))
        assert lines[0] == "against the baseline"
        assert "digits/tiny/photo -2.3 [-3.9, -0.8] < 0.001 41 20 2.4 worse" in lines

    @pytest.mark.parametrize(
        ("p_value", "q_value", "shown"),
        [(0.0498, None, "0.0498"), (0.001, 0.0503, "0.050"), (0.2, None, "0.200")],
    )
    def test_p_is_adjusted_and_never_on_the_wrong_side_of_005(self, p_value, q_value, shown):
        lines = lines_of(comparisons_table([make_comparison(p_value=p_value, q_value=q_value)]))
        assert any(f"[-3.9, -0.8] {shown} 41" in line for line in lines)

    def test_points_are_never_minus_zero(self):
        top1 = make_difference(-0.0001, -0.0004, 0.0004)
        lines = lines_of(comparisons_table([make_comparison(top1=top1)]))
        assert any(" 0.0 [0.0, 0.0] " in line for line in lines)

    def test_classes_have_their_p_by_holm(self):
        classes = (
            make_class_difference("one", -0.1, 0.0498),
            make_class_difference("two", -0.1, 0.0),
        )
        found = details(make_comparison(per_class=classes))
        assert found[1].startswith("  class two: recall 90.0% -> 80.0% (12 newly wrong")
        assert found[1].endswith("; p < 0.001 by Holm)")
        assert found[2].endswith("; p 0.0498 by Holm)")
