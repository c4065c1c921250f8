"""Variants with what a model predicts along REF and along ALT, and the difference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi import predictors
from tfepi.params import read_params
from tfepi.report.figures import short
from tfepi.report.page.content import Block, Note
from tfepi.report.page.haplotype_tiles import Haplotypes, haplotypes
from tfepi.report.page.number import shown, signed
from tfepi.report.page.recorded import name_in, recorded_file
from tfepi.report.page.tracks import Bins, Place, Row, Series, tracks_plot
from tfepi.report.target_names import largest, signal_name
from tfepi.spec import AveragedPredictor
from tfepi.variants.alleles import AllelePair
from tfepi.variants.checks import check
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.manifest import Manifest
from tfepi.variants.vcf import Variant
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import existing_folder
from tfrecords_tools.genome import Genome

MOST_VARIANTS = 5
_KEYS = ("chrom", "pos", "ref", "alt", "column")
_ALLELE = 10  # letters of an allele in titles


@dataclass(frozen=True)
class _Scorer:
    """A model that scored variants, as it was, and the targets that it scored."""

    manifest: Manifest
    chosen: HeadTargets
    predictor: AveragedPredictor
    unit: str
    fasta: Path

    def predict(self, target: int, sequences: np.ndarray) -> np.ndarray:
        """Return predictions of a target, float32 [batch, bins]."""
        found = self.chosen.values(self.predictor.predict({"sequence": sequences}))
        return found[:, :, target]


def variant_blocks(folder: Path, rows: Sequence[dict], ask_models: bool = True) -> list[Block]:
    """Return figures of predictions along both alleles of variants, the first five.

    Args:
        folder: of variant scores.
        rows: what is shown: "chrom", "pos" (from 1, as in the VCF), "ref", "alt", and "column",
            the position of the target among those scored.
        ask_models: ask the model that scored them, if it and the genome are what they were; a note
            says so where they are not.

    Raises:
        InputFileError: no such folder, another manifest, or a model that is damaged.
        ConfigError: a row without a key, of a target that was not scored, or of a variant that the
            genome does not have.
    """
    folder = existing_folder(folder, "folder of variant scores")
    manifest = Manifest.read(folder)
    for row in rows:
        _check_row(row, len(manifest.targets))
    if not rows:
        return []
    left_out = "Left out is what is predicted along the alleles of the variants: "
    if not ask_models:
        return [Note(f"{left_out}models were not asked.")]
    scorer = _scorer(manifest, folder)
    if isinstance(scorer, str):
        return [Note(f"{left_out}{scorer}.")]
    blocks: list[Block] = []
    with Genome(scorer.fasta) as genome:
        for number, row in enumerate(rows[:MOST_VARIANTS], 1):
            pair = _pair(genome, row, manifest.scoring.ref_policy)
            found = haplotypes(
                genome,
                pair,
                manifest.window,
                lambda sequences, t=row["column"]: scorer.predict(t, sequences),
                manifest.scoring.indel_align == "stitch",
            )
            name = name_in(folder, f"variant{number}")
            blocks.append(_plot(name, scorer, pair, row["column"], found))
    return blocks


def _check_row(row: Mapping, targets: int) -> None:
    missing = [key for key in _KEYS if key not in row]
    if missing:
        raise ConfigError(
            f"a row has no {missing[0]!r} but {', '.join(map(repr, row))}: want {', '.join(_KEYS)}"
        )
    if not 0 <= row["column"] < targets:
        raise ConfigError(f"column {row['column']} of a row: {targets} targets were scored, from 0")


def _scorer(manifest: Manifest, folder: Path) -> _Scorer | str:
    """Return what asks the model that scored the variants, or why it cannot be asked."""
    paths = {}
    for label in manifest.inputs:
        if label == "vcf":
            continue
        path, reason = recorded_file(manifest.inputs, label, folder)
        if path is None:
            return reason
        paths[label] = path
    model = paths.get("model")
    if model is None or "fasta" not in paths:
        return "the run did not record its model and its genome as files"
    if model.name == "saved_model.pb":
        model = model.parent
    params = read_params(paths["spec"], training=False) if predictors.is_h5(model) else None
    spec = predictors.read_spec(model, params)
    if set(spec.inputs) != {"sequence"} or spec.conditioning is not None:
        return "the model is asked about cell types, of which the run recorded no input"
    scoring, targets = manifest.scoring, manifest.targets
    head = spec.head(scoring.head)
    same = [t.identifier for t in head.targets] == [t.identifier for t in targets]
    chosen = HeadTargets.of(spec, head.name, None if same else targets, scoring.untransform)
    predictor = predictors.load_predictor(model, scoring.batch_size, params, spec)
    averaged = AveragedPredictor(predictor, scoring.rc, scoring.shifts)
    return _Scorer(manifest, chosen, averaged, head.units, paths["fasta"])


def _pair(genome: Genome, row: Mapping, policy: str) -> AllelePair:
    variant = Variant(row["chrom"], int(row["pos"]) - 1, ".", row["ref"], (row["alt"],), 0)
    pairs, skipped = check(genome, [variant], policy)
    if skipped:
        raise ConfigError(f"variant {variant} {row['ref']}>{row['alt']}: {skipped[0].reason}")
    return pairs[0]


def _plot(name: str, scorer: _Scorer, pair: AllelePair, number: int, found: Haplotypes):
    window, target = scorer.manifest.window, scorer.manifest.targets[number]
    bins = Bins.of(pair.chrom, found.starts, window.bin_width)
    change = found.alt - found.ref
    unit = signal_name(target, scorer.unit, window.bin_width, largest(found.ref, found.alt))
    alleles = f"{short(pair.ref, _ALLELE)}>{short(pair.alt, _ALLELE)}"
    what = f"{pair.chrom}:{pair.position + 1:,} {alleles}"
    scored = change[found.center]
    top = int(np.abs(change).argmax())
    wide = found.windows > 1
    text = (
        f"{what}, {target.identifier}. Along {bins} in bins of {window.bin_width} bp, blue line: "
        "predicted of REF; orange dashes: of ALT; below: the difference; dotted red: the variant."
    )
    if wide:
        text += (
            f" The model's window has {number_of_bins(window.bins)}, so {found.windows} windows "
            "side by side were predicted of each allele; the middle one was scored."
        )
    ref, alt = (shown(float(v[found.center].sum()), 4) for v in (found.ref, found.alt))
    text += (
        f" In the window scored REF is predicted {ref} and ALT {alt}, a change of "
        f"{signed(scored.sum(), 3)}. The largest change of a bin is {signed(change[top], 3)}, in "
        f"{bins.at(top)}."
    )
    rows = [
        Row(
            what,
            unit,
            [Series("REF", "line", found.ref), Series("ALT", "dashes", found.alt)],
            f"predicted, {target.identifier}",
        ),
        Row("difference", "ALT − REF", [Series("ALT − REF", "bars", change)]),
    ]
    place = Place("variant", pair.position, pair.position + len(pair.ref))
    return tracks_plot(name, text, bins, rows, place=place)


def number_of_bins(count: int) -> str:
    """Return a number of bins in words."""
    return "one bin" if count == 1 else f"{count} bins"
