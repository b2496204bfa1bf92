"""`clipeval cache info|clear`."""

from __future__ import annotations

import typer

from clipeval import api
from clipeval.cli.console import out, plain
from clipeval.wording import count

EXAMPLES = """\
Examples:\n
  clipeval cache info\n
  CLIPEVAL_CACHE=/tmp/cache clipeval run suites/quickstart.yaml
"""
INFO_EXAMPLES = """\
Example:\n
  clipeval cache info
"""
CLEAR_EXAMPLES = """\
Example:\n
  clipeval cache clear
"""

app = typer.Typer(
    help="Look at or empty the cache of embeddings.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.command("info", epilog=INFO_EXAMPLES)
def info() -> None:
    """Say where the cache is, how many entries it has and how large it is."""
    cache = api.cache_info()
    out.print(
        f"{plain(cache.root)}: {count(cache.n_entries, 'entry', 'entries')} in "
        f"{count(cache.n_packs, 'pack')}, "
        f"{cache.size_bytes / 1e6:.1f} MB of at most {cache.max_bytes / 1e6:,.0f} MB"
    )


@app.command("clear", epilog=CLEAR_EXAMPLES)
def clear() -> None:
    """Remove every entry, and what is remembered of models."""
    out.print(f"removed {api.cache_clear() / 1e6:.1f} MB")
