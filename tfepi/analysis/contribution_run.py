"""A run of contribution scores: windows in numbered parts, contributions.h5, tracks, pairs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.contributions import Averaged, contributions, log_gradient
from tfepi.analysis.pair_tables import write_pairs
from tfepi.analysis.scramble import check_pseudocount
from tfepi.analysis.site_parts import (
    SUFFIX,
    SiteParts,
    keras_model,
    write_sites,
)
from tfepi.analysis.site_run import SiteRun
from tfepi.analysis.track_weights import check_sense, of_head, track_weights
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import BINS, TssWindow
from tfepi.prediction.bigwig import write_track
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import check_predicting
from tfrecords_tools.genome import Genome
from tfrecords_tools.targets import Target

NAME, TRACKS = "contributions.h5", "bigwig"
RUN_FORMAT, FORMAT, FORMAT_VERSION = "tfepi-contributions-run", "tfepi-contributions", 1
_STORED = 5  # bytes per base: the letter and its contribution
_GRADIENT = 16


@dataclass(frozen=True)
class ContributionOptions:
    """What decides contribution scores.

    Attributes:
        bins: around the TSS whose predictions are summed, an odd number.
        rc: average over both strands.
        shifts: average over these shifts, bp.
        sense: of two strands of one experiment take the gene's own alone.
        log: of log2(expression + pseudocount).
        pseudocount: of that.
        centred: take off the gradient's mean over the four letters.
        gradients: keep the gradient on all four letters too.
        batch_size: windows per call of the model.

    Raises:
        ConfigError: a value out of range.
    """

    bins: int = BINS
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    sense: bool = False
    log: bool = False
    pseudocount: float = 1.0
    centred: bool = False
    gradients: bool = False
    batch_size: int = 1

    def __post_init__(self):
        check_predicting(self.shifts, None, self.batch_size)
        check_pseudocount(self.pseudocount)


def contribute(
    run: SiteRun,
    options: ContributionOptions = ContributionOptions(),
    *,
    head: str | None = None,
    targets: Sequence[Target] | None = None,
    tracks: int = 0,
) -> list[dict]:
    """Write what each base around start sites contributes to the expression predicted there.

    Everything that can be checked is checked before the model is loaded.

    Args:
        run: of a Keras model.
        options: what decides the scores.
        head: the model's output.
        targets: average these of the head's, by identifier; None for all.
        tracks: write bigWigs of the first so many sites.

    Returns:
        Rows of `pair_accuracy`, none of pairs without labels.

    Raises:
        InputFileError: a FASTA or site that cannot be used, or a damaged model.
        ConfigError: an option that does not suit the model, or a model without gradients.
        UnfinishedError: results are there, or were made from something else.
    """
    window = run.window(options.bins, options.shifts)
    chosen = HeadTargets.of(run.spec, head, targets, None)
    if options.sense:
        check_sense(chosen.targets)
    parts = SiteParts.of(run.sites, window, options.batch_size)
    facts = {"targets": [t.to_json() for t in chosen.targets]}
    cut = {"tracks": tracks, "part_sites": parts.size}
    need = window.length * len(run.sites) * (2 * _STORED + _GRADIENT * 2 * options.gradients)

    def ready():
        return keras_model(run.load(), "gradients")

    with run.begun(RUN_FORMAT, options, facts, cut, parts.count, SUFFIX, ready, need) as (
        folder,
        plan,
        genome,
        model,
    ):
        if not (folder / NAME).exists():
            if plan.missing(folder):
                function = _function(model(), run, chosen, window, options)
                parts.write(plan, folder, genome, function, "contributions", run.quiet)
            _write_file(folder, plan, parts, genome, chosen, options)
        remove_all_parts(folder)
        _write_tracks(folder, run.sites[:tracks], window, genome)
        return _write_pairs(folder, run, window) if run.pairs else []


def _function(
    model,
    run: SiteRun,
    chosen: HeadTargets,
    window: TssWindow,
    options: ContributionOptions,
) -> Callable[[np.ndarray, range], dict[str, np.ndarray]]:
    head = run.spec.head(chosen.head)
    averaged = Averaged.of(model, head, window, options.rc, options.shifts)
    of_strand = of_head(track_weights(chosen.targets, options.sense), head, chosen.columns)

    def function(sequences: np.ndarray, numbers: range) -> dict[str, np.ndarray]:
        weights = np.stack([of_strand[run.sites[n].strand] for n in numbers])
        value, gradient = averaged(sequences, weights)
        if options.log:
            gradient = log_gradient(value, gradient, options.pseudocount)
        found = {
            "prediction": value,
            "contributions": np.stack(
                [
                    contributions(s, g, options.centred)
                    for s, g in zip(sequences, gradient, strict=True)
                ]
            ),
        }
        return found | ({"gradient": gradient} if options.gradients else {})

    return function


def _write_file(
    folder: Path,
    plan: Plan,
    parts: SiteParts,
    genome: Genome,
    chosen: HeadTargets,
    options: ContributionOptions,
) -> None:
    count, length = len(parts.sites), parts.window.length
    with written_hdf5(folder / NAME) as (file, check):
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["options"] = json.dumps(asdict(options))
        write_sites(file, parts.sites, parts.window)
        file["target_ids"] = np.array([t.identifier.encode() for t in chosen.targets])
        file.create_dataset("prediction", (count,), np.float32)
        file.create_dataset("sequence", (count, length), np.uint8, chunks=(1, length))
        file.create_dataset("contributions", (count, length), np.float32, chunks=(1, length))
        if options.gradients:
            shape = (count, length, 4)
            file.create_dataset("gradient", shape, np.float32, chunks=(1, *shape[1:]))
        for numbers, arrays in parts.read(plan, folder):
            rows = slice(numbers.start, numbers.stop)
            file["sequence"][rows] = parts.sequences(genome, numbers)
            for name, values in arrays.items():
                file[name][rows] = values
            check()


def track_name(number: int, gene: str) -> str:
    """Return the stem of the files of one site: its number from 0 and its gene."""
    return f"{number:05d}_" + "".join(c if c.isalnum() or c in "._-" else "_" for c in gene)[:60]


def _write_tracks(
    folder: Path, sites: Sequence[StartSite], window: TssWindow, genome: Genome
) -> None:
    """Write a bigWig of each site's contributions that is not there yet."""
    if not sites:
        return
    (folder / TRACKS).mkdir(exist_ok=True)
    with h5py.File(folder / NAME) as file:
        for number, site in enumerate(sites):
            path = folder / TRACKS / f"{track_name(number, site.gene)}.bw"
            if not path.exists():
                start = window.start(site.position) + np.arange(window.length)
                spans = [(site.chrom, start, start + 1, file["contributions"][number])]
                write_track(path, {site.chrom: genome.length(site.chrom)}, spans, 1)


def _write_pairs(folder: Path, run: SiteRun, window: TssWindow) -> list[dict]:
    pairs, sites, elements = run.pairs, run.sites, run.elements
    score = np.full(len(elements), np.nan)
    predicted = np.full(len(elements), np.nan)
    order = sorted(range(len(elements)), key=lambda n: elements[n].site)
    with h5py.File(folder / NAME) as file:
        held, values = None, None
        for number in order:
            element, site = elements[number], sites[elements[number].site]
            if element.site != held:
                held, values = element.site, file["contributions"][element.site]
            pair = pairs[element.pair]
            middle = (pair.start + pair.end) // 2 - window.start(site.position)
            score[number] = run.of_pairs.score(values, element, middle)
            predicted[number] = file["prediction"][element.site]
    columns = {"prediction": predicted, "contribution": score}
    return write_pairs(folder, run, columns, {"contribution": score})
