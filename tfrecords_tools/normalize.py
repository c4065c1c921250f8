"""Quantile normalisation of accessibility tracks: normalised tracks, their average, the deltas.

Each file is made from the files before it: the average from the normalised tracks as they were
written, a delta from a normalised track and the average. So the three agree to the last bit, a
stopped run goes on with the file it was at, and few files are open at a time.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import identity
from tfrecords_tools.input_tracks import AVERAGE, TABLE
from tfrecords_tools.normalize_plan import TracksPlan
from tfrecords_tools.normalize_runs import Runs, runs_of, stretches, write_bigwig
from tfrecords_tools.normalize_survey import NormalizedCell, QuantileOptions, Survey
from tfrecords_tools.normalize_tracks import (
    MEAN,
    CellTrack,
    Signal,
    common_chroms,
    read_cells,
    stems,
)
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress
from tfrecords_tools.quantile import QuantileMap
from tfrecords_tools.targets import Target, write_targets
from tfrecords_tools.tracks import Track, open_track

NAME = "normalize.json"
FORMAT = "tfepi-normalize"
log = logging.getLogger(__name__)


def normalize(
    table: str | Path,
    out: str | Path,
    options: QuantileOptions = QuantileOptions(),  # noqa: B008 frozen
    draw: Callable[[list[NormalizedCell], Path], object] | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write normalised tracks, their average and the deltas as bigWigs, with tables of them.

    Tracks are read before anything is written. Memory holds a stretch of the genome and a number
    per sampled position, however many tracks there are.

    Args:
        table: the tracks, as `normalize_tracks.read_cells` reads them.
        out: output folder.
        options: how.
        draw: draws a figure into the folder.
        resume: go on in a folder with results of the same inputs and options.
        overwrite: remove results first.
        quiet: no progress bars.

    Returns:
        The folder.

    Raises:
        InputFileError: a track that cannot be used, or of another genome build.
        ConfigError: an unknown cell type, or nothing to average.
        UnfinishedError: results are there, or of something else.
    """
    folder = check_folder(out, resume, overwrite)
    cells = read_cells(table)
    kept = _averaged(cells, options)
    names = stems((c.cell for c in cells), (AVERAGE,))
    chroms = common_chroms(cells, options.chroms)
    inputs = {"tracks table": identity(table)}
    inputs |= {f"track {r.identifier}": identity(r.file) for c in cells for r in c.replicates}
    plan = TracksPlan(NAME, FORMAT, inputs, asdict(options))
    if resume and plan.finished(folder):
        return folder
    _warn_of_assays(cells)
    survey = Survey(cells, chroms, options, quiet)
    maps = survey.maps(kept)
    plan.claim(folder, resume, overwrite)
    outputs = [f"{s}{end}.bw" for s in names.values() for end in ("", "_delta")]
    outputs += [f"{AVERAGE}.bw", TABLE]
    plan.write(folder, outputs, {"chroms": chroms} | survey.results(maps))
    files = {c.cell: folder / f"{names[c.cell]}.bw" for c in cells}
    average = folder / f"{AVERAGE}.bw"
    size = (2 * len(cells) + 1) * sum(chroms.values())
    with (
        run_record(folder, inputs, seed=options.seed),
        progress(total=size, unit="bp", label="write", quiet=quiet) as bar,
    ):
        if draw is not None:
            draw([survey.shown(row, maps[row]) for row in range(len(cells))], folder)
        for cell, found, runs in zip(cells, maps, survey.runs, strict=True):
            signal = partial(_signal, cell, options.nan)
            _write(files[cell.cell], chroms, signal, partial(_normalised, found), runs, bar)
        most = max(survey.runs)
        normalised = partial(_opened, [files[c.cell] for c in kept])
        _write(average, chroms, normalised, _mean, most, bar)
        for path in files.values():
            delta = path.with_name(f"{path.stem}_delta.bw")
            _write(delta, chroms, partial(_opened, [path, average]), _difference, most, bar)
        write_targets(folder / TABLE, _table(cells, files, options.reference))
    return folder


def _averaged(cells: tuple[CellTrack, ...], options: QuantileOptions) -> list[CellTrack]:
    """Return the cell types that are not held out, after checking the options' names."""
    names = [c.cell for c in cells]
    for cell in options.hold_out:
        if cell not in names:
            raise unknown("cell", cell, names, "in --hold_out")
    if options.reference not in (MEAN, *names):
        raise unknown("cell", options.reference, (MEAN, *names), "of --reference")
    kept = [c for c in cells if c.cell not in options.hold_out]
    if not kept:
        raise ConfigError("--hold_out names every cell, so there is nothing to average: keep some")
    return kept


def _warn_of_assays(cells: tuple[CellTrack, ...]) -> None:
    by_assay = {}
    for cell in cells:
        if cell.assay is not None:
            by_assay.setdefault(cell.assay, []).append(cell.cell)
    if len(by_assay) > 1:
        shown = "; ".join(
            f"{a}: {', '.join(c[:3])}{', …' * (len(c) > 3)}" for a, c in sorted(by_assay.items())
        )
        log.warning(
            "DNase and ATAC tracks are mixed (%s): they get one distribution, but where each "
            "enzyme cuts, and how wide its peaks are, stays different, so a model may read the "
            "assay where it should read the cell type; see normalize.png",
            shown,
        )


def _write(
    path: Path,
    chroms: dict[str, int],
    opened: Callable[[], Sequence[Track | Signal]],
    combine: Callable[[Iterator[np.ndarray], int], Runs],
    runs: int,
    bar,
) -> None:
    """Write a bigWig made of others, stretch by stretch, unless it is there.

    Args:
        path: the file.
        chroms: chromosome → length, bp.
        opened: opens what it is made of.
        combine: makes runs of the values of each, and of the position of the first of them.
        runs: about how many runs it will have.
        bar: of progress, in bp.
    """
    if path.exists():
        bar.update(sum(chroms.values()))
        return
    with ExitStack() as stack:
        tracks = [stack.enter_context(closing(track)) for track in opened()]

        def blocks(chrom: str, length: int) -> Iterator[Runs]:
            for low, high in stretches(length):
                yield combine((t.values(chrom, low, high) for t in tracks), low)
                bar.update(high - low)

        write_bigwig(path, chroms, blocks, runs)


def _signal(cell: CellTrack, nan: str) -> list[Signal]:
    return [Signal(cell, nan)]


def _opened(paths: Sequence[Path]) -> list[Track]:
    return [open_track(path) for path in paths]


def _normalised(found: QuantileMap, signal: Iterator[np.ndarray], low: int) -> Runs:
    starts, values = runs_of(next(signal), low)
    return starts, found(values).astype(np.float32)


def _mean(tracks: Iterator[np.ndarray], low: int) -> Runs:
    """Return the mean of tracks over those that have a value."""
    total = count = 0
    for values in tracks:
        known = ~np.isnan(values)
        total = total + np.where(known, values, 0.0)
        count = count + known.astype(np.int32)
    with np.errstate(invalid="ignore"):
        return runs_of((total / count).astype(np.float32), low)


def _difference(tracks: Iterator[np.ndarray], low: int) -> Runs:
    cell, average = tracks
    return runs_of(cell - average, low)


def _table(cells: tuple[CellTrack, ...], files: dict[str, Path], reference: str) -> tuple:
    like = "the mean" if reference == MEAN else reference
    return tuple(
        Target(
            number,
            c.cell,
            files[c.cell].name,
            sum_stat="mean",
            description=f"quantile-normalised to {like}",
            cell=c.cell,
            assay=c.assay,
        )
        for number, c in enumerate(cells)
    )
