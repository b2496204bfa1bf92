from dataclasses import replace
from pathlib import Path

import pytest

from clipeval.config import (
    Overrides,
    adhoc_suite,
    builtin_catalog,
    compares_with_baseline,
    override,
)
from clipeval.errors import ConfigError
from clipeval.records import (
    DatasetSpec,
    DigitsSource,
    GateSpec,
    ModelSpec,
    SuiteSpec,
    TemplateSpec,
)

HERE = Path("/nowhere")
FLOOR = GateSpec(metric="top1", min=0.5, where="s.yaml:9")
DROP = GateSpec(metric="macro_f1", max_drop=0.2, where="s.yaml:10")
REFERENCE_DROP = GateSpec(metric="top1", max_drop=0.2, against="reference_template")
FLIPS = GateSpec(metric="top1", max_negative_flip_rate=0.1)
SUITE = SuiteSpec(
    name="own",
    path=Path("/nowhere/s.yaml"),
    datasets=(DatasetSpec(key="digits", source=DigitsSource()),),
    models=(ModelSpec(id="tiny", kind="tiny", name="tiny"),),
    templates=(
        TemplateSpec(id="photo", templates=("a photo of {}",)),
        TemplateSpec(id="bare", templates=("{}",)),
    ),
    reference_templates={"digits": "photo"},
    reference_model="tiny",
)


def changed(*gates, **values):
    suite = replace(SUITE, gates=gates)
    return override(suite, Overrides(**values), builtin_catalog(), base=HERE)


class TestMargin:
    def test_takes_the_place_of_every_max_drop_and_leaves_the_rest(self):
        suite = changed(FLOOR, DROP, REFERENCE_DROP, FLIPS, margin=0.03)
        assert suite.gates == (
            FLOOR,
            replace(DROP, max_drop=0.03),
            replace(REFERENCE_DROP, max_drop=0.03),
            FLIPS,
        )

    @pytest.mark.parametrize("gates", [(), (FLOOR,), (FLIPS,)])
    def test_without_any_max_drop_gates_top1_against_the_baseline(self, gates):
        added = GateSpec(metric="top1", max_drop=0.03, against="baseline", where="--margin")
        assert changed(*gates, margin=0.03).gates == (*gates, added)

    def test_may_be_zero(self):
        assert changed(DROP, margin=0).gates == (replace(DROP, max_drop=0),)

    @pytest.mark.parametrize(
        ("margin", "message"),
        [
            (
                1,
                "got the number 1; expected a fraction, at least 0 and below 1 (did you mean 0.01?)",
            ),
            (2.5, "got the number 2.5; .* (did you mean 0.025?)"),
            (-0.1, "got the number -0.1; expected a fraction, at least 0 and below 1"),
            (float("nan"), "got the number nan; expected a fraction, at least 0 and below 1"),
            (float("inf"), "got the number inf; expected a fraction, at least 0 and below 1"),
        ],
    )
    def test_that_is_no_fraction_is_refused(self, margin, message):
        pattern = message.replace("(", r"\(").replace(")", r"\)").replace("?", r"\?")
        with pytest.raises(ConfigError, match=f"^--margin: {pattern}$"):
            changed(DROP, margin=margin)


class TestBaseline:
    def test_is_kept_as_an_absolute_path(self):
        assert changed(DROP, baseline=Path("runs/a")).baseline == HERE / "runs/a"
        assert changed(DROP, baseline=Path("/b.json")).baseline == Path("/b.json")
        assert changed(DROP).baseline is None

    def test_that_no_path_can_be_made_of_is_refused(self):
        with pytest.raises(
            ConfigError, match=r"^--baseline: '~nobody-here/x' is not a usable path"
        ):
            changed(baseline=Path("~nobody-here/x"))

    @pytest.mark.parametrize("gates", [(), (FLOOR,), (REFERENCE_DROP,)])
    def test_that_no_gate_compares_with_gets_one_and_says_so(self, gates):
        suite = changed(*gates, baseline=Path("b.json"))
        added = GateSpec(metric="top1", max_drop=0.01, against="baseline", where="--baseline")
        assert suite.gates == (*gates, added)
        (notice,) = suite.notices
        assert notice.code == "default-margin"
        assert notice.message == (
            "--baseline: no gate of suite 'own' compares with the baseline, so top1 may drop by at "
            "most 0.01; set another margin with --margin, or in the suite: "
            "gates: {top1: {max_drop: 0.02}}"
        )

    @pytest.mark.parametrize("gates", [(DROP,), (FLIPS,)])
    def test_that_a_gate_compares_with_adds_nothing(self, gates):
        suite = changed(*gates, baseline=Path("b.json"))
        assert (suite.gates, suite.notices) == (gates, ())

    def test_with_a_margin_is_compared_with_by_that_margin(self):
        suite = changed(FLOOR, baseline=Path("b.json"), margin=0.03)
        assert suite.gates == (FLOOR, GateSpec(metric="top1", max_drop=0.03, where="--margin"))
        assert suite.notices == ()

    def test_with_a_margin_is_compared_with_even_if_other_gates_take_the_margin(self):
        suite = changed(REFERENCE_DROP, baseline=Path("b.json"), margin=0.03)
        assert suite.gates == (
            replace(REFERENCE_DROP, max_drop=0.03),
            GateSpec(metric="top1", max_drop=0.03, where="--margin"),
        )


@pytest.mark.parametrize(
    ("gate", "expected"), [(DROP, True), (FLIPS, True), (FLOOR, False), (REFERENCE_DROP, False)]
)
def test_a_baseline_is_needed_for_drops_and_flips_against_it(gate, expected):
    assert compares_with_baseline((gate,)) is expected


class TestHoldout:
    def test_is_set(self):
        assert changed(holdout=0.3).holdout == 0.3
        assert changed().holdout is None

    @pytest.mark.parametrize(
        ("holdout", "hint"),
        [
            (0, ""),
            (1, ""),
            (-0.5, ""),
            (float("nan"), ""),
            (30, r" \(did you mean 0\.3\?\)"),
        ],
    )
    def test_that_is_no_fraction_is_refused(self, holdout, hint):
        with pytest.raises(
            ConfigError,
            match=rf"^--holdout: got the number {holdout:g}; expected a fraction between 0 and 1{hint}$",
        ):
            changed(holdout=holdout)


class TestOptionPrefix:
    @pytest.mark.parametrize(
        ("values", "start"),
        [
            ({"margin": 2}, "--clipeval-margin: "),
            ({"holdout": 2}, "--clipeval-holdout: "),
            ({"baseline": Path("~nobody-here/x")}, "--clipeval-baseline: "),
            ({"models": ("nonsense",)}, "--clipeval-model: "),
            ({"models": ("tiny", "tiny")}, "--clipeval-model: "),
            ({"datasets": ("nonsense",)}, "--clipeval-dataset: "),
            ({"templates": ("nonsense",)}, "--clipeval-template "),
        ],
    )
    def test_names_options_as_the_user_types_them(self, values, start):
        with pytest.raises(ConfigError, match=f"^{start}"):
            changed(option_prefix="--clipeval-", **values)

    def test_is_in_places_and_notices_too(self):
        suite = changed(baseline=Path("b.json"), option_prefix="--clipeval-")
        assert suite.gates[0].where == "--clipeval-baseline"
        assert "set another margin with --clipeval-margin" in suite.notices[0].message
        suite = changed(margin=0.1, option_prefix="--clipeval-")
        assert suite.gates[0].where == "--clipeval-margin"


class TestIsWhole:
    @pytest.mark.parametrize(
        "values",
        [
            {"models": ("tiny",)},
            {"datasets": ("digits",)},
            {"templates": ("photo",)},
            {"devices": ("cpu",)},
            {"precisions": ("fp32",)},
            {"limit": 5},
        ],
    )
    def test_ends_where_the_command_line_chooses_cells_or_images(self, values):
        assert changed(**values).is_whole is False

    def test_is_kept_by_everything_else(self):
        suite = changed(batch_size=3, margin=0.1, baseline=Path("b.json"), holdout=0.5)
        assert suite.is_whole is True

    def test_is_not_won_back(self):
        part = changed(limit=5)
        assert override(part, Overrides(), builtin_catalog(), base=HERE).is_whole is False

    def test_is_not_said_of_a_suite_without_a_file(self):
        values = Overrides(models=("tiny",), datasets=("digits",), templates=("a {}",))
        assert adhoc_suite(values, builtin_catalog(), base=HERE).is_whole is False


class TestGatesThatLoseTheirCells:
    NAMED = GateSpec(metric="top1", min=0.9, cells=("digits/tiny/photo",), where="s.yaml:9:3")

    def test_are_said_with_the_options_that_change_ids(self):
        (notice,) = changed(self.NAMED, precisions=("fp32", "bf16")).notices
        assert notice.code == "gate-not-applied"
        assert notice.message.startswith("s.yaml:9:3: the gate on top1 is not decided")
        assert (
            "drop --model, --dataset, --template, --device, --precision or --backend"
            in notice.message
        )

    def test_and_those_that_keep_one_are_not(self):
        assert changed(self.NAMED, templates=("photo",)).notices == ()

    def test_and_those_against_a_reference_that_is_gone_stay_to_be_decided(self):
        suite = changed(REFERENCE_DROP, templates=("bare",))
        assert suite.reference_templates == {}
        assert suite.gates == (REFERENCE_DROP,)
