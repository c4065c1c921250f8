"""Scores of background variants, sorted target by target: background.h5.

A calibration asks where a score stands among these. They are kept as they are, float32: nothing
is fitted or binned.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.row_chunks import PACKED
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.subsets import Subset, subset_columns
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.progress import progress

NAME = "background.h5"
FORMAT = "tfepi-score-background"
FORMAT_VERSION = 1
SUMMARIES = ("max_abs", "mean_abs")
HELD_BYTES = 256 << 20
_BLOCK_BYTES = 32 << 20
_CHUNK = 1 << 18
_STRIPE_CHUNKS = 8


@dataclass(frozen=True)
class Background:
    """A background.h5, but its scores, which stay on disk.

    Attributes:
        path: of the file.
        stat: the statistic.
        variants: how many there are.
        tracks: identifier of each target.
        counts: numbers among each target's scores, int64 [targets]; the rest is undefined.
        subsets: name → query of the subsets whose summaries are kept.
        options: how the variants were scored.
        model: label → identity of each file of the model, where that is known.
        source: identity of the scores that it was made from, where that is known.
    """

    path: Path
    stat: str
    variants: int
    tracks: tuple[str, ...]
    counts: np.ndarray
    subsets: dict[str, str]
    options: dict
    model: dict[str, dict]
    source: dict

    @classmethod
    def read(cls, path: str | Path) -> "Background":
        """Read what `write_background` wrote.

        Raises:
            InputFileError: damaged, or of another format.
        """
        try:
            with h5py.File(path, "r") as file:
                found = (file.attrs.get("format"), file.attrs.get("format_version"))
                if found != (FORMAT, FORMAT_VERSION):
                    raise InputFileError(
                        f"{path} has format {found[0]!r} version {found[1]}, want {FORMAT!r} "
                        f"version {FORMAT_VERSION}: name a background of tfepi_calibrate.py"
                    )
                tracks = tuple(v.decode() for v in file["target_ids"][()].tolist())
                shape, counts = file["scores"].shape, file["counts"][()]
                facts = json.loads(file.attrs["source"])
                made = cls(
                    *(Path(path), str(file.attrs["stat"]), shape[1], tracks, counts),
                    **{name: facts[name] for name in ("subsets", "options", "model")},
                    source=facts.get("scores", {}),
                )
        except InputFileError:
            raise
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise InputFileError(
                f"{path} is damaged, or no HDF5 ({error}): make the background again"
            ) from None
        if not len(tracks) == len(counts) == shape[0]:
            raise InputFileError(f"{path} is damaged: its sizes differ; make it again")
        return made

    def scores(self, tracks: Sequence[str]) -> list[np.ndarray]:
        """Return the scores of targets less what is no effect, ascending, float32, without NaN."""
        place = {name: i for i, name in enumerate(self.tracks)}
        with h5py.File(self.path, "r") as file:
            rows = [place[name] for name in tracks]
            return [file["scores"][i, : self.counts[i]] for i in rows]

    def summary(self, subset: str, name: str) -> np.ndarray:
        """Return a summary (`SUMMARIES`) of the variants over a subset, ascending, without NaN."""
        with h5py.File(self.path, "r") as file:
            values = file[f"summaries/{subset}_{name}"][()]
        return values[~np.isnan(values)]

    def check(self, scores: ScoreFile, subsets: Sequence[Subset]) -> None:
        """Check that scores may be compared with these.

        Raises:
            ConfigError: as `check_alike` and `check_defined`, or a subset that is not there.
        """
        check_alike(scores, self.path, self.stat, self.tracks, self.options, self.model)
        self.check_defined(scores)
        for subset in subsets[1:]:
            if self.subsets.get(subset.name) != subset.query:
                raise ConfigError(
                    f"{self.path} has no subset {subset.name}={subset.query}: name the scores of "
                    "the background instead, so that it is made again"
                )

    def check_defined(self, scores: ScoreFile) -> None:
        """Check that every target of scores has a background.

        Raises:
            ConfigError: a target without a number.
        """
        there = {name for name, n in zip(self.tracks, self.counts, strict=True) if n}
        empty = [name for name in scores.names if name not in there]
        if empty:
            raise ConfigError(
                f"{self.path} has no defined score of {self.stat} in {len(empty)} of the tracks, "
                f"as {empty[0]!r}: score without these"
            )


def check_alike(
    scores: ScoreFile,
    path: Path,
    stat: str,
    tracks: Sequence[str],
    options: dict,
    model: dict[str, dict],
) -> None:
    """Check that a background was scored as scores were.

    Args:
        scores: that are compared with it.
        path: of the background.
        stat, tracks, options, model: of the background.

    Raises:
        ConfigError: another statistic, model or way of scoring, or a target that it lacks.
    """
    if stat != scores.stat:
        raise ConfigError(
            f"{path} is of {stat}, the scores asked for of {scores.stat}: use --stat {stat}"
        )
    missing = sorted(set(scores.names) - set(tracks), key=scores.names.index)
    if missing:
        raise ConfigError(
            f"{path} lacks {len(missing)} of the {len(scores.names)} tracks of {scores.path}, as "
            f"{missing[0]!r}: score both in the same tracks"
        )
    differs = scores.differences(options, model)
    if differs:
        raise ConfigError(
            f"{path} and {scores.path} were scored in other ways ({'; '.join(differs)}): score "
            "both alike"
        )


def stripes(tracks: int, variants: int, step: int) -> list[range]:
    """Return runs of targets whose backgrounds may be held at once.

    Args:
        tracks: number of targets.
        variants: of the background.
        step: targets per chunk of the scores; runs end there where they can.
    """
    # Scores and magnitudes of the background, and a count per possible p.
    most = max(1, HELD_BYTES // (16 * (variants + 1)))
    if most > step:
        most = min(most // step, _STRIPE_CHUNKS) * step
    return [range(low, min(low + most, tracks)) for low in range(0, tracks, most)]


def write_background(
    path: Path, scores: ScoreFile, subsets: Sequence[Subset], source: dict, quiet: bool = True
) -> None:
    """Write background.h5 from the scores of background variants.

    `scores` float32 [targets, variants] ascending along variants, NaN last; `counts` [targets];
    `summaries/NAME_max_abs`, `NAME_mean_abs` [variants] of each subset, ascending, NaN last.

    Args:
        path: of the file.
        scores: of the background variants.
        subsets: all tracks, then others.
        source: identity of the scores' file.
        quiet: no progress bar.
    """
    rows, tracks = scores.rows, len(scores.targets)
    with written_hdf5(path) as (file, check):
        file.attrs["format"], file.attrs["format_version"] = FORMAT, FORMAT_VERSION
        file.attrs["stat"] = scores.stat
        facts = {
            "subsets": {s.name: s.query for s in subsets[1:]},
            "options": scores.options,
            "model": scores.model,
            "scores": {k: v for k, v in source.items() if k != "path"},
        }
        file.attrs["source"] = json.dumps(facts)
        file["target_ids"] = np.array([name.encode() for name in scores.names])
        chunks = (1, min(rows, _CHUNK))
        out = file.create_dataset("scores", (tracks, rows), np.float32, chunks=chunks, **PACKED)
        counts = file.create_dataset("counts", (tracks,), np.int64)
        with progress(total=tracks, unit="tracks", label="background", quiet=quiet) as bar:
            for stripe in stripes(tracks, rows, scores.tracks_per_chunk):
                held = np.empty((len(stripe), rows), np.float32)
                for low, block in scores.columns(stripe):
                    held[:, low : low + len(block)] = block.T
                held.sort(axis=1)
                out[stripe.start : stripe.stop] = held
                counts[stripe.start : stripe.stop] = (~np.isnan(held)).sum(axis=1)
                check()
                bar.update(len(stripe))
        for name, values in _summaries(scores, subsets).items():
            chunk = (min(rows, _CHUNK),)
            file.create_dataset(f"summaries/{name}", data=values, chunks=chunk, **PACKED)
            check()


def _summaries(scores: ScoreFile, subsets: Sequence[Subset]) -> dict[str, np.ndarray]:
    """Return the sorted summaries of all variants by column, float32 [variants]."""
    names = [f"{s.name}_{n}" for s in subsets for n in SUMMARIES]
    found = {name: np.empty(scores.rows, np.float32) for name in names}
    for low, block in scores.scores(max(1, _BLOCK_BYTES // (8 * len(scores.targets)))):
        for subset in subsets:
            columns = subset_columns(block, subset, scores.names)
            for name in SUMMARIES:
                key = f"{subset.name}_{name}"
                found[key][low : low + len(block)] = columns[key]
    return {name: np.sort(values) for name, values in found.items()}
