"""Scores of a VCF's variants by a model: numbered parts, then the final files."""

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
from tfepi.variants.manifest import Manifest
from tfepi.variants.merge import SCORES
from tfepi.variants.options import Scoring, Shard, check_chunk_records, default_chunk_records
from tfepi.variants.part_runs import Place, damaged_model, run_in_parts
from tfepi.variants.parts import PartWriter, written_part
from tfepi.variants.scores import score
from tfepi.variants.vcf import Variant
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome, one_hot
from tfrecords_tools.targets import Target

_GROUP_BYTES = 16 << 20  # predictions scored at once


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
    place = Place.of(out, shard, resume, overwrite)
    window = Window.of(spec)
    scored = HeadTargets.of(spec, scoring.head, targets, scoring.untransform)
    check_shifts(spec, scoring.shifts)
    if chunk_records is None:
        chunk_records = default_chunk_records(spec)
    check_chunk_records(chunk_records)
    with Genome(fasta) as genome:
        manifest = Manifest(
            survey=survey(genome, vcf, scoring.ref_policy),
            inputs={
                label: identity(path)
                for label, path in {"vcf": vcf, "fasta": fasta, **(model_files or {})}.items()
            },
            scoring=scoring,
            window=window,
            targets=scored.targets,
            chunk_records=chunk_records,
        )
        forecast = Forecast.of(manifest)

        def begin(predictor: Predictor) -> _Run:
            return _Run(genome, manifest, predictor, scored, place.folder, condition)

        return run_in_parts(place, manifest, SCORES, forecast.report, load, begin, quiet)


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

    def write_part(
        self, number: int, chunk: Sequence[Variant], advance: Callable[[int], object]
    ) -> int:
        """Write a part; return how many of its rows have undefined predictions."""
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
                raise damaged_model(chunk)
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
