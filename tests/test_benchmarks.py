"""The benchmarks' own arithmetic, photos and checks are right, and can say that something is wrong."""

import json
import os
import signal
import sys
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from open_clip.model import CLIP
from PIL import Image
from safetensors.torch import save_file

from clipeval.bench import costs as bench_costs
from clipeval.cli.app import main as clipeval
from clipeval.models import load_model
from clipeval.records.model_names import parse_model

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))  # scripts, not a package

import gpu
import gpu_measures
import race
import race_agreement as agreement
import race_contestants as contestants
import race_loop_open_clip
import race_photos as photos
import race_plan as plan
import race_results
import race_tables as tables
from race_rivals import RivalEnvironment

BASE = plan.Workload(n_images=8, n_classes=4, n_templates=2)
RIVALS = ("open-clip", "clip-benchmark")
WIDTH, LAYERS, PATCH, EMBED = 64, 2, 32, 32


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A small CLIP in open_clip's layout."""
    folder = tmp_path_factory.mktemp("model")
    config = open_clip.get_model_config("ViT-B-32")
    config["embed_dim"] = EMBED
    config["vision_cfg"] |= {"width": WIDTH, "layers": LAYERS, "head_width": 32}
    config["text_cfg"] |= {"width": 64, "heads": 2, "layers": 1}
    torch.manual_seed(0)
    model = CLIP(**config)
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    preprocess = {"mean": [0.5] * 3, "std": [0.5] * 3}
    preprocess |= {"interpolation": "bicubic", "resize_mode": "shortest"}
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess})
    )
    return folder


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    return photos.generate_photos(tmp_path_factory.mktemp("pool"), n_images=8)


@pytest.fixture
def track(tmp_path, model_dir, generated):
    """What every trial shares: eight photos in four classes."""
    names = ["bagel", "crane bird", "tench", "wall clock"]
    folder = photos.lay_out(photos.label_photos(generated, names), tmp_path / "photos")
    return contestants.Track(
        model=model_dir,
        photos={BASE: folder},
        device="cpu",
        batch_size=4,
        n_threads=1,
        work=tmp_path,
        rival=RivalEnvironment(python=Path("python-of-clip-benchmark"), versions={}),
    )


def trial(contestant, workload=BASE, **changes):
    return plan.Trial(
        **{"contestant": contestant, "workload": workload, "precision": "fp32"} | changes
    )


def scenario(name, *, precision="fp32", base=BASE, rivals=RIVALS, device="cpu"):
    (found,) = plan.scenarios(
        [name], base=base, precisions=[precision], rivals=rivals, device=device
    )
    return found


def costs(seconds):
    """Costs by trial, from wall seconds of each repeat."""
    return {
        one: [contestants.Cost(wall_s=wall, cpu_s=wall, peak_bytes=1) for wall in walls]
        for one, walls in seconds.items()
    }


def opened(path):
    with Image.open(path) as image:
        image.load()
        return image


def predictions(predicted, *, top=0.9, margin=0.1):
    paths = [f"{i}.jpg" for i in range(len(predicted))]
    full = [np.full(len(predicted), value, dtype=np.float32) for value in (top, margin)]
    return agreement.sorted_predictions(paths, predicted, *full)


class TestPhotos:
    """Generated photos cost what photos cost; chosen ones are spread over classes."""

    def test_they_have_the_size_of_photos(self, generated):
        sizes = [path.stat().st_size for path in generated]
        assert 40_000 < np.mean(sizes) < 60_000
        assert {opened(path).size for path in generated} == set(photos.SIZES)

    def test_they_are_the_same_again_and_differ_from_each_other(self, generated, tmp_path):
        again = photos.generate_photos(tmp_path, n_images=2)
        assert [path.read_bytes() for path in again] == [p.read_bytes() for p in generated[:2]]
        assert len({path.read_bytes() for path in generated}) == len(generated)

    def test_neighbouring_pixels_are_alike_as_in_photographs(self, generated):
        grey = np.asarray(opened(generated[0]).convert("L"), dtype=np.float64)
        assert np.corrcoef(grey[:, :-1].ravel(), grey[:, 1:].ravel())[0, 1] > 0.9

    def test_classes_are_given_in_turn(self, generated):
        labelled = photos.label_photos(generated, ["a", "b", "c"])
        assert Counter(one.class_name for one in labelled) == {"a": 3, "b": 3, "c": 2}

    def test_photos_of_a_folder_are_chosen_evenly(self, tmp_path):
        for name, n_files in (("ant", 3), ("bee", 1), ("cat", 5)):
            (tmp_path / name).mkdir()
            for i in range(n_files):
                (tmp_path / name / f"{i}.jpg").touch()
            (tmp_path / name / "notes.txt").touch()
        chosen = photos.choose_photos(tmp_path, n_images=5, n_classes=2 + 1)
        assert Counter(one.class_name for one in chosen) == {"ant": 2, "bee": 1, "cat": 2}
        assert {
            one.class_name for one in photos.choose_photos(tmp_path, n_images=4, n_classes=2)
        } == {
            "ant",
            "bee",
        }

    def test_too_few_photos_or_classes_are_said(self, tmp_path):
        (tmp_path / "ant").mkdir()
        (tmp_path / "ant" / "1.jpg").touch()
        with pytest.raises(photos.PhotosError, match=r"1 class folders.*asks for 2"):
            photos.choose_photos(tmp_path, n_images=1, n_classes=2)
        with pytest.raises(photos.PhotosError, match=r"1 photos.*asks for 2"):
            photos.choose_photos(tmp_path, n_images=2, n_classes=1)
        with pytest.raises(photos.PhotosError, match="no folder"):
            photos.choose_photos(tmp_path / "none", n_images=1, n_classes=1)

    def test_a_class_without_an_image_is_refused(self, tmp_path):
        workload = replace(BASE, n_images=3)
        with pytest.raises(photos.PhotosError, match="needs an image"):
            race.lay_out_photos(tmp_path, [workload], None)

    def test_every_workload_has_its_folder(self, tmp_path):
        fewer = replace(BASE, n_images=4, n_classes=2)
        folders = race.lay_out_photos(tmp_path, [BASE, fewer], None)
        found = {
            workload: (len(list(folder.iterdir())), len(list(folder.glob("*/*.jpg"))))
            for workload, folder in folders.items()
        }
        assert found == {BASE: (4, 8), fewer: (2, 4)}


class TestAgreement:
    """A prediction may differ only where both contestants see a tie."""

    def test_the_same_predictions_agree(self):
        found = agreement.compare_predictions([predictions("ab")], [predictions("ab")])
        assert (found.n, found.n_ties, found.n_different, found.share) == (2, 0, 0, 1.0)

    def test_a_different_prediction_is_counted(self):
        found = agreement.compare_predictions(
            [predictions("ab"), predictions("ab")], [predictions("ab"), predictions("ac")]
        )
        assert (found.n, found.n_ties, found.n_different, found.share) == (4, 0, 1, 0.75)

    @pytest.mark.parametrize(
        ("ours", "theirs", "n_ties"), [(9e-6, 9e-6, 1), (9e-6, 2e-5, 0), (2e-5, 9e-6, 0)]
    )
    def test_only_a_tie_for_both_excuses_it(self, ours, theirs, n_ties):
        found = agreement.compare_predictions(
            [predictions("a", margin=ours)], [predictions("b", margin=theirs)]
        )
        assert (found.n_ties, found.n_different) == (n_ties, 1 - n_ties)

    def test_the_order_of_images_does_not_matter(self):
        mixed = agreement.sorted_predictions(
            ["1.jpg", "0.jpg"], ["b", "a"], *np.array([[0.8, 0.9], [0.1, 0.1]], dtype=np.float32)
        )
        found = agreement.compare_predictions([predictions("ab")], [mixed])
        assert found.n_different == 0
        assert found.largest_difference == pytest.approx(0.1)

    def test_other_images_or_templates_are_refused(self):
        with pytest.raises(agreement.PredictionsError, match=r"not the same images: 1\.jpg"):
            agreement.compare_predictions([predictions("ab")], [predictions("a")])
        with pytest.raises(agreement.PredictionsError, match="2 templates here, 1 there"):
            agreement.compare_predictions([predictions("a")] * 2, [predictions("a")])
        with pytest.raises(agreement.PredictionsError, match="0 templates"):
            agreement.compare_predictions([], [])

    @pytest.mark.parametrize(("precision", "differs"), [("fp32", True), ("bf16", False)])
    def test_the_race_fails_for_a_difference_in_fp32_alone(self, precision, differs):
        chosen = [scenario("cold", precision=precision, rivals=["open-clip"])]
        (pair,) = chosen[0].pairs
        results = race_results.Results()
        found = {pair.ours: [predictions("ab")] * 2, pair.rival: [predictions("ac")] * 2}
        race_results.compare_all(chosen, found, results)
        (total,) = results.comparisons()
        assert (total.agreement.n, total.agreement.n_different) == (4, 2)
        assert race_results.differs_in_fp32(results) is differs

    def test_the_new_template_is_compared_with_the_rival_that_ran_it_alone(self):
        one = scenario("new-template", rivals=["open-clip"])
        (pair,) = one.pairs
        results = race_results.Results()
        ours = [predictions("aa"), predictions("aa"), predictions("bc")]
        race_results.compare_all([one], {pair.ours: ours, pair.rival: [predictions("bc")]}, results)
        assert results.comparisons()[0].agreement.n_different == 0


class TestPlan:
    """Contestants take turns on the same workload, and a cache is filled before it is read."""

    def test_contestants_take_turns(self):
        order = [
            one.contestant for one in plan.trials_of([scenario("cold")]) if one.workload == BASE
        ]
        assert order == ["clipeval", "open-clip", "clip-benchmark"]

    def test_a_warm_run_comes_after_a_cold_one_even_if_nobody_asked_for_it(self):
        for name in ("warm", "new-template"):
            ours = [
                one.cached
                for one in plan.trials_of([scenario(name)])
                if one.contestant == "clipeval" and BASE in (one.workload, one.cached)
            ]
            assert ours == [None, BASE]

    def test_the_cache_is_read_before_a_new_template_is_added_to_it(self):
        chosen = [scenario("new-template"), scenario("warm")]
        cached = [one.workload for one in plan.trials_of(chosen) if one.cached is not None]
        assert [one.n_templates for one in cached] == [2, 3]

    def test_the_new_template_is_new(self):
        pair = scenario("new-template").pairs[0]
        (new,) = pair.rival.workload.templates
        assert new not in BASE.templates
        assert pair.ours.workload.templates == (*BASE.templates, new)

    def test_every_template_has_one_place_for_the_name(self):
        assert all(template.count("{}") == 1 for template in plan.TEMPLATES)
        assert len(set(plan.TEMPLATES)) == len(plan.TEMPLATES)
        most = replace(BASE, n_templates=plan.MAX_TEMPLATES)
        assert scenario("new-template", base=most).pairs[0].rival.workload.templates

    def test_only_cold_runs_in_every_precision(self):
        found = plan.scenarios(
            plan.SCENARIOS, base=BASE, precisions=["fp32", "bf16"], rivals=RIVALS, device="cpu"
        )
        assert Counter(one.name for one in found if one.precision == "bf16") == {"cold": 1}

    def test_start_up_is_measured_for_every_contestant_and_precision(self):
        trials = plan.trials_of([scenario("cold"), scenario("cold", precision="bf16")])
        starts = {(t.contestant, t.precision) for t in trials if t.workload == plan.SMALLEST}
        assert starts == {(t.contestant, t.precision) for t in trials}

    def test_each_growth_workload_differs_in_one_number_from_another(self):
        found = plan.growth_workloads(BASE)
        numbers = [(one.n_images, one.n_classes, one.n_templates) for one in found]
        assert numbers == [(8, 4, 2), (8, 2, 2), (4, 2, 2), (8, 4, 1), (8, 4, 10)]


class TestTables:
    """Ratios are taken within a repeat, and goals are judged by their median."""

    def test_ratios_are_taken_within_a_repeat(self):
        (pair,) = scenario("cold", rivals=["clip-benchmark"]).pairs
        found = tables.ratio(costs({pair.ours: [1, 2, 4], pair.rival: [3, 10, 8]}), pair)
        assert found.values == (3, 5, 2)
        assert str(found) == "3.00 [2.00..5.00]"

    def test_start_up_is_taken_off_both(self):
        (pair,) = scenario("cold", rivals=["clip-benchmark"]).pairs
        measured = costs(
            {
                pair.ours: [6], pair.rival: [24],
                plan.start_of(pair.ours): [4], plan.start_of(pair.rival): [8],
            }
        )  # fmt: skip
        assert tables.ratio_without_start(measured, pair).values == (8,)

    def test_nothing_is_said_without_start_up_where_that_means_nothing(self):
        (warm,) = scenario("warm", rivals=["clip-benchmark"]).pairs
        assert tables.ratio_without_start({}, warm) is None
        (cold,) = scenario("cold", rivals=["clip-benchmark"]).pairs
        start = [plan.start_of(cold.ours), plan.start_of(cold.rival)]
        measured = costs({cold.ours: [3], cold.rival: [9], start[0]: [4], start[1]: [4]})
        assert tables.ratio_without_start(measured, cold) is None

    @pytest.mark.parametrize(
        ("theirs", "outcome", "n_met"),
        [([40, 20, 30], "met", 2), ([40, 20, 29], "NOT met", 1)],
    )
    def test_a_goal_is_judged_by_the_median(self, theirs, outcome, n_met):
        one = scenario("cold")
        measured = costs(
            {trial("clipeval"): [10] * 3, trial("open-clip"): [99] * 3}
            | {trial("clip-benchmark"): theirs}
        )
        judgement = tables.judge(measured, one)
        assert (judgement.goal, judgement.rival, judgement.n_met) == (3, "clip-benchmark", n_met)
        text = tables.judgement_text(judgement, one)
        assert f"3 times clip-benchmark: {outcome}," in text
        assert f"in {n_met} of 3 repeats" in text

    def test_a_goal_is_qualified_on_another_workload(self):
        for base, is_qualified in ((BASE, True), (plan.STANDARD, False)):
            one = scenario("cold", base=base)
            judgement = tables.Judgement(3.0, "clip-benchmark", tables.Spread((4.0,)))
            assert ("stated for 250" in tables.judgement_text(judgement, one)) is is_qualified

    def test_without_clip_benchmark_no_goal_is_judged(self):
        one = scenario("cold", rivals=["open-clip"])
        assert tables.judge(costs({trial("clipeval"): [1], trial("open-clip"): [9]}), one) is None

    def test_goals_are_those_that_were_set(self):
        assert plan.GOALS == {
            ("cold", "fp32"): 3, ("cold", "bf16"): 5, ("ten", "fp32"): 12, ("warm", "fp32"): 40,
        }  # fmt: skip
        assert scenario("cold", device="cuda").goal == 5

    def test_a_table_has_a_line_for_every_contestant(self):
        one = scenario("warm")
        ours, theirs = one.pairs[0].ours, [pair.rival for pair in one.pairs]
        measured = costs({ours: [2]} | {rival: [10 * i] for i, rival in enumerate(theirs, 1)})
        lines = list(tables.scenario_lines(measured, one))
        assert "| clipeval | 2.00 | 2.00 | 1 | 1 |" in lines
        assert "| open-clip (it keeps nothing: as cold) | 10.00 | 10.00 | 5.00 | - |" in lines
        assert "40 times clip-benchmark: NOT met, 10.00" in lines[-1]

    def test_growth_is_what_one_more_of_each_costs(self):
        chosen = plan.scenarios(
            ["growth"], base=BASE, precisions=["fp32"], rivals=["open-clip"], device="cpu"
        )
        seconds = {}
        for workload in plan.growth_workloads(BASE):
            n = (workload.n_images, workload.n_classes, workload.n_templates)
            seconds[trial("clipeval", workload)] = [5 + 0.5 * n[0] + 0.25 * n[1] + 0.125 * n[2]]
            seconds[trial("open-clip", workload)] = [7.0]
        lines = list(tables.growth_lines(costs(seconds), chosen, BASE))
        assert "| 8 | 4 | 2 | 10.25 | 7.00 |" in lines
        assert lines[-3:] == [
            "| **100 images more** | | | +50.00 | +0.00 |",
            "| **100 classes more** | | | +25.00 | +0.00 |",
            "| **1 template more** | | | +0.12 | +0.00 |",
        ]


class TestContestants:
    """Every contestant is given the same job, and read alike."""

    def test_clipeval_and_open_clip_agree_on_photos(self, track, tmp_path, monkeypatch):
        found = {}
        for name in ("clipeval", "open-clip"):
            one = trial(name)
            (command,) = contestants.prepare(one, track, tmp_path / name)
            if name == "clipeval":
                monkeypatch.setenv("CLIPEVAL_CACHE", str(tmp_path / "cache"))
                assert command[1:4] == ["-m", "clipeval", "run"]
                with pytest.raises(SystemExit) as left:
                    clipeval(command[3:])
                assert left.value.code == 0
            else:
                job = json.loads(Path(command[-1]).read_text())
                Path(command[-1]).write_text(json.dumps(job | {"n_workers": 0}))
                race_loop_open_clip.main(command[-1])
            found[name] = contestants.read_predictions(one, tmp_path / name)
        agreed = agreement.compare_predictions(found["clipeval"], found["open-clip"])
        assert (agreed.n, agreed.n_different) == (16, 0)
        assert agreed.largest_difference < 1e-5
        wrong = replace(found["open-clip"][0], predicted=("no class",) * 8)
        broken = [wrong, found["open-clip"][1]]
        assert agreement.compare_predictions(found["clipeval"], broken).n_different == 8

    def test_a_cold_run_finds_no_cache_and_a_warm_one_keeps_it(self, track, tmp_path):
        cold, warm = trial("clipeval"), trial("clipeval", cached=BASE)
        cache = Path(contestants._environment(warm, track)["CLIPEVAL_CACHE"])
        assert contestants._environment(cold, track)["CLIPEVAL_CACHE"] == str(cache)
        cache.mkdir(parents=True)
        contestants.prepare(warm, track, tmp_path / "out")
        assert cache.is_dir()
        contestants.prepare(cold, track, tmp_path / "out")
        assert not cache.exists()

    def test_clip_benchmark_is_one_process_or_one_command_a_template(self, track, tmp_path):
        (one,) = contestants.prepare(trial("clip-benchmark"), track, tmp_path / "a")
        assert one[0] == "python-of-clip-benchmark"
        commands = contestants.prepare(trial("clip-benchmark-cli"), track, tmp_path / "b")
        assert len(commands) == BASE.n_templates
        words = commands[1]
        assert "--no_amp" in words
        templates = json.loads(Path(words[words.index("--custom_template_file") + 1]).read_text())
        assert templates == {contestants.CLIP_BENCHMARK_DATASET: ["a photo of the {c}"]}
        half = trial("clip-benchmark-cli", precision="bf16")
        assert "--no_amp" not in contestants.prepare(half, track, tmp_path / "c")[0]

    def test_all_have_the_same_threads_and_no_gpu_that_was_not_asked_for(self, track):
        found = [
            contestants._environment(trial(name), replace(track, n_threads=3))
            for name in plan.CONTESTANTS
        ]
        assert {one["OMP_NUM_THREADS"] for one in found} == {"3"}
        assert {one["CUDA_VISIBLE_DEVICES"] for one in found} == {""}
        assert not any("PYTHONDONTWRITEBYTECODE" in one for one in found)

    def test_a_contestant_that_fails_is_said_with_its_last_words(self, track, tmp_path):
        command = [sys.executable, "-c", "import sys; print('no luck'); sys.exit(3)"]
        with pytest.raises(
            contestants.ContestantError, match=r"open-clip ended with 3(.|\n)*no luck"
        ):
            contestants.run_commands([command], trial("open-clip"), track, log=tmp_path / "log")

    def test_a_race_that_is_ended_ends_its_contestant(self, track, tmp_path):
        started = []

        def interrupt(*_):
            (child,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1:]
            started.append(int(child))
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            with pytest.raises(KeyboardInterrupt):
                contestants.run_commands(
                    [[sys.executable, "-c", "import time; time.sleep(60)"]],
                    trial("open-clip"),
                    track,
                    log=tmp_path / "log",
                )
        finally:
            signal.signal(signal.SIGALRM, before)
        assert not Path(f"/proc/{started[0]}").exists()

    def test_commands_are_timed_one_after_another(self, track, tmp_path):
        command = [sys.executable, "-c", "print('done')"]
        found = contestants.run_commands(
            [command] * 2, trial("open-clip"), track, log=tmp_path / "log"
        )
        assert (tmp_path / "log").read_text().split() == ["done", "done"]
        assert found.wall_s > 0
        assert found.peak_bytes > 0


class TestRaceCommand:
    """What cannot be raced is said, with exit code 2."""

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--threads", "100000"], "cores are usable"),
            (["--n-images", "2", "--n-classes", "4"], "needs an image"),
            (["--photos", "no/such/folder"], "no folder"),
        ],
    )
    def test_a_race_that_cannot_be_run(self, words, message, model_dir, capsys):
        always = ["--rivals", "open-clip", "--model-dir", str(model_dir)]
        assert race.main([*words, *always]) == 2
        assert message in capsys.readouterr().err

    @pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
    @pytest.mark.parametrize("main", [race.main, gpu.main])
    def test_no_gpu(self, main, capsys):
        assert main(["--device", "cuda"]) == 2
        assert "no usable GPU" in capsys.readouterr().err

    def test_cores_are_given_back(self):
        before = os.sched_getaffinity(0)
        with race._cores(1) as n_threads:
            assert n_threads == len(os.sched_getaffinity(0)) == 1
        assert os.sched_getaffinity(0) == before

    def test_results_are_written_as_json(self):
        one = scenario("cold", rivals=["clip-benchmark"])
        (pair,) = one.pairs
        results = race_results.Results(costs=costs({pair.ours: [2, 2], pair.rival: [4, 8]}))
        written = json.loads(race_results.results_json(results, [one], {"device": "cpu"}))
        assert written["scenarios"][0]["ratios"] == {"clip-benchmark": [2, 4]}
        assert written["scenarios"][0]["is_met"] is True
        assert written["trials"][1]["costs"][1]["wall_s"] == 8
        assert written["trials"][0]["workload"] == asdict(BASE)


class TestGpuMeasures:
    """What the GPU script would measure, on a CPU."""

    def test_every_operation_of_the_tower_is_counted(self, model_dir):
        model = load_model(parse_model(f"local-dir:{model_dir}", base=Path()))
        n = (224 // PATCH) ** 2 + 1
        per_layer = 2 * n * WIDTH * 12 * WIDTH + 4 * n * n * WIDTH
        patches = 2 * (n - 1) * 3 * PATCH**2 * WIDTH
        expected = patches + LAYERS * per_layer + 2 * WIDTH * EMBED
        assert bench_costs.model_size(model).flop_per_image == expected

    def test_calls_are_timed_until_a_round_is_long_enough(self, monkeypatch):
        clock = {"now": 0.0}

        def call():
            clock["now"] += 0.25

        monkeypatch.setattr(bench_costs.time, "perf_counter", lambda: clock["now"])
        assert bench_costs.seconds_per_call(call, device="cpu", at_least_s=2.0) == 0.25

    def test_what_cannot_be_measured_is_said(self, model_dir):
        model = load_model(parse_model(f"local-dir:{model_dir}", base=Path()))
        peak = bench_costs.MatrixPeak(precision="fp32", size=8, flop_per_s=1e9)
        (found,) = gpu_measures.tower_speeds(
            model, batch_sizes={"eager": [-1]}, peak=peak, at_least_s=0.01
        )
        assert found.images_per_s is None
        assert "RuntimeError" in found.problem

    def test_the_script_runs_on_a_cpu(self, tmp_path, capsys):
        written = tmp_path / "gpu.json"
        words = ["--device", "cpu", "--quick", "--model", "tiny", "--precision", "fp32"]
        assert gpu.main([*words, "--json", str(written)]) == 0
        measured = json.loads(written.read_text())
        assert [one["batch_size"] for one in measured["speeds"]] == [1, 2]
        names = [one["name"] for one in measured["stages"]["fp32"]]
        assert names == ["decode", "decode", "image tower", "text tower", "score", "end to end"]
        printed = capsys.readouterr().out
        assert "| end to end |" in printed
        assert "`clipeval run`, 4 templates, empty cache" in printed
