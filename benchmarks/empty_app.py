"""A Typer app that does nothing: what `clipeval --help` is held against."""

import typer

app = typer.Typer()


@app.command()
def one() -> None:
    """Do one thing."""


@app.command()
def two() -> None:
    """Do another."""


app()
