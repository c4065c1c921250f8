"""The cases: what each side runs, what is counted, and the bar.

The recorded figures are those of calico/basenji 74b8671 on TensorFlow 2.15 and two shared cores,
over a simulated genome of 20 Mb with six bigWigs. They stand in where the original is not at
hand; figures of another machine are no more than a guide.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfepi.benchmark.settings import Settings

DRIVERS = Path(__file__).with_name("basenji_drivers.py")
LONG_STRIDE = 0.3  # of the window: about 500 windows in 20 Mb
MEMORY_LIMIT = 600
HELP_LIMIT = 0.5
FLOAT16_STEP = 2**-10  # the original writes its scores in float16
SHORT = ("-l", "1344", "-w", "192")
CENTRE_BIN = ("-c", "576")


@dataclass(frozen=True)
class Command:
    """A command and what its figures are made from.

    Attributes:
        arguments: program and arguments; paths are relative to the work folder.
        made: a folder it writes, removed before each run; its records are counted if `records`.
        records: count the records in made/tfrecords.
        items: how many things it works through, where that is known before.
        original: it is the original's, and runs in its environment.
    """

    arguments: tuple[str, ...]
    made: str | None = None
    records: bool = False
    items: int | None = None
    original: bool = False


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        name: what is measured, with its unit.
        key: name of the run's figure.
        bar: the wanted ratio to the original, or for a limit the largest value.
        side: which of the case's commands.
        less: a smaller figure is better; the ratio is then theirs over ours.
        limit: the bar is a limit on our own figure.
        recorded: the original's figure of another day.
    """

    name: str
    key: str
    bar: float
    side: str = "ours"
    less: bool = False
    limit: bool = False
    recorded: float | None = None


@dataclass(frozen=True)
class Case:
    """Commands that are run in turn, and the figures they give.

    Attributes:
        name: of the case.
        sides: "ours" (also "packed"), "theirs", "equal" (compares both) → command.
        figures: rows of the table.
    """

    name: str
    sides: dict[str, Command]
    figures: tuple[Figure, ...]


def our_script(settings: Settings, name: str) -> tuple[str, ...]:
    """Return the start of a command line for one of our scripts."""
    return (sys.executable, str(settings.scripts / name))


def our_driver(*arguments: str) -> tuple[str, ...]:
    """Return a command line for our drivers."""
    return (sys.executable, "-m", "tfepi.benchmark.drivers", *arguments)


def their_driver(settings: Settings, *arguments: str) -> Command:
    """Return a command of the original's drivers."""
    return Command((str(settings.basenji_python), str(DRIVERS), *arguments), original=True)


def _their_script(settings: Settings, name: str) -> tuple[str, ...]:
    return (str(settings.basenji_python), str(settings.basenji_repo / "bin" / name))


def our_build(settings: Settings, genome: str, out: str, *options: str) -> Command:
    """Return our build of a data folder, split by chromosome."""
    split = ("-v", settings.valid, "-t", settings.test, "-p", str(settings.processes))
    start = our_script(settings, "tfepi_data.py")
    command = (*start, "-q", *split, *options, "-o", out, genome, "targets.txt")
    return Command(command, made=out, records=True)


def _their_build(settings: Settings, genome: str, out: str, *options: str) -> Command:
    split = ("-v", settings.valid, "-t", settings.test, "--local", "-p", str(settings.processes))
    start = _their_script(settings, "basenji_data.py")
    return Command(
        (*start, *split, *options, "-o", out, genome, "targets.txt"),
        made=out,
        records=True,
        original=True,
    )


def long_windows(settings: Settings) -> tuple[str, ...]:
    """Return the options of a build of long windows."""
    stride = ("--stride_train", str(LONG_STRIDE), "--stride_test", str(LONG_STRIDE))
    return ("-l", str(settings.long_window), "-w", "128", *stride)


def build_cases(settings: Settings, genome: str) -> Iterator[Case]:
    """Yield the builds."""
    for name, options, bar, recorded in (
        ("build 1344/192, 256 per shard", SHORT, 10, 43.0),
        ("build 1344/192, 4096 per shard", (*SHORT, "-r", "4096"), 7, 195.0),
        (f"build {settings.long_window}/128", long_windows(settings), 8, 6.3),
    ):
        sides = {"ours": our_build(settings, genome, "built/ours", *options)}
        if settings.basenji_python:
            sides["theirs"] = _their_build(settings, genome, "built/theirs", *options)
        yield Case(
            name,
            sides,
            (
                Figure("windows per CPU-s", "records_per_cpu_s", bar, recorded=recorded),
                Figure("peak MiB per process", "peak_mib", MEMORY_LIMIT, less=True, limit=True),
            ),
        )


def read_cases(settings: Settings) -> Iterator[Case]:
    """Yield reading in eval and in train mode, both of our encodings beside theirs."""
    bars, recorded = {"index": 2, "packed": 5}, {"eval": 12_908.0, "train": 6_292.0}
    yield from _read_cases(settings, "read 1344", "data", settings.batch, bars, recorded)


def long_read_cases(settings: Settings) -> Iterator[Case]:
    """Yield reading of long windows in eval and in train mode."""
    name = f"read {settings.long_window}"
    bars, recorded = {"index": 1.2, "packed": 2.5}, {"eval": 315.0, "train": 321.0}
    yield from _read_cases(settings, name, "data/long", settings.long_batch, bars, recorded)


def _read_cases(
    settings: Settings,
    name: str,
    folder: str,
    batch: int,
    bars: dict[str, float],
    recorded: dict[str, float],
) -> Iterator[Case]:
    for mode in ("eval", "train"):
        options = ("--mode", mode, "--batch", str(batch))
        options += ("--warmup", str(settings.warmup_seconds), "--seconds", str(settings.seconds))
        sides = {
            "ours": Command(our_driver("read", f"{folder}/index", *options)),
            "packed": Command(our_driver("read", f"{folder}/packed", *options)),
        }
        if settings.basenji_python:
            sides["theirs"] = their_driver(settings, "read", f"{folder}/index", *options)
        yield Case(
            f"{name}, {mode}, batch {batch}",
            sides,
            tuple(
                Figure(
                    f"examples per CPU-s, {coding}",
                    "examples_per_cpu_s",
                    bars[coding],
                    side,
                    recorded=recorded[mode],
                )
                for coding, side in (("index", "ours"), ("packed", "packed"))
            ),
        )


def train_cases(settings: Settings) -> Iterator[Case]:
    """Yield the training step of Basset."""
    options = ("--batch", str(settings.batch))
    options += ("--warmup", str(settings.warmup_steps), "--steps", str(settings.steps))
    sides = {"ours": Command(our_driver("train", "basset", "data/centre", *options))}
    if settings.basenji_python:
        sides["theirs"] = their_driver(
            settings, "train", "basenji_basset.json", "data/centre", *options
        )
    yield Case(
        f"train Basset, batch {settings.batch}",
        sides,
        (
            Figure("CPU-s per step", "cpu_s_per_step", 1.05, less=True, recorded=3.68),
            Figure("wall s per step", "wall_s_per_step", 1.8, less=True, recorded=3.68),
        ),
    )


def score_cases(settings: Settings, genome: str, snvs: int) -> Iterator[Case]:
    """Yield the scoring of SNVs by Basset with the same weights, start-up included."""
    ours = (*our_script(settings, "tfepi_variants.py"), "-q", "--stats", "SAD", "-f", genome)
    ours += ("-o", "scored/ours", "basset", "model", "snvs.vcf")
    sides = {"ours": Command(ours, made="scored/ours", items=snvs)}
    if settings.basenji_python:
        theirs = (*_their_script(settings, "basenji_sad.py"), "--stats", "SAD", "-f", genome)
        theirs += ("-o", "scored/theirs", "basenji_basset.json", "basenji_basset.h5", "snvs.vcf")
        sides["theirs"] = Command(theirs, made="scored/theirs", items=snvs, original=True)
        both = ("scores", "scored/ours/scores.h5", "scored/theirs/sad.h5", "--genome", genome)
        sides["equal"] = Command(our_driver(*both))
    best_recorded = 500 / 91  # of 91 to 125 CPU-seconds for 500
    figures = [Figure("SNVs per CPU-s", "items_per_cpu_s", 3, recorded=best_recorded)]
    if "equal" in sides:
        what = "largest SAD difference / largest SAD"
        figures.append(
            Figure(what, "largest_difference", FLOAT16_STEP, "equal", less=True, limit=True)
        )
    yield Case(f"score {snvs} SNVs, Basset", sides, tuple(figures))


def help_cases(settings: Settings) -> Iterator[Case]:
    """Yield `--help` of every command."""
    for path in sorted(settings.scripts.glob("*.py")):
        if path.name.startswith(("tfepi_", "benchmark_")):
            yield Case(
                f"{path.name} --help",
                {"ours": Command((*our_script(settings, path.name), "--help"))},
                (Figure("wall s", "wall_s", HELP_LIMIT, less=True, limit=True),),
            )
