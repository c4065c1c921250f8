"""scores.zarr: what scores.h5 holds, for zarr and xarray, on disks and in object stores.

Zarr format 3, as only it packs many chunks into one file (shards): chunks that are narrow in
targets, so that columns read fast, would otherwise be a hundred thousand files.
"""

import importlib.util
import json
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from tfepi.variants.disk import full_disk
from tfepi.variants.manifest import Manifest
from tfepi.variants.output import PartFolder, blocks, parts, target_labels
from tfepi.variants.parts import score_shape, texts
from tfepi.variants.row_chunks import RowWriter, chunk_shape
from tfepi.variants.scores import PREDICTIONS
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import atomic_path

NAME = "scores.zarr"
FORMAT = "tfepi-variant-scores-zarr"
FORMAT_VERSION = 1
_SHARD_BYTES = 32 << 20
_TEXT_ROWS = 1 << 16
_TEXT = {"chrom": "chr", "id": "snp", "ref": "ref_allele", "alt": "alt_allele"}


def check_zarr() -> None:
    """Check that zarr is installed, without importing it.

    Raises:
        ConfigError: it is not.
    """
    if importlib.util.find_spec("zarr") is None:
        raise ConfigError(
            f"{NAME} needs zarr, which is not installed: pip install 'tfepi[zarr]', or leave zarr "
            "out of --formats"
        )


def write_zarr(path: Path, manifest: Manifest, folder: PartFolder) -> None:
    """Write the scores as a group of arrays whose dimensions are named.

    `STAT` (variant, target), `REF` and `ALT` (variant, bin, target) float32; coordinates `target`
    (identifiers), `target_label`, `chrom`, `pos` (1-based), `id`, `ref`, `alt`.

    Args:
        path: of the folder.
        manifest: of the run.
        folder: which folder holds a part.

    Raises:
        ConfigError: zarr is not installed.
    """
    check_zarr()
    import zarr

    rows, targets = manifest.survey.rows, [t.identifier for t in manifest.targets]
    with atomic_path(path) as temporary, full_disk(path):
        group = zarr.open_group(temporary, mode="w-", zarr_format=3)
        for name, values in (("target", targets), ("target_label", target_labels(manifest))):
            _text_array(group, name, len(values), "target")[:] = np.array(values, object)
        writers = {name: _text_writer(group, name, rows) for name in _TEXT}
        pos = group.create_array(
            "pos",
            shape=(rows,),
            chunks=(min(rows, _TEXT_ROWS),),
            dtype="int64",
            dimension_names=("variant",),
            attributes={"description": "position in the VCF, 1-based"},
        )
        writers["pos"] = RowWriter(pos, _TEXT_ROWS)
        for name in manifest.scoring.stats:
            shape = score_shape(manifest, name)
            array = _score_array(group, name, rows, shape)
            writers[name] = RowWriter(array, array.shards[0])
        for part in parts(manifest, folder):
            for name, writer in writers.items():
                for block in _blocks(part, name):
                    writer.write(block)
        for writer in writers.values():
            writer.close()
        group.attrs.update(
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "scoring": asdict(manifest.scoring),
                "coordinates": " ".join(["target_label", "pos", *_TEXT]),
            }
        )
        _consolidate(group, temporary / "zarr.json")


def _consolidate(group, path: Path) -> None:
    """Write what describes all arrays into the group's file too, so that one read opens all.

    zarr warns that format 3 does not tell of this yet (readers that do not know it pass it over),
    and names the arrays in the order that the disk has them.
    """
    import zarr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zarr.consolidate_metadata(group.store)
    value = json.loads(path.read_text())
    arrays = value["consolidated_metadata"]["metadata"]
    value["consolidated_metadata"]["metadata"] = dict(sorted(arrays.items()))
    path.write_text(json.dumps(value, indent=2) + "\n")


def _score_array(group, name: str, rows: int, shape: tuple[int, ...]):
    """Return a new array of float32 [rows, *shape]; a shard holds all targets of its rows."""
    from zarr.codecs import BloscCodec

    chunks = chunk_shape(rows, shape)
    across = -(-shape[-1] // chunks[-1]) * chunks[-1]
    stripe = 4 * chunks[0] * int(np.prod(shape[:-1])) * across
    down = max(1, min(-(-rows // chunks[0]), _SHARD_BYTES // stripe))
    dimensions = ("variant", "bin", "target") if name in PREDICTIONS else ("variant", "target")
    return group.create_array(
        name,
        shape=(rows, *shape),
        chunks=chunks,
        shards=(down * chunks[0], *shape[:-1], across),
        dtype="float32",
        fill_value=np.nan,
        compressors=BloscCodec(typesize=4, cname="zstd", clevel=5, shuffle="shuffle"),
        dimension_names=dimensions,
    )


def _text_array(group, name: str, rows: int, dimension: str):
    return group.create_array(
        name,
        shape=(rows,),
        chunks=(min(rows, _TEXT_ROWS),),
        dtype="string",
        dimension_names=(dimension,),
    )


def _text_writer(group, name: str, rows: int) -> RowWriter:
    return RowWriter(_text_array(group, name, rows, "variant"), _TEXT_ROWS)


def _blocks(part: h5py.File, name: str) -> Iterator[np.ndarray]:
    """Yield rows of one of the arrays."""
    if name in _TEXT:
        yield np.array(texts(part, _TEXT[name]), object)
    else:
        yield from blocks(part[name])
