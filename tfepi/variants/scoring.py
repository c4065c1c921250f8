"""Scores of a VCF's variants by a model: numbered parts, then the final files."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tfepi.spec import AveragedPredictor, Condition, ModelSpec, Predictor, check_shifts
from tfepi.variants.alleles import (
    AllelePair,
    SequenceKey,
    Stretches,
    Window,
    read_around,
    sequence,
    sequence_keys,
    stitched,
)
from tfepi.variants.checks import check, skipped_text, survey
from tfepi.variants.forecast import Forecast
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.manifest import NAME, Manifest
from tfepi.variants.merge import SHARDS, assemble, is_finished
from tfepi.variants.numbered import FOLDER, remove_all_parts
from tfepi.variants.options import Scoring, Shard, default_chunk_records
from tfepi.variants.parts import PartWriter, is_whole, written_part
from tfepi.variants.scores import score
from tfepi.variants.vcf import Variant, chunks, read_variants
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.files import identity, remove_parts
from tfrecords_tools.genome import Genome, one_hot
from tfrecords_tools.output import MARKER, check_folder, claim_folder, run_record
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

_GROUP_BYTES = 16 << 20  # predictions scored at once
_log = logging.getLogger(__name__)


def score_vcf(
    load: Callable[[], Predictor],
    spec: ModelSpec,
    vcf: str | Path,
    fasta: str | Path,
    out: str | Path,
    scoring: Scoring = Scoring(),  # noqa: B008 frozen
    *,
    model_files: dict[str, str | Path] | None = None,
    targets: Sequence[Target] | None = None,
    shard: Shard | None = None,
    chunk_records: int | None = None,
    condition: Condition | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Score every REF and ALT of a VCF.

    Everything that can be checked is checked before `load` is called and before anything is
    written; a run that has nothing left to predict never calls it. The bytes of the results
    depend on the inputs, the options and `chunk_records` only: not on shards, nor on being
    stopped and resumed.

    Args:
        load: returns the model.
        spec: the model's contract.
        vcf: VCF, VCF.gz or BCF, sorted.
        fasta: the genome, plain or bgzip.
        out: output folder; a shard's own is out/shards/i-of-n.
        scoring: the options.
        model_files: label → path of the files whose content is the model.
        targets: score only these of the head's, by identifier, with these labels.
        shard: do a share of the work; `merge.merge_shards` makes the final files.
        chunk_records: VCF records per part; None for a size that suits the window.
        condition: the model's inputs besides the sequence, of windows at (chromosome, start,
            end); every allele gets those of the genome's window. Its files belong into
            `model_files`.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        The folder written.

    Raises:
        InputFileError: a VCF, FASTA or model that cannot be used, or only NaN predicted.
        ConfigError: an unknown target, or an option that does not suit the model.
        UnfinishedError: results are there, or were made from something else.
        OSError: the disk is too small or full.
    """
    folder = check_place(out, shard, resume, overwrite)
    scored = HeadTargets.of(spec, scoring.head, targets, scoring.untransform)
    check_shifts(spec, scoring.shifts)
    if chunk_records is None:
        chunk_records = default_chunk_records(spec)
    if chunk_records < 1:
        raise ConfigError(f"chunk_records is {chunk_records}: want at least 1")
    with Genome(fasta) as genome:
        manifest = Manifest(
            survey=survey(genome, vcf, scoring.ref_policy),
            inputs={
                label: identity(path)
                for label, path in {"vcf": vcf, "fasta": fasta, **(model_files or {})}.items()
            },
            scoring=scoring,
            window=Window.of(spec),
            targets=scored.targets,
            chunk_records=chunk_records,
        )
        numbers = (shard or Shard(1, 1)).chunks(manifest.chunks)
        whole = set() if overwrite else {n for n in numbers if is_whole(folder, manifest, n)}
        todo = set(numbers) - whole
        Forecast.of(manifest).report(folder, manifest, len(todo), shard is None)
        # A model that cannot be loaded must not cost results, nor leave a folder behind.
        predictor = load() if overwrite or not folder.exists() else None
        if shard is not None:
            claim_folder(out, resume=True)  # before there is anything in it
        _begin(folder, manifest, resume, overwrite)
        if shard is None and is_finished(folder, manifest):
            remove_all_parts(folder)
            return folder
        facts = {"shard": shard and shard.folder, "skipped": manifest.survey.skipped}
        with run_record(folder, {}, **facts) as record:
            record["inputs"] = manifest.inputs
            if todo:
                run = _Run(genome, manifest, predictor or load(), scored, folder, condition)
                record["undefined_rows"] = run.write_parts(numbers, todo, quiet)
            (folder / FOLDER).mkdir(exist_ok=True)
            if shard is None:
                assemble(folder, manifest, lambda number: folder, vcf)
                remove_all_parts(folder)
    return folder


def check_place(
    out: str | Path, shard: Shard | None, resume: bool = False, overwrite: bool = False
) -> Path:
    """Return the folder that a run writes, after checking that it may.

    Args:
        out: the folder named.
        shard: whose own folder lies in it; `out` must then be new, or made here.
        resume: go on with what is there.
        overwrite: remove what is there.

    Raises:
        UnfinishedError: as `check_folder`.
    """
    if shard is None:
        return check_folder(out, resume, overwrite)
    folder = check_folder(out, resume=True) / SHARDS / shard.folder
    return check_folder(folder, resume, overwrite)


def _begin(folder: Path, manifest: Manifest, resume: bool, overwrite: bool) -> None:
    """Claim the folder, and check that what is there belongs to this run."""
    claim_folder(folder, resume, overwrite, manifest.inputs)
    remove_parts(folder)
    if (folder / FOLDER).is_dir():
        remove_parts(folder / FOLDER)
    if (folder / NAME).exists():
        manifest.check_same(Manifest.read(folder), folder)
        return
    others = [p.name for p in folder.iterdir() if p.name not in (MARKER, "run.json", "shards")]
    if others:
        raise UnfinishedError(
            f"{folder} has {others[0]} but no {NAME}: it is no folder of variant scores; "
            "name another"
        )
    manifest.write(folder)


class _Run:
    """The loop over parts: sequences to predictions to statistics."""

    def __init__(
        self,
        genome: Genome,
        manifest: Manifest,
        predictor: Predictor,
        scored: HeadTargets,
        folder: Path,
        condition: Condition | None = None,
    ):
        scoring = manifest.scoring
        self._condition = condition
        self._genome = genome
        self._manifest = manifest
        self._passes = [AveragedPredictor(predictor, scoring.rc, s) for s in scoring.passes]
        self._scored = scored
        self._folder = folder
        row_bytes = 4 * manifest.window.bins * len(manifest.targets) * len(self._passes)
        self._group = max(1, _GROUP_BYTES // row_bytes)

    def write_parts(self, numbers: range, todo: set[int], quiet: bool) -> int:
        """Write the parts in `todo`; return how many rows have undefined predictions."""
        size = self._manifest.chunk_records
        records = self._manifest.survey.records
        undefined = 0

        def length(number: int) -> int:
            return min(size, records - number * size)

        total = sum(map(length, numbers))
        done = total - sum(map(length, todo))
        with progress(
            total=total, unit="variants", label="score", quiet=quiet, initial=done
        ) as bar:
            for number, chunk in enumerate(chunks(read_variants(self._manifest.vcf), size)):
                if number in todo:
                    undefined += self._write_part(number, chunk, bar.update)
                if number + 1 >= numbers.stop:
                    break
        if undefined:
            _log.warning("%d rows have predictions that are not finite numbers", undefined)
        return undefined

    def _write_part(
        self, number: int, chunk: Sequence[Variant], advance: Callable[[int], object]
    ) -> int:
        manifest = self._manifest
        pairs, skipped = check(self._genome, chunk, manifest.scoring.ref_policy)
        undefined, moved = 0, 0
        with written_part(self._folder, manifest, number, pairs, skipped_text(skipped)) as writer:
            for ref, alt in self._predictions(pairs):
                undefined += self._score(writer, ref, alt)
                step = len(chunk) * len(ref) // len(pairs)
                moved += step
                advance(step)
            if pairs and undefined == len(pairs):
                raise InputFileError(
                    f"the model predicts no finite number for records {chunk[0].row + 1} to "
                    f"{chunk[-1].row + 1}: its weights are damaged"
                )
        advance(len(chunk) - moved)
        return undefined

    def _score(self, writer: PartWriter, ref: np.ndarray, alt: np.ndarray) -> int:
        bad = ~(np.isfinite(ref) & np.isfinite(alt)).all(axis=(1, 2, 3))
        undefined = int(bad.sum())
        stats, center = self._manifest.scoring.stats, self._manifest.window.center
        each = [score(stats, ref[:, n], alt[:, n], center) for n in range(len(self._passes))]
        scores = each[0]
        if len(each) > 1:
            scores = {k: np.mean([s[k] for s in each], axis=0, dtype=np.float64) for k in stats}
        writer.write({k: v.astype(np.float32, copy=False) for k, v in scores.items()}, undefined)
        return undefined

    def _predictions(self, pairs: Sequence[AllelePair]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield predictions of REF and ALT, [rows, passes, bins, targets], in the pairs' order.

        A sequence that several pairs need is predicted once, in fixed batches, and forgotten
        after the last of them.
        """
        window = self._manifest.window
        stitch = self._manifest.scoring.indel_align == "stitch"
        numbers: dict[SequenceKey, int] = {}

        def number_of(keys: Sequence[SequenceKey]) -> tuple[int, ...]:
            return tuple(numbers.setdefault(k, len(numbers)) for k in keys)

        rows = [
            tuple(number_of(sequence_keys(p, allele, stitch)) for allele in (p.ref, p.alt))
            for p in pairs
        ]
        keys = list(numbers)
        last_use = {n: i for i, row in enumerate(rows) for side in row for n in side}
        read = read_around(self._genome, window, pairs)
        held: dict[int, np.ndarray] = {}
        row = 0
        batch_size = self._manifest.scoring.batch_size
        for start in range(0, len(keys), batch_size):
            batch = keys[start : start + batch_size]
            held.update(enumerate(self._predict(read, batch), start))
            ready = row
            while ready < len(rows) and max(map(max, rows[ready])) < start + len(batch):
                ready += 1
            while row < ready:
                group = range(row, min(row + self._group, ready))
                sides = [
                    np.stack([self._side(held, rows[i][s], len(pairs[i].host)) for i in group])
                    for s in (0, 1)
                ]
                yield sides[0], sides[1]
                row = group.stop
            held = {n: values for n, values in held.items() if last_use[n] >= row}

    def _side(self, held: dict[int, np.ndarray], keys: tuple[int, ...], host: int) -> np.ndarray:
        if len(keys) == 1:
            return held[keys[0]]
        window = self._manifest.window
        both = zip(held[keys[0]], held[keys[1]], strict=True)
        return np.stack([stitched(left, right, window, host) for left, right in both])

    def _predict(self, read: Stretches, keys: Sequence[SequenceKey]) -> np.ndarray:
        """Return predictions [keys, passes, bins, targets]."""
        window = self._manifest.window
        sequences = np.stack([sequence(read, window, key) for key in keys])
        if self._manifest.scoring.compat == "basenji":
            sequences = one_hot(sequences, unknown=0.25)
        inputs = {"sequence": sequences}
        if self._condition is not None:
            starts = [(key.chrom, window.start(key.position)) for key in keys]
            inputs |= self._condition([(c, s, s + window.length) for c, s in starts])
        each = [self._scored.values(p.predict(inputs)) for p in self._passes]
        return np.stack(each, axis=1) if len(each) > 1 else each[0][:, None]
