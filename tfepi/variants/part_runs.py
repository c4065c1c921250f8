"""Runs over a VCF in numbered parts: what is there is kept, what is missing is made."""

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tfepi.crew import ALONE, Crew
from tfepi.spec import Predictor
from tfepi.variants.manifest import NAME, Manifest
from tfepi.variants.merge import Results
from tfepi.variants.numbered import FOLDER, remove_all_parts
from tfepi.variants.pace import Pace
from tfepi.variants.part_jobs import Elsewhere, PartJob
from tfepi.variants.parts import is_whole, part_path
from tfepi.variants.vcf import Variant, chunks, read_variants
from tfrecords_tools.errors import InputFileError, UnfinishedError
from tfrecords_tools.files import remove_parts
from tfrecords_tools.folder_lock import sole_writer
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import MARKER, check_folder, claim_folder, run_record
from tfrecords_tools.progress import progress
from tfrecords_tools.sharding import SHARDS, Shard, check_split

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a run writes, and what becomes of what is there.

    Attributes:
        out: the folder named.
        shard: whose own folder lies in it; `out` must then be new, or made here.
        resume: go on with what is there.
        overwrite: remove what is there.
        crew: processes that share the parts.
    """

    out: Path
    shard: Shard | None = None
    resume: bool = False
    overwrite: bool = False
    crew: Crew = ALONE

    @classmethod
    def of(
        cls,
        out: str | Path,
        shard: Shard | None,
        resume: bool = False,
        overwrite: bool = False,
        crew: Crew = ALONE,
    ) -> "Place":
        """Return the place after checking, where the crew's lead asks, that it may be written.

        Raises:
            UnfinishedError: as `check_folder` and, of a shard, `check_split`.
        """
        place = cls(Path(out), shard, resume, overwrite, crew)
        if not crew.leads:
            return place
        if shard is not None:
            check_folder(out, resume=True, shared=True)
            check_split(place.out, shard)
        check_folder(place.folder, resume, overwrite)
        return place

    @property
    def folder(self) -> Path:
        """The folder that is written."""
        return self.out / SHARDS / self.shard.folder if self.shard else self.out


class PartMaker(Protocol):
    """What makes the parts of a run."""

    def write_part(
        self, number: int, chunk: Sequence[Variant], advance: Callable[[int], object]
    ) -> int:
        """Write a part; return how many of its rows have undefined predictions.

        Args:
            number: of the part.
            chunk: its records.
            advance: takes how many of them are done since it was called last.
        """
        ...


def run_in_parts(
    place: Place,
    manifest: Manifest,
    results: Results,
    report: Callable[[Path, Manifest, int, bool], float | None],
    load: Callable[[], Predictor],
    begin: Callable[[Predictor], PartMaker],
    quiet: bool = False,
    elsewhere: Elsewhere | None = None,
) -> Path:
    """Make the parts that are missing and, unless they are a shard's, the final files.

    Args:
        place: where.
        manifest: of the run.
        results: what they are of.
        report: called before any work with the folder, the manifest, the number of parts to
            write, and whether the final files are written too; returns the bytes of what is
            left in the end, where it knows.
        load: returns the model; not called where nothing is left to predict.
        begin: returns what makes parts by a model.
        quiet: no progress bar.
        elsewhere: makes the parts instead; neither `load` nor `begin` is called then.

    Returns:
        The folder written.

    Raises:
        UnfinishedError: results are there, or were made from something else.
    """
    folder, shard, crew = place.folder, place.shard, place.crew
    numbers = (shard or Shard(1, 1)).chunks(manifest.chunks)

    def missing() -> list[int]:
        return [n for n in numbers if not is_whole(folder, manifest, n)]

    # A model that cannot be loaded must not cost results, nor leave a folder behind.
    predictor = None
    if crew.leads:
        todo = list(numbers) if place.overwrite else missing()
        size = report(folder, manifest, len(todo), shard is None)
        if place.overwrite or not folder.exists():
            predictor = elsewhere.try_one() if elsewhere else load()
    final = [folder / name for name in results.names(manifest)]
    if not crew.await_lead(folder / FOLDER, numbers, final, place.overwrite):
        return folder
    if not crew.leads:
        manifest.check_same(type(manifest).read(folder), folder)
        with crew.at_work(folder / FOLDER):
            own = set(crew.own(missing()))
            _write_parts(_made(begin(load())), manifest, numbers, own, None, quiet)
        return folder
    if shard is not None:
        claim_folder(place.out, resume=True, shared=True)  # before there is anything in it
    _claim(place, manifest)
    if shard is None and results.is_finished(folder, manifest):
        remove_all_parts(folder)
        return folder
    facts = {"shard": shard and shard.folder, "skipped": manifest.survey.skipped}
    facts |= results.facts
    beside = contextlib.nullcontext() if shard is None else sole_writer(place.out, shared=True)
    with beside, run_record(folder, {}, **facts) as record:
        record["inputs"] = manifest.inputs
        (folder / FOLDER).mkdir(exist_ok=True)
        if todo:
            with crew.at_work(folder / FOLDER) as duty:
                made = (
                    _made_elsewhere(elsewhere, folder)
                    if elsewhere
                    else _made(begin(predictor or load()))
                )
                own = set(crew.own(todo))
                undefined = _write_parts(made, manifest, numbers, own, size, quiet)
                if crew.count == 1:  # others count their own
                    record["undefined_rows"] = undefined
                duty.await_others(missing)
        if shard is None:
            record |= results.assemble(folder, manifest, lambda number: folder, manifest.vcf)
            remove_all_parts(folder)
    return folder


def _claim(place: Place, manifest: Manifest) -> None:
    """Claim the folder, and check that what is there belongs to this run."""
    folder = place.folder
    claim_folder(folder, place.resume, place.overwrite, manifest.inputs)
    remove_parts(folder)
    if (folder / FOLDER).is_dir():
        remove_parts(folder / FOLDER)
    if (folder / NAME).exists():
        manifest.check_same(type(manifest).read(folder), folder)
        return
    others = [p.name for p in folder.iterdir() if p.name not in (MARKER, "run.json", SHARDS)]
    if others:
        raise UnfinishedError(
            f"{folder} has {others[0]} but no {NAME}: it is no folder of variant scores; "
            "name another"
        )
    manifest.write(folder)


Made = Callable[[Iterator[tuple[int, Sequence[Variant]]], Callable[[int], object]], Iterator[int]]
"""Takes numbered chunks and what counts records; yields each one's undefined rows."""


def _made(maker: PartMaker) -> Made:
    """Return what makes parts here."""

    def make(numbered, advance):
        for number, chunk in numbered:
            yield maker.write_part(number, chunk, advance)

    return make


def _made_elsewhere(elsewhere: Elsewhere, folder: Path) -> Made:
    """Return what has other processes make parts."""

    def make(numbered, advance):
        recipe = elsewhere.recipe
        jobs = (PartJob(recipe, n, c, part_path(folder.absolute(), n)) for n, c in numbered)
        for job, undefined in elsewhere.write(jobs):
            advance(len(job))
            yield undefined

    return make


def _write_parts(
    made: Made,
    manifest: Manifest,
    numbers: range,
    todo: set[int],
    results: float | None,
    quiet: bool,
) -> int:
    """Write the parts in `todo`; return how many rows have undefined predictions."""
    size, records = manifest.chunk_records, manifest.survey.records

    def length(number: int) -> int:
        return min(size, records - number * size)

    total = sum(map(length, numbers))
    done = total - sum(map(length, todo))
    pace = Pace(total - done, manifest.survey.rows / records, results)
    with progress(total=total, unit="variants", label="score", quiet=quiet, initial=done) as bar:

        def advance(count: int) -> None:
            bar.update(count)
            pace.update(count)

        every = enumerate(chunks(read_variants(manifest.vcf), size))
        own = (found for found in itertools.islice(every, numbers.stop) if found[0] in todo)
        undefined = sum(made(own, advance))
    if undefined:
        _log.warning("predictions that are no finite numbers, of %s", number_of(undefined, "row"))
    return undefined


def damaged_model(chunk: Sequence[Variant]) -> InputFileError:
    """Return the error for a model that predicts only NaN for a part."""
    return InputFileError(
        f"the model predicts no finite number for records {chunk[0].row + 1} to "
        f"{chunk[-1].row + 1}: its weights are damaged"
    )
