"""Running the cases: sides in turn, so that a busy machine disturbs both alike."""

import json
import logging
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from tfepi.benchmark import cases as case
from tfepi.benchmark.cases import Case, Command
from tfepi.benchmark.inputs import prepare
from tfepi.benchmark.measure import measure
from tfepi.benchmark.settings import Settings
from tfepi.benchmark.table import markdown, rows
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.files import write_json, write_text
from tfrecords_tools.framing import read_frames
from tfrecords_tools.output import claim_folder, run_record, versions

FORMAT = "tfepi-benchmark"
FORMAT_VERSION = 1
log = logging.getLogger(__name__)


class Runner:
    """Runs commands in the work folder and turns what they used into figures."""

    def __init__(self, settings: Settings, work: Path):
        self._settings, self._work = settings, work
        self._ours, self._theirs = settings.environments()
        self._count = 0
        self.inputs: list[str] = []
        (work / "logs").mkdir()

    def make(self, command: Command) -> None:
        """Run a command that makes inputs.

        Raises:
            TfepiError: it failed; with the last line it wrote.
        """
        self.inputs.append(self.shown(command))
        self._run(command, "input")

    def run(self, command: Command, label: str) -> dict:
        """Run a command once and return its figures.

        Raises:
            TfepiError: it failed; with the last line it wrote.
        """
        return self._run(command, label) | {"load_before": os.getloadavg()[0]}

    def _run(self, command: Command, label: str) -> dict:
        self._count += 1
        stem = self._work.resolve() / "logs" / f"{self._count:03d}-{label}"
        if command.made:
            shutil.rmtree(self._work / command.made, ignore_errors=True)
        environment = self._theirs if command.original else self._ours
        usage = measure(list(command.arguments), stem, self._work, environment)
        if usage.status:
            lines = Path(f"{stem}.err").read_text(errors="replace").strip().splitlines()
            raise TfepiError(
                f"{self.shown(command)} ended with status {usage.status}: "
                f"{lines[-1] if lines else 'it wrote nothing'} (see {stem}.err)"
            )
        figures = {"wall_s": usage.wall_s, "cpu_s": usage.cpu_s, "peak_mib": usage.peak_mib}
        items = command.items
        if command.records:
            items = count_records(self._work / command.made)
            if not items:
                raise TfepiError(f"{self.shown(command)} made no records in {command.made}")
            figures["records"] = items
            figures["records_per_cpu_s"] = items / usage.cpu_s
        elif items is not None:
            figures["items"] = items
            figures["items_per_cpu_s"] = items / usage.cpu_s
        return figures | _printed(Path(f"{stem}.out"))

    def shown(self, command: Command) -> str:
        """Return a command line as it can be typed, without this machine's folders."""
        words = []
        for word in command.arguments:
            if word in (sys.executable, str(self._settings.basenji_python)):
                word = "python"
            elif Path(word).is_absolute():
                word = Path(word).name
            words.append(word)
        if words[:1] == ["python"] and len(words) > 1 and words[1].endswith(".py"):
            words = words[1:]
        return shlex.join(words)


def _printed(path: Path) -> dict:
    """Return the figures a driver printed as its last line, if that is JSON."""
    lines = path.read_text(errors="replace").strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        return {}
    return json.loads(lines[-1])


def count_records(folder: Path) -> int:
    """Count the records of a data folder by reading them.

    The originals' statistics.json counts windows that were left out later.
    """
    shards = sorted((folder / "tfrecords").glob("*.tfr"))
    return sum(1 for shard in shards for _ in read_frames(shard))


def all_cases(settings: Settings, genome: str, snvs: int) -> Iterator[Case]:
    """Yield the chosen cases."""
    for name, made in {
        "build": lambda: case.build_cases(settings, genome),
        "read": lambda: case.read_cases(settings),
        "read131k": lambda: case.long_read_cases(settings),
        "train": lambda: case.train_cases(settings),
        "score": lambda: case.score_cases(settings, genome, snvs),
        "help": lambda: case.help_cases(settings),
    }.items():
        if name in settings.cases:
            yield from made()


def benchmark(
    settings: Settings, out: str | Path, overwrite: bool = False
) -> tuple[str, list[str]]:
    """Run the benchmark; write results.json and table.md.

    results.json is written anew after each case, so an interrupted run leaves what it had.

    Args:
        settings: what to run.
        out: the work folder.
        overwrite: remove earlier results.

    Returns:
        The table as Markdown, and a line for each run that failed.

    Raises:
        UnfinishedError: the folder has results.
        TfepiError: an input could not be made.
    """
    work = claim_folder(out, overwrite=overwrite)
    results = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "machine": {"cores": os.cpu_count(), "processor": _processor(), "versions": versions()},
        "repeats": settings.repeats,
        "basenji": "measured" if settings.basenji_python else "recorded",
        "inputs": [],
        "cases": [],
        "rows": [],
        "failed": [],
    }
    with run_record(work, inputs={}):
        runner = Runner(settings, work)
        genome, snvs = prepare(settings, work, runner.make)
        results["inputs"] = runner.inputs
        for one in all_cases(settings, genome, snvs):
            runs = _alternate(runner, one, settings.repeats, results["failed"])
            commands = {side: runner.shown(c) for side, c in one.sides.items()}
            results["cases"].append({"name": one.name, "commands": commands, "runs": runs})
            results["rows"] += rows(one, runs)
            write_json(work / "results.json", results)
        text = markdown(results)
        write_text(work / "table.md", text)
    return text, results["failed"]


def _alternate(runner: Runner, one: Case, repeats: int, failed: list) -> dict[str, list[dict]]:
    """Run a case's sides in turn; every second round the other way about."""
    runs: dict[str, list[dict]] = {side: [] for side in one.sides}
    order = list(one.sides)
    for number in range(repeats):
        for side in order if number % 2 == 0 else order[::-1]:
            if len(runs[side]) < number:
                continue  # it failed before, and would again
            try:
                figures = runner.run(one.sides[side], side)
            except TfepiError as error:
                log.error("%s", error)
                failed.append(str(error))
                continue
            runs[side].append(figures)
            log.info(
                "%s, %s, %d of %d: %.1f CPU-s, %.1f s",
                one.name,
                side,
                number + 1,
                repeats,
                figures["cpu_s"],
                figures["wall_s"],
            )
    return runs


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((x.split(":", 1)[1].strip() for x in lines if x.startswith("model name")), "")
