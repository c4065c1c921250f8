"""What a benchmark is asked to do."""

import os
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing

CASES = ("build", "read", "read131k", "train", "score", "help")
_POSITIVE = (
    "repeats",
    "processes",
    "seconds",
    "steps",
    "batch",
    "long_batch",
    "snvs",
    "long_window",
)


@dataclass(frozen=True)
class Settings:
    """The options of the benchmark.

    Attributes:
        scripts: folder with this project's commands.
        genome, targets, vcf: inputs; without genome and targets both are simulated, without vcf
            it is the simulated one's.
        length: bp of the simulated genome.
        valid, test: chromosomes, comma-separated.
        cases: any of `CASES`.
        repeats: runs of each side.
        processes: workers of each build.
        seconds: of reading that are timed, after `warmup_seconds`.
        steps: training steps that are timed, after `warmup_steps`.
        batch: examples a batch, of short windows.
        long_batch: examples a batch of long windows.
        snvs: how many to score.
        long_window: bp of the long windows.
        basenji_python, basenji_repo: interpreter with TensorFlow 2.15 and calico/basenji, and
            the folder with its bin/; both or neither.
        quiet: no notes between runs.
    """

    scripts: Path
    genome: Path | None = None
    targets: Path | None = None
    vcf: Path | None = None
    length: int = 20_000_000
    valid: str = "chr4"
    test: str = "chr5"
    cases: tuple[str, ...] = CASES
    repeats: int = 5
    processes: int = 2
    seconds: float = 10.0
    warmup_seconds: float = 3.0
    steps: int = 12
    warmup_steps: int = 3
    batch: int = 64
    long_batch: int = 4
    snvs: int = 500
    long_window: int = 131_072
    basenji_python: Path | None = None
    basenji_repo: Path | None = None
    quiet: bool = False

    def __post_init__(self):
        for name in self.cases:
            if name not in CASES:
                raise unknown("case", name, CASES)
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, want above 0")
        if (self.genome is None) != (self.targets is None):
            raise ConfigError("genome and targets go together: give both, or neither to simulate")
        if self.genome and self.vcf is None and "score" in self.cases:
            raise ConfigError("case score needs --vcf where the genome is given")
        if (self.basenji_python is None) != (self.basenji_repo is None):
            raise ConfigError("basenji_python and basenji_repo go together: give both or neither")
        for name in ("genome", "targets", "vcf", "basenji_python"):
            if getattr(self, name) is not None:
                existing(getattr(self, name), name)
                # No symbolic link is followed: a virtual environment is known by its own path.
                object.__setattr__(self, name, Path(os.path.abspath(getattr(self, name))))
        if self.basenji_python and not os.access(self.basenji_python, os.X_OK):
            raise InputFileError(f"basenji_python {self.basenji_python} cannot be run: want python")
        if self.basenji_repo is not None:
            repo = Path(os.path.abspath(self.basenji_repo))
            if not (repo / "bin" / "basenji_data.py").is_file():
                raise InputFileError(f"{repo} has no bin/basenji_data.py: want a basenji checkout")
            object.__setattr__(self, "basenji_repo", repo)

    def environments(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the environments of our commands and of theirs, both without accelerators."""
        base = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
        root = str(Path(__file__).parents[2])
        ours = base | {"PYTHONPATH": os.pathsep.join(_paths(root, os.environ.get("PYTHONPATH")))}
        theirs = dict(base)
        theirs.pop("PYTHONPATH", None)
        if self.basenji_python:
            bins = (str(self.basenji_python.parent), str(self.basenji_repo / "bin"))
            theirs |= {
                "PATH": os.pathsep.join(_paths(*bins, os.environ.get("PATH"))),
                "BASENJIDIR": str(self.basenji_repo),
                "PYTHONPATH": str(self.basenji_repo),
                "TF_CPP_MIN_LOG_LEVEL": "2",
            }
        return ours, theirs


def _paths(*parts: str | None) -> list[str]:
    return [p for p in parts if p]
