"""From a Vega-Lite specification to the SVG that stands in the page.

No script of a chart runs in the reader's browser: docs/design/007-charts.md says why.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import vl_convert
from markupsafe import Markup, escape

from clipeval.report.format import visible
from clipeval.wording import count

VEGA_LITE = "6.4"
MS_PER_S = 1e3
WIDTH = 560
"""Of a panel, in pixels."""
MAX_PANELS = 12
"""Of a chart: whoever wants more has the table."""
Spec = Mapping[str, Any]

_GROUP, _ROLE = re.compile(r"<g\b[^>]*>"), re.compile(r' (?:role|aria-[a-z]+)="[^"]*"')
"""Angles in texts are escaped, so that only tags of Vega's own begin so."""
_CONFIG: Spec = {
    "aria": False,
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--quiet)",
        "titleColor": "var(--quiet)",
        "gridColor": "var(--rule)",
        "domainColor": "var(--strong-rule)",
        "tickColor": "var(--strong-rule)",
        "titleFontWeight": 400,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "labelLimit": 320,
    },
    "header": {
        "labelColor": "var(--ink)",
        "labelFontSize": 13,
        "labelFontWeight": 600,
        "labelLimit": 640,
    },
    "legend": {
        "labelColor": "var(--ink)",
        "labelFontSize": 12,
        "titleColor": "var(--quiet)",
        "titleFontWeight": 400,
    },
    "text": {"color": "var(--ink)", "fontSize": 12},
}
"""Colours are the page's own variables, so that a chart follows its light and dark."""


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, and what it shows in a sentence for whoever does not see it."""

    svg: Markup
    title: str
    summary: str


def draw(spec: Spec, *, title: str, summary: str) -> Chart:
    """Draw a chart.

    Args:
        spec: Vega-Lite, without its config; values in it may be hostile.
        title: heading of the figure.
        summary: what it shows, for screen readers.
    """
    whole = {**_shown(spec), "config": _CONFIG}
    drawn = vl_convert.vegalite_to_svg(whole, vl_version=VEGA_LITE)
    opening, _, rest = drawn.partition(">")
    view_box = opening.partition('viewBox="')[2].partition('"')[0]
    width = view_box.split()[2]
    css_class = "chart" if float(width) < WIDTH else "chart wide"
    label = escape(visible(f"{title}. {summary}"))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{css_class}" role="img" aria-label="{label}" '
        f'viewBox="{view_box}" width="{width}">{_GROUP.sub(_without_roles, rest)}'
    )
    return Chart(svg=Markup(svg), title=title, summary=summary)  # noqa: S704 (Vega escapes all text)


LIGHT: Mapping[str, str] = {
    "ink": "#17202b",
    "quiet": "#55606e",
    "rule": "#d8dee5",
    "strong-rule": "#8a95a3",
    "right": "#2a78b8",
    "wrong": "#d9822b",
    "pass": "#0a6650",
    "fail": "#a5330f",
    "inconclusive": "#6a5200",
}
"""What the page's variables are in its light colours."""
_VARIABLE = re.compile(r"var\(--([a-z-]+)\)")


def standalone(chart: Chart) -> str:
    """Return a chart as a file of its own: in light colours, on white."""
    opening, _, rest = chart.svg.partition(">")
    drawn = f'{opening}><rect width="100%" height="100%" fill="#ffffff"/>{rest}'
    return _VARIABLE.sub(lambda found: LIGHT.get(found[1], found[0]), drawn) + "\n"


def _without_roles(group: re.Match[str]) -> str:
    """Take the roles out of a group's tag: the drawing as a whole is one picture."""
    return _ROLE.sub("", group.group())


def _shown(found: Any) -> Any:  # noqa: ANN401 (JSON)
    """Replace what cannot be shown in every text of a specification."""
    if isinstance(found, str):
        return visible(found)
    if isinstance(found, Mapping):
        return {key: _shown(value) for key, value in found.items()}
    if isinstance(found, Sequence):
        return [_shown(one) for one in found]
    return found


def told_apart(names: Sequence[str], *, field: str = "name") -> Spec:
    """Tell series apart by colour and shape, so that colour never says it alone."""
    colours = ["var(--right)", "var(--wrong)", "var(--pass)", "var(--inconclusive)", "var(--quiet)"]
    shapes = ["circle", "square", "triangle-up", "diamond", "cross"]
    legend = None if len(names) == 1 else {"title": None, "orient": "top", "labelLimit": 480}
    domain = list(names)
    return {
        "color": {
            "field": field, "type": "nominal", "legend": legend,
            "scale": {"domain": domain, "range": [colours[i % len(colours)] for i in range(len(domain))]},
        },
        "shape": {
            "field": field, "type": "nominal", "legend": legend,
            "scale": {"domain": domain, "range": [shapes[i % len(shapes)] for i in range(len(domain))]},
        },
    }  # fmt: skip


def panel_title(text: str) -> Spec:
    """Head a panel of a chart."""
    return {"text": text, "anchor": "start", "color": "var(--ink)", "fontSize": 13}


def left_out(n: int, noun: str) -> str:
    """Say how many of what there is are drawn, if not all are."""
    return f"; the first {MAX_PANELS} of {count(n, noun)}" if n > MAX_PANELS else ""
