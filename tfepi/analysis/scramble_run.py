"""A run of scrambles: predictions in numbered parts, scrambles.h5, tables of effects."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from tfepi.analysis.effect_distance import EffectDistance
from tfepi.analysis.scramble import MEAN, Replacement, Tile, check_pseudocount
from tfepi.analysis.scramble_rows import OWN, Row, element_rows, expressions, tile_rows
from tfepi.analysis.scramble_tables import Expressions, write_pair_effects, write_tile_effects
from tfepi.analysis.site_run import SiteRun
from tfepi.analysis.track_weights import check_sense, track_weights
from tfepi.analysis.tss_windows import BINS, TssWindow
from tfepi.spec import AveragedPredictor, Predictor
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import check_predicting
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome, one_hot
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

NAME = "scrambles.h5"
RUN_FORMAT = "tfepi-scrambles-run"
_PART_BASES = 1 << 22  # of sequences to predict: a kill loses minutes
_PART_BATCHES = 4  # of which the last may not be full


@dataclass(frozen=True)
class ScrambleOptions:
    """What decides effects.

    Attributes:
        bins: around the TSS whose predictions are summed, an odd number.
        rc: average predictions over both strands.
        shifts: average predictions over these shifts, bp.
        sense: of two strands of one experiment take the gene's own alone.
        untransform: undo the targets' transforms first (`untransform.STYLES`), or None.
        pseudocount: added to expressions before their ratio is taken.
        replacement: what stands where an element was.
        batch_size: sequences per call of the model.

    Raises:
        ConfigError: a value out of range.
    """

    bins: int = BINS
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    sense: bool = False
    untransform: str | None = None
    pseudocount: float = 1.0
    replacement: Replacement = field(default_factory=Replacement)
    batch_size: int = 8

    def __post_init__(self):
        check_predicting(self.shifts, self.untransform, self.batch_size)
        check_pseudocount(self.pseudocount)


@dataclass(frozen=True)
class Scrambled:
    """What a run found.

    Attributes:
        effects: columns of `scramble_tables.Expressions.effects`, of elements or tiles.
        accuracy: rows of `pair_accuracy`, none of pairs without labels.
        by_distance: of tiles.
    """

    effects: dict[str, np.ndarray]
    accuracy: list[dict] = field(default_factory=list)
    by_distance: EffectDistance | None = None


def scramble(
    run: SiteRun,
    options: ScrambleOptions = ScrambleOptions(),
    *,
    head: str | None = None,
    targets: Sequence[Target] | None = None,
    tiles: Sequence[Tile] = (),
) -> Scrambled:
    """Write what replacing elements, or stretches that tile windows, does to expression.

    Everything that can be checked is checked before the model is loaded. The bytes of the results
    depend on inputs and options only, not on being stopped and resumed.

    Args:
        run: of a model of the sequence; its elements are replaced, if there are no tiles.
        options: what decides the effects.
        head: the model's output.
        targets: average these of the head's, by identifier; None for all.
        tiles: stretches of every window, instead of elements.

    Returns:
        The effects.

    Raises:
        InputFileError: a FASTA or site that cannot be used, or a damaged model.
        ConfigError: an option that does not suit the model, or nothing to replace.
        UnfinishedError: results are there, or were made from something else.
    """
    window = run.window(options.bins, options.shifts)
    chosen = HeadTargets.of(run.spec, head, targets, options.untransform)
    if options.sense:
        check_sense(chosen.targets)
    if bool(tiles) == bool(run.elements):
        raise ConfigError("elements or tiles are replaced: give one of the two")
    rows = tile_rows(len(run.sites), tiles) if tiles else element_rows(run.elements)
    size = max(_PART_BATCHES * options.batch_size, _PART_BASES // window.length)
    part_rows = max(1, size // options.replacement.count)
    facts = {
        "tiles": [asdict(t) for t in tiles],
        "targets": [t.to_json() for t in chosen.targets],
    }
    cut, count = {"part_rows": part_rows}, -(-len(rows) // part_rows)
    counts = {"sites": len(run.sites), "stretches": len(rows) - len(run.sites)}
    with run.begun(RUN_FORMAT, options, facts, cut, count, ".npy", run.load, counts=counts) as (
        folder,
        plan,
        genome,
        predictor,
    ):
        if not (folder / NAME).exists():
            if plan.missing(folder):
                work = _Work(genome, predictor(), run, window, chosen, options)
                work.write_parts(plan, folder, rows, part_rows)
            items = len(run.sites) * len(tiles) if tiles else len(run.elements)
            found = expressions(plan, folder, rows, len(run.sites), items)
            found.write(folder / NAME, run.sites, window, asdict(options))
        remove_all_parts(folder)
        found = Expressions.read(folder / NAME)
        if tiles:
            arguments = (run.sites, tiles, window, found, options.pseudocount)
            effects, by = write_tile_effects(folder, *arguments)
            return Scrambled(effects, by_distance=by)
        return Scrambled(*write_pair_effects(folder, run, found, options.pseudocount))


class _Work:
    """The loop over parts: rows to sequences to predictions to expression."""

    def __init__(
        self,
        genome: Genome,
        predictor: Predictor,
        run: SiteRun,
        window: TssWindow,
        chosen: HeadTargets,
        options: ScrambleOptions,
    ):
        self._genome, self._sites, self._window = genome, run.sites, window
        self._quiet = run.quiet
        self._chosen, self._options = chosen, options
        self._weights = track_weights(chosen.targets, options.sense)
        self._averaged = AveragedPredictor(predictor, options.rc, options.shifts)

    def write_parts(self, plan: Plan, folder: Path, rows: Sequence[Row], size: int) -> None:
        """Write the parts that are missing: float64 [rows, count], NaN where there is none."""
        todo = plan.missing(folder)
        parts = [range(n * size, min((n + 1) * size, len(rows))) for n in range(plan.parts)]
        done = len(rows) - sum(len(parts[n]) for n in todo)
        with progress(
            total=len(rows), unit="stretches", label="scramble", quiet=self._quiet, initial=done
        ) as bar:
            for number in todo:
                values = self._part([rows[n] for n in parts[number]], bar.update)
                with (
                    atomic_path(plan.part(folder, number)) as path,
                    open(path, "wb") as handle,
                ):
                    np.save(handle, values, allow_pickle=False)

    def _part(self, rows: Sequence[Row], advance: Callable[[int], object]) -> np.ndarray:
        values = np.full((len(rows), self._options.replacement.count), np.nan)
        predicted = 0
        for batch in _batches(self._sequences(rows), self._options.batch_size):
            place, sequences = zip(*batch, strict=True)
            number, slot = np.array(place).T
            strands = [self._sites[rows[n].site].strand for n in number]
            weights = np.stack([self._weights[s] for s in strands])
            values[number, slot] = self._expression(np.stack(sequences), weights)
            advance(int(number[-1]) + 1 - predicted)
            predicted = int(number[-1]) + 1
        if not np.isfinite(values).any():
            site = self._sites[rows[0].site]
            raise InputFileError(
                f"the model predicts no finite number at {site.gene} "
                f"({site.chrom}:{site.position}): its weights are damaged"
            )
        return values

    def _sequences(self, rows: Sequence[Row]) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        """Yield (number of the row, of the replacement) and the sequence."""
        replacement, held, own = self._options.replacement, None, None
        for number, row in enumerate(rows):
            site = self._sites[row.site]
            start = self._window.start(site.position)
            if row.site != held:
                held = row.site
                own = self._genome.indices(site.chrom, start, start + self._window.length)
            if row.item == OWN:
                yield (number, 0), one_hot(own) if replacement.kind == MEAN else own
                continue
            found = replacement.apply(own, row.low, row.high, site.chrom, start)
            for slot, sequence in enumerate(found):
                yield (number, slot), sequence

    def _expression(self, sequences: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Return the sum over bins and weighted mean over tracks: float64 [sequences]."""
        predictions = self._averaged.predict({"sequence": sequences})
        values = self._chosen.values(predictions, self._window.first, self._window.count)
        return (values.sum(axis=1, dtype=float) * weights).sum(axis=1)


def _batches(items: Iterator, size: int) -> Iterator[list]:
    while batch := list(islice(items, size)):
        yield batch
