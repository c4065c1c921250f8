#!/usr/bin/env python3
"""QTL connectivity beside the Data Study Group report (§3.1), its speed and its memory.

seed_qtl.py tables GENOME OUT NAME=TABLE…   the report's Tables 1 and 2 of public QTL tables
seed_qtl.py scale OUT [--links N]           a simulated table: truth, rows per second, peak memory

`tables` wants tables whose positions are of GENOME (chrom.sizes). Names that are the report's
(mono_K27ac, neut_K27ac, tcel_K27ac, mono_K4me1, neut_K4me1, tcel_K4me1) get its numbers beside
theirs. BLUEPRINT distributes them in positions of GRCh37 (blueprint_Epivar/qtl_as/QTL_RESULTS,
*_log2rpm_peer_10_all_summary.txt.gz).
"""

import argparse
import gzip
import json
import os
import resource
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).parents[2] / "scripts/tfepi_qtl.py"
REPORT = {  # connected QTLs, connected regions, QTL bins
    "mono_K27ac": (4642287, 24263, 650762),
    "neut_K27ac": (4124684, 21104, 572460),
    "tcel_K27ac": (3592350, 19486, 500804),
    "mono_K4me1": (12771939, 53278, 1735453),
    "neut_K4me1": (10379199, 45371, 1418704),
    "tcel_K4me1": (3936845, 23496, 571662),
}
MEASURE = "--measured"  # runs the command in this process, which is a fresh one


def measured(arguments: list[str]) -> dict:
    """Run the command in a process of its own; return its seconds and peak memory."""
    done = subprocess.run(
        [sys.executable, __file__, MEASURE, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def measure(arguments: list[str]) -> None:
    """Run the command here and print wall and processor seconds and VmHWM."""
    began = time.time()
    status = runpy.run_path(str(SCRIPT))["main"](arguments)
    used = resource.getrusage(resource.RUSAGE_SELF)
    peak = next(v for v in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in v)
    value = {"wall_s": time.time() - began, "processor_s": used.ru_utime + used.ru_stime}
    print("\n" + json.dumps(value | {"peak_gib": int(peak.split()[1]) / 2**20}))
    raise SystemExit(status)


def tables(genome: str, out: str, given: list[str]) -> None:
    """Count public tables and print the report's numbers beside theirs."""
    subprocess.run(
        [sys.executable, SCRIPT, "connect", *given, "-g", genome, "-o", out, "-q"], check=True
    )
    found = json.loads((Path(out) / "qtl.json").read_text())["tables"]
    print("\n| table | quantity | here | report |\n|---|---|---|---|")
    for name, summary in found.items():
        connected, binned = summary["connected"], summary["binned"]
        ours = (connected["total"], connected["connected_regions"], binned["total"])
        for label, here, there in zip(
            ("connected QTLs", "connected regions", "QTL bins"),
            ours,
            REPORT.get(name, ("–",) * 3),
            strict=True,
        ):
            print(f"| {name} | {label} | {here} | {there} |")


def scale(out: str, links: int) -> None:
    """Count a simulated table as text, gzip and Parquet, and print what it took."""
    from tfepi.simulate.qtl_links import HG38, LinkSimulation, write_links

    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    sizes = folder / "hg38.chrom.sizes"
    sizes.write_text("".join(f"{n}\t{v}\n" for n, v in HG38.items()))
    text = folder / "links.txt"
    default = LinkSimulation()
    settings = default
    if links != default.links:
        share = links / default.links
        regions = min(200_000, round(default.regions * share))
        settings = LinkSimulation(links=links, regions=regions, qtl_bins=regions * 32)
    truth = write_links(text, settings)
    packed, columns = folder / "links.txt.gz", folder / "links.parquet"
    with open(text, "rb") as source, gzip.open(packed, "wb", 1) as target:
        shutil.copyfileobj(source, target, 1 << 24)
    as_parquet(text, columns)
    print(f"{truth.rows:,} rows, {os.path.getsize(text):,} bytes of text")
    print("| file | wall, s | processor, s | rows per wall s | per processor s | peak, GiB |")
    print("|---|---|---|---|---|---|")
    for path in (text, packed, columns):
        options = ["-g", str(sizes), "-o", str(folder / "out"), "-q", "--overwrite"]
        options += ["--resamples", "0", "--no_figures", "--assembly", "hg38"]
        took = measured(["connect", f"links={path}", *options])
        value = json.loads((folder / "out/qtl.json").read_text())["tables"]["links"]
        for kind in ("connected", "binned"):
            assert value[kind]["total"] == getattr(truth, kind).sum()
            assert value[kind]["connected_regions"] == (truth.connected > 0).sum()
        counted = np.load(folder / "out/links/adjacency.npz")
        assert (np.diff(counted["indptr"]) == truth.binned).all()
        rates = [truth.rows / took[key] for key in ("wall_s", "processor_s")]
        cells = [path.suffix, f"{took['wall_s']:.1f}", f"{took['processor_s']:.1f}"]
        cells += [*(f"{rate:,.0f}" for rate in rates), f"{took['peak_gib']:.2f}"]
        print("| " + " | ".join(cells) + " |")


def as_parquet(text: Path, path: Path) -> None:
    """Write the columns that are read of a simulated table as Parquet."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet as pq

    from tfepi.qtl.layouts import BLUEPRINT

    reader = pyarrow.csv.open_csv(
        text,
        pyarrow.csv.ReadOptions(column_names=list(BLUEPRINT), block_size=1 << 26),
        pyarrow.csv.ParseOptions(delimiter=" "),
        pyarrow.csv.ConvertOptions(column_types={"FDR": pa.float64(), "p.value": pa.float64()}),
    )
    with pq.ParquetWriter(path, reader.schema) as writer:
        for batch in reader:
            writer.write_batch(batch)


def main() -> None:
    if sys.argv[1:2] == [MEASURE]:
        measure(sys.argv[2:])
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(required=True, dest="part")
    p = parts.add_parser("tables")
    p.add_argument("genome")
    p.add_argument("out")
    p.add_argument("given", nargs="+")
    p = parts.add_parser("scale")
    p.add_argument("out")
    p.add_argument("--links", type=int, default=12_771_939)
    args = parser.parse_args()
    if args.part == "tables":
        tables(args.genome, args.out, args.given)
    else:
        scale(args.out, args.links)


if __name__ == "__main__":
    main()
