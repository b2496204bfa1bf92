"""`clipeval baseline`: what is accepted, what is refused, and what is shown of it."""

import json

import pytest

from clipeval import api
from clipeval.progress import SilentProgress
from tests.cli.conftest import refused

BASE = "digits/local-dir:../model"


def test_accept_says_what_it_wrote(trial):
    ended = trial("baseline", "accept", "base")
    assert ended.code == 0
    assert ended.out.startswith("replaced baselines/small.json: suite 'small', 2 cells, ")
    assert ended.err == ""
    ended = trial("baseline", "accept", "base", "--file", "mine.json")
    assert ended.out.startswith("wrote mine.json: ")


def test_accept_says_what_the_replaced_baseline_loses(trial):
    ended = trial("baseline", "accept", "noisy")
    assert (ended.code, ended.out.startswith("replaced baselines/small.json: ")) == (0, True)
    assert ended.err.startswith(
        "note accepted-fewer-cells: noisy: does not have 2 cells of the 2 in the"
    )
    assert f"{BASE}/photo, {BASE}/bare" in ended.err


def test_accept_refuses_what_is_no_finished_run(trial, project):
    refused(trial("baseline", "accept", "suites"), "expected a run folder")
    record = json.loads((project / "base/run.json").read_text())
    record |= {"status": "partial", "verdict": "error", "cells": record["cells"][:1]}
    (project / "base/run.json").write_text(json.dumps(record))
    before = (project / "baselines/small.json").read_bytes()
    refused(trial("baseline", "accept", "base"), "is a partial run (1 of 2 cells)")
    assert (project / "baselines/small.json").read_bytes() == before


class InterruptedProgress(SilentProgress):
    """Somebody presses ^C while the prompts of the second cell are encoded."""

    def __init__(self):
        self.n_cells = 0

    def stage(self, description, *, total, unit):
        if unit == "prompts":
            self.n_cells += 1
            if self.n_cells == 2:
                raise KeyboardInterrupt
        return super().stage(description, total=total, unit=unit)


def test_accept_refuses_a_run_that_was_interrupted(trial, project):
    (suite,) = api.load_suites([project / "suites/small.yaml"])
    with pytest.raises(KeyboardInterrupt):
        # Without the cache: it has all prompts.
        api.run(suite, project / "cut-short", use_cache=False, progress=InterruptedProgress())
    record = json.loads((project / "cut-short/run.json").read_text())
    assert (record["status"], record["verdict"], len(record["cells"])) == ("partial", "error", 1)
    assert (project / "cut-short/report.html").exists()
    before = (project / "baselines/small.json").read_bytes()
    refused(
        trial("baseline", "accept", "cut-short"),
        "cut-short: is a partial run (1 of 2 cells); expected a complete one: run the suite to its end",
    )
    assert (project / "baselines/small.json").read_bytes() == before


def test_show_tells_what_was_accepted(trial):
    for words in ((), ("small",), ("baselines/small.json",)):
        ended = trial("baseline", "show", *words)
        assert ended.code == 0
        assert "baselines/small.json  suite 'small', accepted 20" in ended.out
        assert f"{BASE}/photo" in ended.out
    refused(trial("baseline", "show", "smal"), "smal: no such file")


def test_show_refuses_one_that_was_edited(trial, project):
    file = project / "baselines/small.json"
    file.write_text(file.read_text().replace('"n": 30', '"n": 31', 1))
    refused(trial("baseline", "show"), "was changed after it was accepted")


def test_diff_shows_and_decides_nothing(trial):
    ended = trial("baseline", "diff", "noisy")
    assert ended.code == 0
    assert "against the baseline" in ended.out
    assert "worse" in ended.out
    refused(trial("baseline", "diff", "noisy", "--file", "none.json"), "no such file")
