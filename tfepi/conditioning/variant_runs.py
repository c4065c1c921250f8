"""Effects of variants by every model, seed and cell type, beside the true ones."""

import csv
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.cell_inputs import CellInputs
from tfepi.cell_predictor import cell_spec, cell_values, in_cell
from tfepi.conditioning.effects import Effects
from tfepi.conditioning.gradients import gradient_norms
from tfepi.conditioning.measured import Key
from tfepi.conditioning.plan import Plan
from tfepi.conditioning.runs import run_folder
from tfepi.predictors import keras_file, load_keras, load_predictor, read_spec, spec_path
from tfepi.spec import ModelSpec
from tfepi.variants.checks import survey
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.genome import Genome
from tfrecords_tools.input_tracks import read_tracks
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import resolve

_STATISTIC = "SAD"
_BATCH = 32


@dataclass(frozen=True)
class Variants:
    """Variants whose true effects are known.

    Attributes:
        variants: path of the VCF.
        effects: table of the true effects.
        fasta: the genome.
        tracks: table of the accessibility of cell types.
        bound: a variant has an effect if its true one is further from 0.
    """

    variants: str
    effects: str
    fasta: str
    tracks: str
    bound: float = 0.0

    @property
    def files(self) -> dict[str, str]:
        """Label → path of every file."""
        named = {n: getattr(self, n) for n in ("variants", "effects", "fasta", "tracks")}
        rows = resolve(read_tracks(self.tracks), existing(self.tracks, "table of input tracks"))
        return named | {f"track {r.identifier}": r.file for r in rows}


def check_variants(spec: ModelSpec, cells: Sequence[str], variants: Variants) -> None:
    """Check what can be checked of a comparison of variants before models are trained.

    Args:
        spec: of a model.
        cells: it is asked about.
        variants: the files.

    Raises:
        InputFileError: a file that is missing or damaged, an effect that is missing, tracks of
            another assembly or made in another way.
    """
    read_true_effects(variants.effects, tuple(cells), spec.conditioning.marks)
    with Genome(variants.fasta) as genome:
        chroms = dict(genome.chroms)
        survey(genome, variants.variants, "error")
    if spec.conditioning.by_input:
        for cell in cells:
            CellInputs(spec, variants.tracks, cell, chroms).close()


def read_true_effects(
    path: str | Path, cells: tuple[str, ...], marks: tuple[str, ...]
) -> tuple[list[str], list[str], dict[str, np.ndarray]]:
    """Read a table of true effects as tfepi_simulate.py writes it.

    Args:
        path: tab-separated, with columns id, place and diff_CELL_MARK.
        cells: wanted.
        marks: wanted.

    Returns:
        Ids, places and, by cell type, float64 [variants, marks].

    Raises:
        InputFileError: a column that is missing, or a value that is no number.
    """
    with open(existing(path, "table of true effects"), newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    wanted = ["id", "place", *(f"diff_{c}_{m}" for c in cells for m in marks)]
    for name in wanted:
        if not rows or name not in rows[0]:
            raise InputFileError(
                f"{path} has no column {name!r}: want id, place and diff_CELL_MARK of every cell "
                "type and mark that is compared"
            )
    try:
        truth = {
            c: np.array([[float(r[f"diff_{c}_{m}"] or "nan") for m in marks] for r in rows])
            for c in cells
        }
    except ValueError as error:
        raise InputFileError(f"{path} has an effect that is no number ({error})") from None
    return [r["id"] for r in rows], [r["place"] for r in rows], truth


def score_variants(
    plan: Plan,
    out: Path,
    cells: tuple[tuple[str, ...], tuple[str, ...]],
    marks: tuple[str, ...],
    variants: Variants,
    quiet: bool = False,
) -> Effects:
    """Score variants with every model in every cell type, accessibility held at the reference's.

    Args:
        plan: models and seeds, all trained.
        out: folder of the experiment; scores go to out/variants.
        cells: seen and unseen.
        marks: compared.
        variants: the files, variants with ids.
        quiet: no progress bar.

    Raises:
        InputFileError: a variant of the table that is not in the VCF.
        others: as `variants.scoring.score_vcf`.
    """
    every = (*cells[0], *cells[1])
    ids, places, truth = read_true_effects(variants.effects, every, marks)
    with Genome(variants.fasta) as genome:
        chroms = dict(genome.chroms)
    found: dict[Key, np.ndarray] = {}
    runs = [(name, seed) for name in plan.models for seed in plan.seeds]
    with progress(runs, unit="model", label="variants", quiet=quiet) as bar:
        for name, seed in bar:
            run = run_folder(out, name, seed)
            spec = read_spec(run)
            conditioning = spec.conditioning
            files = {"model": keras_file(run), "spec": spec_path(run)}
            loaded = functools.cache(functools.partial(load_predictor, run, _BATCH, None, spec))
            for cell in every if conditioning.by_input else (None,):
                folder = out / "variants" / f"{name}-seed{seed}{f'-{cell}' if cell else ''}"
                asked, condition = spec, None
                if cell is not None:
                    asked = cell_spec(spec, cell)
                    condition = CellInputs(spec, variants.tracks, cell, chroms)

                def load(loaded=loaded, cell=cell):
                    return in_cell(loaded(), cell)

                further = {} if condition is None else condition.files
                score_vcf(
                    load,
                    asked,
                    variants.variants,
                    variants.fasta,
                    folder,
                    Scoring(stats=(_STATISTIC,), batch_size=_BATCH),
                    model_files=files | further,
                    condition=condition,
                    resume=True,
                    quiet=True,
                )
                values = _read(folder / "scores.h5", ids)
                if cell is not None:
                    found[name, seed, cell] = values
                    continue
                for one in every:
                    found[name, seed, one] = cell_values(values[:, None], conditioning, one)[:, 0]
    return Effects(cells[0], cells[1], marks, truth, found, variants.bound, places)


def _read(path: Path, ids: list[str]) -> np.ndarray:
    """Return scores of variants by their ids, float32 [variants, targets]."""
    with h5py.File(existing(path, "scores of variants"), "r") as file:
        names = [n.decode() for n in file["snp"][:]]
        values = file[_STATISTIC][:]
    row = {name: n for n, name in enumerate(names)}
    for name in ids:
        if name not in row:
            raise InputFileError(
                f"variant {name!r} of the table of true effects is not in the VCF: give the files "
                "that belong together"
            )
    return values[[row[name] for name in ids]]


def gradient_ratios(plan: Plan, out: Path, batches, cells: tuple[str, ...], marks) -> list[dict]:
    """Return how much each model's outputs move with the sequence and with the cell type's input.

    Args:
        plan: models and seeds.
        out: folder of the experiment.
        batches: function of a conditioning and a cell type that returns batches of inputs.
        cells: asked about.
        marks: the outputs of a cell type.

    Returns:
        Dicts of "model", "seed", "cell", "mark" and what `gradients.gradient_norms` gives; models
        without an input of cell types are left out.
    """
    found = []
    for name in plan.models:
        for seed in plan.seeds:
            run = run_folder(out, name, seed)
            spec = read_spec(run)
            conditioning = spec.conditioning
            if not conditioning.by_input:
                continue
            model, states = load_keras(run), conditioning.states
            # Within one cell type a vector does not vary: its spread is between those trained on.
            spread = None
            if states is not None:
                spread = {"cell_state": states.array(conditioning.cells).std(axis=0)}
            scale = "logit" if spec.head().units == "probability" else "log"
            for cell in cells:
                held = list(batches(conditioning, cell))
                for number, mark in enumerate(marks):
                    for channel in _channels(conditioning, cell, number):
                        norms = gradient_norms(model, held, channel, scale=scale, deviations=spread)
                        row = {"model": name, "seed": seed, "cell": cell, "mark": mark}
                        found.append(row | {"channel": channel} | norms)
    return found


def _channels(conditioning: Conditioning, cell: str, mark: int) -> tuple[int, ...]:
    """Return the outputs that speak of a mark in a cell type."""
    if conditioning.outputs == "marks":
        return (mark,)
    count = len(conditioning.marks)
    if cell in conditioning.cells:
        return (conditioning.cells.index(cell) * count + mark,)
    return tuple(n * count + mark for n in range(len(conditioning.cells)))
