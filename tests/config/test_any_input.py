"""Whatever a file holds, the answer is a spec or a ConfigError."""

from __future__ import annotations

import contextlib
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clipeval.config import load_catalog, load_suite, resolve_dataset, resolve_template
from clipeval.errors import ConfigError
from clipeval.records import DatasetSpec, SuiteSpec, TemplateSpec

ROOT = Path(__file__).parents[2]
VALID = (ROOT / "suites" / "quickstart.yaml").read_bytes()
GATED = b"""\
suite: s
datasets: [digits]
models: [tiny, RN50/random]
templates: {photo: "a photo of {}", bare: "{}"}
reference: {template: photo, model: tiny}
gates:
- {metric: top1, max_drop: 0.01, against: reference_template, on_inconclusive: fail}
- {metric: top1, max_negative_flip_rate: 0.02, against: reference_model, models: [RN50/random]}
- {metric: recall, classes: [one, two], min: 0.6, max_drop: 0.1, cells: [digits/tiny/bare]}
- {metric: precision, classes: all, min: 0.6, templates: [photo], datasets: [digits]}
"""
CATALOG = (ROOT / "datasets.yaml").read_bytes()
TOKENS = [
    *(c.encode() for c in "{}[]:,-?&*!|>%@`'\"#\n\t ~\\"),
    b"no", b"<<: *a", b"&a", b"---", b"...", b"null", b"1e99", b"0x", b"{}", b'"\\U"', b"\xff",
    b"\0", b"\xed\xa0\x80", b"%YAML 1.9", b"!!binary", b"- - -", b"templates:", b"gates:", b"[" * 30,
]  # fmt: skip

anything = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@st.composite
def mutated(draw: st.DrawFn, source: bytes) -> bytes:
    content = bytearray(source)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 12)))
        content[start:stop] = draw(st.sampled_from(TOKENS) | st.binary(max_size=4))
    return bytes(content)


def check_suite(content: bytes) -> None:
    path = Path("s.yaml")
    path.write_bytes(content)
    outcome = suite_or_error(path)
    if isinstance(outcome, str):
        lines = outcome.split("\n")
        assert [line for line in lines if not line.startswith("s.yaml:")] == []
        assert [line for line in lines if not line.isprintable()] == []


def suite_or_error(path: Path) -> SuiteSpec | str:
    try:
        return load_suite(path)
    except ConfigError as error:
        return str(error)


@anything
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_random_content_is_never_a_crash(project: Path, content: bytes) -> None:
    check_suite(content)


@anything
@given(content=mutated(VALID))
def test_a_damaged_suite_is_never_a_crash(project: Path, content: bytes) -> None:
    check_suite(content)


def test_the_undamaged_gates_load(project: Path) -> None:
    Path("s.yaml").write_bytes(GATED)
    assert len(load_suite(Path("s.yaml")).gates) == 4


@anything
@given(content=mutated(GATED))
def test_damaged_gates_are_never_a_crash(project: Path, content: bytes) -> None:
    check_suite(content)


@anything
@given(content=mutated(CATALOG))
def test_a_damaged_catalogue_is_never_a_crash(project: Path, content: bytes) -> None:
    Path("datasets.yaml").write_bytes(content)
    with contextlib.suppress(ConfigError):
        load_catalog(Path("datasets.yaml"))


@anything
@given(text=st.text(max_size=80))
def test_any_command_line_value_is_resolved_or_refused(project: Path, text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(resolve_template(text, base=project), TemplateSpec)
    with contextlib.suppress(ConfigError):
        assert isinstance(resolve_dataset(text, {}, base=project), DatasetSpec)
