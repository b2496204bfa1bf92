"""How often are clipeval's verdicts on two models right? A simulation of known truths.

    python benchmarks/verdicts.py [--runs 20000] [--seed 0]

Prints markdown tables and exits with 1 if a claim fails. A verdict is that of a non-inferiority
test at 5%: FAIL if the 90% interval of the difference lies below -margin, PASS if it lies above,
else INCONCLUSIVE. Intervals, detectable differences and the correction for groups are the
package's own functions; only the counts are made up.

The interval is asymptotic, so shares stated as 5% are claimed with room (`CLAIMED_SHARE`), and
where fewer than `FEW_DISCORDANT` images are expected to be discordant they are printed, not claimed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from macro_verdicts import MACRO_TABLES, RUNS_SHARE
from simulation import (
    CLAIMED_SHARE,
    N_ERRORS,
    NOMINAL_SHARE,
    Row,
    claim_of,
    false_share,
    is_at_least,
    is_at_most,
    markdown,
    percent,
)

from clipeval.stats import (
    Discordance,
    cluster,
    effective,
    minimum_detectable_difference,
    tango_interval,
)

Counts = npt.NDArray[np.int64]
"""(runs, 3): newly right, newly wrong, both right."""
Ends = npt.NDArray[np.float64]
"""(runs, 2): low and high ends of an interval."""

IMAGES = (100, 500, 2000)
RATES = (0.02, 0.10, 0.30)
NOMINAL_COVERAGE = 0.95
CLAIMED_COVERAGE = 0.94
NOMINAL_POWER = 0.80
CLAIMED_POWER = (0.80, 0.86)
FEW_DISCORDANT = 10
"""Expected discordant images below which nothing is claimed of an asymptotic method."""
SOME_DISCORDANT = 20
"""Expected discordant images below which the detectable difference is only claimed to be safe."""
BASE_ACCURACY = 0.8
"""The unpaired interval depends on it; the paired one does not."""
GROUP_SIZE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What is true of two models and a data set."""

    n: int
    rate: float
    """Chance that an image is discordant."""
    difference: float
    """True accuracy of the candidate minus that of the base."""

    @property
    def n_discordant(self) -> float:
        """Discordant images to expect."""
        return self.n * self.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """Shares of runs by verdict."""

    failed: float
    passed: float


def truth_at(n: int, rate: float, difference: float) -> Truth:
    """Return the truth with so many discordant images, or as many as the difference needs."""
    return Truth(n=n, rate=max(rate, abs(difference)), difference=difference)


def draw(truth: Truth, *, runs: int, rng: np.random.Generator) -> Counts:
    """Draw the counts of independent images; with difference 0, of equal models with noise."""
    newly_right = (truth.rate + truth.difference) / 2
    newly_wrong = (truth.rate - truth.difference) / 2
    both = BASE_ACCURACY - newly_wrong
    shares = [newly_right, newly_wrong, both, max(0.0, 1 - newly_right - newly_wrong - both)]
    return rng.multinomial(truth.n, shares, size=runs)[:, :3]


@cache
def _ends(newly_right: int, newly_wrong: int, n: int, confidence: float) -> tuple[float, float]:
    found = Discordance(n=n, newly_right=newly_right, newly_wrong=newly_wrong)
    interval = tango_interval(found, confidence=confidence)
    return interval.low, interval.high


def paired_ends(counts: Counts, *, n: int, confidence: float) -> Ends:
    """Return Tango's interval of every run; equal counts are computed once."""
    return np.array([_ends(right, wrong, n, confidence) for right, wrong in counts[:, :2].tolist()])


def unpaired_ends(counts: Counts, *, n: int) -> Ends:
    """Return the 95% z interval of two independent proportions: what forgets the pairing."""
    newly_right, newly_wrong, both = counts.T
    base, candidate = (both + newly_wrong) / n, (both + newly_right) / n
    half = 1.959964 * np.sqrt((base * (1 - base) + candidate * (1 - candidate)) / n)
    return np.stack([candidate - base - half, candidate - base + half], axis=1)


def verdict_shares(ends: Ends, *, margin: float) -> Shares:
    """Judge every run by its 90% interval."""
    return Shares(
        failed=float(np.mean(ends[:, 1] < -margin)), passed=float(np.mean(ends[:, 0] > -margin))
    )


def coverage(ends: Ends, difference: float) -> float:
    """Return the share of intervals that hold the true difference."""
    return float(np.mean((ends[:, 0] <= difference) & (difference <= ends[:, 1])))


def draw_groups(
    n_groups: int, *, rate: float, correlation: float, runs: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Draw (runs, groups, GROUP_SIZE) values -1, 0, 1 of equal models on bursts of images.

    With the chance `correlation` an image shares the value of its group, else it has its own.
    """
    chances = [rate / 2, 1 - rate, rate / 2]
    shape = (runs, n_groups, GROUP_SIZE)
    own = rng.choice([-1.0, 0.0, 1.0], p=chances, size=shape)
    common = rng.choice([-1.0, 0.0, 1.0], p=chances, size=(runs, n_groups, 1))
    return np.where(rng.random(shape) < correlation, common, own)


def grouped_ends(values: npt.NDArray[np.float64]) -> Ends:
    """Return the 90% interval of every run, corrected for groups."""
    n_groups = values.shape[1]
    groups = np.repeat(np.arange(n_groups), GROUP_SIZE)
    ends = []
    for run in values.reshape(len(values), -1):
        clustering = cluster(run, groups)
        found = Discordance(
            n=len(run), newly_right=int((run > 0).sum()), newly_wrong=int((run < 0).sum())
        )
        interval = tango_interval(effective(found, clustering), confidence=0.9, df=clustering.df)
        ends.append((interval.low, interval.high))
    return np.array(ends)


def counts_of_groups(values: npt.NDArray[np.float64]) -> Counts:
    """Count the same runs as if their images were independent."""
    flat = values.reshape(len(values), -1)
    right, wrong = (flat > 0).sum(axis=1), (flat < 0).sum(axis=1)
    return np.stack([right, wrong, np.zeros_like(right)], axis=1)


def identical_models(*, runs: int, rng: np.random.Generator) -> Iterable[Row]:
    """Judge models that differ by noise alone: how often is a FAIL called?"""
    for n in IMAGES:
        for rate in RATES:
            truth = truth_at(n, rate, 0.0)
            ends = paired_ends(draw(truth, runs=runs, rng=rng), n=n, confidence=0.9)
            strict, lenient = (verdict_shares(ends, margin=margin) for margin in (0.0, 0.01))
            failed = (strict.failed, lenient.failed)
            cells = (f"{n}", f"{rate:.0%}", *(false_share(share, runs) for share in failed))
            holds = all(is_at_most(share, CLAIMED_SHARE, runs) for share in failed)
            yield Row((*cells, percent(lenient.passed, runs)), claim_of(holds=holds))


def models_at_the_margin(*, runs: int, rng: np.random.Generator) -> Iterable[Row]:
    """Judge models whose true drop is the margin: neither verdict is right, each at most 5%."""
    for margin in (0.01, 0.03):
        for n in IMAGES:
            for rate in RATES:
                truth = truth_at(n, rate, -margin)
                ends = paired_ends(draw(truth, runs=runs, rng=rng), n=n, confidence=0.9)
                shares = verdict_shares(ends, margin=margin)
                both = (shares.failed, shares.passed)
                holds = all(is_at_most(share, CLAIMED_SHARE, runs) for share in both)
                cells = (f"{margin}", f"{n}", f"{truth.rate:.0%}")
                is_claimed = truth.n_discordant >= FEW_DISCORDANT
                yield Row(
                    (*cells, *(false_share(share, runs) for share in both)),
                    claim_of(holds=holds, is_claimed=is_claimed),
                )


def detectable_drops(*, runs: int, rng: np.random.Generator) -> Iterable[Row]:
    """Judge models with the smallest drop that is said to be found in 80% of runs."""
    for n in IMAGES:
        for rate in RATES:
            drop = minimum_detectable_difference(n=n, rate=rate)
            truth = truth_at(n, rate, -drop)
            ends = paired_ends(draw(truth, runs=runs, rng=rng), n=n, confidence=0.95)
            found = float(np.mean(ends[:, 1] < 0))
            low, high = CLAIMED_POWER
            is_few = truth.n_discordant < SOME_DISCORDANT
            holds = is_at_least(found, low, runs) and (is_few or is_at_most(found, high, runs))
            cells = (f"{n}", f"{truth.rate:.1%}", f"{drop:.4f}", f"{truth.n_discordant:.0f}")
            mark = "" if is_at_least(found, NOMINAL_POWER, runs) else " !"
            yield Row((*cells, percent(found, runs) + mark), claim_of(holds=holds))


def intervals(*, runs: int, rng: np.random.Generator) -> Iterable[Row]:
    """Compare the paired 95% interval with the one that forgets the pairing."""
    for difference in (0.0, -0.01):
        for n in IMAGES:
            for rate in RATES:
                truth = truth_at(n, rate, difference)
                counts = draw(truth, runs=runs, rng=rng)
                paired = paired_ends(counts, n=n, confidence=0.95)
                unpaired = unpaired_ends(counts, n=n)
                covered = coverage(paired, difference)
                mark = "" if is_at_least(covered, NOMINAL_COVERAGE, runs) else " !"
                cells = (
                    f"{difference:g}",
                    f"{n}",
                    f"{rate:.0%}",
                    percent(covered, runs) + mark,
                    f"{coverage(unpaired, difference):.2%}",
                    f"{np.mean(paired[:, 1] - paired[:, 0]):.4f}",
                    f"{np.mean(unpaired[:, 1] - unpaired[:, 0]):.4f}",
                )
                holds = is_at_least(covered, CLAIMED_COVERAGE, runs)
                is_claimed = truth.n_discordant >= FEW_DISCORDANT
                yield Row(cells, claim_of(holds=holds, is_claimed=is_claimed))


def grouped_images(*, runs: int, rng: np.random.Generator) -> Iterable[Row]:
    """Judge equal models on bursts of images, with and without the correction for groups."""
    for n_groups in (20, 100, 400):
        values = draw_groups(n_groups, rate=0.2, correlation=0.9, runs=runs, rng=rng)
        n = n_groups * GROUP_SIZE
        naive = paired_ends(counts_of_groups(values), n=n, confidence=0.9)
        without = verdict_shares(naive, margin=0.0).failed
        corrected = verdict_shares(grouped_ends(values), margin=0.0).failed
        holds = is_at_most(corrected, CLAIMED_SHARE, runs)
        cells = (f"{n_groups}", f"{n}", false_share(without, runs), false_share(corrected, runs))
        yield Row(cells, claim_of(holds=holds))


TABLES = (
    (
        "Identical models with label noise: share of FAIL (stated: at most 5%)",
        ("images", "discordant", "FAIL, margin 0", "FAIL, margin 0.01", "PASS, margin 0.01"),
        identical_models,
    ),
    (
        "A true drop of exactly the margin: FAIL and PASS (stated: at most 5% each)",
        ("margin", "images", "discordant", "FAIL", "PASS"),
        models_at_the_margin,
    ),
    (
        "A drop of the minimum detectable size: share found (stated: about 80%)",
        ("images", "discordant", "drop", "discordant images", "found"),
        detectable_drops,
    ),
    (
        "95% intervals: paired (Tango) next to unpaired (two independent proportions)",
        ("difference", "images", "discordant", "covers", "unpaired", "width", "unpaired width"),
        intervals,
    ),
    (
        f"Equal models, groups of {GROUP_SIZE} images alike: share of FAIL at margin 0",
        ("groups", "images", "without groups", "with groups"),
        grouped_images,
    ),
    *MACRO_TABLES,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every table; return 1 if a claim fails."""
    parser = argparse.ArgumentParser(description="Simulate clipeval's verdicts.")
    parser.add_argument("--runs", type=int, default=20_000, help="simulated comparisons per line")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    print(
        f"{options.runs} runs per line, of macro metrics {options.runs // RUNS_SHARE}, seed "
        f"{options.seed}; +- is one Monte-Carlo standard error. "
        f"`!`: worse than stated by more than {N_ERRORS} of them. Claims, allowing for as much: "
        f"shares stated as {NOMINAL_SHARE:.0%} are at most {CLAIMED_SHARE:.0%}, coverage is at "
        f"least {CLAIMED_COVERAGE:.0%} (neither claimed below {FEW_DISCORDANT} discordant images), "
        f"power is at least {CLAIMED_POWER[0]:.0%} and, from {SOME_DISCORDANT} discordant images "
        f"on, at most {CLAIMED_POWER[1]:.0%}."
    )
    all_hold = True
    started = time.perf_counter()
    for title, columns, simulate in TABLES:
        rows = list(simulate(runs=options.runs, rng=np.random.default_rng(options.seed)))
        _ends.cache_clear()
        print(f"\n### {title}\n")
        print("\n".join(markdown((*columns, "claim"), rows)), flush=True)
        all_hold = all_hold and all(row.claim != "FAILS" for row in rows)
    outcome = "Every claim holds" if all_hold else "A CLAIM FAILS"
    print(f"\n{outcome} ({time.perf_counter() - started:.0f} s).")
    return 0 if all_hold else 1


if __name__ == "__main__":
    sys.exit(main())
