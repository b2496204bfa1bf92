"""A confusion matrix in a spreadsheet runs nothing."""

from __future__ import annotations

import csv
import io

import pytest

from clipeval.store.confusion import confusion_csv


def rows_of(cell) -> list[list[str]]:
    return list(csv.reader(io.StringIO(confusion_csv(cell).decode("utf-8"), newline="")))


def test_truth_goes_down_and_prediction_across(made_run):
    assert rows_of(made_run.record.cells[0]) == [
        ["true \\ predicted", "ramen", "pizza"],
        ["ramen", "1", "1"],
        ["pizza", "0", "1"],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_formula_becomes_text(make, start):
    name = f'{start}HYPERLINK("http://x","y")'
    (header, first, _) = rows_of(make(class_names=(name, "pizza")).record.cells[0])
    assert header[1] == first[0] == f"'{name}"


def test_commas_quotes_and_lines_stay_in_their_cell(make):
    name = 'mac, "and"\ncheese 비빔밥'
    (header, _, last) = rows_of(make(class_names=("pizza", name)).record.cells[0])
    assert header[2] == last[0] == name
