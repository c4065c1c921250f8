"""A run of scrambles: predictions in numbered parts, scrambles.h5, tables of effects."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from tfepi.analysis.effect_distance import EffectDistance
from tfepi.analysis.element_pairs import Element, Pair
from tfepi.analysis.pair_options import PairOptions
from tfepi.analysis.scramble import MEAN, Replacement, Tile, check_pseudocount
from tfepi.analysis.scramble_rows import OWN, Row, element_rows, expressions, tile_rows
from tfepi.analysis.scramble_tables import Expressions, write_pair_effects, write_tile_effects
from tfepi.analysis.site_parts import check_sites, sites_digest
from tfepi.analysis.track_weights import check_sense, track_weights
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import BINS, TssWindow
from tfepi.spec import AveragedPredictor, ModelSpec, Predictor, check_shifts
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import check_predicting
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import atomic_path, identity
from tfrecords_tools.genome import Genome, one_hot
from tfrecords_tools.output import check_folder, run_record
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
    load: Callable[[], Predictor],
    spec: ModelSpec,
    sites: Sequence[StartSite],
    fasta: str | Path,
    out: str | Path,
    options: ScrambleOptions = ScrambleOptions(),
    *,
    files: Mapping[str, str | Path] | None = None,
    head: str | None = None,
    targets: Sequence[Target] | None = None,
    pairs: Sequence[Pair] = (),
    elements: Sequence[Element] = (),
    of_pairs: PairOptions = PairOptions(width=0),  # noqa: B008 frozen
    tiles: Sequence[Tile] = (),
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Scrambled:
    """Write what replacing elements, or stretches that tile windows, does to expression.

    Everything that can be checked is checked before `load` is called. The bytes of the results
    depend on inputs and options only, not on being stopped and resumed.

    Args:
        load: returns the model.
        spec: its contract.
        sites: start sites.
        fasta: the genome, plain or bgzip.
        out: output folder.
        options: what decides the effects.
        files: label → path of the files that decide model, sites and pairs.
        head: the model's output.
        targets: average these of the head's, by identifier; None for all.
        pairs: table of pairs; or
        elements: of `element_pairs.match`, whose sites are these.
        of_pairs: width, groups and seed of the pairs.
        tiles: stretches of every window, instead of pairs.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        The effects.

    Raises:
        InputFileError: a FASTA or site that cannot be used, or a damaged model.
        ConfigError: an option that does not suit the model, or nothing to replace.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    window = TssWindow.of(spec, options.bins)
    check_shifts(spec, options.shifts)
    chosen = HeadTargets.of(spec, head, targets, options.untransform)
    if options.sense:
        check_sense(chosen.targets)
    if bool(tiles) == bool(elements):
        raise ConfigError("elements or tiles are replaced: give one of the two")
    rows = tile_rows(len(sites), tiles) if tiles else element_rows(elements)
    count = options.replacement.count
    size = max(_PART_BATCHES * options.batch_size, _PART_BASES // window.length)
    part_rows = max(1, size // count)
    with Genome(fasta) as genome:
        check_sites(sites, genome)
        plan = Plan(
            RUN_FORMAT,
            {k: identity(p) for k, p in {"fasta": fasta, **(files or {})}.items()},
            {
                "options": asdict(options),
                "pairs": asdict(of_pairs) if pairs else None,
                "tiles": [asdict(t) for t in tiles],
                "targets": [t.to_json() for t in chosen.targets],
                "sites": sites_digest(sites),
                "part_rows": part_rows,
            },
            -(-len(rows) // part_rows),
            ".npy",
        )
        # A model that cannot be loaded must not cost results, nor leave a folder behind.
        predictor = load() if overwrite or not folder.exists() else None
        plan.claim(folder, resume, overwrite)
        with run_record(folder, {}, sites=len(sites), stretches=len(rows) - len(sites)) as record:
            record["inputs"] = dict(plan.inputs)
            if not (folder / NAME).exists():
                todo = plan.missing(folder)
                if todo:
                    run = _Run(genome, predictor or load(), sites, window, chosen, options)
                    run.write_parts(plan, folder, rows, part_rows, quiet)
                items = len(sites) * len(tiles) if tiles else len(elements)
                found = expressions(plan, folder, rows, len(sites), items)
                found.write(folder / NAME, sites, window, asdict(options))
            remove_all_parts(folder)
            found = Expressions.read(folder / NAME)
            if tiles:
                arguments = (sites, tiles, window, found, options.pseudocount)
                effects, by = write_tile_effects(folder, *arguments)
                return Scrambled(effects, by_distance=by)
            arguments = (pairs, sites, elements, found, options.pseudocount, of_pairs)
            return Scrambled(*write_pair_effects(folder, *arguments))


class _Run:
    """The loop over parts: rows to sequences to predictions to expression."""

    def __init__(
        self,
        genome: Genome,
        predictor: Predictor,
        sites: Sequence[StartSite],
        window: TssWindow,
        chosen: HeadTargets,
        options: ScrambleOptions,
    ):
        self._genome, self._sites, self._window = genome, sites, window
        self._chosen, self._options = chosen, options
        self._weights = track_weights(chosen.targets, sites, options.sense)
        self._averaged = AveragedPredictor(predictor, options.rc, options.shifts)

    def write_parts(
        self, plan: Plan, folder: Path, rows: Sequence[Row], size: int, quiet: bool
    ) -> None:
        """Write the parts that are missing: float64 [rows, count], NaN where there is none."""
        todo = plan.missing(folder)
        parts = [range(n * size, min((n + 1) * size, len(rows))) for n in range(plan.parts)]
        done = len(rows) - sum(len(parts[n]) for n in todo)
        with progress(
            total=len(rows), unit="stretches", label="scramble", quiet=quiet, initial=done
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
            site = [rows[n].site for n in number]
            values[number, slot] = self._expression(np.stack(sequences), self._weights[site])
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
