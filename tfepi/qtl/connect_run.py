"""The connectivity of several QTL tables on one genome."""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.qtl.bins import GenomeBins
from tfepi.qtl.chromosomes import Names, assembly_of, chosen, same_assembly
from tfepi.qtl.connect_options import Options, link_reader
from tfepi.qtl.connect_outputs import write_connectivity
from tfepi.qtl.connect_tables import as_tsv, density, fraction_table, report_table
from tfepi.qtl.connectivity import Connectivity, connect
from tfepi.qtl.degree_laws import ScaleFree, scale_free
from tfepi.qtl.layouts import GENERIC
from tfepi.qtl.links import LinkReader, Links, left_out, read_links
from tfepi.qtl.power_law import FEWEST
from tfrecords_tools.chrom_sizes import read_sizes
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import write_json, write_text
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, claim_folder, run_record

FORMAT, FORMAT_VERSION = "tfepi-qtl-connectivity", 1
NAME = "qtl.json"
RESERVED = ("figures",)
KINDS = ("connected", "binned")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What was found in a table.

    Attributes:
        summary: its part of qtl.json.
        found: its connectivity.
        laws: "connected" and "binned" → test of a power law, or None where bins are too few.
    """

    summary: dict
    found: Connectivity
    laws: Mapping[str, ScaleFree | None]


def named_tables(given: Sequence[str]) -> dict[str, str]:
    """Return name → path of tables given as NAME=PATH or PATH, which is named after its file.

    Raises:
        ConfigError: a name twice, or one that is no name of a folder.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or "/" in name:
            name, path = Path(text).name.split(".")[0], text
        if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name) or name in (*RESERVED, *found):
            raise ConfigError(
                f"QTL table {text!r} has the name {name!r}: want letters and digits, each name "
                "once; give NAME=PATH"
            )
        found[name] = path
    return found


def connect_tables(
    tables: Sequence[str],
    lengths: str | Path,
    out: str | Path,
    options: Options | None = None,
    overwrite: bool = False,
    quiet: bool = False,
    draw: Callable[[Mapping[str, Result], Path], object] | None = None,
) -> dict:
    """Write the connectivity of QTL tables, a folder each, and the tables that compare them.

    Args:
        tables: NAME=PATH or PATH of each.
        lengths: chromosome lengths: chrom.sizes, .fai, or a FASTA that has one.
        out: output folder.
        options: how tables are read and counted.
        overwrite: remove results first.
        quiet: no progress bars.
        draw: called with the results and the folder before qtl.json is written.

    Returns:
        The value of qtl.json.

    Raises:
        InputFileError: a table that cannot be read, or whose rows do not fit the lengths.
        ConfigError: an option that does not fit the tables.
        UnfinishedError: the folder has results.
    """
    options = options or Options()
    paths = named_tables(tables)
    sizes = read_sizes(lengths)
    counted = chosen(sizes, options.chroms)
    bins, names = GenomeBins.of(counted, options.width), Names(sizes, list(counted))
    readers = {name: link_reader(path, options) for name, path in paths.items()}
    inputs = {**{f"table {n}": p for n, p in paths.items()}, "lengths": lengths}
    inputs |= {k: v for k in ("targets", "snps") if (v := getattr(options, k)) is not None}
    check_folder(out, overwrite=overwrite, inputs=inputs)
    _log.info("%s", _counted(counted, sizes, bins))
    folder = claim_folder(out, overwrite=overwrite, inputs=inputs)
    results: dict[str, Result] = {}
    with run_record(folder, inputs, seed=options.seed):
        for name, reader in readers.items():
            results[name] = _connect(name, reader, names, bins, sizes, folder, options, quiet)
        summaries = {name: result.summary for name, result in results.items()}
        for kind in KINDS:
            write_text(folder / f"{kind}.tsv", as_tsv(*report_table(kind, summaries)))
        write_text(folder / "fractions.tsv", as_tsv(*fraction_table(summaries, options.many)))
        if draw is not None:
            draw(results, folder)
        value = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "bin_width": options.width,
            "chromosomes": counted,
            "lengths_assembly": assembly_of(sizes),
            "all_regions": len(bins),
            "max_distance": options.max_distance,
            "place": options.counting.place,
            "distinct_snps": options.counting.distinct_snps,
            "many": options.many,
            "tables": summaries,
        }
        write_json(folder / NAME, value)
    return value


def _connect(
    name: str,
    reader: LinkReader,
    names: Names,
    bins: GenomeBins,
    sizes: Mapping[str, int],
    folder: Path,
    options: Options,
    quiet: bool,
) -> Result:
    place, far = options.counting.place, options.max_distance
    links = read_links(reader, names, bins.lengths, place, far, quiet)
    assembly, stated = _assembly(reader, links, sizes, options)
    counts = links.counts
    found = connect(links, bins, options.counting, far)
    if options.asked.bh and found.duplicates:
        raise InputFileError(
            f"QTL table {reader.table.path} has {found.duplicates} duplicate rows, so that --bh "
            "counts tests twice: take them out first"
        )
    counts = counts | {"duplicates": found.duplicates, "links": found.links}
    hubs = write_connectivity(folder / name, found, options.hubs, assembly or "", place)
    degrees = dict(zip(KINDS, (found.connected, found.binned), strict=True))
    laws = {k: _law(d, options, f"{name}, {k}", quiet) for k, d in degrees.items()}
    summary = {
        "path": str(reader.table.path),
        "file": reader.table.what,
        "layout": reader.layout.name,
        "base": reader.base,
        "target_base": reader.target_base,
        "assembly": assembly,
        "assembly_stated": stated,
        "chromosome_names": links.renamed,
        "snps": reader.snps.words,
        "targets": reader.targets.words,
        "significant": reader.significance.words,
        "rows": counts,
        "target_number": found.targets,
        **{kind: density(d, options.many) for kind, d in degrees.items()},
        "hubs": {"by": options.hubs.by, **hubs},
        "scale_free": {
            k: untested(degrees[k]) if law is None else law.to_json() for k, law in laws.items()
        },
    }
    return Result(summary, found, laws)


def described(name: str, summary: Mapping) -> list[str]:
    """Return how a table was read, in sentences."""
    base = f"positions counted from {summary['base']}"
    if summary["target_base"] != summary["base"]:
        base += f", of targets from {summary['target_base']}"
    if summary["chromosome_names"]:
        base += f" (chromosome {summary['chromosome_names']})"
    layout = summary["layout"]
    layout = "no published layout" if layout == GENERIC else f"{layout} layout"
    return [
        f"{name}: {layout} ({summary['file']}), {base}, assembly "
        f"{summary['assembly_stated']}; SNPs {summary['snps']}; targets {summary['targets']}; "
        f"significant: {summary['significant']}",
        f"{name}: {summary['rows']['links']:,} links of {summary['target_number']:,} targets; "
        f"{left_out(summary['rows'])}",
    ]


def _law(degrees: np.ndarray, options: Options, label: str, quiet: bool) -> ScaleFree | None:
    if untested(degrees):
        return None
    return scale_free(degrees[degrees > 0], options.resamples, options.seed, label, quiet)


def untested(degrees: np.ndarray) -> str | None:
    """Return why degrees are not tested for a power law, or None.

    Args:
        degrees: of each bin, some above 0.
    """
    positive = degrees[degrees > 0]
    if len(positive) < FEWEST:
        return f"not tested: {number_of(len(positive), 'connected bin')}, fewer than {FEWEST}"
    if positive.min() == positive.max():
        return f"not tested: all {len(positive)} connected bins have the degree {positive[0]}"
    return None


def _counted(counted: Mapping[str, int], sizes: Mapping[str, int], bins: GenomeBins) -> str:
    text = f"{len(bins):,} regions of {bins.width:,} bp on "
    text += f"{number_of(len(counted), 'chromosome')}: {_some(list(counted))}"
    others = [name for name in sizes if name not in counted]
    return text + (f"; not counted: {_some(others)} (see --chroms)" if others else "")


def _some(names: Sequence[str]) -> str:
    """Return a list of names, of many the first ones."""
    more = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[:3] if more else names) + more


def _assembly(
    reader: LinkReader, links: Links, sizes: Mapping[str, int], options: Options
) -> tuple[str | None, str]:
    """Return a table's assembly, or None, and who says so; refuse lengths of another one."""
    ours = assembly_of(sizes)
    says = links.assembly or reader.layout.assembly
    path = reader.table.path
    if options.assembly and says and not same_assembly(options.assembly, says):
        raise ConfigError(f"--assembly is {options.assembly}, and {path} says it is of {says}")
    stated = options.assembly or says
    if stated and ours and not same_assembly(stated, ours):
        raise InputFileError(
            f"QTL table {path} is of {stated} and the lengths are of {ours}: give the lengths of "
            "the table's assembly, or lift it over first"
        )
    if options.assembly:
        return stated, f"{stated} (--assembly)"
    if links.assembly:
        return stated, f"{stated} (the SNPs' names)"
    if stated:
        return stated, f"{stated} (the layout)"
    usual = reader.layout.distributed
    if usual and ours and not same_assembly(usual, ours):
        _log.warning(
            "QTL table %s does not say its assembly, and the lengths are of %s: %s tables are "
            "distributed in positions of %s; give lengths of that, or --assembly if it was lifted",
            *(path, ours, reader.layout.name, usual),
        )
    lengths = f"the lengths are {ours}" if ours else "the lengths are of none that is known"
    usual = f" ({usual} as distributed)" if usual else ""
    return None, f"not stated by the table{usual}; {lengths}"
