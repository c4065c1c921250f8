"""Tracks of ATAC-seq fragments, one bigWig per cluster of cells.

Fragments are read once, in any order, into a temporary file per chromosome; a chromosome's are
then sorted by cluster. So memory holds one chromosome's fragments, and one bigWig is open at a
time, however many clusters there are.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import identity
from tfrecords_tools.fragment_clusters import read_clusters
from tfrecords_tools.fragment_signal import FragmentOptions
from tfrecords_tools.fragment_spool import FragmentSpool
from tfrecords_tools.fragments import FragmentFile, genome_sizes
from tfrecords_tools.genome import missing_chrom
from tfrecords_tools.input_tracks import AVERAGE, TABLE
from tfrecords_tools.normalize_plan import TracksPlan
from tfrecords_tools.normalize_runs import write_bigwig
from tfrecords_tools.normalize_tracks import stems
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target, write_targets

NAME = "fragments.json"
FORMAT = "tfepi-fragments"
ALL = "all"
log = logging.getLogger(__name__)


def write_fragment_tracks(
    paths: Sequence[str | Path],
    genome: str | Path,
    out: str | Path,
    options: FragmentOptions = FragmentOptions(),  # noqa: B008 frozen
    clusters: str | Path | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Write a bigWig per cluster, and the table of them that `read_tracks` reads.

    A base that no fragment counts at is 0; a chromosome on which no file has a fragment has no
    value.

    Args:
        paths: fragment files, whose fragments are pooled.
        genome: FASTA, .fai or chrom.sizes.
        out: output folder.
        options: what is counted.
        clusters: table of barcode and cluster; None makes one track, `all.bw`.
        resume: go on in a folder with results of the same inputs and options.
        overwrite: remove results first.
        quiet: no progress bars.

    Returns:
        The folder.

    Raises:
        InputFileError: a file that is none, a fragment outside the genome, no barcode of the
            table in the files, or no fragment left.
        ConfigError: two clusters that would have one file.
        UnfinishedError: results are there, or of something else.
    """
    folder = check_folder(out, resume, overwrite)
    sizes = genome_sizes(genome)
    for chrom in options.chroms:
        if chrom not in sizes:
            raise InputFileError(missing_chrom(chrom, sizes, str(genome)))
    chroms = {c: n for c, n in sizes.items() if not options.chroms or c in options.chroms}
    table = read_clusters(clusters) if clusters is not None else None
    names = list(dict.fromkeys(table.values())) if table else [ALL]
    files = {n: f"{stem}.bw" for n, stem in stems(names, (AVERAGE,)).items()}
    inputs = {"genome": identity(genome)}
    inputs |= {f"fragments {n}": identity(path) for n, path in enumerate(paths, 1)}
    if clusters is not None:
        inputs["clusters"] = identity(clusters)
    plan = TracksPlan(NAME, FORMAT, inputs, asdict(options))
    if resume and plan.finished(folder):
        return folder
    barcodes = None if table is None else list(table)
    cluster_of = None if table is None else np.array([names.index(c) for c in table.values()])
    sources = [FragmentFile(p, genome, chroms, bool(options.chroms), barcodes) for p in paths]
    plan.claim(folder, resume, overwrite)
    with (
        run_record(folder, inputs),
        tempfile.TemporaryDirectory(prefix=".fragments.", suffix=".part", dir=folder) as scratch,
    ):
        spool = FragmentSpool(Path(scratch), list(chroms), options, len(names), cluster_of)
        size = sum(Path(p).stat().st_size for p in paths)
        with progress(total=size, unit="B", label="read", quiet=quiet) as bar:
            for source in sources:
                for block in source.blocks(bar.update):
                    spool.add(block)
        made = _clusters_with_fragments(spool, names, clusters, barcodes)
        spool.sort()
        uncovered = len(chroms) - len(spool.covered)
        if uncovered:
            lacking = number_of(uncovered, "chromosome")
            log.info("no fragment on %s, so no value there in any track", lacking)
        outputs = [*(files[name] for name in made), TABLE]
        plan.write(folder, outputs, {"chroms": chroms} | _results(spool, names, options))
        total = len(made) * sum(chroms.values())
        with progress(total=total, unit="bp", label="write", quiet=quiet) as bar:
            for name in made:
                if (folder / files[name]).exists():
                    bar.update(sum(chroms.values()))
                    continue
                number = names.index(name)
                factor = options.factor(int(spool.fragments[number]))
                runs = partial(_runs, spool, number, factor, bar)
                # Each of the two ends of what counts ends a run.
                count = 2 * int(spool.fragments[number])
                write_bigwig(folder / files[name], chroms, runs, count)
        write_targets(folder / TABLE, _table(made, files, options))
    return folder


def _runs(spool: FragmentSpool, cluster: int, factor: float, bar, chrom: str, length: int):
    yield from spool.runs(chrom, length, cluster, factor)
    bar.update(length)


def _clusters_with_fragments(
    spool: FragmentSpool,
    names: list[str],
    clusters: str | Path | None,
    barcodes: list[str] | None,
) -> list[str]:
    """Return the names of clusters that have fragments, after saying what was left out."""
    unknown = spool.left_out["barcodes of no cluster"]
    here = spool.read - spool.left_out["other chromosomes"]
    if unknown and unknown == here:
        raise InputFileError(
            f"no barcode of {clusters} is in the fragments: it lists {barcodes[0]!r}, they have "
            f"{spool.strange!r}; the names must agree to the letter, with prefix and suffix"
        )
    left = [f"{count:,} {reason}" for reason, count in spool.left_out.items() if count]
    if not spool.fragments.any():
        raise InputFileError(
            f"none of {spool.read:,} fragments counts ({', '.join(left)}): change the options"
        )
    if unknown:
        log.warning(
            "%s of %s fragments (%.1f%%) have barcodes that %s does not list: left out",
            f"{unknown:,}",
            f"{here:,}",
            100 * unknown / here,
            clusters,
        )
    log.info(
        "%s of %s fragments count%s",
        f"{spool.fragments.sum():,}",
        f"{spool.read:,}",
        f"; left out: {', '.join(left)}" if left else "",
    )
    empty = [n for n, count in zip(names, spool.fragments, strict=True) if not count]
    if empty:
        log.warning("no fragment counts for cluster %s: no track", ", ".join(empty))
    return [n for n in names if n not in empty]


def _results(spool: FragmentSpool, names: list[str], options: FragmentOptions) -> dict:
    """Return what fragments.json says besides inputs and options."""
    counts = zip(names, spool.fragments.tolist(), strict=True)
    return {
        "fragments": spool.read,
        "left_out": dict(spool.left_out),
        "clusters": [
            {"cluster": n, "fragments": count, "factor": options.factor(count) if count else None}
            for n, count in counts
        ],
    }


def _table(names: list[str], files: dict[str, str], options: FragmentOptions) -> tuple[Target, ...]:
    what = {"cuts": "Tn5 cut sites", "coverage": "fragments", "midpoints": "fragment midpoints"}
    unit = " per million" if options.scale == "cpm" else ""
    spread = f", each spread over ±{options.spread} bp" if options.spread else ""
    return tuple(
        Target(
            number,
            name,
            files[name],
            sum_stat="mean",
            description=f"{what[options.signal]}{unit}{spread}",
            cell=name,
            assay="ATAC",
        )
        for number, name in enumerate(names)
    )
