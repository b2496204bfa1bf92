"""Gates find what they compare with, and nothing to compare with is never a pass."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import clipeval
from clipeval import api
from clipeval.api.baselines import suite_baseline
from clipeval.api.judging import Judge, is_reference
from clipeval.errors import DatasetError, ModelError
from clipeval.plan import build_plan
from clipeval.records import DatasetSpec, FolderSource, GateSpec, ModelSpec, SuiteSpec, TemplateSpec

TINY = Path(clipeval.__file__).parent / "models" / "tiny"
DROP = GateSpec(metric="top1", max_drop=0.3)
FLIPS = GateSpec(metric="top1", max_negative_flip_rate=0.3)


@pytest.fixture
def plan(project):
    """Return the plan of a suite of hand-made cells food/MODEL/TEMPLATE."""

    def make(*gates, templates=("photo",), models=("m",), **changes):
        suite = SuiteSpec(
            name="food",
            path=project / "suites" / "food.yaml",
            datasets=(DatasetSpec(key="food", source=FolderSource(project)),),
            models=tuple(ModelSpec(id=id_, kind="tiny", name="tiny") for id_ in models),
            templates=tuple(TemplateSpec(id=id_, templates=("{}",)) for id_ in templates),
            gates=gates,
        )
        return build_plan(replace(suite, **changes))

    return make


def never(cell):
    raise AssertionError(f"{cell.id} is not needed")


def judged(plan, evaluated, *, evaluate=never):
    cell = next(cell for cell in plan.cells if cell.id == evaluated.result.id)
    judge = Judge.of(plan, suite_baseline(plan.suite))
    return judge.judge(cell, evaluated, evaluate).result.gates


@pytest.fixture
def accepted(project, evaluated, write_run):
    def accept(*cells, suite="food", file=None):
        return api.accept(write_run("accepted", *(cells or [evaluated()]), suite=suite), file=file)

    return accept


class TestAgainstTheBaseline:
    def test_the_same_is_a_reproduction_and_passes(self, plan, evaluated, accepted):
        accepted()
        drop, flips = judged(plan(DROP, FLIPS), evaluated())
        assert (drop.state, drop.against, drop.value) == ("pass", "baseline", 0.0)
        assert flips.state == "pass"
        assert "same weights and prompts: 0 of 30 predictions changed" in drop.message

    def test_a_drop_beyond_the_margin_fails_and_names_images(self, plan, evaluated, accepted):
        accepted()
        drop, flips = judged(plan(DROP, FLIPS), evaluated(n_wrong=20, weights="f"))
        assert (drop.state, flips.state) == ("fail", "fail")
        assert drop.value == pytest.approx(-2 / 3)
        assert "1.000 -> 0.333" in drop.message
        assert "pizza -70.0" in drop.message
        assert drop.images == flips.images == tuple(f"img-{number:03}" for number in range(20))

    def test_images_behind_it_are_counted_although_the_first_are_named(
        self, plan, evaluated, accepted
    ):
        accepted(evaluated(n_images=90))
        of_class = GateSpec(metric="recall", min=0.9, classes=("pizza",))
        class_drop = replace(DROP, metric="recall", classes=("pizza",))
        gates = judged(
            plan(DROP, FLIPS, of_class, class_drop), evaluated(n_images=90, n_wrong=75, weights="f")
        )
        assert [(gate.state, len(gate.images), gate.n_behind) for gate in gates] == [
            ("fail", 20, 75), ("fail", 20, 75), ("fail", 20, 25), ("fail", 20, 25)
        ]  # fmt: skip

    def test_all_gates_are_decided_whatever_the_first_says(self, plan, evaluated, accepted):
        accepted()
        absolute = GateSpec(metric="top1", min=0.9)
        gates = judged(plan(absolute, DROP, FLIPS), evaluated(n_wrong=20, weights="f"))
        assert [gate.state for gate in gates] == ["fail"] * 3

    def test_one_that_is_missing_fails(self, plan, evaluated):
        absolute, drop = judged(plan(GateSpec(metric="top1", min=0.5), DROP), evaluated())
        assert (absolute.state, drop.state) == ("pass", "fail")
        assert "suite 'food' has no baseline to compare with" in drop.message
        assert "looked for baselines/food.json" in drop.message
        assert "clipeval baseline accept RUN" in drop.message

    def test_one_that_is_missing_does_not_matter_to_other_gates(self, plan, evaluated):
        (gate,) = judged(plan(GateSpec(metric="top1", min=0.5)), evaluated())
        assert gate.state == "pass"
        assert judged(plan(), evaluated()) == ()

    def test_a_cell_that_is_not_in_it_fails(self, plan, evaluated, accepted):
        accepted()
        (gate,) = judged(plan(DROP, templates=("plate",)), evaluated("plate"))
        assert gate.state == "fail"
        assert "baselines/food.json has no cell 'food/m/plate'" in gate.message
        assert "renamed" not in gate.message

    def test_a_renamed_template_is_named(self, plan, evaluated, accepted):
        accepted(evaluated("photo", prompt="a photo of"))
        (gate,) = judged(
            plan(DROP, templates=("snap",)), evaluated("snap", prompt="a photo of", n_wrong=1)
        )
        assert gate.state == "fail"
        assert "same prompts and images as 'food/m/photo'" in gate.message
        assert "rename" in gate.message

    def test_a_new_cell_with_the_prompts_of_one_that_is_still_there_is_not_to_be_renamed(
        self, plan, evaluated, accepted
    ):
        accepted(evaluated("photo", prompt="a photo of"))
        (gate,) = judged(
            plan(DROP, templates=("photo", "snap")), evaluated("snap", prompt="a photo of")
        )
        assert gate.state == "fail"
        assert gate.message.endswith(
            "has no cell 'food/m/snap'; accept a run that has it: clipeval baseline accept RUN"
        )

    def test_nor_where_the_command_line_leaves_open_what_the_suite_has(
        self, plan, evaluated, accepted
    ):
        accepted(evaluated("photo", prompt="a photo of"))
        (gate,) = judged(
            plan(DROP, templates=("snap",), is_whole=False), evaluated("snap", prompt="a photo of")
        )
        assert "rename" not in gate.message

    def test_other_prompts_under_the_same_id_are_compared_as_changed(
        self, plan, evaluated, accepted
    ):
        accepted(evaluated("photo", prompt="a photo of"))
        (gate,) = judged(plan(DROP), evaluated("photo", prompt="a picture of"))
        assert gate.state == "pass"
        assert "same weights" not in gate.message

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"n_images": 20}, "10 images only in the base: img-020, img-021, img-022, ..."),
            ({"ids": "other"}, "0 images in common"),
            ({"labels": [1] * 30}, "20 of 30 images have another label: img-000 is 'pizza'"),
            ({"class_keys": ("pizza", "ramen", "udon")}, "1 class only in the base: sushi"),
        ],
    )
    def test_a_data_set_that_changed_is_an_error_that_says_how(
        self, plan, evaluated, accepted, changes, message
    ):
        accepted()
        (gate,) = judged(plan(DROP), evaluated(**changes))
        assert (gate.state, gate.value) == ("error", None)
        assert message in gate.message

    def test_another_model_name_will_do_where_the_command_line_named_one(
        self, plan, evaluated, accepted
    ):
        accepted()
        of_next = evaluated(model="next", weights="f", n_wrong=20)
        (gate,) = judged(plan(DROP, models=("next",), is_whole=False), of_next)
        assert (gate.state, gate.against) == ("fail", "baseline")
        assert "1.000 -> 0.333" in gate.message

    @pytest.mark.parametrize("is_whole", [True, False])
    def test_another_model_name_will_not_do_otherwise(self, plan, evaluated, accepted, is_whole):
        accepted(evaluated(model="m"), evaluated(model="n"))
        of_next = evaluated(model="next", weights="f")
        (gate,) = judged(plan(DROP, models=("next",), is_whole=is_whole), of_next)
        assert gate.state == "fail"
        assert "has no cell 'food/next/photo'" in gate.message

    def test_inconclusive_fails_where_the_gate_says_so(self, plan, evaluated, accepted):
        accepted()
        close = evaluated(weights="f", n_wrong=4)
        gates = (
            GateSpec(metric="top1", max_drop=0.1),
            GateSpec(metric="top1", max_drop=0.1, on_inconclusive="fail"),
        )
        warned, failed = judged(plan(*gates), close)
        assert (warned.state, failed.state) == ("inconclusive", "fail")
        assert warned.n_to_settle > 30
        assert failed.message == f"{warned.message}; on_inconclusive is fail, so this fails"


class TestAgainstAReference:
    TEMPLATE = replace(DROP, against="reference_template")
    MODEL = replace(DROP, against="reference_model")

    def reference(self, plan):
        return plan(
            self.TEMPLATE,
            templates=("plate", "photo"),
            reference_templates={"food": "photo"},
        )

    def test_the_reference_is_asked_for_once(self, plan, evaluated):
        made = replace(self.reference(plan).suite, gates=(self.TEMPLATE, replace(FLIPS)))
        made = build_plan(replace(made, gates=(self.TEMPLATE, self.TEMPLATE)))
        asked = []

        def evaluate(cell):
            asked.append(cell.id)
            return evaluated("photo")

        judge = Judge.of(made, None)
        (plate,) = [cell for cell in made.cells if cell.template.id == "plate"]
        for _ in range(2):
            gates = judge.judge(plate, evaluated("plate", n_wrong=25), evaluate).result.gates
            assert [gate.state for gate in gates] == ["fail", "fail"]
            assert {gate.against for gate in gates} == {"food/m/photo"}
        assert asked == ["food/m/photo"]

    def test_the_reference_itself_is_held_against_nothing(self, plan, evaluated):
        assert judged(self.reference(plan), evaluated("photo")) == ()

    def test_one_that_cannot_be_evaluated_is_an_error(self, plan, evaluated):
        def fail(cell):
            raise DatasetError("the images are gone")

        (gate,) = judged(self.reference(plan), evaluated("plate"), evaluate=fail)
        assert gate.state == "error"
        assert "reference food/m/photo could not be evaluated: the images are gone" in gate.message

    @pytest.mark.parametrize("gate", [TEMPLATE, MODEL], ids=["template", "model"])
    def test_one_that_is_not_in_the_run_is_an_error(self, plan, evaluated, gate):
        (found,) = judged(plan(gate), evaluated())
        assert found.state == "error"
        assert f"there is no {gate.against.replace('_', ' ')} in this run" in found.message

    def test_the_reference_model_is_held_against_on_the_same_template(self, plan, evaluated):
        made = plan(self.MODEL, models=("m", "base"), reference_model="base")
        (gate,) = judged(
            made,
            evaluated(n_wrong=20, weights="f"),
            evaluate=lambda cell: evaluated(cell.template.id, model=cell.model.id),
        )
        assert (gate.state, gate.against) == ("fail", "food/base/photo")


def test_references_are_told_from_other_cells(plan):
    made = plan(
        templates=("plate", "photo"),
        models=("m", "base"),
        reference_templates={"food": "photo"},
        reference_model="base",
    )
    assert [cell.id for cell in made.cells if not is_reference(made, cell)] == ["food/m/plate"]


class TestInARun:
    """References are evaluated first, wherever the suite has them."""

    @pytest.fixture
    def suite(self, project, loaded):
        def write(models, **values):
            (project / "s.yaml").write_text(
                "suite: s\ndatasets: [digits]\n"
                f"models: [{models}]\n"
                "templates: {bare: '{}', photo: 'a photo of the number {}'}\n"
                "reference: {template: photo, model: tiny}\n"
                "gates:\n"
                "  - {metric: top1, max_drop: 0.5, against: reference_template}\n"
                "  - {metric: top1, max_drop: 0.5, against: reference_model}\n"
            )
            return loaded(project / "s.yaml", limit=20, **values)

        return write

    def test_that_come_last_in_the_suite(self, suite, project):
        shutil.copytree(TINY, project / "copy")
        record = api.run(suite("'local-dir:copy', tiny"), project / "out")
        assert record.verdict == "pass"
        gates = {
            cell.id: [(gate.state, gate.against) for gate in cell.gates] for cell in record.cells
        }
        copy = "digits/local-dir:copy"
        assert gates == {
            f"{copy}/bare": [("pass", f"{copy}/photo"), ("pass", "digits/tiny/bare")],
            f"{copy}/photo": [("pass", "digits/tiny/photo")],
            "digits/tiny/bare": [("pass", "digits/tiny/photo")],
            "digits/tiny/photo": [],
        }
        assert [(one.kind, one.base, one.candidate) for one in record.comparisons] == [
            ("template", f"{copy}/photo", f"{copy}/bare"),
            ("template", "digits/tiny/photo", "digits/tiny/bare"),
            ("model", "digits/tiny/bare", f"{copy}/bare"),
            ("model", "digits/tiny/photo", f"{copy}/photo"),
        ]

    @pytest.fixture
    def broken(self, suite, project):
        """The suite with a reference model whose weights cannot be read."""
        shutil.copytree(TINY, project / "broken")
        (project / "broken" / "open_clip_model.safetensors").write_bytes(b"no weights")
        made = suite("tiny, 'local-dir:broken'")
        return replace(made, reference_model="local-dir:broken")

    def test_the_reference_model_is_loaded_before_anything_is_written(self, broken, project):
        with pytest.raises(ModelError, match="cannot be read as safetensors"):
            api.run(broken, project / "out")
        assert not (project / "out").exists()

    def test_a_reference_that_fails_later_makes_the_others_errors(self, broken, project):
        session = api.EvaluationSession()
        cells = [cell for cell in build_plan(broken).cells if cell.model.id == "tiny"]
        session.plan((broken, cell) for cell in cells)
        for cell in cells:
            *_, gate = session.evaluate(broken, cell).gates
            assert gate.state == "error"
            assert f"digits/local-dir:broken/{cell.template.id} could not be" in gate.message
        (outcome,) = session.outcomes
        (run,) = api.finish_outcomes(api.merge_outcomes([outcome]), project / "out", base=project)
        assert (run.record.status, run.record.verdict) == ("partial", "error")
        assert len(run.record.errors) == 2


class TestImagesThatFlipped:
    def flipped(self, plan, evaluated, *known):
        others = {one.result.id: one for one in known}
        cell = next(cell for cell in plan.cells if cell.id == evaluated.result.id)
        judge = Judge.of(plan, suite_baseline(plan.suite))
        return judge.images_that_flipped(cell, evaluated, lambda other: others.get(other.id))

    def test_newly_wrong_ones_and_newly_right_ones(self, plan, evaluated, accepted):
        accepted(evaluated(n_wrong=2))
        assert set(self.flipped(plan(), evaluated(n_wrong=0, weights="f"))) == {
            "img-000", "img-001",
        }  # fmt: skip
        assert set(self.flipped(plan(), evaluated(n_wrong=4, weights="f"))) == {
            "img-002", "img-003",
        }  # fmt: skip

    def test_at_most_so_many_of_either(self, plan, evaluated, accepted):
        accepted(evaluated(n_images=90))
        assert len(self.flipped(plan(), evaluated(n_images=90, n_wrong=60, weights="f"))) == 24

    def test_none_where_there_is_nothing_to_compare_with_or_it_cannot_be(
        self, plan, evaluated, accepted
    ):
        assert self.flipped(plan(), evaluated()) == ()
        accepted(evaluated(n_images=30))
        assert self.flipped(plan(), evaluated(n_images=31)) == ()

    def test_without_a_baseline_those_of_the_reference_that_is_known(self, plan, evaluated):
        suite = plan(
            templates=("photo", "plate"), models=("m", "other"),
            reference_templates={"food": "photo"}, reference_model="m",
        )  # fmt: skip
        plate = evaluated("plate", n_wrong=3)
        assert self.flipped(suite, plate) == ()
        expected = {"img-000", "img-001", "img-002"}
        assert set(self.flipped(suite, plate, evaluated("photo"))) == expected
        assert self.flipped(suite, evaluated("photo", n_wrong=3), evaluated("photo")) == ()

    def test_a_model_says_more_than_a_template_and_a_baseline_more_than_both(
        self, plan, evaluated, accepted
    ):
        suite = plan(
            templates=("photo", "plate"), models=("m", "other"),
            reference_templates={"food": "photo"}, reference_model="m",
        )  # fmt: skip
        now = evaluated("plate", model="other", n_wrong=3, weights="f")
        template = evaluated("photo", model="other", n_wrong=2, weights="f")
        model = evaluated("plate", n_wrong=1)
        assert set(self.flipped(suite, now, template, model)) == {"img-001", "img-002"}
        accepted(evaluated("plate", model="other", n_wrong=4))
        assert self.flipped(suite, now, template, model) == ("img-003",)
