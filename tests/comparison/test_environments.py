from __future__ import annotations

from dataclasses import replace

import pytest

from clipeval.comparison import environment_changes
from clipeval.records import Environment

THEN = Environment(
    clipeval="1.0",
    python="3.11.9",
    platform="Linux",
    packages={"torch": "2.14.0", "numpy": "2.3.0"},
    git_commit="abc",
    git_dirty=False,
    cpu="Ryzen",
    n_cores=8,
    n_threads=8,
    memory_bytes=1,
    gpus=("H100", "H100"),
    argv=("clipeval", "run"),
)


def test_equal_environments_have_no_changes():
    assert environment_changes(THEN, THEN) == ()


def test_packages_are_named_with_both_versions_new_and_lost_ones_as_absent():
    now = replace(THEN, packages={"torch": "2.15.0", "scipy": "1.16"})
    assert environment_changes(THEN, now) == (
        "torch 2.14.0 -> 2.15.0",
        "numpy 2.3.0 -> absent",
        "scipy absent -> 1.16",
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"clipeval": "1.1"}, "clipeval 1.0 -> 1.1"),
        ({"python": "3.12.1"}, "python 3.11.9 -> 3.12.1"),
        ({"platform": "Darwin"}, "platform Linux -> Darwin"),
        ({"cpu": "M4"}, "processor Ryzen -> M4"),
        ({"n_threads": 2}, "threads 8 -> 2"),
        ({"gpus": ()}, "GPUs H100, H100 -> none"),
    ],
)
def test_machine_and_interpreter_are_named(changes, sentence):
    assert environment_changes(THEN, replace(THEN, **changes)) == (sentence,)


def test_what_explains_no_other_numbers_is_left_out():
    now = replace(
        THEN, argv=("pytest",), git_commit="def", git_dirty=True, memory_bytes=2, n_cores=4
    )
    assert environment_changes(THEN, now) == ()
