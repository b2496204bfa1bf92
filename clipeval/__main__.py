"""`python -m clipeval` is `clipeval`."""

from clipeval.cli import main

main()
