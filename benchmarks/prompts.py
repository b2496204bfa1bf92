"""How many prompts a second, beside open_clip's own loop and two better ones? On a CPU.

    python benchmarks/prompts.py [--classes 100] [--templates 80] [--repeats 3] [--threads 2]

The prompts are classes of ImageNet, evenly spaced, in OpenAI's templates. The contestants take turns in one
process: `one class at a time` is open_clip's build_zero_shot_classifier, every prompt padded to 77 tokens;
`padded` the same tower on batches of 128; `trimmed` the tower cut to the longest prompt of each such batch;
`clipeval` is PromptEncoder on all prompts with everything it does: comparing both ways, tokenizing, packing.
Of the loops a slice is timed (`--slice` prompts, the same for all), as they take the same for every prompt.
Ratios are taken within a repeat; the table has the median, and the range over repeats.

On a machine that others use as well, `--threads 1 --clock cpu` counts this process's seconds of processor.
Exits with 1 if clipeval encodes fewer than 15 times the prompts of `one class at a time`, or if an embedding
differs from the padded tower's by more than 1e-5.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import open_clip
import torch
from simulation import Row, claim_of, markdown

from clipeval.encode import PromptEncoder
from clipeval.encode.prefix_tree import pack_prompts
from clipeval.encode.tree_tower import NODES_A_SEQUENCE, TreeTower
from clipeval.models import ClipModel, load_model
from clipeval.records.model_names import parse_model
from clipeval.records.results import FloatArray

GOAL = 15
TOLERANCE = 1e-5
PROMPTS_A_BATCH = 128
N_COMPARED = 256
"""Prompts, of all, whose embeddings are compared with the padded tower's."""
GROWTH = (1, 8, 80)
LOOP = "one class at a time"
FIRST = "clipeval"
LATER = "clipeval, without the proof"
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is encoded: every class in every template, class by class."""

    model: ClipModel
    classes: Sequence[str]
    templates: Sequence[Callable[[str], str]]
    n_timed: int
    """Prompts of whole classes that the loops are timed on."""
    clock: Callable[[], float]

    @property
    def prompts(self) -> list[str]:
        """All of them."""
        return [template(name) for name in self.classes for template in self.templates]

    @property
    def timed_classes(self) -> Sequence[str]:
        """Those of the slice."""
        return self.classes[: max(1, self.n_timed // len(self.templates))]

    @property
    def timed_prompts(self) -> list[str]:
        """Those of the slice."""
        return self.prompts[: len(self.timed_classes) * len(self.templates)]


@dataclass(slots=True)
class Measured:
    """Prompts a second of every contestant, a value for each repeat, and where clipeval's time goes."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    shares: dict[str, list[float]] = field(default_factory=dict)
    """Seconds."""

    def ratios(self, name: str) -> list[float]:
        """Return how many times the prompts of the loop, by repeat."""
        return [rate / loop for rate, loop in zip(self.rates[name], self.rates[LOOP], strict=True)]


def one_class_at_a_time(work: Work) -> None:
    """Encode the slice as open_clip does, but for the default of ten classes a batch."""
    open_clip.build_zero_shot_classifier(
        work.model.module,
        work.model.tokenizer,
        work.timed_classes,
        work.templates,
        num_classes_per_batch=1,
    )


def padded(work: Work) -> None:
    """Encode the slice in batches."""
    for tokens in _batches(work.model, work.timed_prompts):
        work.model.encode_text(tokens)


def trimmed(work: Work) -> None:
    """Encode the slice in batches that are as long as their longest prompt."""
    for tokens in _batches(work.model, work.timed_prompts):
        encode_trimmed(work.model, tokens)


@torch.inference_mode()
def encode_trimmed(model: ClipModel, tokens: torch.Tensor) -> torch.Tensor:
    """Run the tower on no more tokens than the longest prompt has."""
    tower = model.module
    ends = tokens.argmax(dim=-1)
    n_tokens = int(ends.max()) + 1
    nodes = tower.token_embedding(tokens[:, :n_tokens]) + tower.positional_embedding[:n_tokens]
    nodes = tower.transformer(nodes, attn_mask=tower.attn_mask[:n_tokens, :n_tokens])
    return tower.ln_final(nodes[torch.arange(len(tokens)), ends]) @ tower.text_projection


def encode_padded(model: ClipModel, prompts: Sequence[str]) -> FloatArray:
    """Return unit embeddings as the padded tower gives them."""
    rows = torch.cat([model.encode_text(tokens) for tokens in _batches(model, prompts)])
    return torch.nn.functional.normalize(rows, dim=-1).numpy()


def _batches(model: ClipModel, prompts: Sequence[str]) -> list[torch.Tensor]:
    return [
        model.tokenizer(prompts[start : start + PROMPTS_A_BATCH])
        for start in range(0, len(prompts), PROMPTS_A_BATCH)
    ]


LOOPS: dict[str, Callable[[Work], None]] = {
    LOOP: one_class_at_a_time,
    f"padded, batches of {PROMPTS_A_BATCH}": padded,
    f"trimmed, batches of {PROMPTS_A_BATCH}": trimmed,
}


def measure(work: Work, *, repeats: int) -> Measured:
    """Let the contestants take turns."""
    found = Measured()
    for _ in range(repeats):
        for name, loop in LOOPS.items():
            rate = len(work.timed_prompts) / _seconds(work, lambda loop=loop: loop(work))
            found.rates.setdefault(name, []).append(rate)
        encoder = PromptEncoder(work.model)
        first_s = _seconds(work, lambda encoder=encoder: encoder.encode(work.prompts))
        later_s = _seconds(work, lambda encoder=encoder: encoder.encode(work.prompts))
        found.rates.setdefault(FIRST, []).append(len(work.prompts) / first_s)
        found.rates.setdefault(LATER, []).append(len(work.prompts) / later_s)
        for name, part_s in part_seconds(work).items():
            found.shares.setdefault(name, []).append(part_s)
        found.shares.setdefault("everything", []).append(first_s)
    return found


def part_seconds(work: Work) -> dict[str, float]:
    """Return what parts of clipeval's way take by themselves."""
    tree = TreeTower.of(work.model)
    tokens = work.model.tokenizer(work.prompts)
    return {
        "comparing both ways": _seconds(work, lambda: TreeTower.of(work.model)),
        "tokenizing": _seconds(work, lambda: work.model.tokenizer(work.prompts)),
        "packing": _seconds(work, lambda: packed_sizes(tree, tokens)),
    }


def packed_sizes(tree: TreeTower, tokens: torch.Tensor) -> list[int]:
    """Return how many nodes each packed sequence has."""
    sequences = pack_prompts(tokens.numpy(), tree.lengths(tokens), max_nodes=NODES_A_SEQUENCE)
    return [len(one.token_ids) for one in sequences]


def _seconds(work: Work, run: Callable[[], object]) -> float:
    started = work.clock()
    run()
    return work.clock() - started


def largest_difference(work: Work) -> float:
    """Return the largest difference of a value of clipeval's embeddings from the padded tower's."""
    prompts = list(dict.fromkeys(work.prompts))
    which = np.random.default_rng(0).permutation(len(prompts))[:N_COMPARED]
    found = PromptEncoder(work.model).encode(prompts).embeddings[which]
    expected = encode_padded(work.model, [prompts[index] for index in which])
    return float(np.abs(found - expected).max())


def table(work: Work, found: Measured, *, is_claimed: bool) -> list[Row]:
    """Return a line for each contestant."""
    rows = []
    for name, rates in found.rates.items():
        ratios = found.ratios(name)
        holds = statistics.median(ratios) >= GOAL
        claim = claim_of(holds=holds, is_claimed=is_claimed and name == FIRST)
        n_prompts = len(work.prompts if name in (FIRST, LATER) else work.timed_prompts)
        cells = (name, f"{n_prompts}", f"{statistics.median(rates):.1f}", _median_and_range(ratios))
        rows.append(Row(cells, claim))
    return rows


def _median_and_range(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.1f} ({min(values):.1f}..{max(values):.1f})"


def print_shares(found: Measured) -> None:
    """Print where clipeval's time goes."""
    total_s = statistics.median(found.shares["everything"])
    for name, values in found.shares.items():
        part_s = statistics.median(values)
        print(f"- {name}: {part_s:.2f} s, {part_s / total_s:.1%}")


def report(work: Work, *, repeats: int, is_claimed: bool) -> bool:
    """Measure one number of templates and print it; return whether the claims hold.

    How many times faster is claimed only where it is said.
    """
    tree = TreeTower.of(work.model)
    prompts = work.prompts
    n_nodes = sum(packed_sizes(tree, work.model.tokenizer(prompts)))
    print(
        f"\n### {len(work.classes)} classes, {len(work.templates)} templates\n\n{len(prompts)} prompts, "
        f"{n_nodes / len(prompts):.2f} tokens computed for each.\n",
        flush=True,
    )
    found = measure(work, repeats=repeats)
    rows = table(work, found, is_claimed=is_claimed)
    columns = ("contestant", "prompts timed", "prompts/s", "times the loop", f"at least {GOAL}")
    print("\n".join(markdown(columns, rows)), "\n")
    print_shares(found)
    difference = largest_difference(work)
    is_close = difference <= TOLERANCE
    outcome = claim_of(holds=is_close)
    print(
        f"- largest difference of a unit embedding's value to padded: {difference:.1e}, {outcome}"
    )
    sys.stdout.flush()
    return is_close and all(row.claim != "FAILS" for row in rows)


def work_of(model: ClipModel, options: argparse.Namespace, *, n_templates: int) -> Work:
    """Return evenly spaced classes in evenly spaced templates."""
    names, templates = open_clip.IMAGENET_CLASSNAMES, open_clip.OPENAI_IMAGENET_TEMPLATES
    return Work(
        model=model,
        classes=_spaced(names, options.classes),
        templates=_spaced(templates, n_templates),
        n_timed=options.slice,
        clock=CLOCKS[options.clock],
    )


def _spaced(values: Sequence, n: int) -> list:
    return [values[index * len(values) // n] for index in range(n)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; return 1 if a claim fails."""
    parser = argparse.ArgumentParser(description="Measure how fast prompts are encoded.")
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--templates", type=int, default=80)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--slice", type=int, default=240, help="prompts that loops are timed on")
    parser.add_argument("--growth", type=int, nargs="*", default=GROWTH, help="templates")
    parser.add_argument("--model", default="ViT-B-32/random", help="with open_clip's native tower")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    model = load_model(parse_model(options.model, base=Path.cwd()))
    print(
        f"{options.model} in fp32 on {options.threads} CPU threads, torch {torch.__version__}, "
        f"{options.clock} seconds; {options.repeats} repeats: median (range)."
    )
    holds = True
    for n_templates in sorted({*options.growth, options.templates}):
        holds &= report(
            work_of(model, options, n_templates=n_templates),
            repeats=options.repeats,
            is_claimed=n_templates == options.templates,
        )
    print("\nEvery claim holds." if holds else "\nA CLAIM FAILS.")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
