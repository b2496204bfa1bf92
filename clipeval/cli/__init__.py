"""The `clipeval` command: parse, call the api, print, exit code."""

from clipeval.cli.app import app, main
from clipeval.cli.process import run_process

__all__ = ["app", "main", "run_process"]
