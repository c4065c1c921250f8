"""Parts made by other processes: each loads the model once and keeps it."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tfepi.variants.vcf import Variant
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import identity, same_identity
from tfrecords_tools.workers import await_file, completed

_kept: dict[str, object] = {}  # of this process: what makes the parts of the last run


class Recipe(Protocol):
    """What another process needs to make parts; it can be pickled, and is small."""

    @property
    def key(self) -> str:
        """Differs between runs whose parts, or models, differ."""
        ...

    def make(self):
        """Return what makes parts (`part_runs.PartMaker`)."""
        ...


@dataclass(frozen=True)
class PartJob:
    """One part.

    Attributes:
        recipe: of the run.
        number: of the part.
        chunk: its records.
        path: file that is made.
    """

    recipe: Recipe
    number: int
    chunk: Sequence[Variant]
    path: Path

    def __len__(self) -> int:
        return len(self.chunk)


@dataclass(frozen=True)
class Elsewhere:
    """Other processes that make the parts of a run.

    Attributes:
        executor: whose workers see the same files under the same paths.
        recipe: of the run.
    """

    executor: Executor
    recipe: Recipe

    def try_one(self) -> None:
        """Have one worker load the model, before anything is written."""
        before = getattr(self.executor, "unplaced", self.executor)
        for _ in completed(before, prepare, [self.recipe], "scores"):
            pass

    def write(self, jobs: Iterator[PartJob]) -> Iterator[tuple[PartJob, int]]:
        """Yield (job, rows with undefined predictions) of each part when it is there."""
        for job, undefined in completed(self.executor, make_part, jobs, "scores"):
            await_file(job.path)
            yield job, undefined


def prepare(recipe: Recipe) -> None:
    """Load what a recipe needs in this process, if it is not there yet."""
    if recipe.key not in _kept:
        _kept.clear()  # one model at a time
        _kept[recipe.key] = recipe.make()


def make_part(job: PartJob) -> int:
    """Make a part in this process; return how many of its rows have undefined predictions."""
    prepare(job.recipe)
    return _kept[job.recipe.key].write_part(job.number, job.chunk, lambda count: None)


def check_inputs(paths: dict[str, str], known: dict[str, dict]) -> None:
    """Refuse inputs that are other files here than where the run was started.

    Args:
        paths: label → path.
        known: label → identity there.

    Raises:
        InputFileError: naming the first.
    """
    for label, path in paths.items():
        if not same_identity(identity(path), known[label]):
            raise InputFileError(
                f"{path} ({label}) is another file on a worker than where the run was started: "
                "name one on a file system that all machines share"
            )
