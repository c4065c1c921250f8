"""A run of contribution scores: windows in numbered parts, contributions.h5, tracks, pairs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.contributions import Averaged, contributions, log_gradient
from tfepi.analysis.element_pairs import Element, Pair
from tfepi.analysis.pair_options import PairOptions
from tfepi.analysis.pair_tables import ACCURACY, TABLE, write_accuracy, write_pairs
from tfepi.analysis.scramble import check_pseudocount
from tfepi.analysis.site_parts import (
    SUFFIX,
    SiteParts,
    check_sites,
    keras_model,
    sites_digest,
    write_sites,
)
from tfepi.analysis.track_weights import check_sense, of_head, track_weights
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import BINS, TssWindow
from tfepi.prediction.bigwig import write_track
from tfepi.spec import Head, ModelSpec, Predictor, check_shifts
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import check_predicting
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome
from tfrecords_tools.output import check_folder, check_room, run_record
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
    load: Callable[[], Predictor],
    spec: ModelSpec,
    sites: Sequence[StartSite],
    fasta: str | Path,
    out: str | Path,
    options: ContributionOptions = ContributionOptions(),
    *,
    files: Mapping[str, str | Path] | None = None,
    head: str | None = None,
    targets: Sequence[Target] | None = None,
    pairs: Sequence[Pair] = (),
    elements: Sequence[Element] = (),
    of_pairs: PairOptions = PairOptions(),  # noqa: B008 frozen
    tracks: int = 0,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> list[dict]:
    """Write what each base around start sites contributes to the expression predicted there.

    Everything that can be checked is checked before `load` is called.

    Args:
        load: returns the model, a Keras model.
        spec: its contract.
        sites: start sites.
        fasta: the genome, plain or bgzip.
        out: output folder.
        options: what decides the scores.
        files: label → path of the files that decide model, sites and pairs.
        head: the model's output.
        targets: average these of the head's, by identifier; None for all.
        pairs: table of pairs, for scores of elements.
        elements: of `element_pairs.match`, whose sites are these.
        of_pairs: how they are scored.
        tracks: write bigWigs of the first so many sites.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        Rows of `pair_accuracy`, none of pairs without labels.

    Raises:
        InputFileError: a FASTA or site that cannot be used, or a damaged model.
        ConfigError: an option that does not suit the model, or a model without gradients.
        UnfinishedError: results are there, or were made from something else.
    """
    folder, rows = check_folder(out, resume, overwrite), []
    window = TssWindow.of(spec, options.bins)
    check_shifts(spec, options.shifts)
    chosen = HeadTargets.of(spec, head, targets, None)
    if options.sense:
        check_sense(chosen.targets)
    parts = SiteParts.of(sites, window, options.batch_size)
    with Genome(fasta) as genome:
        check_sites(sites, genome)
        plan = Plan(
            RUN_FORMAT,
            {k: identity(p) for k, p in {"fasta": fasta, **(files or {})}.items()},
            {
                "options": asdict(options),
                "pairs": asdict(of_pairs) if pairs else None,
                "targets": [t.to_json() for t in chosen.targets],
                "sites": sites_digest(sites),
                "tracks": tracks,
                "part_sites": parts.size,
            },
            parts.count,
            SUFFIX,
        )
        need = window.length * len(sites) * (2 * _STORED + _GRADIENT * 2 * options.gradients)
        check_room(folder, need)

        def ready():
            return keras_model(load(), "gradients")

        # A model that cannot be used must not cost results, nor leave a folder behind.
        model = ready() if overwrite or not folder.exists() else None
        plan.claim(folder, resume, overwrite)
        facts = {"sites": len(sites), "pairs": len(pairs)}
        with run_record(folder, {}, **facts) as record:
            record["inputs"] = dict(plan.inputs)
            if not (folder / NAME).exists():
                if plan.missing(folder):
                    own = spec.head(chosen.head)
                    weights = track_weights(chosen.targets, sites, options.sense)
                    weights = of_head(weights, own, chosen.columns)
                    function = _function(model or ready(), own, weights, window, options)
                    parts.write(plan, folder, genome, function, "contributions", quiet)
                _write_file(folder, plan, parts, genome, chosen, options)
            remove_all_parts(folder)
            _write_tracks(folder, sites[:tracks], window, genome)
            if pairs:
                rows = _write_pairs(folder, pairs, sites, elements, window, of_pairs)
    return rows


def _function(
    model,
    head: Head,
    weights: np.ndarray,
    window: TssWindow,
    options: ContributionOptions,
) -> Callable[[np.ndarray, range], dict[str, np.ndarray]]:
    averaged = Averaged.of(model, head, window, options.rc, options.shifts)

    def function(sequences: np.ndarray, numbers: range) -> dict[str, np.ndarray]:
        value, gradient = averaged(sequences, weights[numbers.start : numbers.stop])
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


def _write_pairs(
    folder: Path,
    pairs: Sequence[Pair],
    sites: Sequence[StartSite],
    elements: Sequence[Element],
    window: TssWindow,
    options: PairOptions,
) -> list[dict]:
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
            score[number] = options.score(values, element, middle)
            predicted[number] = file["prediction"][element.site]
    columns = {"prediction": predicted, "contribution": score}
    write_pairs(folder / TABLE, pairs, sites, elements, columns)
    scores = {"contribution": score}
    return write_accuracy(
        folder / ACCURACY, pairs, sites, elements, scores, options.edges, options.seed
    )
