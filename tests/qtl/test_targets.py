"""Targets of rows: their places, however a table gives them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tfepi.qtl.chromosomes import OTHER, Names
from tfepi.qtl.layouts import detect
from tfepi.qtl.place_bases import half_open
from tfepi.qtl.place_files import read_places
from tfepi.qtl.snps import Labels, Snps
from tfepi.qtl.targets import TargetColumns, Targets
from tfrecords_tools.errors import InputFileError

SIZES = {"chr1": 100_000, "chr2": 50_000, "chrY": 9_000}


def snps_of(positions, chrom="chr1"):
    none = np.zeros(len(positions), bool)
    same = Labels.same(chrom, len(positions))
    return Snps(same, np.array(positions), Labels.same("", len(positions)), none)


def place(columns, positions=None, base=1, places=None):
    """Return (chromosome, start, end) of each row's target, and the targets."""
    layout = detect("t", tuple(columns))
    reader = TargetColumns("t", tuple(columns), layout, places)
    rows = pa.table({role: columns[layout.columns[role]] for role in reader.roles})
    numbers = np.arange(1, rows.num_rows + 1)
    read = reader.read(rows, snps_of(positions or [1] * rows.num_rows), numbers)
    names = Names(SIZES, ["chr1", "chr2"])
    targets = Targets(Path("t"), names, [100_000, 50_000], base, places)
    kept = np.flatnonzero(~read.missing)
    number = targets.number(read[kept], numbers[kept])
    return [tuple(row) for row in targets.place()[:, number].T.tolist()], targets


@pytest.mark.parametrize(
    "name",
    [
        *("1:1000:2000", "chr1:1000-2000", "chr1_1000_2000", "K27AC_chr1:1000-2000"),
        *("H3K27ac_1_1000_2000", "peak_12_chr1_1000_2000", "chr1:1000:2000:clu_40980_-:ENSG1.2"),
        *("chr1:1000..2000", "x|chr1:1000-2000(+)"),
    ],
)
def test_names_that_hold_a_place(name):
    assert place({"phenotype_id": pa.array([name])})[0] == [(0, 999, 2000)]
    assert place({"phenotype_id": pa.array([name])}, base=0)[0] == [(0, 1000, 2000)]


@pytest.mark.parametrize("name", ["ENSG00000227232.5", "chr1:1000", "cg00001234", "a:b-c"])
def test_names_that_hold_none(name):
    with pytest.raises(
        InputFileError, match=r"t line 1: target .* holds no place as chr1:1000-2000"
    ):
        place({"phenotype_id": pa.array([name])})


def test_columns():
    columns = {
        "target_chrom": pa.array(["1", "chr2", "Y"]),
        "target_start": pa.array([10.0, 20.0, 30.0]),
        "target_end": pa.array([12.0, 20.0, 40.0]),
    }
    found, targets = place(columns)
    assert found == [(0, 9, 12), (1, 19, 20), (OTHER, 29, 40)]
    assert len(targets) == 3
    assert list(targets.numbers) == ["1:10:12", "chr2:20:20", "Y:30:40"]
    assert place(columns, base=0)[0] == [(0, 10, 12), (1, 20, 21), (OTHER, 30, 40)]


def test_a_start_alone_is_one_base_on_the_snps_chromosome():
    found, _ = place({"gene": pa.array(["g"]), "tss": pa.array([10.0])})
    assert found == [(0, 9, 10)]


def test_distances_lead_from_the_snp_to_the_start():
    # GTEx v8: chr1_64764_C_T_b38, ENSG00000227232.5, tss_distance 35211; its TSS is 29553.
    columns = {"gene_id": pa.array(["g", "g"]), "tss_distance": pa.array([35211.0, -100.0])}
    assert place(columns, [64764, 29453])[0] == [(0, 29552, 29553)] * 2
    columns["end_distance"] = pa.array([35111.0, -200.0])
    assert place(columns, [64764, 29453])[0] == [(0, 29552, 29653)] * 2


def test_a_file_of_targets(tmp_path):
    (tmp_path / "t.bed").write_text("chr1\t5\t9\tp1\nchr2\t0\t4\tp2\n")
    places = read_places(tmp_path / "t.bed", "table of targets")
    columns = {"gene": pa.array(["p2", "p1", None, "p2"])}
    assert place(columns, places=places)[0] == [(1, 0, 4), (0, 5, 9), (1, 0, 4)]
    with pytest.raises(InputFileError, match=r"line 1: target 'p3' is not in .*t.bed: add it"):
        place({"gene": pa.array(["p3"])}, places=places)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chr9:1-2", "is on chromosome 'chr9', which the lengths do not have"),
        (
            "chr1:99000-100001",
            "ends at 100001 on chr1, which has 100000 bp: is the table of another",
        ),
        ("chr1:0-10", "is at chr1:0-10: count it from 0 with --target_base 0"),
        ("chr1:20-10", "is at chr1:20-10: want start ≤ end"),
    ],
)
def test_targets_that_lie_nowhere(name, message):
    with pytest.raises(InputFileError, match=message):
        place({"phenotype_id": pa.array([name])})


def test_an_end_before_the_start_is_refused_whatever_is_counted_from():
    for base in (0, 1):
        with pytest.raises(InputFileError, match="is at chr1:20-10: want start ≤ end"):
            place({"phenotype_id": pa.array(["chr1:20-10"])}, base=base)


def test_what_names_a_place_is_said_with_all_that_may_name_it():
    with pytest.raises(InputFileError) as error:
        place({"phenotype_id": pa.array(["g"])})
    for name in ("target_start=COLUMN", "target_end", "target_chrom", "distance=COLUMN"):
        assert name in str(error.value)
    assert "--targets" in str(error.value)


def test_the_last_base_of_a_chromosome():
    assert place({"phenotype_id": pa.array(["chr1:99000-100000"])})[0] == [(0, 98_999, 100_000)]


def test_a_target_with_two_places():
    columns = {"gene": pa.array(["g", "h", "g"]), "tss": pa.array([10.0, 5.0, 11.0])}
    message = "line 3 has target 'g' at chr1:11, and a row above has it at chr1:10: name a column"
    with pytest.raises(InputFileError, match=message):
        place(columns)
    columns = {"gene": pa.array(["g", "g"]), "tss_distance": pa.array([10.0, -10.0])}
    message = "'g' at chr1:110, and a row above has it at chr1:90: is tss_distance SNP minus target"
    with pytest.raises(InputFileError, match=message):
        place(columns, [100, 100])


def test_a_table_without_targets():
    with pytest.raises(InputFileError, match="t has no column for the target: it has x"):
        TargetColumns("t", ("x",), detect("t", ("x",)))
    with pytest.raises(InputFileError, match="t has no column for the target"):
        TargetColumns("t", ("tss_distance",), detect("t", ("tss_distance",)))


def test_many_targets_keep_their_numbers():
    names = [f"chr1:{n}-{n + 5}" for n in range(1, 3001)]
    found, targets = place({"phenotype_id": pa.array(names)})
    assert found == [(0, n - 1, n + 5) for n in range(1, 3001)]
    assert targets.place().shape == (3, 3000)


def test_half_open():
    assert half_open(5, 9, 1) == (4, 9)
    assert half_open(5, 9, 0) == (5, 9)
    assert half_open(5, 5, 0) == (5, 6)
    assert half_open(5, 3, 0) == (5, 3)
