"""What choosing on some images and confirming on others came to, in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from clipeval.wording import count, p_text, points, points_interval

if TYPE_CHECKING:  # for annotations alone: `clipeval run --help` does without
    from clipeval.records.comparisons import Comparison, Holdout


def holdout_lines(
    holdouts: Sequence[Holdout], *, quote: Callable[[str], str], minus: str = "-"
) -> tuple[str, ...]:
    """Say what won, on how many images, and what is left of it on the images held out.

    Args:
        holdouts: of a run; those of one data set and model are told apart by their setting.
        quote: makes a name from outside safe where the text goes.
        minus: the sign of negative numbers.
    """
    times = Counter((one.dataset, one.model) for one in holdouts)
    return tuple(
        _line(one, quote, minus, has_setting=times[one.dataset, one.model] > 1) for one in holdouts
    )


def _line(found: Holdout, quote: Callable[[str], str], minus: str, *, has_setting: bool) -> str:
    place = [found.dataset, found.model, *([found.setting] if has_setting else [])]
    confirmed = found.confirmation
    top1 = confirmed.top1
    moved = f"{points(top1.value)} {points_interval(top1.low, top1.high)}".replace("-", minus)
    return (
        f"holdout {', '.join(map(quote, place))}: {_explored(found, quote)}; "
        f"on the {count(found.n_held_out)} held out it has {found.winner_held_out:.1%}, "
        f"{moved} points against '{quote(found.opponent)}' ({_chance(confirmed)})"
    )


def _explored(found: Holdout, quote: Callable[[str], str]) -> str:
    """Say that the winner won, or that it was only listed first of those that were as good."""
    top1 = {one.template: one.top1 for one in found.ranking}
    on_images = f"on {count(found.n_explored, 'image')}"
    if found.winner not in top1:
        return f"'{quote(found.winner)}' won {on_images}"
    best = top1.pop(found.winner)
    scored = f"{on_images} with {best:.1%}"
    if not (tied := [template for template, value in top1.items() if value == best]):
        return f"'{quote(found.winner)}' won {scored}"
    more = f" and {count(len(tied) - 1)} more" if tied[1:] else ""
    return f"'{quote(found.winner)}' tied with '{quote(tied[0])}'{more} {scored}, listed first"


def _chance(confirmed: Comparison) -> str:
    p = confirmed.q_value if confirmed.q_value is not None else confirmed.p_value
    return "no test" if p is None else p_text(p)
