"""The `clipeval` command: parse, call the api, print, exit code."""

from clipeval.cli.app import app, main

__all__ = ["app", "main"]
