"""What is read from tables, what is left out and counted, and what is refused."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfepi.qtl.chromosomes import Names
from tfepi.qtl.connect_options import Options, link_reader
from tfepi.qtl.links import left_out, read_links
from tfepi.qtl.significance import Asked
from tfrecords_tools.errors import InputFileError

SIZES = {"chr1": 5_000_000, "chr2": 3_000_000, "chrY": 900_000}
COUNTED = {"chr1": 5_000_000, "chr2": 3_000_000}
HEADER = "snp\ttarget\tfdr\n"


def read(path, place="midpoint", max_distance=1_000_000, **options):
    reader = link_reader(path, Options(**options))
    return read_links(
        reader, Names(SIZES, list(COUNTED)), list(COUNTED.values()), place, max_distance, True
    )


def write(tmp_path, rows, header=HEADER):
    path = tmp_path / "t.tsv"
    path.write_text(header + "".join("\t".join(map(str, r)) + "\n" for r in rows))
    return path


def test_what_is_left_out_is_counted(tmp_path):
    path = write(
        tmp_path,
        [
            ("1:100_A_C", "chr1:501-700", 0.01),  # kept: midpoint 600
            ("1:100_A_G", "chr1:501-700", 0.01),  # kept: another SNP of the place
            ("chr2:10_A_C", "2:1-20", 0.049),  # kept, whatever the names
            ("1:100_A_C", "chr1:501-700", 0.05),
            ("1:100_A_C", "chr1:501-700", "NA"),
            ("", "chr1:501-700", 0.01),
            ("1:100_A_C", "NA", 0.01),
            ("Y:100_A_C", "Y:501-700", 0.01),
            ("2:100_A_C", "Y:501-700", 0.01),
            ("2:100_A_C", "1:501-700", 0.01),
            ("1:1000601_A_C", "chr1:501-700", 0.01),  # kept: 1,000,000 bp away
            ("1:1000602_A_C", "chr1:501-700", 0.01),
        ],
    )
    found = read(path)
    assert found.counts == {
        "rows": 12,
        "missing": 3,
        "not_significant": 1,
        "other_chromosome": 2,
        "across_chromosomes": 1,
        "too_far": 1,
    }
    one, two = found.take(0).T.tolist(), found.take(1).T.tolist()
    assert [r[1] for r in one] == [99, 99, 1_000_600]
    assert one[0][2] != one[1][2]
    assert one[0][2] == one[2][2]
    assert [r[1] for r in two] == [9]
    assert found.place[:, one[0][0]].tolist() == [0, 500, 700]
    assert left_out(found.counts).startswith("of 12 rows 3 lack a value, 1 are not significant, 2 ")


def test_distances_to_the_start(tmp_path):
    path = write(tmp_path, [("1:1000502_A_C", "chr1:501-700", 0.01), ("1:5_A_C", "chr1:9-9", 0.01)])
    assert read(path).counts["too_far"] == 0
    assert read(path, place="start").counts["too_far"] == 1
    assert read(path, max_distance=4).counts["too_far"] == 1


@pytest.mark.parametrize("base", [0, 1])
def test_positions_from_0_and_1(tmp_path, base):
    path = write(tmp_path, [("1:100_A_C", "chr1:501-700", 0.01)])
    found = read(path, base=base)
    assert found.take(0)[1].tolist() == [100 - base]
    assert found.place[:, 0].tolist() == [0, 501 - base, 700]
    other = read(path, base=base, target_base=1 - base)
    assert other.take(0)[1].tolist() == [100 - base]
    assert other.place[:, 0].tolist() == [0, 501 - (1 - base), 700]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("9:100_A_C", "chr1:501-700", 0.01)],
            "line 2: the SNP is on chromosome '9', which the len",
        ),
        ([("1:100_A_C", "chr9:501-700", 0.01)], "target 'chr9:501-700' is on chromosome 'chr9'"),
        (
            [("1:5_A_C", "1:5-9", 0.01), ("1:5000001_A_C", "1:4999990-5000000", 0.01)],
            "line 3 has a SNP at 1:5000001, and the chromosome has 5000000 bp: is the table",
        ),
        (
            [("1:0_A_C", "1:5-9", 0.01)],
            "line 2 has a SNP at 0, and positions are counted from 1: if",
        ),
        ([("1:5_A_C", "1:-5-9", 0.01)], "line 2: target '1:-5-9' holds no place as chr1:1000-2000"),
        ([("1:5_A_C", "1:4999990-5000001", 0.01)], "ends at 5000001 on 1, which has 5000000 bp"),
        ([("1:5_A_C", "1:5-9", 0.5)], "has no links: of 1 rows 1 are not significant"),
        ([("1:5_A_C", "1:2000005-2000009", 0.01)], "has no links: of 1 rows 1 are too far apart"),
        ([], "has no rows below its header"),
    ],
)
def test_tables_that_are_refused(tmp_path, rows, message):
    with pytest.raises(InputFileError, match=message):
        read(write(tmp_path, rows))


def test_positions_below_the_first(tmp_path):
    header = "chrom\tpos\tgene\tgene_start\tgene_end\tfdr\n"
    path = write(tmp_path, [(1, 9, "g", 5, 9, 0.01), (1, -7, "h", 5, 9, 0.01)], header)
    with pytest.raises(InputFileError, match=r"line 3 has a SNP at -7: want 1 or more$"):
        read(path)
    path = write(tmp_path, [(1, 9, "g", -5, 9, 0.01)], header)
    with pytest.raises(InputFileError, match="line 2: target 'g' is at 1:-5-9: want 1 or more"):
        read(path)
    header = "variant_id\tphenotype_id\ttss_distance\tqval\n"
    path = write(tmp_path, [("1:9_A_C", "g", 100, 0.01)], header)
    message = "line 2: target 'g' is at 1:-91, reckoned from tss_distance: want tss_distance as SNP"
    with pytest.raises(InputFileError, match=message):
        read(path)


def test_unknown_chromosomes_of_rows_that_do_not_count(tmp_path):
    rows = [("9:100_A_C", "chr9:501-700", 0.2), ("1:5_A_C", "1:5-9", 0.01)]
    assert read(write(tmp_path, rows)).counts["not_significant"] == 1


def test_benjamini_hochberg_reads_twice(tmp_path):
    p = [1e-6, 1e-4, 0.0125, 0.04, 0.2, 0.6, 0.95, 0.99]  # × 8 / rank: 0.033 and 0.08 at the third
    rows = [(f"1:{n + 1}_A_C", "1:5-9", v) for n, v in enumerate(p)]
    path = write(tmp_path, rows, "snp\ttarget\tpvalue\n")
    found = read(path, asked=Asked(bh=True))
    assert found.counts["not_significant"] == 5
    assert found.take(0)[1].tolist() == [0, 1, 2]
    assert read(path, asked=Asked(bh=True, tests=9)).take(0)[1].tolist() == [0, 1, 2]
    assert read(path, asked=Asked(bh=True, tests=13)).take(0)[1].tolist() == [0, 1]
    with pytest.raises(InputFileError, match="so that not all tests are listed"):
        read(write(tmp_path, rows[:4], "snp\ttarget\tpvalue\n"), asked=Asked(bh=True))


def test_assemblies_of_tables(tmp_path):
    path = write(tmp_path, [("chr1_100_A_C_b38", "chr1:501-700", 0.01)])
    assert read(path).assembly == "GRCh38"
    assert read(write(tmp_path, [("1:100_A_C", "chr1:501-700", 0.01)])).assembly is None


LAYOUTS = {
    "blueprint": "1:{p}_{a} rs{p} K27AC_1:{s}:{e} {q} 0.1 1 {q} 0.1 0.2\n",
    "matrix_eqtl": "SNP\tgene\tbeta\tt-stat\tp-value\tFDR\n1:{p}_{a}\t1:{s}:{e}\t1\t1\t0\t{q}\n",
    "tensorqtl": "phenotype_id\tvariant_id\tstart_distance\tend_distance\tqval\n"
    "g{s}\tchr1_{p}_{a}_b38\t{d}\t{f}\t{q}\n",
    "gtex": "variant_id\tgene_id\ttss_distance\tpval_nominal\tpval_nominal_threshold\n"
    "chr1_{p}_{a}_b38\tg{m}\t{t}\t{q}\t0.049\n",
    "qtltools": "phe_id\tphe_chr\tphe_from\tphe_to\tvar_id\tvar_chr\tvar_from\tfdr\n"
    "g{s}\t1\t{s}\t{e}\t1:{p}_{a}\t1\t{p}\t{q}\n",
    "generic": "chr,position,ref,alt,target_start,target_end,padj\n1,{p},{r},{l},{s},{e},{q}\n",
}


def written(layout, cells):
    """Return a table of a layout."""
    *header, row = LAYOUTS[layout].splitlines(keepends=True)
    lines = []
    for p, a, s, e, q in cells:
        middle = (s - 1 + e) // 2 + 1
        more = {"d": p - s, "f": p - e, "m": middle, "t": p - middle, "r": a[0], "l": a[2]}
        lines.append(row.format(p=p, a=a, s=s, e=e, q=q, **more))
    return "".join([*header, *lines])


CELLS = [
    (100, "A_C", 501, 700, 0.01),
    (100, "A_G", 501, 700, 0.01),
    (100, "A_C", 501, 700, 0.01),
    (100, "A_C", 801, 900, 0.04),
    (100, "A_C", 801, 900, 0.05),
    (1_500_000, "A_C", 801, 900, 0.01),
]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_give_the_same_links(tmp_path, layout, packed):
    path, text = tmp_path / "t", written(layout, CELLS).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    found = read(path)
    assert found.counts["not_significant"] == 1
    assert found.counts["too_far"] == 1
    target, pos, alleles = found.take(0).tolist()
    assert pos == [99] * 4
    assert [target[0] == t for t in target] == [True, True, True, False]
    assert [alleles[0] == a for a in alleles] == [True, False, True, True]
    middle = found.place[1:].sum(axis=0) // 2
    assert middle.tolist() == [600, 850]


def test_tensorqtl_parquet(tmp_path):
    lines = [line.split("\t") for line in written("tensorqtl", CELLS).splitlines()]
    columns = {
        name: list(v) for name, v in zip(lines[0], zip(*lines[1:], strict=True), strict=True)
    }
    table = pa.table(
        {
            "phenotype_id": columns["phenotype_id"],
            "variant_id": columns["variant_id"],
            "start_distance": pa.array([int(v) for v in columns["start_distance"]], pa.int32()),
            "end_distance": pa.array([int(v) for v in columns["end_distance"]], pa.int32()),
            "pval_nominal": pa.array([float(v) for v in columns["qval"]]),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(InputFileError, match=r"has p-values \(pval_nominal\) and no FDR, which is"):
        read(tmp_path / "t.parquet")
    found = read(tmp_path / "t.parquet", asked=Asked(pvalue=0.045))
    assert found.take(0)[1].tolist() == [99] * 4


def test_places_from_files(tmp_path):
    (tmp_path / "snps.txt").write_text("snp chr pos\nrs1 1 100\nrs2 1 100\n")
    (tmp_path / "genes.bed").write_text("chr1\t500\t700\tg1\n")
    path = write(tmp_path, [("rs1", "g1", 0.01), ("rs2", "g1", 0.01), ("rs1", "g1", 0.01)])
    files = {"snps": str(tmp_path / "snps.txt"), "targets": str(tmp_path / "genes.bed")}
    found = read(path, **files)
    target, pos, alleles = found.take(0).tolist()
    assert (target, pos) == ([0, 0, 0], [99, 99, 99])
    assert [alleles[0] == a for a in alleles] == [True, False, True]
    assert found.place.tolist() == [[0], [500], [700]]
    with pytest.raises(
        InputFileError, match="has the SNP 'rs1', which holds no place: want chr:pos"
    ):
        read(path, targets=files["targets"])


def test_columns_by_role(tmp_path):
    path = write(tmp_path, [("1:100_A_C", "1:501:700", 0.01)], "where\tpeak name\tq\n")
    found = read(path, columns="snp=where,target=peak name,fdr=q")
    assert found.take(0)[1].tolist() == [99]
    with pytest.raises(
        InputFileError, match="no column for the SNP and its position: it has where"
    ):
        read(path)
