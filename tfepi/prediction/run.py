"""Predictions for windows of a genome: numbered parts, then predict.h5 and tracks."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tfepi.crew import ALONE, Crew
from tfepi.prediction.bigwig import track_chroms, track_path, write_tracks
from tfepi.prediction.filling import EachWindow, OverlappingWindows
from tfepi.prediction.options import Request, default_part_windows
from tfepi.prediction.output import NAME, write_predictions
from tfepi.prediction.parts import PredictedParts
from tfepi.prediction.phases import Phases
from tfepi.prediction.site_values import SiteValues, check_condition
from tfepi.prediction.windows import Place, Site, Windows
from tfepi.spec import AveragedPredictor, Condition, ModelSpec, Predictor, check_shifts
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.numbered import FOLDER, Plan, remove_all_parts
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_room, run_record, shown_size
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target, select

FORMAT = "tfepi-predict"
_TRACK_BYTES = 8  # per bin, with its share of zoom levels
_log = logging.getLogger(__name__)


def predict_windows(
    load: Callable[[], Predictor],
    spec: ModelSpec,
    place: Place,
    fasta: str | Path,
    out: str | Path,
    request: Request = Request(),  # noqa: B008 frozen
    *,
    model_files: dict[str, str | Path] | None = None,
    targets: Sequence[Target] | None = None,
    sizes: str | Path | None = None,
    condition: Condition | None = None,
    part_windows: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    crew: Crew = ALONE,
) -> Path:
    """Predict windows and write predict.h5 and bigWig tracks.

    Everything that can be checked is checked before `load` is called and before anything is
    written. The bytes of the results depend on inputs and options only, not on being stopped and
    resumed; a finished run is left alone.

    Args:
        load: returns the model.
        spec: the model's contract.
        place: where to predict.
        fasta: the genome, plain or bgzip.
        out: output folder.
        request: the options.
        model_files: label → path of the files whose content is the model, and of those that
            `condition` reads.
        targets: predict only these of the head's, by identifier, with these transforms.
        sizes: table of the chromosomes that tracks list; None for the FASTA's.
        condition: gives what the model takes besides the sequence, for a batch of windows; the
            cell type that decides it is known by the targets or by the files.
        part_windows: windows per part; None for a number that suits the model.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bars.
        crew: processes that share the parts, all of which call this.

    Returns:
        The folder written.

    Raises:
        InputFileError: a FASTA, BED or model that cannot be used, or only NaN predicted.
        ConfigError: an unknown target, or an option that does not suit the model.
        UnfinishedError: results are there, or were made from something else.
        OSError: the disk is full.
    """
    folder = Path(out)
    crew.check_folder(folder, resume, overwrite)
    site = Site.of(spec, request.site_length)
    phases = Phases.of(place.phases, place.edge, site)
    outputs = _Outputs.of(spec, request, targets)
    if phases and not request.hdf5:
        outputs = outputs.drawn(spec, request)
    check_shifts(spec, request.shifts)
    check_condition(spec, condition is not None)
    if phases and request.sum:
        raise ConfigError("--sum is of windows side by side: leave it or --phases out")
    if part_windows is None:
        count = phases.count if phases else 1
        part_windows = default_part_windows(
            spec, site, len(outputs.targets), request.batch_size, count
        )
    if part_windows < 1:
        raise ConfigError(f"part_windows is {part_windows}: want at least 1")
    files = {"fasta": fasta, **place.files, **(model_files or {})}
    if sizes is not None:
        files["sizes"] = sizes
    with Genome(fasta) as genome:
        windows = place.windows(genome, site)
        lengths = track_chroms(genome, windows, sizes) if outputs.tracks else {}
        plan = Plan(
            FORMAT,
            {label: identity(path) for label, path in files.items()},
            {
                "options": asdict(request),
                "place": {"chroms": place.chroms or None},
                **({"phases": asdict(phases)} if phases else {}),
                "site": asdict(site),
                "targets": [t.to_json() for t in outputs.targets],
                "part_windows": part_windows,
            },
            -(-len(windows) // part_windows),
            ".npy",
        )
        kept = 1 if request.sum and not outputs.tracks else site.bins
        _forecast(folder, windows, site, kept, outputs, request.hdf5)
        if phases:
            _log.info(
                "each is put together from windows in %d phases, without %d bp at their edges",
                phases.count,
                phases.edge * phases.bin_width,
            )
        final = outputs.files(folder, request.hdf5)
        # A model that cannot be loaded must not cost results, nor leave a folder behind.
        predictor = load() if crew.leads and (overwrite or not folder.exists()) else None
        if not crew.await_lead(folder / FOLDER, range(plan.parts), final, overwrite):
            return folder
        if crew.leads:
            plan.claim(folder, resume, overwrite)
        else:
            plan.check_same(folder)
        parts = PredictedParts(folder, plan, len(windows), part_windows)
        if crew.leads and all(path.exists() for path in final):
            remove_all_parts(folder)
            return folder
        counts = {"windows": len(windows), "overlapping_windows": windows.overlapping}
        recorded = run_record(folder, {}, **counts) if crew.leads else nullcontext({})
        with recorded as record, crew.at_work(folder / FOLDER) as duty:
            record["inputs"] = dict(plan.inputs)
            todo = crew.own(plan.missing(folder))
            if todo:
                averaged = AveragedPredictor(predictor or load(), request.rc, request.shifts)
                values = SiteValues(averaged, genome, site, outputs.chosen, condition)
                size = request.batch_size
                filler = EachWindow(values, windows, size)
                if phases:
                    filler = OverlappingWindows(values, windows, phases, genome.chroms, size)
                undefined = write_parts(filler, parts, todo, kept, quiet)
                if crew.count == 1:  # others count their own
                    record["undefined_windows"] = undefined
            if not crew.leads:
                return folder
            duty.await_others(lambda: plan.missing(folder))
            if request.hdf5 and not (folder / NAME).exists():
                write_predictions(folder / NAME, parts, windows, site, outputs.targets, request)
            if outputs.tracks:
                write_tracks(parts, windows, site.bin_width, outputs.tracks, lengths, quiet)
        remove_all_parts(folder)
    return folder


@dataclass(frozen=True)
class _Outputs:
    """What is written.

    Attributes:
        chosen: what is predicted.
        tracks: place among the targets, and the target, of each track.
    """

    chosen: HeadTargets
    tracks: list[tuple[int, Target]]

    @classmethod
    def of(cls, spec: ModelSpec, request: Request, targets: Sequence[Target] | None) -> "_Outputs":
        chosen = HeadTargets.of(spec, request.head, targets, request.untransform)
        among, names = chosen.targets, request.tracks
        drawn = range(len(among)) if names is None else select(among, list(names))
        return cls(chosen, [(i, among[i]) for i in drawn])

    def drawn(self, spec: ModelSpec, request: Request) -> "_Outputs":
        """Return the same tracks of no more targets than they show."""
        targets = [target for _, target in self.tracks]
        chosen = HeadTargets.of(spec, request.head, targets, request.untransform)
        return _Outputs(chosen, list(enumerate(targets)))

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is predicted, in the order of the last axis."""
        return self.chosen.targets

    def files(self, folder: Path, hdf5: bool) -> list[Path]:
        """Return the paths of all final files."""
        return [folder / NAME] * hdf5 + [track_path(folder, t) for _, t in self.tracks]


def _forecast(
    folder: Path, windows: Windows, site: Site, kept: int, outputs: _Outputs, hdf5: bool
) -> None:
    """Log what will be written, and refuse a disk that is too small."""
    values = len(windows) * len(outputs.targets) * kept
    drawn = len(windows) * site.bins * len(outputs.tracks)
    need = 4 * values * (1 + hdf5) + _TRACK_BYTES * drawn
    _log.info(
        "%s of %s of %d bp, %s, %s; up to %s on disk",
        number_of(len(windows), "window"),
        number_of(site.bins, "bin"),
        site.bin_width,
        number_of(len(outputs.targets), "target"),
        number_of(len(outputs.tracks), "track"),
        shown_size(need),
    )
    if windows.overlapping and outputs.tracks:
        _log.info(
            "%d of %d windows begin inside an earlier one: tracks hold the mean of both there",
            windows.overlapping,
            len(windows),
        )
    check_room(folder, need)


def write_parts(
    filler: EachWindow | OverlappingWindows,
    parts: PredictedParts,
    todo: list[int],
    bins: int,
    quiet: bool,
    unit: str = "windows",
) -> int:
    """Write the parts in `todo`; return how many windows have undefined predictions.

    Args:
        filler: of the windows.
        parts: where their values go.
        todo: numbers of the parts that are not there yet.
        bins: per window.
        quiet: no progress bar.
        unit: what a window is of, for bar and messages.

    Raises:
        InputFileError: a part without any finite prediction.
    """
    undefined = 0
    done = parts.count - sum(len(parts.numbers(n)) for n in todo)
    with progress(total=parts.count, unit=unit, label="predict", quiet=quiet, initial=done) as bar:
        for part in todo:
            numbers = parts.numbers(part)
            values, bad = filler.part(numbers, bins, bar.update)
            if not np.isfinite(values).any():
                raise InputFileError(
                    f"the model predicts no finite number for {unit} {numbers[0] + 1} to "
                    f"{numbers[-1] + 1}: its weights are damaged"
                )
            parts.write(part, values)
            undefined += bad
    if undefined:
        _log.warning("%d %s have predictions that are not finite numbers", undefined, unit)
    return undefined
