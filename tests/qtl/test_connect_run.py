"""The connectivity of whole tables: a plain count of rows agrees, for every option."""

import gzip
import itertools
import json

import numpy as np
import pandas as pd
import pytest

from tfepi.qtl.adjacency import load_adjacency
from tfepi.qtl.connect_options import Options
from tfepi.qtl.connect_outputs import HubRule
from tfepi.qtl.connect_run import connect_tables, named_tables, untested
from tfepi.qtl.connectivity import Counting
from tfepi.qtl.significance import Asked
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

SIZES = {"chr1": 300_500, "chr2": 120_000, "chrX": 55_005, "chrM": 16_000}
ORDER = ("chr1", "chr2", "chrX")


@pytest.fixture(scope="module")
def rows():
    """Rows: SNP's chromosome and position, alleles, target's chromosome, start and end, FDR."""
    rng = np.random.default_rng(11)
    names = list(SIZES)
    targets = []
    for _ in range(60):
        chrom = names[rng.integers(4)]
        start = int(rng.integers(1, SIZES[chrom] - 26_000 if chrom != "chrM" else 9000))
        targets.append(
            (chrom, start, start + int(rng.integers(0, 25_000 if chrom != "chrM" else 900)))
        )
    drawn = []
    for _ in range(6000):
        target = targets[rng.integers(60)]
        chrom = target[0] if rng.random() < 0.9 else names[rng.integers(4)]
        position = 1 + int(rng.integers(40)) * (SIZES[chrom] // 41)
        alleles = ("A", "C") if rng.random() < 0.8 else ("A", "G")
        fdr = round(float(rng.choice([0.001, 0.03, 0.049, 0.05, 0.3])), 3)
        drawn.append((chrom, position, *alleles, *target, fdr))
    return drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("qtl")
    (folder / "sizes").write_text("".join(f"{n}\t{v}\n" for n, v in SIZES.items()))
    lines = []
    for chrom, position, ref, alt, where, start, end, fdr in rows:
        place = f"{chrom.removeprefix('chr')}:{position}_{ref}_{alt}"
        lines.append(f"{place} rs1 {where}:{start}-{end} 0.1 0 1 {fdr} 0.1 0.1\n")
    (folder / "mono.txt.gz").write_bytes(gzip.compress("".join(lines).encode()))
    header = "chrom\tpos\tref\talt\tpeak\tpeak_chr\tpeak_start\tpeak_end\tfdr\n"
    lines = []
    for chrom, position, ref, alt, where, start, end, fdr in rows[:3000]:
        cells = (
            chrom,
            position - 1,
            ref,
            alt,
            f"{where}-{start}-{end}",
            where,
            start - 1,
            end,
            fdr,
        )
        lines.append("\t".join(map(str, cells)) + "\n")
    (folder / "neut.tsv").write_text(header + "".join(lines))
    return folder


def plain(rows, fdr, far, width, place, distinct_snps, chroms=ORDER):
    """Count rows one by one: links and source bins of each target bin, and what is left out."""
    counts = dict.fromkeys(("not_significant", "other_chromosome", "across_chromosomes"), 0)
    counts |= {"too_far": 0, "duplicates": 0, "links": 0, "rows": len(rows), "missing": 0}
    seen, members, sources = set(), {}, {}
    for chrom, position, ref, alt, where, start, end, value in rows:
        position, start = position - 1, start - 1
        anchor = start if place == "start" else (start + end) // 2
        if value >= fdr:
            counts["not_significant"] += 1
        elif chrom not in chroms or where not in chroms:
            counts["other_chromosome"] += 1
        elif chrom != where:
            counts["across_chromosomes"] += 1
        elif abs(position - anchor) > far:
            counts["too_far"] += 1
        elif (key := (chrom, position, ref, alt, start, end)) in seen:
            counts["duplicates"] += 1
        else:
            seen.add(key)
            counts["links"] += 1
            into = [anchor // width]
            if place == "overlap":
                into = range(start // width, (end - 1) // width + 1)
            for b in into:
                snp = (position, ref, alt) if distinct_snps else key
                members.setdefault((chrom, b), set()).add(snp)
                sources.setdefault((chrom, b), set()).add(position // width)
    connected = {b: len(v) for b, v in members.items()}
    return counts, connected, {b: len(v) for b, v in sources.items()}


def bins_of(path, width):
    table = pd.read_csv(path, sep="\t")
    key = [(c, s // width) for c, s in zip(table["chrom"], table["start"], strict=True)]
    return [dict(zip(key, table[name].tolist(), strict=True)) for name in ("connected", "binned")]


CASES = [
    *itertools.product(
        [0.05], [1_000_000], [10_000], ["midpoint", "start", "overlap"], [False, True]
    ),
    (0.01, 1_000_000, 10_000, "midpoint", False),
    (0.05, 40_000, 10_000, "overlap", False),
    (0.2, 40_000, 2_500, "start", True),
]


@pytest.mark.parametrize(("fdr", "far", "width", "place", "distinct_snps"), CASES)
def test_a_plain_count_agrees(folder, tmp_path, rows, fdr, far, width, place, distinct_snps):
    options = Options(
        asked=Asked(fdr), counting=Counting(place, distinct_snps), max_distance=far, width=width
    )
    options = Options(**vars(options) | {"resamples": 0})
    tables = [str(folder / "mono.txt.gz")]
    value = connect_tables(tables, folder / "sizes", tmp_path / "o", options, quiet=True)
    counts, connected, binned = plain(rows, fdr, far, width, place, distinct_snps)
    found = value["tables"]["mono"]
    assert found["rows"] == counts
    assert min(counts[k] for k in ("duplicates", "across_chromosomes", "other_chromosome")) > 20
    assert bins_of(tmp_path / "o/mono/bins.tsv", width) == [connected, binned]
    regions = sum(-(-SIZES[c] // width) for c in ORDER)
    for kind, degrees in (("connected", connected), ("binned", binned)):
        total, over = sum(degrees.values()), sum(d > 100 for d in degrees.values())
        assert found[kind]["total"] == total
        assert found[kind]["connected_regions"] == len(degrees)
        assert found[kind]["all_regions"] == regions == value["all_regions"]
        assert found[kind]["per_connected_region"] == total // len(degrees)
        assert found[kind]["per_connected_region_exact"] == total / len(degrees)
        assert found[kind]["per_region_exact"] == total / regions
        assert found[kind]["share_without"] == pytest.approx(1 - len(degrees) / regions)
        assert found[kind]["over"] == over
    adjacency = load_adjacency(tmp_path / "o/mono/adjacency.npz")
    chrom, start, _ = adjacency.coordinates()
    links = adjacency.matrix.sum(axis=1)
    assert {(chrom[b], start[b] // width): links[b] for b in np.flatnonzero(links)} == connected
    assert adjacency.matrix.nnz == sum(binned.values())


def test_two_tables_side_by_side(folder, tmp_path, rows):
    """The second counts from 0, has columns of places, and half the rows."""
    out = tmp_path / "o"
    options = Options(resamples=0, hubs=HubRule("binned", degree=12), many=20)
    tables = [f"mono={folder / 'mono.txt.gz'}"]
    first = connect_tables(tables, folder / "sizes", out, options, quiet=True)
    counted_from_0 = Options(**vars(options) | {"base": 0})
    other = connect_tables(
        [f"neut={folder / 'neut.tsv'}"],
        folder / "sizes",
        tmp_path / "p",
        counted_from_0,
        quiet=True,
    )
    counts, connected, _ = plain(rows[:3000], 0.05, 1_000_000, 10_000, "midpoint", False)
    assert other["tables"]["neut"]["rows"] == counts
    assert other["tables"]["neut"]["base"] == 0
    assert other["tables"]["neut"]["layout"] == "generic"
    assert bins_of(tmp_path / "p/neut/bins.tsv", 10_000)[0] == connected
    tables = [f"a={folder / 'mono.txt.gz'}", f"b={folder / 'mono.txt.gz'}"]
    both = connect_tables(tables, folder / "sizes", out, options, overwrite=True, quiet=True)
    for name in "ab":
        assert both["tables"][name]["connected"] == first["tables"]["mono"]["connected"]
    table = pd.read_csv(out / "connected.tsv", sep="\t", index_col=0)
    assert list(table.columns) == ["a", "b"]
    assert list(table.index[:5]) == [
        *("Connected QTLs", "Connected regions", "All regions"),
        *("Avg QTLs per connected region", "Avg QTLs per region"),
    ]
    assert table.loc["All regions", "b"] == 31 + 12 + 6
    binned = pd.read_csv(out / "binned.tsv", sep="\t", index_col=0)
    assert binned.loc["QTL bins", "a"] == first["tables"]["mono"]["binned"]["total"]
    fractions = pd.read_csv(out / "fractions.tsv", sep="\t")
    assert fractions["quantity"][2] == "Regions with > 20 QTLs"


def test_hubs_degrees_and_distances(folder, tmp_path):
    options = Options(resamples=0, hubs=HubRule("connected", 0.8))
    tables = [str(folder / "mono.txt.gz")]
    value = connect_tables(tables, folder / "sizes", tmp_path / "o", options, quiet=True)
    bins = pd.read_csv(tmp_path / "o/mono/bins.tsv", sep="\t")
    hubs = value["tables"]["mono"]["hubs"]
    least = np.quantile(bins["connected"], 0.8, method="higher")
    assert hubs == {
        "by": "connected",
        "at_least": least,
        "number": (bins["connected"] >= least).sum(),
    }
    bed = pd.read_csv(tmp_path / "o/mono/hubs.bed", sep="\t", header=None)
    want = bins[bins["connected"] >= least]
    assert bed[[0, 1, 2, 4, 7]].values.tolist() == [
        list(r) for r in want[["chrom", "start", "end", "connected", "binned"]].values.tolist()
    ]
    assert bed.loc[bed[4].idxmax(), 3] == "hub1"
    assert (bed[5] == ".").all()
    degrees = pd.read_csv(tmp_path / "o/mono/degrees.tsv", sep="\t")
    assert degrees["connected"].sum() == degrees["binned"].sum() == value["all_regions"]
    assert (degrees["degree"] * degrees["connected"]).sum() == bins["connected"].sum()
    distances = pd.read_csv(tmp_path / "o/mono/distances.tsv", sep="\t")
    assert distances["links"].sum() == value["tables"]["mono"]["rows"]["links"]
    assert distances["from"].iloc[0] == -1_000_000


def test_files_of_a_run(folder, tmp_path):
    out, options = tmp_path / "o", Options(resamples=0)
    drawn = []
    value = connect_tables(
        [str(folder / "mono.txt.gz")],
        folder / "sizes",
        out,
        options,
        quiet=True,
        draw=lambda results, where: drawn.append((set(results), where)),
    )
    assert drawn == [({"mono"}, out)]
    assert json.loads((out / "qtl.json").read_text()) == value
    assert (value["format"], value["format_version"]) == ("tfepi-qtl-connectivity", 1)
    run = json.loads((out / "run.json").read_text())
    assert set(run["inputs"]) == {"table mono", "lengths"}
    assert run["outcome"] == "finished"
    with pytest.raises(UnfinishedError, match="has results: use --overwrite to redo"):
        connect_tables([str(folder / "mono.txt.gz")], folder / "sizes", out, options, quiet=True)


def test_few_connected_bins_are_not_tested(folder, tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text("snp\ttarget\tfdr\n1:5_A_C\tchr1:1-9\t0.01\n")
    value = connect_tables([str(table)], folder / "sizes", tmp_path / "o", quiet=True)
    laws = value["tables"]["t"]["scale_free"]
    assert laws["connected"] == "not tested: 1 connected bin, fewer than 50"
    assert untested(np.full(60, 3)) == "not tested: all 60 connected bins have the degree 3"
    assert untested(np.arange(60)) is None


def test_duplicates_and_benjamini_hochberg(folder, tmp_path):
    table = tmp_path / "t.tsv"
    table.write_text(
        "snp\ttarget\tp\n" + "1:5_A_C\tchr1:1-9\t1e-9\n" * 2 + "1:9_A_C\tchr1:1-9\t1\n"
    )
    options = Options(asked=Asked(bh=True))
    with pytest.raises(
        InputFileError, match="has 1 duplicate rows, so that --bh counts tests twice"
    ):
        connect_tables([str(table)], folder / "sizes", tmp_path / "o", options, quiet=True)


HG19 = "chr1\t249250621\nchr2\t243199373\n"


@pytest.mark.parametrize(
    ("snp", "assembly", "error", "message"),
    [
        (
            "chr1_5_A_C_b38",
            None,
            InputFileError,
            r"is of GRCh38 and the lengths are of hg19 \(GRCh37\)",
        ),
        ("1:5_A_C", "hg38", InputFileError, "is of hg38 and the lengths are of hg19"),
        ("chr1_5_A_C_b37", "hg38", ConfigError, "--assembly is hg38, and .* says it is of GRCh37"),
        ("chr1_5_A_C_b37", None, None, "GRCh37 (the SNPs' names)"),
        ("1:5_A_C", "hg19", None, "hg19 (--assembly)"),
        ("1:5_A_C", None, None, "not stated by the table; the lengths are hg19 (GRCh37)"),
    ],
)
def test_assemblies(tmp_path, snp, assembly, error, message):
    (tmp_path / "sizes").write_text(HG19)
    (tmp_path / "t.tsv").write_text(f"snp\ttarget\tfdr\n{snp}\tchr1:1-9\t0.01\n")
    options = Options(assembly=assembly)
    asked = ([str(tmp_path / "t.tsv")], tmp_path / "sizes", tmp_path / "o", options)
    if error:
        with pytest.raises(error, match=message):
            connect_tables(*asked, quiet=True)
    else:
        value = connect_tables(*asked, quiet=True)
        assert value["tables"]["t"]["assembly_stated"] == message


@pytest.mark.parametrize(("sizes", "told"), [("chr1\t248956422\n", True), (HG19, False)])
def test_blueprint_tables_are_of_grch37_as_distributed(tmp_path, caplog, sizes, told):
    (tmp_path / "sizes").write_text(sizes)
    (tmp_path / "t.txt").write_text("1:90_C_G rs1 1:10:20 7e-01 0.08 1.0 6e-09 0.08 0.2\n")
    asked = ([str(tmp_path / "t.txt")], tmp_path / "sizes")
    value = connect_tables(*asked, tmp_path / "o", quiet=True)
    stated = value["tables"]["t"]["assembly_stated"]
    assert stated.startswith("not stated by the table (GRCh37 as distributed); the lengths are hg")
    message = "blueprint tables are distributed in positions of GRCh37; give lengths of that"
    assert (message in caplog.text) is told
    caplog.clear()
    options = Options(assembly="GRCh38" if told else "hg19")
    connect_tables(*asked, tmp_path / "p", options, quiet=True)
    assert "distributed" not in caplog.text


def test_chromosomes_that_do_not_count_are_named(folder, tmp_path, caplog):
    caplog.set_level("INFO")
    sizes = "chr1\t9000000\nchr2\t5000000\nchrX\t100\nchrM\t10\n"
    (tmp_path / "sizes").write_text(sizes + "".join(f"u{n}\t9\n" for n in range(6)))
    (tmp_path / "t.tsv").write_text("snp\ttarget\tfdr\n1:5_A_C\tchr1:1-9\t0.01\n")
    connect_tables([str(tmp_path / "t.tsv")], tmp_path / "sizes", tmp_path / "o", quiet=True)
    assert "on 3 chromosomes: chr1, chr2, chrX; not counted: chrM, u0, u1 and 4 more" in caplog.text


def test_names_of_tables():
    assert named_tables(["a=x/b.tsv.gz", "y/c.d.txt"]) == {"a": "x/b.tsv.gz", "c": "y/c.d.txt"}


@pytest.mark.parametrize(
    "given", [["a=x", "a=y"], ["x/a.tsv", "y/a.tsv"], ["../..=x"], ["figures=x"]]
)
def test_names_that_are_none(given):
    with pytest.raises(
        ConfigError, match="want letters and digits, each name once; give NAME=PATH"
    ):
        named_tables(given)


@pytest.mark.parametrize(
    "changes", [{"max_distance": 0}, {"width": 0}, {"many": -1}, {"resamples": -1}]
)
def test_options_out_of_range(changes):
    with pytest.raises(ConfigError, match=r"--\w+ is -?\d: want at least"):
        Options(**changes)


def test_a_width_is_called_as_the_option_is():
    with pytest.raises(ConfigError, match="--bin_width is 0: want at least 1"):
        Options(width=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quantile": 1.5}, "--hub_quantile is 1.5: want a number from 0 to 1"),
        ({"degree": 0}, "--hub_degree is 0: want 1 or more"),
        ({"degree": 3, "quantile": 0.5}, "--hub_quantile and --hub_degree both say what a hub is"),
    ],
)
def test_hubs_out_of_range(changes, message):
    with pytest.raises(ConfigError, match=message):
        HubRule(**changes)
