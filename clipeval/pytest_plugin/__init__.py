"""pytest collects suites: `pytest suites/` runs every cell of every suite file as a test item.

Silent, and without torch, as long as no suite is collected and no fixture of it is used.
"""

from clipeval.pytest_plugin.fixtures import clip_dataset, clip_model, zero_shot
from clipeval.pytest_plugin.hooks import (
    pytest_addoption,
    pytest_collect_file,
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_report_teststatus,
    pytest_sessionfinish,
    pytest_sessionstart,
    pytest_terminal_summary,
)
from clipeval.pytest_plugin.latency import clip_latency, pytest_benchmark_update_machine_info

__all__ = [
    "clip_dataset",
    "clip_latency",
    "clip_model",
    "pytest_addoption",
    "pytest_benchmark_update_machine_info",
    "pytest_collect_file",
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_report_teststatus",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
    "zero_shot",
]
