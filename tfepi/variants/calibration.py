"""Scores as quantiles among those of background variants, and as p values where these are a null.

The quantities are defined in `empirical`. Work is done in runs of targets (parts), each over all
variants; then calibrated.h5 is assembled, and calibrated.parquet written from it.
"""

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np

from tfepi.variants.background import NAME as BACKGROUND
from tfepi.variants.background import Background, check_alike, stripes, write_background
from tfepi.variants.calibration_table import TABLE, write_table
from tfepi.variants.empirical import adjusted, at_least, p_values, quantiles, ranked
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.numbered import Plan, remove_all_parts, unreadable_part
from tfepi.variants.row_chunks import PACKED, chunk_shape
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.subsets import Subset, parse_subsets
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity, same_identity
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, check_room, run_record, shown_size
from tfrecords_tools.progress import progress

SCORES = "calibrated.h5"
FORMAT = "tfepi-calibration"
SCORES_FORMAT = "tfepi-calibrated-scores"
FORMAT_VERSION = 1
_WITHOUT_SIGN = ("D1", "D2", "JS", "JSD")
_FALSE_SHARE = 0.05
_COPIED_BYTES = 32 << 20
_ROWS = ("chr", "pos", "snp", "ref_allele", "alt_allele", "target_ids", "target_labels")
_log = logging.getLogger(__name__)


def calibrate(
    path: str | Path,
    background: str | Path,
    out: str | Path,
    *,
    stat: str = "SAD",
    subsets: Sequence[str] = (),
    null: bool = False,
    over: float = 0.99,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write calibrated.h5 (variants by targets) and calibrated.parquet (a row per variant).

    Args:
        path: folder of `tfepi_variants.py`, or its scores.h5.
        background: the same of the background's variants; or background.h5 of an earlier run, or
            the folder that holds it.
        out: output folder.
        stat: the statistic.
        subsets: of the tracks, NAME=QUERY, for the table.
        null: the background has no effect but by chance: write p and adjusted values too.
        over: count the targets whose quantile is at least this.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bars.

    Returns:
        The folder written.

    Raises:
        InputFileError: scores or a background that cannot be used.
        ConfigError: they were not made alike, or an option out of range.
        UnfinishedError: results are there, or were made from something else.
    """
    inputs = {"scores": Path(path), "background": Path(background)}
    folder = check_folder(out, resume, overwrite, inputs)
    if not 0 < over < 1:
        raise ConfigError(f"over is {over}: want a quantile between 0 and 1, as 0.99")
    scores = ScoreFile.of(path, stat)
    chosen = parse_subsets(subsets, scores.targets)
    known, others = _background(Path(background), scores, chosen)
    variants = others.rows if others else known.variants
    runs = stripes(len(scores.targets), variants, scores.tracks_per_chunk)
    plan = Plan(
        FORMAT,
        {
            "scores": identity(scores.path),
            "background": identity(others.path if others else known.path),
        },
        {"stat": stat, "subsets": {s.name: s.query for s in chosen[1:]}, "null": null}
        | {"over": over, "targets_per_part": len(runs[0])},
        len(runs),
        ".h5",
    )
    source = plan.inputs["background"] if others else known.source
    if same_identity(plan.inputs["scores"], source):
        _log.warning(
            "%s is its own background: each variant is compared with itself too, and none is rarer "
            "than the rest; name the scores of other variants",
            scores.path,
        )
    names = dataset_names(stat, null)
    _forecast(folder, scores, len(names), variants if others else 0)
    _tell(scores.rows, variants, null)
    plan.claim(folder, resume, overwrite)
    if (folder / SCORES).exists() and (folder / TABLE).exists():
        remove_all_parts(folder)
        return folder
    facts = {"variants": scores.rows, "background_variants": variants}
    with run_record(folder, {}, **facts, resolution=1 / (variants + 1)) as record:
        record["inputs"] = dict(plan.inputs)
        if others:
            if not (folder / BACKGROUND).exists():
                write_background(folder / BACKGROUND, others, chosen, source, quiet)
            known = Background.read(folder / BACKGROUND)
            known.check_defined(scores)
        if not (folder / SCORES).exists():
            _write_parts(plan, folder, scores, known, runs, names, quiet)
            _assemble(plan, folder, scores, known, runs, names)
        write_table(folder / TABLE, folder / SCORES, scores, known, chosen, null, over, quiet)
        remove_all_parts(folder)
    return folder


def dataset_names(stat: str, null: bool) -> tuple[str, ...]:
    """Return the datasets of calibrated.h5 that have a number per variant and target."""
    signed = () if stat.endswith(_WITHOUT_SIGN) else ("signed_quantile",)
    return ("quantile", *signed, *(("p", "q") if null else ()))


def _background(
    path: Path, scores: ScoreFile, subsets: Sequence[Subset]
) -> tuple[Background | None, ScoreFile | None]:
    """Return the background that is there, or the scores it is made from, after checks."""
    made = path / BACKGROUND if path.is_dir() else path
    if path.is_dir() and made.exists():
        found = Background.read(made)
    elif path.is_file() and _is_background(path):
        found = Background.read(path)
    else:
        others = ScoreFile.of(path, scores.stat)
        check_alike(scores, others.path, others.stat, others.names, others.options, others.model)
        return None, others
    found.check(scores, subsets)
    return found, None


def _is_background(path: Path) -> bool:
    try:
        with h5py.File(path, "r") as file:
            return "scores" in file and "summaries" in file
    except OSError as error:
        raise InputFileError(
            f"background {path} is damaged, or no HDF5 ({error}): name scores or a background.h5"
        ) from None


def _forecast(folder: Path, scores: ScoreFile, datasets: int, background: int) -> None:
    """Log sizes, and refuse a disk that is too small."""
    numbers = 4 * scores.rows * len(scores.targets) * datasets
    sorted_scores = 4 * background * len(scores.targets)
    _log.info("expected sizes: %s %s", SCORES, shown_size(numbers))
    check_room(folder, 2 * numbers + sorted_scores)


def _tell(rows: int, background: int, null: bool) -> None:
    """Log how fine the quantiles are, and what that means for adjusted values."""
    least = 1 / (background + 1)
    _log.info("%s of the background: steps of %.3g", number_of(background, "variant"), least)
    needed = math.ceil(rows * least / _FALSE_SHARE)
    if null and needed > 1:
        _log.warning(
            "no p is below %.3g: of %s, %d must share it for an adjusted value of %g; a "
            "larger background is finer",
            *(least, number_of(rows, "variant"), needed, _FALSE_SHARE),
        )


def _write_parts(
    plan: Plan,
    folder: Path,
    scores: ScoreFile,
    background: Background,
    runs: Sequence[range],
    names: Sequence[str],
    quiet: bool,
) -> None:
    """Write the parts that are missing: all variants' numbers for a run of targets each."""
    todo = plan.missing(folder)
    total = len(scores.targets)
    done = total - sum(len(runs[n]) for n in todo)
    with progress(total=total, unit="tracks", label="calibrate", quiet=quiet, initial=done) as bar:
        for number in todo:
            run = runs[number]
            tracks = background.scores([scores.names[i] for i in run])
            with written_hdf5(plan.part(folder, number)) as (file, check):
                _write_part(file, check, scores, run, tracks, names)
            bar.update(len(run))


def _write_part(
    file: h5py.File,
    check: Callable[[], None],
    scores: ScoreFile,
    run: range,
    tracks: Sequence[np.ndarray],
    names: Sequence[str],
) -> None:
    data = {n: file.create_dataset(n, (scores.rows, len(run)), np.float32) for n in names}
    sizes = [np.sort(np.abs(t)) for t in tracks]
    occurring = [np.zeros(len(t) + 1, np.int64) for t in tracks] if "q" in names else []

    if occurring:
        for _, block in scores.columns(run):
            for i, values in enumerate(np.abs(block.T, order="C")):
                count = at_least(sizes[i], values)
                occurring[i] += np.bincount(count[count >= 0], minlength=len(occurring[i]))
    levels = [adjusted(found) for found in occurring]
    for low, block in scores.columns(run):
        found = {name: np.empty(block.shape, np.float32) for name in names}
        for i, values in enumerate(np.ascontiguousarray(block.T)):
            found["quantile"][:, i], count = ranked(sizes[i], np.abs(values))
            if "signed_quantile" in names:
                found["signed_quantile"][:, i] = quantiles(tracks[i], values)
            if levels:
                found["p"][:, i] = p_values(count, len(tracks[i]))
                found["q"][:, i] = np.where(count < 0, np.nan, levels[i][count])
        for name in names:
            data[name][low : low + len(block)] = found[name]
        check()


def _assemble(
    plan: Plan,
    folder: Path,
    scores: ScoreFile,
    background: Background,
    runs: Sequence[range],
    names: Sequence[str],
) -> None:
    """Join the parts, target beside target."""
    shape = (scores.rows, len(scores.targets))
    chunks = chunk_shape(shape[0], shape[1:])
    with written_hdf5(folder / SCORES) as (file, check):
        file.attrs["format"], file.attrs["format_version"] = SCORES_FORMAT, FORMAT_VERSION
        file.attrs["stat"] = scores.stat
        file.attrs["background_variants"] = background.variants
        with h5py.File(scores.path, "r") as source:
            for name in _ROWS:
                source.copy(source[name], file, name)
        place = {name: i for i, name in enumerate(background.tracks)}
        file["background_counts"] = background.counts[[place[name] for name in scores.names]]
        step = max(chunks[0], _COPIED_BYTES // (4 * shape[1]) // chunks[0] * chunks[0])
        for name in names:
            data = file.create_dataset(name, shape, np.float32, chunks=chunks, **PACKED)
            for low in range(0, shape[0], step):
                data[low : low + step] = _rows(plan, folder, runs, name, low, low + step)
                check()


def _rows(
    plan: Plan, folder: Path, runs: Sequence[range], name: str, low: int, high: int
) -> np.ndarray:
    """Return some rows of all parts, target beside target."""
    found = []
    for number in range(len(runs)):
        path = plan.part(folder, number)
        try:
            with h5py.File(path, "r") as part:
                found.append(part[name][low:high])
        except (OSError, KeyError) as error:
            raise unreadable_part(path, error) from None
    return np.concatenate(found, axis=1)
