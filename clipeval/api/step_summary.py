"""The CI system's page for a job: summary.md of every suite, where the variable says so."""

from __future__ import annotations

import os
from pathlib import Path

from clipeval.records import Notice, RunRecord
from clipeval.report import render_summary

VARIABLE = "GITHUB_STEP_SUMMARY"
"""Names the file that GitHub, Gitea and Forgejo show on a job's page; text is added at its end."""


def add_to_step_summary(record: RunRecord) -> Notice | None:
    """Add a run to the job's summary, if this is a job that has one.

    Returns:
        What went wrong: a summary that cannot be written is no reason to lose a run.
    """
    target = os.environ.get(VARIABLE)
    if not target:
        return None
    try:
        with Path(target).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(render_summary(record) + "\n")
    except OSError as error:
        return Notice(
            "no-step-summary",
            f"{target} (${VARIABLE}) cannot be written: {error.strerror or error}",
        )
    return None
