"""`python -m clipeval` is `clipeval`."""

from clipeval.cli import run_process

run_process()
