"""Principal components of variant scores over many tracks.

Each track is centred and divided by its standard deviation, and the components are the eigenvectors
of the tracks' correlations (Enformer: Avsec et al. 2021, Methods, 20 components of the scores of
common variants, as features of a classifier). They are found in two passes over the scores: means,
then products, summed in float64 block by block, so that memory holds tracks × tracks numbers
however many variants there are.
"""

import json
import logging
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.linalg import eigh
from scipy.linalg.blas import dsyrk

from tfepi.variants.score_file import ScoreFile
from tfrecords_tools.errors import ConfigError, InputFileError, why_unread
from tfrecords_tools.files import atomic_path, existing, same_identity
from tfrecords_tools.progress import progress

FORMAT = "tfepi-score-components"
FORMAT_VERSION = 1
DEFAULT = 20
_BLOCK_BYTES = 32 << 20
_ALIKE = ("rc", "shifts", "indel_align", "head", "untransform", "compat")
_DAMAGED = (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error)
_FLOATS = ("mean", "scale", "loadings", "explained")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Components:
    """What places a variant among others by its scores.

    Attributes:
        stat: the statistic that was scored.
        tracks: identifier of each track.
        labels: description of each.
        mean: of each track's scores, float64 [tracks].
        scale: standard deviation of each, [tracks]; 1 where all scores are the same.
        loadings: unit vectors [tracks, components], by falling variance; in each the entry of
            largest magnitude is positive.
        explained: variance of each component, [components]; that of a track is 1.
        varying: number of tracks whose scores differ among variants.
        variants: how many they were found from.
        source: "options", how these were scored, and "model", the identity of its files.
    """

    stat: str
    tracks: tuple[str, ...]
    labels: tuple[str, ...]
    mean: np.ndarray
    scale: np.ndarray
    loadings: np.ndarray
    explained: np.ndarray
    varying: int
    variants: int
    source: dict = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of components."""
        return self.loadings.shape[1]

    @property
    def shares(self) -> np.ndarray:
        """Share of the variance of all tracks that each component explains."""
        return self.explained / self.varying

    def project(self, scores: np.ndarray) -> np.ndarray:
        """Return the components of variants, float64 [variants, components].

        Args:
            scores: [variants, tracks]; of a variant with a NaN every component is NaN.
        """
        return ((scores - self.mean) / self.scale) @ self.loadings

    def columns(self, scores: ScoreFile) -> list[int]:
        """Return the places of the components' tracks among those of scores.

        Scores that were made in another way, or by another model, are told of in a warning.

        Raises:
            ConfigError: another statistic, or a track that the scores lack.
        """
        if scores.stat != self.stat:
            raise ConfigError(
                f"the components are of {self.stat}, the scores asked for of {scores.stat}: use "
                f"--stat {self.stat}"
            )
        place = {name: i for i, name in enumerate(scores.names)}
        missing = [name for name in self.tracks if name not in place]
        if missing:
            raise ConfigError(
                f"{scores.path} lacks {len(missing)} of the {len(self.tracks)} tracks of the "
                f"components, as {missing[0]!r}: score the variants in the same tracks"
            )
        mine = self.source.get("options", {})
        for name in _ALIKE:
            if name in mine and mine[name] != scores.options.get(name):
                _log.warning(
                    "%s has the option %s %s, the scores of the components %s",
                    *(scores.path, name, scores.options.get(name), mine[name]),
                )
        model = self.source.get("model")
        if model and scores.model and not _same_files(model, scores.model):
            _log.warning("%s is of another model's file than the components", scores.path)
        return [place[name] for name in self.tracks]

    def write(self, path: str | Path) -> None:
        """Write the arrays as .npz."""
        with atomic_path(path) as part, open(part, "wb") as handle:
            np.savez(
                handle,
                format=np.array(FORMAT),
                format_version=np.array(FORMAT_VERSION),
                stat=np.array(self.stat),
                tracks=np.array(self.tracks),
                labels=np.array(self.labels),
                varying=np.array(self.varying),
                variants=np.array(self.variants),
                source=np.array(json.dumps(self.source)),
                **{name: getattr(self, name) for name in _FLOATS},
            )

    @classmethod
    def read(cls, path: str | Path) -> "Components":
        """Read what `write` wrote.

        Raises:
            InputFileError: missing, damaged, or of another format.
        """
        path = existing(path, "components")
        try:
            with np.load(path, allow_pickle=False) as file:
                said = [file[k].item() if k in file else None for k in ("format", "format_version")]
                if said != [FORMAT, FORMAT_VERSION]:
                    raise InputFileError(
                        f"{path} has format {said[0]!r} version {said[1]!r}, want {FORMAT!r} "
                        f"version {FORMAT_VERSION}: name components.npz of tfepi_summaries.py"
                    )
                names = (tuple(map(str, file[k].tolist())) for k in ("tracks", "labels"))
                arrays = (file[k].astype(np.float64) for k in _FLOATS)
                counts = (int(file[k]) for k in ("varying", "variants"))
                source = json.loads(str(file["source"]))
                made = cls(str(file["stat"]), *names, *arrays, *counts, source)
        except InputFileError:
            raise
        except _DAMAGED as error:
            raise InputFileError(
                f"{path} is damaged, or no components ({why_unread(error)}): name components.npz "
                "of tfepi_summaries.py"
            ) from None
        tracks, count = len(made.tracks), len(made.explained)
        shapes = [getattr(made, name).shape for name in _FLOATS]
        if shapes != [(tracks,), (tracks,), (tracks, count), (count,)]:
            raise InputFileError(
                f"{path} is damaged: it has {tracks} tracks, and arrays of {shapes}: make it again"
            )
        return made


def _content(files: dict[str, dict]) -> dict[str, dict]:
    """Return identities of files without the paths, which differ among machines."""
    return {k: {n: x for n, x in v.items() if n != "path"} for k, v in files.items()}


def _same_files(one: dict[str, dict], other: dict[str, dict]) -> bool:
    return all(k in other and same_identity(v, other[k]) for k, v in one.items())


def fit(scores: ScoreFile, count: int | None = None, quiet: bool = True) -> Components:
    """Return the principal components of scores.

    Variants with a score that is no finite number are left out.

    Args:
        scores: of at least two variants.
        count: of components; None for 20, or as many as there can be.
        quiet: no progress bar.

    Raises:
        ConfigError: more components than there can be, or fewer than one.
        InputFileError: fewer than two variants that are whole, or no track that varies.
    """
    step = max(1, _BLOCK_BYTES // (8 * len(scores.targets)))
    with progress(total=2 * scores.rows, unit="variants", label="components", quiet=quiet) as bar:
        used, mean, varies = _means(scores, step, bar.update)
        possible = min(used - 1, int(varies.sum()))
        if not possible:
            raise InputFileError(
                f"{scores.path}: no track of {scores.stat} differs among {used} variants, so that "
                "there are no components: use --components 0"
            )
        if count is None:
            count = min(DEFAULT, possible)
            if count < DEFAULT:
                some = "component" if count == 1 else "components"
                _log.info("%d %s, as many as there can be", count, some)
        if not 1 <= count <= possible:
            raise ConfigError(
                f"components is {count}: {used} variants and {int(varies.sum())} tracks that vary "
                f"have 1 to {possible}"
            )
        products = _products(scores, step, mean, varies, bar.update)
    scale = np.where(varies, np.sqrt(np.diag(products) / used), 1.0)
    products /= used * scale
    products /= scale[:, None]
    tracks = len(mean)
    values, vectors = eigh(
        products,
        lower=False,
        subset_by_index=(tracks - count, tracks - 1),
        overwrite_a=True,
        check_finite=False,
    )
    vectors[~varies] = 0.0  # but for rounding, they are
    return Components(
        scores.stat,
        tuple(scores.names),
        tuple(t.description or t.identifier for t in scores.targets),
        mean,
        scale,
        _signed(vectors[:, ::-1]),
        values[::-1].copy(),
        int(varies.sum()),
        used,
        {"options": scores.options, "model": _content(scores.model)},
    )


def _whole(block: np.ndarray) -> np.ndarray:
    """Return the rows without NaN."""
    return block[~np.isnan(block).any(axis=1)]


def _means(
    scores: ScoreFile, step: int, advance: Callable[[int], object]
) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the number of whole rows, each track's mean over them, and whether it varies."""
    used, undefined = 0, np.zeros(len(scores.targets), np.int64)
    total = np.zeros(len(scores.targets))
    low, high = np.full(len(total), np.inf), np.full(len(total), -np.inf)
    for _, block in scores.scores(step):
        undefined += np.isnan(block).sum(axis=0)
        rows = _whole(block)
        used += len(rows)
        total += rows.sum(axis=0)
        low = np.minimum(low, rows.min(axis=0, initial=np.inf))
        high = np.maximum(high, rows.max(axis=0, initial=-np.inf))
        advance(len(block))
    if used < 2:
        worst = int(undefined.argmax())
        raise InputFileError(
            f"{scores.path}: {used} of {scores.rows} variants have {scores.stat} in every track, "
            f"want at least 2; {scores.names[worst]} lacks {undefined[worst]}: use --components 0, "
            "or score without such tracks"
        )
    if used < scores.rows:
        _log.warning(
            "%d of %d variants %s undefined scores: components are found without them",
            *(scores.rows - used, scores.rows, "has" if scores.rows - used == 1 else "have"),
        )
    return used, total / used, low < high


def _products(
    scores: ScoreFile,
    step: int,
    mean: np.ndarray,
    varies: np.ndarray,
    advance: Callable[[int], object],
) -> np.ndarray:
    """Return the upper half of the sums of products of centred scores, [tracks, tracks]."""
    sums = np.zeros((len(mean), len(mean)), order="F")
    for _, block in scores.scores(step):
        rows = np.where(varies, _whole(block) - mean, 0.0)
        if len(rows):
            # The transpose of rows lies in memory as BLAS wants it: nothing is copied.
            sums = dsyrk(1.0, rows.T, beta=1.0, c=sums, overwrite_c=True)
        advance(len(block))
    return sums


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Return vectors [tracks, components] whose entry of largest magnitude is positive."""
    size = np.abs(vectors)
    # The first of those that rounding alone tells apart.
    place = (size >= size.max(axis=0) * (1 - 1e-9)).argmax(axis=0)
    return vectors * np.where(vectors[place, np.arange(vectors.shape[1])] < 0, -1.0, 1.0)
