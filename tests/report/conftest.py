"""Runs built by hand: two data sets, three templates, one confusion matrix each that can be checked on paper."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from clipeval.records import (
    BaselineUse,
    CalibrationBin,
    CellResult,
    ClassDifference,
    ClassMetrics,
    Comparison,
    ConfusedPair,
    DatasetRecord,
    Difference,
    Environment,
    Flip,
    GateResult,
    Holdout,
    MetricValue,
    ModelRecord,
    Predictions,
    RankedTemplate,
    Reproduction,
    RunRecord,
    SimilaritySample,
    TemplateRecord,
    Thumbnail,
    TokenizedPrompt,
)
from clipeval.report import render_html, run_page

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Page(HTMLParser):
    """What a browser would see: elements with attributes and text, comments and declarations apart."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements = []
        self._open = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs), [], tuple(self._open))
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs), [], tuple(self._open)))

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, found):
        for element in self._open:
            element.text.append(found)

    def all(self, tag, **attributes):
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        return [
            one
            for one in self.elements
            if one.tag == tag and all(one.matches(k, v) for k, v in wanted.items())
        ]

    def one(self, tag, **attributes):
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} <{tag}> with {attributes}"
        return found[0]

    def inside(self, outer, tag, **attributes):
        return [one for one in self.all(tag, **attributes) if any(o is outer for o in one.parents)]


@dataclass(frozen=True)
class Element:
    tag: str
    attributes: dict
    text: list
    parents: tuple

    def matches(self, key, value):
        found = self.attributes.get(key)
        return value in (found or "").split() if key == "class" else found == value

    @property
    def words(self):
        return " ".join("".join(self.text).split())


def webp(shade=120, edge=32):
    encoded = io.BytesIO()
    Image.new("RGB", (edge, edge), (shade, 40, 200)).save(encoded, "WEBP", quality=60)
    return encoded.getvalue()


def make_model(**changes):
    model = ModelRecord(
        id="tiny", spec="tiny", name="tiny", pretrained=None, quick_gelu=False,
        random_weights=False, n_parameters=4_123_456, embed_dim=128, image_size=(32, 32),
        context_length=77, logit_scale=27.5,
        preprocessing={"mean": (0.5, 0.25, 0.125), "interpolation": "bicubic"},
        weights_sha256="a" * 64, config_sha256="b" * 64, preprocessing_sha256="c" * 64,
        tokenizer_sha256="d" * 64,
    )  # fmt: skip
    return replace(model, **changes)


def make_dataset(key="digits", class_names=("zero", "one", "two"), n_images=10, **changes):
    dataset = DatasetRecord(
        key=key, source="sklearn-digits test", n_expected=n_images, n_images=n_images, n_failed=0,
        class_names=tuple(class_names), class_keys=tuple(str(i) for i in range(len(class_names))),
        samples_sha256="e" * 64,
        contents_sha256="f" * 64,
    )  # fmt: skip
    return replace(dataset, **changes)


def make_class(name, confusion, i):
    n, n_predicted, right = sum(confusion[i]), sum(row[i] for row in confusion), confusion[i][i]
    return ClassMetrics(
        name=name,
        n=n,
        n_predicted=n_predicted,
        recall=right / n if n else None,
        recall_low=max(0.0, right / n - 0.2) if n else None,
        recall_high=min(1.0, right / n + 0.1) if n else None,
        precision=right / n_predicted if n_predicted else None,
        f1=2 * right / (n + n_predicted) if n + n_predicted else None,
    )


def make_tokens(prompt):
    pieces = ("<start>", *prompt.split(), "<end>")
    return TokenizedPrompt(prompt=prompt, token_ids=tuple(range(7, 7 + len(pieces))), pieces=pieces)


def make_similarity(n_classes):
    """The first image of each of at most three classes; each is most like its own."""
    classes = tuple(range(min(3, n_classes)))
    return SimilaritySample(
        classes=classes,
        sample_ids=tuple(f"s{4 * i:04d}" for i in classes),
        cosines=tuple(tuple(0.3 if i == j else -0.1 * i for j in classes) for i in classes),
    )


def make_cell(*, dataset=None, template="photo", confusion=None, model=None, suffix="", **changes):
    if "gates" in changes:
        changes["gates"] = numbered(changes["gates"])
    dataset = dataset or make_dataset()
    model = model or make_model()
    names = dataset.class_names
    confusion = confusion or ((4, 0, 0), (1, 2, 0), (0, 1, 2))
    n_right = sum(row[i] for i, row in enumerate(confusion))
    n = sum(map(sum, confusion))
    pairs = sorted(
        (
            ConfusedPair(true=names[i], predicted=names[j], n_images=confusion[i][j])
            for i in range(len(names))
            for j in range(len(names))
            if i != j and confusion[i][j]
        ),
        key=lambda pair: -pair.n_images,
    )
    prompts = tuple(f"a {template} of {name}" for name in names)
    cell = CellResult(
        id=f"{dataset.key}/{model.id}/{template}{suffix}",
        model=model,
        dataset=dataset,
        template=TemplateRecord(
            id=template,
            origin="inline",
            templates=(f"a {template} of {{}}",),
            prompts=prompts,
            prompts_per_class=(1,) * len(names),
            tokenized=tuple(map(make_tokens, prompts[:20])),
        ),
        device="cpu",
        precision="fp32",
        metrics={
            "top1": MetricValue(
                value=n_right / n,
                low=max(0.0, n_right / n - 0.0213),
                high=min(1.0, n_right / n + 0.0152),
                n=n,
            ),
            "mean_per_class_recall": MetricValue(value=0.77777, n=len(names)),
            "macro_f1": MetricValue(value=0.7654321, n=len(names)),
            "nll": MetricValue(value=0.43215, n=n),
            "ece": MetricValue(value=0.0321, n=n),
        },
        per_class=tuple(make_class(name, confusion, i) for i, name in enumerate(names)),
        confusion=confusion,
        confused_pairs=tuple(pairs),
        calibration=(
            CalibrationBin(low=0.0, high=0.5, n_images=0, confidence=None, accuracy=None),
            CalibrationBin(low=0.5, high=1.0, n_images=n, confidence=0.85, accuracy=n_right / n),
        ),
        gates=(),
        timings={"load_s": 0.5, "encode_image_s": 3.25, "images_per_s": 1234.5},
        similarity=make_similarity(len(names)),
    )
    return replace(cell, **changes)


def make_gate(**changes):
    gate = GateResult(
        metric="top1", kind="min", limit=0.75, value=0.8, low=0.7787, high=0.8152, state="pass",
        message="",
    )  # fmt: skip
    return replace(gate, **changes)


def numbered(results):
    """Number gates one by one; classes of one limit that stand side by side are one, if not said otherwise."""
    if any(one.gate for one in results):
        return tuple(results)
    found = []
    for one in results:
        same = found and one.class_name and (found[-1].metric, found[-1].kind, found[-1].limit) == (
            one.metric, one.kind, one.limit
        )  # fmt: skip
        number = found[-1].gate + (not same) if found else 0
        found.append(replace(one, gate=number))
    return tuple(found)


def make_difference(value=-0.023, low=-0.039, high=-0.008, *, base=0.9, **changes):
    difference = Difference(
        base=base, candidate=base + value, value=value, low=low, high=high, lower_bound=low + 0.002,
        upper_bound=high - 0.002, method="tango",
    )  # fmt: skip
    return replace(difference, **changes)


def make_flip(sample_id="s0001", **changes):
    flip = Flip(
        sample_id=sample_id, path=f"images/{sample_id}.png", label="eight", base="eight", candidate="three"
    )  # fmt: skip
    return replace(flip, **changes)


def make_class_difference(name="eight", difference=-0.12, adjusted_p=0.003, **changes):
    one = ClassDifference(
        name=name, n=90, base_recall=0.9, candidate_recall=0.9 + difference, difference=difference,
        low=difference - 0.06, high=difference + 0.05, n_newly_right=1, n_newly_wrong=12,
        p_value=adjusted_p / 10, adjusted_p=adjusted_p,
    )  # fmt: skip
    return replace(one, **changes)


def make_reproduction(**changes):
    reproduction = Reproduction(
        n_changed=0, n_unexplained=0, image_drift=3.1e-7, text_drift=0.0, floor=2e-5, is_within=True
    )
    return replace(reproduction, **changes)


def make_comparison(**changes):
    """A regression against the baseline, 41 newly wrong and 20 newly right of 899."""
    comparison = Comparison(
        kind="baseline", base="digits/tiny/photo", candidate="digits/tiny/photo", dataset="digits",
        n_images=899, top1=make_difference(), macro_recall=make_difference(-0.021, -0.04, -0.007),
        macro_precision=make_difference(-0.02, -0.03, -0.01), macro_f1=make_difference(-0.022, -0.041, -0.006),
        p_value=0.0073, test="mcnemar-mid-p", n_newly_right=20, n_newly_wrong=41, n_changed=70,
        negative_flip_rate=41 / 899, detectable=0.0243,
        newly_right=(make_flip("s0900", base="nine", candidate="eight"),), newly_wrong=(make_flip(),),
        per_class=(make_class_difference("one", 0.01, 1.0), make_class_difference()),
        conclusion="worse", message="worse by 2.3 points",
    )  # fmt: skip
    return replace(comparison, **changes)


def make_open_comparison(detectable=0.0124, **changes):
    """No difference shown."""
    return make_comparison(
        top1=make_difference(0.0, -0.0074, 0.0071), p_value=0.91, n_newly_right=5, n_newly_wrong=5,
        newly_right=(), newly_wrong=(), per_class=(), detectable=detectable,
        conclusion="inconclusive", message="no difference shown", **changes,
    )  # fmt: skip


def make_reproduced_comparison(**changes):
    """The same weights and prompts, within the numeric floor."""
    reproduction = changes.pop("reproduction", make_reproduction())
    return make_comparison(
        top1=make_difference(0.0, 0.0, 0.0), p_value=None, test=None, n_newly_right=0, n_newly_wrong=0,
        n_changed=reproduction.n_changed, negative_flip_rate=0.0, newly_right=(), newly_wrong=(), per_class=(),
        reproduction=reproduction, conclusion="same", message="same weights and prompts", **changes,
    )  # fmt: skip


def make_holdout(**changes):
    holdout = Holdout(
        dataset="digits", model="tiny", setting="cpu-fp32", fraction=0.5, n_explored=450, n_held_out=449,
        ranking=(RankedTemplate(template="ensemble", top1=0.9311), RankedTemplate(template="photo", top1=0.92)),
        winner="ensemble", winner_held_out=0.92, opponent="photo",
        confirmation=make_open_comparison(
            kind="template", base="digits/tiny/photo", candidate="digits/tiny/ensemble"
        ),
    )  # fmt: skip
    return replace(holdout, **changes)


def make_baseline(**changes):
    baseline = BaselineUse(
        source="baselines/quickstart.json", accepted="2026-11-01T08:00:00+00:00", is_gated=True
    )
    return replace(baseline, **changes)


def make_environment(**changes):
    environment = Environment(
        clipeval="0.1.0", python="3.11.9", platform="Linux-6.1", packages={"torch": "2.5.0"},
        git_commit="f" * 40, git_dirty=True, cpu="Some CPU @ 2 GHz", n_cores=2, n_threads=2,
        memory_bytes=16 * 1024**3, gpus=(),
        argv=("/opt/env/bin/clipeval", "run", "my suite.yaml", "--limit", "10"),
    )  # fmt: skip
    return replace(environment, **changes)


def make_run(cells, **changes):
    run = RunRecord(
        schema_version=1,
        suite="quickstart",
        status="complete",
        verdict="pass",
        created="2026-11-23T22:56:58+00:00",
        environment=make_environment(),
        planned_cells=tuple(cell.id for cell in cells),
        cells=tuple(cells),
    )
    return replace(run, **changes)


def make_predictions(cell):
    """One row per count of the confusion matrix; confidence grows along the rows."""
    n_classes = len(cell.confusion)
    labels, predicted = [], []
    for i, row in enumerate(cell.confusion):
        for j, n in enumerate(row):
            labels += [i] * n
            predicted += [j] * n
    n = len(labels)
    k = min(5, n_classes)
    top5 = np.array([[(j + step) % n_classes for step in range(k)] for j in predicted], np.int64)
    return Predictions(
        cell=cell.id,
        sample_ids=tuple(f"s{i:04d}" for i in range(n)),
        paths=tuple(f"images/s{i:04d}.png" for i in range(n)),
        groups=(None,) * n,
        contents=tuple(f"{i:08x}" for i in range(n)),
        labels=np.array(labels, np.int64),
        predicted=np.array(predicted, np.int64),
        confidence=np.linspace(0.4, 0.99, n, dtype=np.float32),
        top5=top5.reshape(n, k),
        top5_scores=np.tile(np.linspace(27.5, 20.0, k, dtype=np.float32), (n, 1)),
    )


def make_thumbnails(cell):
    predictions = make_predictions(cell)
    wrong = np.flatnonzero(predictions.labels != predictions.predicted)
    return [
        Thumbnail(
            dataset=cell.dataset.key, sample_id=predictions.sample_ids[i], webp=webp(int(i) % 250)
        )
        for i in wrong
    ]


HOSTILE = (
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus='alert(1)",
    "line\u2028separator",
    "{{7*7}}{% raw %}",
    "a|b",
    "<!--",
    "]]></style><style>*{display:none}",
    "javascript:alert(1)",
    "nul\x00 esc\x1b[31m bidi\u202egnp lone\ud800",
)


def rendered(run, predictions, thumbnails, benchmark=None):
    return render_html(run_page(run, predictions, thumbnails, benchmark))


def render(run, *, thumbnails=()):
    return rendered(run, [make_predictions(cell) for cell in run.cells], thumbnails)


def page_of(run, **options):
    return Page(render(run, **options))


def table_rows(page, table):
    rows = []
    for row in page.inside(table, "tr"):
        cells = [
            one
            for one in page.elements
            if one.tag in {"td", "th"} and one.parents and one.parents[-1] is row
        ]
        rows.append([one.words for one in cells])
    return rows


def table_named(page, label):
    return next(one.parents[-1] for one in page.all("caption") if one.words.startswith(label))


@pytest.fixture
def quickstart():
    """Two data sets, three templates, two gates of which one fails; the reference is `photo`."""
    ink = make_dataset("ink", ("red", "green", "blue"))
    worse = ((3, 1, 0), (2, 1, 0), (0, 2, 1))
    cells = [
        make_cell(gates=(make_gate(),)),
        make_cell(template="number", confusion=((4, 0, 0), (0, 3, 0), (0, 1, 2))),
        make_cell(
            template="bare",
            confusion=worse,
            gates=(make_gate(value=0.5, low=0.4787, high=0.5152, state="fail", message="too low"),),
        ),
        make_cell(dataset=ink),
        make_cell(dataset=ink, template="bare", confusion=worse),
    ]
    return make_run(cells, verdict="fail", reference_templates={"digits": "photo"})
