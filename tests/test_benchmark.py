"""The benchmark: what is measured, how ratios are made, and both drivers."""

import argparse
import ast
import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from tfepi.benchmark import basenji_drivers, clock, drivers, inputs, runs
from tfepi.benchmark.cases import (
    Case,
    Command,
    Figure,
    build_cases,
    help_cases,
    long_read_cases,
    read_cases,
)
from tfepi.benchmark.inputs import basenji_params, choose_snvs
from tfepi.benchmark.measure import measure
from tfepi.benchmark.settings import Settings
from tfepi.benchmark.table import markdown, number, rows
from tfepi.spec import ModelSpec
from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError
from tfrecords_tools.plan import make_plan

SCRIPTS = Path(__file__).parents[1] / "scripts"
BURN = "import time\nwhile time.process_time() < 0.6: pass\n"
ORPHAN = """
import os, time
if os.fork() == 0:
    if os.fork() == 0:
        end = time.process_time() + 0.6
        while time.process_time() < end: pass
    os._exit(0)
"""


def used(tmp_path, *command):
    return measure(list(command), tmp_path / "log", tmp_path, dict(os.environ))


@pytest.mark.parametrize("program", [BURN, ORPHAN], ids=["its own", "an orphan's"])
def test_cpu_seconds_include_processes_left_behind(tmp_path, program):
    found = used(tmp_path, sys.executable, "-S", "-c", program)
    assert found.status == 0
    assert 0.55 < found.cpu_s < 2
    if program is ORPHAN:
        assert found.wall_s < found.cpu_s


def test_peak_memory_is_of_one_process(tmp_path):
    program = "x = b'1' * (80 << 20)"
    one = used(tmp_path, sys.executable, "-S", "-c", program).peak_mib
    both = f"import os; os.fork(); {program}"
    assert 80 < one < 130
    assert used(tmp_path, sys.executable, "-S", "-c", both).peak_mib < 130


def test_status_and_output_of_a_measured_command(tmp_path):
    found = used(tmp_path, sys.executable, "-S", "-c", "import sys; print('so'); sys.exit(3)")
    assert found.status == 3
    assert (tmp_path / "log.out").read_text() == "so\n"
    with pytest.raises(OSError, match="cannot measure nothing-of-this-name"):
        used(tmp_path, "nothing-of-this-name")


def test_step_clock_leaves_out_the_warm_up(monkeypatch):
    wall = iter([0.0, 10.0, 11.0, 13.0, 99.0])
    cpu = iter([0.0, 50.0, 52.0, 56.0, 99.0])
    monkeypatch.setattr(clock.time, "perf_counter", lambda: next(wall))
    monkeypatch.setattr(clock, "cpu_seconds", lambda: next(cpu))
    steps = clock.StepClock(warmup=1, steps=2)
    for _ in range(3):
        steps.tick()
        assert not steps.done
    steps.tick()
    assert steps.done
    assert steps.figures() == {"steps": 2, "wall_s_per_step": 1.5, "cpu_s_per_step": 3.0}


def test_timed_reading_counts_examples_and_not_batches():
    def batches():
        while True:
            time.sleep(0.01)
            yield None, np.zeros((7, 1))

    found = clock.timed_reading(batches(), 0.05, 0.2)
    assert found["examples"] % 7 == 0
    assert 7 * 5 <= found["examples"] <= 7 * 20
    assert found["examples_per_s"] <= 7 / 0.01
    assert found["examples_per_cpu_s"] > found["examples_per_s"]


def case(*figures, sides=("ours", "theirs")):
    return Case("a case", {side: Command(("x",)) for side in sides}, figures)


def test_the_ratio_is_the_median_of_paired_ratios():
    ours, theirs = [10.0, 100.0, 30.0], [5.0, 10.0, 30.0]
    results = {
        "ours": [{"rate": x, "cost": 1 / x} for x in ours],
        "theirs": [{"rate": x, "cost": 1 / x} for x in theirs],
    }
    rate, cost = rows(
        case(Figure("rate", "rate", 2, recorded=3.0), Figure("cost", "cost", 2.5, less=True)),
        results,
    )
    assert rate["ratio"] == 2  # of 2, 10 and 1; the ratio of medians is 3
    assert (rate["ours"], rate["theirs"], rate["theirs_source"]) == (30, 10, "measured")
    assert rate["ratio_to_recorded"] == 10
    assert rate["met"] is True
    assert cost["ratio"] == pytest.approx(2)
    assert cost["met"] is False


def test_recorded_figures_stand_in():
    (row,) = rows(
        case(Figure("s", "s", 1.5, less=True, recorded=4.0), sides=("ours",)),
        {"ours": [{"s": 2.0}, {"s": 5.0}, {"s": 2.0}]},
    )
    assert (row["theirs"], row["theirs_source"], row["ratio"]) == (4.0, "recorded", 2.0)
    assert row["met"] is True


def test_a_limit_is_for_every_run():
    figure = Figure("MiB", "mib", 600, less=True, limit=True)
    results = {"ours": [{"mib": 10}, {"mib": 601}, {"mib": 10}]}
    assert rows(case(figure), results)[0]["met"] is False
    results["ours"][1]["mib"] = 600
    assert rows(case(figure), results)[0]["met"] is True
    assert rows(case(figure), {"ours": []})[0]["met"] is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0"),
        (12908.4, "12,908"),
        (3.678, "3.68"),
        (0.04441, "0.0444"),
        (62.2, "62.2"),
    ],
)
def test_numbers_have_three_digits(value, text):
    assert number(value) == text


def vcf(path, lines):
    text = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n" + "".join(lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["a.vcf", "a.vcf.gz"])
def test_chosen_snvs_are_spread_and_no_indels(tmp_path, name):
    alleles = ["A\tC", "AT\tA", "A\tAG", "A\t<DEL>", "A\tC,G", "g\tT"]
    lines = [f"chr1\t{p}\t.\t{alleles[p % 6]}\n" for p in range(1, 61)]
    source = vcf(tmp_path / name, lines)
    snvs = [line for p, line in enumerate(lines, 1) if p % 6 in (0, 5)]
    assert choose_snvs(source, tmp_path / "all.vcf", 500) == len(snvs) == 20
    body = (tmp_path / "all.vcf").read_text().splitlines(keepends=True)[2:]
    assert body == snvs
    assert choose_snvs(source, tmp_path / "some.vcf", 5) == 5
    body = (tmp_path / "some.vcf").read_text().splitlines(keepends=True)[2:]
    assert body == snvs[::4]


def test_vcfs_that_cannot_be_used(tmp_path):
    with pytest.raises(InputFileError, match="has no SNV"):
        choose_snvs(vcf(tmp_path / "a.vcf", ["chr1\t5\t.\tAT\tA\n"]), tmp_path / "out", 5)
    with pytest.raises(InputFileError, match="line 3 has 3 columns"):
        choose_snvs(vcf(tmp_path / "b.vcf", ["chr1\t5\t.\n"]), tmp_path / "out", 5)
    assert not (tmp_path / "out").exists()


def settings(**changes):
    return Settings(**{"scripts": SCRIPTS, **changes})


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"cases": ("biuld",)}, ConfigError, "did you mean 'build'"),
        ({"repeats": 0}, ConfigError, "repeats is 0"),
        ({"genome": __file__}, ConfigError, "genome and targets go together"),
        ({"genome": __file__, "targets": __file__}, ConfigError, "needs --vcf"),
        ({"vcf": "/no/such.vcf"}, InputFileError, "does not exist"),
        ({"basenji_python": sys.executable}, ConfigError, "go together"),
        ({"basenji_python": __file__, "basenji_repo": "/"}, InputFileError, "cannot be run"),
        ({"basenji_python": sys.executable, "basenji_repo": "/"}, InputFileError, "no bin/basenji"),
    ],
)
def test_settings_that_cannot_be(changes, error, message):
    changes = {k: Path(v) if isinstance(v, str) else v for k, v in changes.items()}
    with pytest.raises(error, match=message):
        settings(**changes)


@pytest.fixture
def original(tmp_path):
    """Settings with an original that is not there but for its name."""
    (tmp_path / "repo" / "bin").mkdir(parents=True)
    (tmp_path / "repo" / "bin" / "basenji_data.py").touch()
    return settings(basenji_python=Path(sys.executable), basenji_repo=tmp_path / "repo")


def test_each_side_has_its_own_environment(original, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    ours, theirs = original.environments()
    assert ours["PYTHONPATH"].split(os.pathsep) == [str(SCRIPTS.parent), "/elsewhere"]
    assert theirs["PYTHONPATH"] == str(original.basenji_repo)
    assert theirs["PATH"].split(os.pathsep)[1] == str(original.basenji_repo / "bin")
    assert ours["CUDA_VISIBLE_DEVICES"] == theirs["CUDA_VISIBLE_DEVICES"] == "-1"


def test_both_builds_get_the_same_options(original):
    for one in build_cases(original, "genome.fa"):
        ours, theirs = (one.sides[s].arguments[2:] for s in ("ours", "theirs"))
        only = (set(ours) ^ set(theirs)) - {"built/ours", "built/theirs"}
        assert only == {"-q", "--local"}


@pytest.mark.parametrize(("name", "cases"), [("read", read_cases), ("read131k", long_read_cases)])
def test_both_tools_read_the_same_records(original, name, cases):
    made = {c.made: c.arguments for c in inputs._records(original, "g.fa", {name})}
    codings = {folder: words[words.index("--encoding") + 1] for folder, words in made.items()}
    for one in cases(original):
        words = {
            side: command.arguments[command.arguments.index("read") + 1 :]
            for side, command in one.sides.items()
        }
        assert codings[words["ours"][0]] == codings[words["theirs"][0]] == "index"
        assert codings[words["packed"][0]] == "packed"
        assert words["ours"][1:] == words["packed"][1:] == words["theirs"][1:]
        assert words["ours"][2] in one.name


def test_help_covers_every_command():
    named = {c.name.split()[0] for c in help_cases(settings())}
    assert named == {p.name for p in SCRIPTS.glob("*.py")}


def test_sides_run_in_turn_and_a_failure_is_kept():
    class Fake:
        def __init__(self):
            self.order = []

        def run(self, command, label):
            self.order.append(label)
            if label == "theirs" and len(self.order) > 3:
                raise TfepiError("theirs fell over")
            return {"cpu_s": 1.0, "wall_s": 1.0}

    fake, failed = Fake(), []
    found = runs._alternate(fake, case(), 4, failed)
    assert fake.order == ["ours", "theirs", "theirs", "ours", "ours", "theirs", "ours"]
    assert [len(found[s]) for s in ("ours", "theirs")] == [4, 2]
    assert failed == ["theirs fell over"]


def test_a_failing_command_is_named_with_its_last_words(tmp_path):
    runner = runs.Runner(settings(), tmp_path)
    program = "import sys; sys.exit('no such thing')"
    with pytest.raises(TfepiError, match=r"^python -c .* ended with status 1: no such thing"):
        runner.make(Command((sys.executable, "-c", program)))


def test_a_build_without_records_is_a_failure(tmp_path):
    runner = runs.Runner(settings(), tmp_path)
    with pytest.raises(TfepiError, match="made no records in built"):
        runner.run(Command((sys.executable, "-c", ""), made="built", records=True), "theirs")


def test_an_original_that_fails_leaves_our_figures(tmp_path, genome_folder, original, run_script):
    out = tmp_path / "out"
    options = ("--genome", genome_folder / "genome.fa", "--targets", genome_folder / "targets.txt")
    options += ("--cases", "build", "-v", "chr2", "-t", "chr3", "--long_window", 8192, "-p", 1)
    options += ("--basenji_python", original.basenji_python, "--repeats", 1, "-o", out)
    options += ("--basenji_repo", original.basenji_repo)
    done = run_script("benchmark_data.py", *options, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: 3 runs failed, first: ")
    row = json.loads((out / "results.json").read_text())["rows"][0]
    assert row["ours"] > 0
    assert (row["theirs_source"], row["theirs"]) == ("recorded", 43)
    assert "made no records" in done.stderr


@pytest.fixture
def centre_data(tmp_path, genome_folder):
    """Windows of 256 bp with one bin of 128 bp."""
    options = BuildOptions(
        seq_length=256, bin_width=128, crop=64, valid="chr2", test="chr3", records_per_shard=100
    )
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    build(plan, tmp_path / "centre", quiet=True)
    return tmp_path / "centre"


def test_our_drivers(tmp_path, genome_folder, centre_data):
    (tmp_path / "p.json").write_text(
        json.dumps(
            {
                "train": {"optimizer": "sgd", "loss": "poisson", "shuffle_buffer": 50},
                "model": {
                    "name": "basset",
                    "input_length": 256,
                    "bin_width": 128,
                    "stem_filters": 4,
                    "tower_filters": [4],
                    "neck_filters": 4,
                    "dense_units": 4,
                    "augment_rc": True,
                },
            }
        )
    )

    def ask(*words):
        args = drivers.parser().parse_args(list(map(str, words)))
        return args.work(args)

    for mode in ("eval", "train"):
        options = ("--mode", mode, "--batch", 16, "--warmup", 0, "--seconds", 0.2)
        assert ask("read", centre_data, *options)["examples"] >= 16
    options = ("--batch", 16, "--warmup", 1, "--steps", 20)
    step = ask("train", tmp_path / "p.json", centre_data, *options)
    assert step["steps"] == 20
    assert step["cpu_s_per_step"] > 0
    table = genome_folder / "targets.txt"
    made = ask("model", tmp_path / "p.json", table, "-o", tmp_path / "m")
    assert made["weights"] == step["weights"]
    spec = ModelSpec.read(tmp_path / "m" / "model.json")
    assert (spec.seq_length, spec.crop, spec.target_length) == (256, 64, 1)
    model = keras.saving.load_model(tmp_path / "m" / "model_best.keras", compile=False)
    weights = [w + 1 for w in model.get_weights()]
    np.savez(tmp_path / "w.npz", *weights)
    options = ("-o", tmp_path / "n", "--weights", tmp_path / "w.npz")
    ask("model", tmp_path / "p.json", table, *options)
    model = keras.saving.load_model(tmp_path / "n" / "model_best.keras", compile=False)
    for found, wanted in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_scores_are_compared_where_no_letter_is_unknown(tmp_path):
    (tmp_path / "g.fa").write_text(">c\n" + "ACGT" * 10 + "N" + "ACGT" * 10 + "\n")

    def table(name, pos, values):
        with h5py.File(tmp_path / name, "w") as out:
            out["chr"], out["pos"] = np.array([b"c"] * len(pos)), np.array(pos)
            out["SAD"] = np.array(values)[:, None]
        return str(tmp_path / name)

    def ask(ours, theirs):
        options = ["--genome", str(tmp_path / "g.fa"), "--window", "8"]
        args = drivers.parser().parse_args(["scores", ours, theirs, *options])
        return args.work(args)

    ours = table("ours.h5", [10, 41, 60], [1.0, 5.0, -2.0])
    found = ask(ours, table("theirs.h5", [10, 41, 60], [1.5, 500.0, -2.0]))
    assert found == {"compared": 2, "largest_difference": 0.25}
    with pytest.raises(InputFileError, match="of different variants"):
        ask(ours, table("other.h5", [10, 41, 61], [1.0, 5.0, -2.0]))
    with pytest.raises(InputFileError, match="are 0: nothing is compared"):
        ask(ours, table("zero.h5", [10, 41, 60], [0.0, 5.0, 0.0]))


def test_their_drivers_need_nothing_of_ours():
    allowed = set(sys.stdlib_module_names) | {"basenji", "numpy", "tensorflow"}
    for module, names in ((basenji_drivers, allowed), (clock, sys.stdlib_module_names)):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.Import):
                assert {a.name.split(".")[0] for a in node.names} <= set(names)
            elif isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in names
    command = [sys.executable, "-I", "-S", basenji_drivers.__file__, "--help"]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert basenji_drivers._clock().StepClock


def test_both_drivers_have_the_same_options():
    def options(parser):
        (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
        return {
            (name, action.dest): (action.default, action.type)
            for name, sub in commands.choices.items()
            if name != "model"
            for action in sub._actions
        }

    ours, theirs = options(drivers.parser()), options(basenji_drivers.parser())
    ours = {k: v for k, v in ours.items() if k[0] != "scores"}
    assert {k: v for k, v in ours.items() if k in theirs} == theirs
    assert set(ours) - set(theirs) == {("read", "shift")}


def test_their_basset_is_ours():
    found = basenji_params(targets=6, batch=32)
    assert found["train"]["batch_size"] == 32
    assert found["train"]["learning_rate"] == 0.005
    assert found["model"]["head"][-1]["units"] == 6
    # Trainable parameters by arithmetic from their blocks: kernels, batch norms, dense layers.
    stem, tower = found["model"]["trunk"][:2]
    growth = (tower["filters_end"] / tower["filters_init"]) ** (1 / (tower["repeat"] - 1))
    by = tower["divisible_by"]
    widths = [
        int(round(tower["filters_init"] * growth**i / by) * by) for i in range(tower["repeat"])
    ]
    total = 4 * stem["kernel_size"] * stem["filters"] + 2 * stem["filters"]
    before = stem["filters"]
    for width in widths:
        total += tower["kernel_size"] * before * width + 2 * width
        before = width
    total += before * 256 + 2 * 256
    length = 1344 // 3 // 2**6
    total += 256 * length * 768 + 2 * 768 + 6 * 769
    assert total == 5_850_400 + 769 * 6


def test_the_command_on_a_small_genome(tmp_path, genome_folder, run_script):
    out = tmp_path / "out"
    options = ("--genome", genome_folder / "genome.fa", "--targets", genome_folder / "targets.txt")
    options += ("--cases", "build,help", "-v", "chr2", "-t", "chr3", "--long_window", 8192)
    options += ("--repeats", 1, "-p", 1, "-q", "-o", out)
    done = run_script("benchmark_data.py", *options)
    assert done.stdout == (out / "table.md").read_text()
    assert "tfepi_data.py -q -v chr2 -t chr3 -p 1 -l 8192 -w 128" in done.stdout
    assert str(tmp_path) not in done.stdout
    results = json.loads((out / "results.json").read_text())
    assert (results["format"], results["format_version"]) == ("tfepi-benchmark", 1)
    assert (results["basenji"], results["failed"]) == ("recorded", [])
    assert done.stdout == markdown(results)
    (run,) = results["cases"][0]["runs"]["ours"]
    # 60, 40 and 24 kb in windows of 1344 bp
    assert run["records"] == 60_000 // 1344 + 40_000 // 1344 + 24_000 // 1344
    assert run["records_per_cpu_s"] == pytest.approx(run["records"] / run["cpu_s"])
    assert run["peak_mib"] < 600
    again = run_script("benchmark_data.py", *options, check=False)
    assert again.returncode == 2
    assert "has results" in again.stderr
