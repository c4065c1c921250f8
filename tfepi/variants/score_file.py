"""A finished scores.h5, read in stretches of rows."""

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.variants.manifest import Manifest
from tfepi.variants.numbered import NAME
from tfepi.variants.scores import NO_EFFECT, PREDICTIONS, STATISTICS
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError, unknown
from tfrecords_tools.files import read_json, same_identity
from tfrecords_tools.targets import Target

FORMAT = "tfepi-variant-scores"
FORMAT_VERSION = 1
FILES = ("scores.h5", "sad.h5")
RUN = "run.json"
_CACHE_BYTES = 128 << 20
_CACHE_SLOTS = 10_007
_COLUMN_BYTES = 8 << 20
_ALIKE = ("rc", "shifts", "indel_align", "head", "untransform", "compat", "window_step")
_TEXT = ("chr", "snp", "ref_allele", "alt_allele")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoreFile:
    """What a scores.h5 holds of one statistic, but its scores, which stay on disk.

    Attributes:
        path: of the file.
        stat: name of the statistic.
        rows: number of rows, each one ALT.
        targets: of the last axis, in order.
        options: how they were scored.
        model: label → identity of each file of the model, where the folder tells.
    """

    path: Path
    stat: str
    rows: int
    targets: tuple[Target, ...]
    options: dict
    model: dict[str, dict]

    @classmethod
    def of(cls, path: str | Path, stat: str = "SAD") -> "ScoreFile":
        """Return the scores of a folder of `tfepi_variants.py`, or of its HDF5 file.

        Args:
            path: of the folder or file.
            stat: one of the statistics that are there, but REF and ALT.

        Raises:
            InputFileError: missing, damaged, of another format, or without rows.
            UnfinishedError: a folder whose run was not finished.
            ConfigError: a statistic that is not there.
        """
        path = _file(Path(path))
        try:
            with h5py.File(path, "r") as file:
                found = (file.attrs.get("format"), file.attrs.get("format_version"))
                if found != (FORMAT, FORMAT_VERSION):
                    raise InputFileError(
                        f"{path} has format {found[0]!r} version {found[1]}, want {FORMAT!r} "
                        f"version {FORMAT_VERSION}: name what tfepi_variants.py wrote"
                    )
                there = [s for s in STATISTICS if s in file]
                if stat not in there:
                    if stat in PREDICTIONS or stat in STATISTICS or not there:
                        raise ConfigError(
                            f"{path} has {', '.join(there) or 'no statistic'}, not {stat}: name "
                            "one with --stat, or score the variants with it"
                        )
                    raise unknown("statistic", stat, there, f"of {path}")
                rows, count = file[stat].shape
                names, labels = (
                    [v.decode() for v in file[k][()].tolist()]
                    for k in ("target_ids", "target_labels")
                )
                options = json.loads(file.attrs["scoring"])
        except (OSError, KeyError, ValueError) as error:
            if isinstance(error, ConfigError | InputFileError):
                raise
            raise InputFileError(f"{path} is damaged ({error}): score the variants again") from None
        if not len(names) == len(labels) == count:
            raise InputFileError(
                f"{path} is damaged: it has {count} scores a variant, {len(names)} identifiers and "
                f"{len(labels)} labels of targets: score the variants again"
            )
        if not rows:
            raise InputFileError(f"{path} has no scored variant: nothing can be summarised")
        targets = tuple(
            Target(i, name, description=label)
            for i, (name, label) in enumerate(zip(names, labels, strict=True))
        )
        model = {}
        if (path.parent / NAME).exists():
            manifest = Manifest.read(path.parent)
            if [t.identifier for t in manifest.targets] != names:
                raise InputFileError(
                    f"{path} and {path.parent / NAME} have other targets: keep together what one "
                    "run wrote"
                )
            targets = manifest.targets
            model = {k: v for k, v in manifest.inputs.items() if k not in ("vcf", "fasta")}
        return cls(path, stat, rows, targets, options, model)

    @property
    def names(self) -> list[str]:
        """Identifier of each target."""
        return [t.identifier for t in self.targets]

    def scores(
        self, step: int, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, float64 [rows, targets]): scores less what is no effect.

        What is no finite number is NaN.

        Args:
            step: rows at once.
            first, last: rows to read; None for all from the first on.
        """
        last = self.rows if last is None else last
        with h5py.File(self.path, "r", rdcc_nbytes=_CACHE_BYTES, rdcc_nslots=_CACHE_SLOTS) as file:
            for low in range(first, last, step):
                values = self._read(file, np.s_[low : min(low + step, last)]).astype(np.float64)
                values[~np.isfinite(values)] = np.nan
                yield low, values - NO_EFFECT.get(self.stat, 0.0)

    def _read(self, file: h5py.File, at) -> np.ndarray:
        try:
            return file[self.stat][at]
        except OSError as error:  # a chunk that cannot be inflated, or the tree of chunks
            reason = str(error).splitlines()[0]
            raise InputFileError(
                f"{self.path} is damaged in {self.stat} ({reason}): score the variants again"
            ) from None

    @property
    def tracks_per_chunk(self) -> int:
        """How many targets lie together on disk, so that reading them together costs least."""
        with h5py.File(self.path, "r") as file:
            chunks = file[self.stat].chunks
        return chunks[1] if chunks else len(self.targets)

    def columns(self, tracks: range) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first row, float32 [rows, tracks]) of all rows: scores less what is no effect.

        What is no finite number is NaN.
        """
        neutral = NO_EFFECT.get(self.stat, 0.0)
        with h5py.File(self.path, "r") as file:  # each chunk is read once: none is kept
            data = file[self.stat]
            rows = data.chunks[0] if data.chunks else 1
            step = max(rows, _COLUMN_BYTES // (4 * len(tracks)) // rows * rows)
            for low in range(0, self.rows, step):
                at = np.s_[low : low + step, tracks.start : tracks.stop]
                values = self._read(file, at)
                values = values.astype(np.float64) if neutral else values.astype(np.float32)
                values[~np.isfinite(values)] = np.nan
                yield low, (values - neutral).astype(np.float32) if neutral else values

    def differences(self, options: dict, model: dict[str, dict]) -> list[str]:
        """Return in words how other scores were made otherwise.

        A model that is not known, as of a file without its folder, is told of in a warning.

        Args:
            options: how the others were scored.
            model: label → identity of each file of their model.
        """
        pairs = {name: (options.get(name), self.options.get(name)) for name in _ALIKE}
        # An option that an older file lacks was not asked for.
        found = [f"{n} is {a} and {b}" for n, (a, b) in pairs.items() if (a or None) != (b or None)]
        if not model or not self.model:
            _log.warning(
                "%s: the model's files of one of the two are not known, as of scores without their "
                "manifest.json: they are taken to be of one model",
                self.path,
            )
        elif set(model) != set(self.model) or not all(
            same_identity(value, self.model[name]) for name, value in model.items()
        ):
            found.append("their models' files differ")
        return found

    def variants(self, first: int, last: int) -> dict[str, list]:
        """Return columns chrom, pos (1-based), id, ref and alt of some rows."""
        with h5py.File(self.path, "r") as file:
            texts = [[v.decode() for v in file[k][first:last].tolist()] for k in _TEXT]
            pos = file["pos"][first:last].astype(np.int64).tolist()
        return dict(
            zip(("chrom", "pos", "id", "ref", "alt"), (texts[0], pos, *texts[1:]), strict=True)
        )


def _file(path: Path) -> Path:
    """Return the HDF5 file of a folder, or the path itself."""
    if not path.exists():
        raise InputFileError(f"scores {path} do not exist: check the path")
    if not path.is_dir():
        return path
    found = [path / name for name in FILES if (path / name).exists()]
    if found:
        return found[0]
    if (path / NAME).exists():
        _check_kind(path)
        record = read_json(path / RUN) if (path / RUN).exists() else {}
        if record.get("outcome") == "finished" and "h5" not in record.get("formats", ["h5"]):
            raise InputFileError(
                f"scores {path} were written as {', '.join(record['formats'])}, without scores.h5, "
                "which is read: score with h5 among --formats"
            )
        raise UnfinishedError(
            f"scores {path} are not finished: run tfepi_variants.py with --resume, or --merge its "
            "shards"
        )
    raise InputFileError(f"{path} has no scores.h5: name a folder of tfepi_variants.py")


def _check_kind(folder: Path) -> None:
    """Refuse a folder that another command made.

    Raises:
        InputFileError: with its format, and the command where run.json has it.
    """
    kind = read_json(folder / NAME).get("format")
    if kind == Manifest.FORMAT:
        return
    made = read_json(folder / RUN).get("command") if (folder / RUN).exists() else None
    by = f", made by {made[0]}" if isinstance(made, list) and made else ""
    raise InputFileError(
        f"{folder} holds no scores of variants (its format is {kind!r}{by}): name a folder of "
        "tfepi_variants.py"
    )
