"""What a model's trunk makes of each record, kept on disk: one file per shard and variant.

A file `LABEL-NUMBER.SHIFT+.tfr` (`-` for the other strand) is a TFRecord file, not compressed,
whose records are the bare numbers [positions, channels] of the shard's records, in their order.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import atomic_path, existing_folder, inside, read_json, write_json
from tfrecords_tools.framing import frame, read_frames
from tfrecords_tools.number_text import number_of

FORMAT = "tfepi-embeddings"
FORMAT_VERSION = 2
TABLE = "embeddings.json"
PRECISIONS = ("float16", "float32")


@dataclass(frozen=True)
class Variant:
    """How the sequences of records were changed before the trunk saw them.

    Attributes:
        shift: bp to the right.
        rc: reverse-complemented after that.
    """

    shift: int = 0
    rc: bool = False

    @property
    def name(self) -> str:
        """What it is called in the names of files: "0+", "-3-"."""
        return f"{self.shift}{'-' if self.rc else '+'}"


@dataclass(frozen=True)
class Embeddings:
    """A folder of embeddings.

    Attributes:
        folder: where they lie.
        layer: of the model, whose values they are.
        shape: positions and channels.
        precision: "float16" or "float32".
        variants: the first is that of validation.
        counts: records by label.
        first_sequences: of each shard, by its name, what `first_sequence` gives.
        trunk_sha256: of the weights that made them.
    """

    folder: Path
    layer: str
    shape: tuple[int, int]
    precision: str
    variants: tuple[Variant, ...]
    counts: dict[str, int]
    first_sequences: dict[str, str]
    trunk_sha256: str

    @classmethod
    def open(cls, folder: str | Path) -> "Embeddings":
        """Open a finished folder.

        Raises:
            InputFileError: none, of another format, or damaged.
        """
        folder = existing_folder(folder, "folder of embeddings")
        if not (folder / TABLE).exists():
            raise InputFileError(
                f"{folder} has no {TABLE}: it is no folder of tfepi_embed.py, or one that is not "
                "finished; run that with --resume"
            )
        value = read_json(folder / TABLE)
        if value.get("format") != FORMAT or value.get("format_version") != FORMAT_VERSION:
            raise InputFileError(
                f"{folder / TABLE} has format {value.get('format')!r} version "
                f"{value.get('format_version')!r}, want {FORMAT!r} version {FORMAT_VERSION}"
            )
        try:
            return cls(
                folder,
                value["layer"],
                tuple(value["shape"]),
                value["precision"],
                tuple(Variant(**v) for v in value["variants"]),
                value["counts"],
                value["first_sequences"],
                value["trunk_sha256"],
            )
        except (KeyError, TypeError) as error:
            raise InputFileError(f"{folder / TABLE} is damaged: {error!r}") from None

    def write(self) -> None:
        """Write the table, which says that all files are there."""
        write_json(
            self.folder / TABLE,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "layer": self.layer,
                "shape": list(self.shape),
                "precision": self.precision,
                "variants": [{"shift": v.shift, "rc": v.rc} for v in self.variants],
                "counts": self.counts,
                "first_sequences": self.first_sequences,
                "trunk_sha256": self.trunk_sha256,
            },
        )

    def path(self, shard: Path, variant: Variant) -> Path:
        """Return the file that goes with a shard of the data."""
        return inside(self.folder, f"{shard.stem}.{variant.name}.tfr")

    def check(self, data: Data, labels: Sequence[str]) -> None:
        """Check that these are of the sequences of a data folder, whatever its targets.

        Shards must be the same ones: of each, the first sequence is compared.

        Raises:
            ConfigError: of other sequences, or without a label.
            InputFileError: a file is missing, or of another size than its records make.
        """
        for label in labels:
            held = sum(self.counts.get(part, 0) for part in label.split(","))
            if held != data.counts[label]:
                records = number_of(held, "record")
                raise ConfigError(
                    f"the embeddings in {self.folder} are of {records} with label {label!r}, "
                    f"{data.folder} has {data.counts[label]}: embed these"
                )
            for shard in data.shards(label):
                if self.first_sequences.get(shard.stem) != first_sequence(data, shard):
                    raise ConfigError(
                        f"the embeddings in {self.folder} are of other sequences than "
                        f"{data.folder}, whose shard {shard.name} begins with another: embed "
                        "these with tfepi_embed.py, or write them in shards of the same size"
                    )
            for variant in self.variants:
                self._check_files(data, label, variant)

    def verify(self, data: Data, label: str) -> None:
        """Read all that is kept of a label's records.

        Raises:
            InputFileError: damage, with its file, record and byte.
        """
        for shard in data.shards(label):
            for variant in self.variants:
                for _ in self.read_shard(shard, variant):
                    pass

    def _check_files(self, data: Data, label: str, variant: Variant) -> None:
        each = self._bytes + len(frame(b""))
        paths = [self.path(shard, variant) for shard in data.shards(label)]
        for path in paths:
            if not path.exists():
                raise InputFileError(f"embeddings {path} are missing: embed again with --resume")
        held = sum(path.stat().st_size for path in paths)
        if held != each * data.counts[label]:
            raise InputFileError(
                f"the embeddings of label {label!r} in {self.folder} hold {held} bytes, "
                f"{data.counts[label]} records make {each * data.counts[label]}: embed again with "
                "--overwrite"
            )

    @property
    def _bytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.precision).itemsize

    def write_shard(self, shard: Path, variant: Variant, arrays: Iterator[np.ndarray]) -> None:
        """Write the file of a shard.

        Args:
            shard: of the data.
            variant: of its sequences.
            arrays: float [positions, channels] of each of its records.

        Raises:
            ConfigError: a value that the precision cannot hold.
        """
        with atomic_path(self.path(shard, variant)) as part, open(part, "wb") as out:
            for array in arrays:
                with np.errstate(over="ignore"):
                    kept = array.astype(self.precision)
                if not np.isfinite(kept).all():
                    raise ConfigError(
                        f"layer {self.layer!r} has the value {np.abs(array).max():g}, beyond "
                        f"{self.precision}: use --precision float32"
                    )
                out.write(frame(kept.tobytes()))

    def read_shard(self, shard: Path, variant: Variant) -> Iterator[np.ndarray]:
        """Yield the arrays of a shard's records, with their checksums verified."""
        for data in read_frames(self.path(shard, variant)):
            yield np.frombuffer(data, self.precision).reshape(self.shape)


def first_sequence(data: Data, shard: Path) -> str:
    """Return the SHA-256 of the base indices of a shard's first record."""
    return hashlib.sha256(next(data.shard_sequences(shard)).tobytes()).hexdigest()
