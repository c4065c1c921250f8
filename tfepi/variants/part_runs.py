"""Runs over a VCF in numbered parts: what is there is kept, what is missing is made."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tfepi.spec import Predictor
from tfepi.variants.manifest import NAME, Manifest
from tfepi.variants.merge import SHARDS, Results
from tfepi.variants.numbered import FOLDER, remove_all_parts
from tfepi.variants.options import Shard
from tfepi.variants.pace import Pace
from tfepi.variants.parts import is_whole
from tfepi.variants.vcf import Variant, chunks, read_variants
from tfrecords_tools.errors import InputFileError, UnfinishedError
from tfrecords_tools.files import remove_parts
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import MARKER, check_folder, claim_folder, run_record
from tfrecords_tools.progress import progress

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a run writes, and what becomes of what is there.

    Attributes:
        out: the folder named.
        shard: whose own folder lies in it; `out` must then be new, or made here.
        resume: go on with what is there.
        overwrite: remove what is there.
    """

    out: Path
    shard: Shard | None = None
    resume: bool = False
    overwrite: bool = False

    @classmethod
    def of(
        cls, out: str | Path, shard: Shard | None, resume: bool = False, overwrite: bool = False
    ) -> "Place":
        """Return the place after checking that it may be written.

        Raises:
            UnfinishedError: as `check_folder`.
        """
        place = cls(Path(out), shard, resume, overwrite)
        if shard is not None:
            check_folder(out, resume=True)
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

    Returns:
        The folder written.

    Raises:
        UnfinishedError: results are there, or were made from something else.
    """
    folder, shard = place.folder, place.shard
    numbers = (shard or Shard(1, 1)).chunks(manifest.chunks)
    whole = set() if place.overwrite else {n for n in numbers if is_whole(folder, manifest, n)}
    todo = set(numbers) - whole
    size = report(folder, manifest, len(todo), shard is None)
    # A model that cannot be loaded must not cost results, nor leave a folder behind.
    predictor = load() if place.overwrite or not folder.exists() else None
    if shard is not None:
        claim_folder(place.out, resume=True)  # before there is anything in it
    _claim(place, manifest)
    if shard is None and results.is_finished(folder, manifest):
        remove_all_parts(folder)
        return folder
    facts = {"shard": shard and shard.folder, "skipped": manifest.survey.skipped}
    facts |= results.facts
    with run_record(folder, {}, **facts) as record:
        record["inputs"] = manifest.inputs
        if todo:
            maker = begin(predictor or load())
            record["undefined_rows"] = _write_parts(maker, manifest, numbers, todo, size, quiet)
        (folder / FOLDER).mkdir(exist_ok=True)
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


def _write_parts(
    maker: PartMaker,
    manifest: Manifest,
    numbers: range,
    todo: set[int],
    results: float | None,
    quiet: bool,
) -> int:
    """Write the parts in `todo`; return how many rows have undefined predictions."""
    size, records = manifest.chunk_records, manifest.survey.records
    undefined = 0

    def length(number: int) -> int:
        return min(size, records - number * size)

    total = sum(map(length, numbers))
    done = total - sum(map(length, todo))
    pace = Pace(total - done, manifest.survey.rows / records, results)
    with progress(total=total, unit="variants", label="score", quiet=quiet, initial=done) as bar:

        def advance(count: int) -> None:
            bar.update(count)
            pace.update(count)

        for number, chunk in enumerate(chunks(read_variants(manifest.vcf), size)):
            if number in todo:
                undefined += maker.write_part(number, chunk, advance)
            if number + 1 >= numbers.stop:
                break
    if undefined:
        _log.warning("predictions that are no finite numbers, of %s", number_of(undefined, "row"))
    return undefined


def damaged_model(chunk: Sequence[Variant]) -> InputFileError:
    """Return the error for a model that predicts only NaN for a part."""
    return InputFileError(
        f"the model predicts no finite number for records {chunk[0].row + 1} to "
        f"{chunk[-1].row + 1}: its weights are damaged"
    )
