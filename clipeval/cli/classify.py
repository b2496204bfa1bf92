"""`clipeval classify`: one image, a few candidates, and how the model gets to its answer."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich import box
from rich.table import Table

from clipeval import api
from clipeval.cli.console import out, plain, print_json, print_notices
from clipeval.cli.run import PRECISIONS, PrecisionName

if TYPE_CHECKING:  # for annotations alone: `--help` does without
    from clipeval.records import Classification, ClassifiedImage

EXAMPLES = """\
Examples:\n
  clipeval classify cola.jpg --model ViT-B-32/openai --class ramen --class cola\n
  clipeval classify cola.jpg --model tiny --prompt "a photo of cola" --prompt "a plate of sushi" --explain\n
  clipeval classify *.jpg --model tiny --class red --class blue --template "a {} digit" --top 1 --json
"""


def classify(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Image files.")],
    *,
    model: Annotated[str, typer.Option("--model", metavar="MODEL", help="Model, as in suites.")],
    class_names: Annotated[
        list[str] | None, typer.Option("--class", metavar="C", help="A class name. Repeatable.")
    ] = None,
    template: Annotated[
        str | None,
        typer.Option("--template", metavar="T", help="Template for the class names, or @SET."),
    ] = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt", metavar="P", help="A whole prompt, instead of classes. Repeatable."
        ),
    ] = None,
    top: Annotated[int | None, typer.Option(min=1, help="Show the best K only.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.")] = "auto",
    precision: Annotated[PrecisionName, typer.Option(help="Precision.")] = PrecisionName.fp32,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show tokens, shapes and every step.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Rank classes or prompts for single images."""
    answer = api.classify(
        images,
        model=model,
        class_names=tuple(class_names or ()),
        template=template,
        prompts=tuple(prompt or ()),
        top=top,
        device=device,
        precision=PRECISIONS[precision],
        explain=explain,
    )
    print_notices(answer.notices)
    if as_json:
        print_json(asdict(answer))
        return
    if explain:
        _print_tokens(answer)
    for image in answer.images:
        if explain:
            _print_steps(image)
        out.print(_ranking(image))


def _print_tokens(answer: Classification) -> None:
    table = Table(box=box.SIMPLE_HEAD, title="prompts as tokens", title_justify="left")
    for column in ("prompt", "ids", "pieces"):
        table.add_column(column, overflow="fold")
    for prompt in answer.prompts:
        table.add_row(
            plain(prompt.prompt),
            " ".join(map(str, prompt.token_ids)),
            " ".join(plain(piece) for piece in prompt.pieces),
        )
    out.print(table)


def _print_steps(image: ClassifiedImage) -> None:
    table = Table(box=box.SIMPLE_HEAD, title=f"{plain(image.path)}, step by step")
    table.title_justify = "left"
    for column in ("step", "shape", "type", "what it is"):
        table.add_column(column, overflow="fold")
    for step in image.steps:
        shape = " x ".join(map(str, step.shape))
        table.add_row(step.name, shape, step.dtype, plain(step.meaning))
    out.print(table)


def _ranking(image: ClassifiedImage) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=plain(image.path), title_justify="left")
    table.add_column("", justify="right")
    table.add_column("candidate", overflow="fold")
    for column in ("probability", "cosine", "logit"):
        table.add_column(column, justify="right")
    for rank, entry in enumerate(image.ranking, start=1):
        table.add_row(
            str(rank),
            plain(entry.label),
            f"{entry.probability:.1%}",
            f"{entry.cosine:.4f}",
            f"{entry.logit:.2f}",
        )
    return table
