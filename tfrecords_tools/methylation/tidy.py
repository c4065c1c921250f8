"""The tidy table: a row per CpG, with beta and coverage of every sample."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pysam
from pyarrow import csv, parquet

from tfrecords_tools.errors import ConfigError, UnfinishedError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation.samples import Sample
from tfrecords_tools.methylation.settings import SiteSettings
from tfrecords_tools.methylation.store import SiteStore, collect
from tfrecords_tools.output import check_folder, claim_folder
from tfrecords_tools.progress import progress

FORMAT, FORMAT_VERSION = "tfepi-methylation-cpgs", 1
SUFFIXES = (".parquet", ".tsv.gz", ".tsv")
_ROWS = 1 << 22  # values of a block


def check_output(path: str | Path, resume: bool = False, overwrite: bool = False) -> Path:
    """Return the path of a table after checking that it may be written.

    Raises:
        ConfigError: a suffix of no format, or no such folder.
        UnfinishedError: it is there and may not be overwritten, or is half done and is not resumed.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIXES):
        raise ConfigError(f"output {path} ends in {path.suffix!r}: want {', '.join(SUFFIXES)}")
    if not path.parent.is_dir():
        raise ConfigError(f"output {path}: folder {path.parent} does not exist, make it first")
    if path.exists() and not overwrite:
        raise UnfinishedError(f"output {path} is there: use --overwrite, or name another file")
    check_folder(_work(path), resume, overwrite)
    return path


def write_tidy(
    samples: tuple[Sample, ...],
    genome: Genome,
    path: str | Path,
    settings: SiteSettings,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> list[dict]:
    """Write the table of all CpGs: Parquet, or text that is bgzip-compressed where it ends in .gz.

    Columns: `chrom`, `pos` (1-based, of the C on the forward strand), per sample or tissue
    `NAME_beta`, and `NAME_coverage` where every one has counts. A missing value is empty.

    Args:
        samples: rows of the sample table.
        genome: the reference.
        path: of the table. What was read meanwhile lies beside it, in a folder of its name and
            `.work`, which a stopped run leaves and `resume` uses.
        settings: what becomes of the values.
        resume, overwrite: of an earlier run.
        quiet: no progress.

    Returns:
        `SiteStore.summary`.

    Raises:
        InputFileError, ConfigError, UnfinishedError: as `check_output` and `collect`.
    """
    path = check_output(path, resume, overwrite)
    work = claim_folder(_work(path), resume, overwrite)
    store = collect(samples, genome, work / "store", settings, quiet)
    with atomic_path(path) as part, _writer(part, path.name, store) as write:
        rows = sum(store.chroms.values())
        with progress(total=rows, unit="CpGs", label="writing", quiet=quiet) as bar:
            for block in _blocks(store):
                write(block)
                bar.update(len(block))
    shutil.rmtree(work)
    return store.summary


def _work(path: Path) -> Path:
    return path.with_name(f"{path.name}.work")


def _schema(store: SiteStore) -> pa.Schema:
    kinds = ("beta", "coverage") if store.has_coverage else ("beta",)
    fields = [pa.field("chrom", pa.string()), pa.field("pos", pa.int32())]
    fields += [pa.field(f"{s}_{kind}", pa.float32()) for kind in kinds for s in store.samples]
    about = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "pos": "1-based, of the C on the forward strand",
        "settings": json.dumps(store.settings),
    }
    return pa.schema(fields, about)


def _blocks(store: SiteStore) -> Iterator[pa.Table]:
    """Yield the rows of a store, in the order of the genome."""
    schema = _schema(store)
    size = max(1024, _ROWS // len(schema))
    for chrom, count in store.chroms.items():
        positions, beta, coverage = store.positions(chrom), store.beta(chrom), store.coverage(chrom)
        for low in range(0, count, size):
            part = slice(low, min(low + size, count))
            values = [beta[part]] + ([] if coverage is None else [coverage[part]])
            columns = [pa.array(np.ascontiguousarray(c)) for v in values for c in v.T]
            missing = [pa.array(np.isnan(c)) for c in beta[part].T]
            for number, column in enumerate(columns):
                none = missing[number % len(store.samples)]
                columns[number] = pa.compute.if_else(none, None, column)
            names = pa.array([chrom]).take(pa.array(np.zeros(len(missing[0]), np.int32)))
            yield pa.Table.from_arrays(
                [names, pa.array(positions[part] + 1), *columns], schema=schema
            )


@contextmanager
def _writer(part: Path, name: str, store: SiteStore):
    """Yield the function that appends a block to the file."""
    schema = _schema(store)
    if name.endswith(".parquet"):
        with parquet.ParquetWriter(part, schema) as writer:
            yield writer.write_table
        return
    text = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with pysam.BGZFile(str(part), "wb") if name.endswith(".gz") else open(part, "wb") as handle:
        handle.write(("\t".join(schema.names) + "\n").encode())

        def write(block: pa.Table) -> None:
            buffer = pa.BufferOutputStream()
            csv.write_csv(block, buffer, text)
            handle.write(buffer.getvalue().to_pybytes())

        yield write
