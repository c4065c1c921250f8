"""Annotation files: which SNPs lie in a region, to the base; layouts; what looks wrong."""

import gzip
import json

import h5py
import numpy as np
import pandas as pd
import pytest

from tfepi.association.annot_file import read_annot, write_annot
from tfepi.association.reference_snps import read_bim
from tfepi.heritability.annotate_run import Request, annotate
from tfepi.heritability.assembly import Assembly
from tfepi.heritability.ldsc_commands import LdscInputs
from tfepi.heritability.regions import read_regions, safe_name
from tfepi.heritability.score_columns import read_score_columns
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.intervals import read_bed


@pytest.fixture
def run(tmp_path, bims, sizes, clusters):
    """Return a function that annotates: name of the output, changes of the request."""

    def made(
        name="out",
        table=clusters,
        of=bims,
        beds=None,
        scores=None,
        again=False,
        overwrite=False,
        **change,
    ):
        request = Request(Assembly.of("toy", sizes), **change)
        out = tmp_path / name
        return annotate(out, of, request, table, beds, scores, None, again, overwrite, quiet=True)

    return made


def as_ldsc_reads(path):
    return pd.read_csv(path, sep=r"\s+", compression="gzip")


def test_bed_and_bim_agree_to_the_base(tmp_path, bim, sizes):
    peak = tmp_path / "p.bed"
    peak.write_text("chr1\t100\t103\n")
    regions = read_regions(None, {"p": peak}, Assembly.of("toy", sizes))
    # 0-based bases 100, 101 and 102 are the 1-based positions 101, 102 and 103.
    for chrom in ("1", "chr1", "Chr1"):
        found = regions.inside(chrom, np.array([99, 100, 101, 102, 103, 104]))["p"]
        assert found.tolist() == [0, 0, 1, 1, 1, 0]
    assert regions.inside("2", np.array([101]))["p"].tolist() == [0]
    peak.write_text("chr1\t0\t1\n1\t4999\t5000\nX\t5\t6\n")
    regions = read_regions(None, {"p": peak}, Assembly.of("toy", sizes))
    assert regions.inside("1", np.array([1, 2, 4999, 5000]))["p"].tolist() == [1, 0, 0, 1]
    assert regions.inside("23", np.array([5, 6]))["p"].tolist() == [0, 1]  # PLINK's X


def test_membership_against_a_plain_loop(tmp_path, sizes):
    rng = np.random.default_rng(0)
    spans = [(s, s + w) for s, w in rng.integers(0, (4900, 99), (60, 2)).tolist()]
    bed = tmp_path / "x.bed"
    bed.write_text("".join(f"chr1\t{s}\t{e}\n" for s, e in spans))
    position = np.arange(1, 5001)
    found = read_regions(None, {"x": bed}, Assembly.of("toy", sizes)).inside("1", position)["x"]
    slow = [int(any(s <= p - 1 < e for s, e in spans)) for p in position.tolist()]
    assert found.tolist() == slow


def test_files_of_clusters(tmp_path, run, bims):
    found = run()
    assert found == json.loads((tmp_path / "out/annotation.json").read_text())
    assert found["clusters"] == ["ubiquitous", "B", "T"]
    assert found["disjoint"]
    path = tmp_path / "out/ldsc/clusters.1.annot.gz"
    header = gzip.decompress(path.read_bytes()).split(b"\n")[0].decode()
    assert header == "CHR\tBP\tSNP\tCM\tbase\tubiquitous\tB\tT"
    table, snps = as_ldsc_reads(path), read_bim(bims[0])
    assert table["SNP"].tolist() == snps["snp"].tolist()
    assert table["BP"].tolist() == snps["pos"].tolist()
    assert (table["CM"] == 0.5).all()
    assert (table["base"] == 1).all()
    # BED 100–200 is 101 to 200, so 110 to 200; 1009–1010 is 1010 alone.
    assert table["BP"][table["T"] == 1].tolist() == list(range(110, 201, 10))
    assert table["BP"][table["B"] == 1].tolist() == [1010]
    assert table["BP"][table["ubiquitous"] == 1].tolist() == list(range(310, 411, 10))
    second = as_ldsc_reads(tmp_path / "out/ldsc/clusters.2.annot.gz")
    assert second["BP"][second["B"] == 1].tolist() == list(range(10, 501, 10))
    assert second["BP"][second["T"] == 1].tolist() == list(range(510, 701, 10))
    rows = {r["name"]: r for r in found["regions"]}
    assert rows["B"] == {
        "name": "B",
        "bases": 501,
        "share_of_bases": 501 / 8000,
        "snps": 51,
        "share_of_snps": 51 / found["snps"],
    }
    assert [str(i) for i in read_bed(tmp_path / "out/bed/T.bed")] == [
        "chr1:100-200",
        "chr2:500-700",
    ]


def test_thin_baseline_and_each(tmp_path, run):
    run("thin", thin=True, ldsc=LdscInputs(baseline="/ref/baselineLD."))
    path = tmp_path / "thin/ldsc/clusters.1.annot.gz"
    assert list(as_ldsc_reads(path)) == ["ubiquitous", "B", "T"]
    found = run("each", sets="each", prefix="kidney")
    assert [s["prefix"] for s in found["sets"]] == [
        f"ldsc/kidney.{n}." for n in ("ubiquitous", "B", "T")
    ]
    table = as_ldsc_reads(tmp_path / "each/ldsc/kidney.T.1.annot.gz")
    assert list(table)[4:] == ["base", "all_regions", "T"]
    whole = read_annot(tmp_path / "thin/ldsc/clusters.1.annot.gz")
    assert table["all_regions"].tolist() == whole.sum(axis=1).tolist()
    assert table["T"].tolist() == whole["T"].tolist()


def test_scores(tmp_path, run, scores):
    chosen = read_score_columns(scores, "SAD", [], (0.25,), sizes=True)
    found = run("s", None, scores=chosen, prefix="scores")
    names = ["T_cells_top25", "T_cells", "B_top25", "B"]
    assert found["sets"] == [{"prefix": "ldsc/scores.", "annotations": ["base", *names]}]
    assert found["snps_scored"] == 40
    table = as_ldsc_reads(tmp_path / "s/ldsc/scores.1.annot.gz").set_index("BP")
    with h5py.File(scores / "scores.h5") as file:
        size = np.abs(file["SAD"][()])
    for number, name in enumerate(("T_cells", "B")):
        own = size[:, number]
        known = own[~np.isnan(own)]
        for row, pos in enumerate(range(10, 410, 10)):
            value = own[row]
            assert table.loc[pos, name] == pytest.approx(0 if np.isnan(value) else value, rel=1e-6)
            high = not np.isnan(value) and (known > value).sum() < 10
            assert table.loc[pos, f"{name}_top25"] == high
    assert (table.loc[410:, names] == 0).all(axis=None)
    assert (as_ldsc_reads(tmp_path / "s/ldsc/scores.2.annot.gz")[names] == 0).all(axis=None)
    both = run("both", scores=read_score_columns(scores, "SAD", ["B"], (0.1,)), sets="each")
    assert both["sets"][-1]["annotations"] == ["base", "scored", "B_top10"]
    table = as_ldsc_reads(tmp_path / "both/ldsc/clusters.B_top10.1.annot.gz")
    assert table["BP"][table["scored"] == 1].tolist() == list(range(10, 410, 10))


def test_same_bytes_and_resume(tmp_path, run):
    for name in ("a", "b"):
        run(name)
    for file in ("ldsc/clusters.1.annot.gz", "annotation.json", "commands.sh", "bed/B.bed"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert run("a", again=True)["snps"] == 499 + 299
    with pytest.raises(UnfinishedError, match="thin changed"):
        run("a", again=True, thin=True)
    with pytest.raises(UnfinishedError, match="has results"):
        run("a")


def test_stated_assembly():
    hg19, hg38 = Assembly.of("hg19"), Assembly.of("GRCh38")
    assert hg19.lengths["1"] == 249_250_621
    assert sum(-(-hg38.lengths[c] // 10_000) for c in (*map(str, range(1, 23)), "X")) == 303_114
    hg38.check_end("chr1", 248_956_422, "x")
    hg38.check_end("chrUn_1", 10**9, "x")
    with pytest.raises(
        InputFileError,
        match=r"ref.1.bim has position 249240543 on chromosome 1, which ends at 248956422 in "
        r"GRCh38 \(hg19 is long enough\): it is of another assembly",
    ):
        hg38.check_end("1", 249_240_543, "ref.1.bim")
    with pytest.raises(InputFileError, match=r"ends at 78077248 in hg19 \(hg38 is long enough\)"):
        hg19.check_end("chr18", 80_300_000, "peaks")
    with pytest.raises(ConfigError, match=r"'mm10' are not known: give its chrom.sizes"):
        Assembly.of("mm10")


def test_another_assembly_is_refused(tmp_path, run, bim, clusters):
    far = bim(tmp_path / "far.1.bim", "1", (10, 5001))
    with pytest.raises(InputFileError, match=r"far.1.bim has position 5001 on chromosome 1, which"):
        run(of=[far])
    clusters.write_text("chrom\tstart\tend\tcluster\nchr2\t2900\t3001\tT\n")
    with pytest.raises(InputFileError, match=r"\(T\) has position 3001 on chromosome chr2"):
        run("other")


def test_warnings(tmp_path, run, bim, clusters, caplog):
    dense = bim(tmp_path / "dense.1.bim", "1", [*range(101, 200), *range(1000, 5000, 10)])
    x = bim(tmp_path / "x.bim", "X", [7])
    bed = tmp_path / "b.bed"
    bed.write_text("chr1\t100\t1000\n")
    found = run(of=[dense, x], beds={"wide": bed, "none": _bed(tmp_path, "chrQ\t1\t9\n")})
    assert not found["disjoint"]
    assert found["snps_in_several_clusters"] == 99
    text = caplog.text
    assert "T covers 2% of bases but 20% of SNPs" not in text  # 10 SNPs were expected: chance
    assert "no SNP lies in none: LDSC cannot use" in text
    assert "99 SNPs lie in more than one cluster" in text
    assert "chromosomes 1 to 22: not on ['X']" in text
    caplog.clear()
    many = bim(tmp_path / "many.2.bim", "2", [*range(1, 2000, 2), *range(2001, 2100)])
    run("odd", of=[many])
    assert "B covers" not in caplog.text
    assert "ubiquitous covers 3.33% of bases but 9.01% of SNPs" not in caplog.text
    many = bim(tmp_path / "odd.2.bim", "2", [*range(600, 2999, 1)])
    run("odder", of=[many])
    assert "B covers 16.7% of bases but" not in caplog.text
    assert "no SNP lies in B" in caplog.text
    half = bim(tmp_path / "half.2.bim", "2", [*range(400, 2999, 1)])
    run("oddest", of=[half])
    assert "B covers 16.7% of bases but 3.89% of SNPs: are the regions of the" in caplog.text


def _bed(folder, text):
    (folder / "q.bed").write_text(text)
    return folder / "q.bed"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sets": "all"}, "sets is 'all': want joint or each"),
        ({"prefix": "a b"}, "prefix is 'a b'"),
        ({"table": None}, "nothing to annotate"),
    ],
)
def test_bad_requests(run, change, message):
    with pytest.raises(ConfigError, match=message):
        run(**change)


def test_bad_files(tmp_path, run, bims, bim, clusters, scores):
    with pytest.raises(InputFileError, match=r"q.bed does not end in .bim"):
        run(of=[_bed(tmp_path, "")])
    mixed = tmp_path / "mixed.bim"
    mixed.write_text(bims[0].read_text() + bims[1].read_text())
    with pytest.raises(InputFileError, match=r"mixed.bim holds chromosomes 1, 2: give one"):
        run("mixed", of=[mixed])
    twin = bim(tmp_path / "twin.bim", "chr1", (10, 20))
    with pytest.raises(InputFileError, match=r"twin.bim and .*ref.1.bim both have chromosome 1"):
        run("twin", of=[bims[0], twin])
    with pytest.raises(InputFileError, match=r"no SNP of the .bim files lies in any region"):
        run("nothing", None, beds={"q": _bed(tmp_path, "chr9\t1\t5\n")})
    with pytest.raises(InputFileError, match=r"q.bed has no interval"):
        run("empty", None, beds={"q": _bed(tmp_path, "chr1\t5\t5\n")})
    with pytest.raises(ConfigError, match="two annotations would be called 'T'"):
        run("names", beds={"T": _bed(tmp_path, "chr1\t1\t5\n")})
    with pytest.raises(ConfigError, match="with one cluster the control of all regions"):
        run("one", None, beds={"q": _bed(tmp_path, "chr1\t1\t50\n")}, sets="each")
    of_b = read_score_columns(scores, "SAD", ["B"], (), sizes=True)
    with pytest.raises(ConfigError, match="a region and a score would both be called B"):
        run("both", scores=of_b)
    for name in ("base", " ", "../"):
        with pytest.raises(ConfigError, match="cannot be the name of an annotation"):
            safe_name(name)
    assert safe_name("../T cells, CD4+") == "T_cells_CD4+"


def test_what_is_refused_leaves_nothing(tmp_path, run, bim, scores, clusters):
    peaks = clusters.read_text()
    clusters.write_text(peaks.replace("\nchr", "\ncontig"))
    with pytest.raises(InputFileError, match="lies in any region"):
        run()
    clusters.write_text(peaks)
    far = [bim(tmp_path / f"far.{c}.bim", str(c), range(2500, 2600, 10)) for c in (1, 2)]
    with pytest.raises(InputFileError, match="among the scored variants"):
        run(of=far, scores=read_score_columns(scores, "SAD", ["T cells"], (0.1,)))
    assert not (tmp_path / "out").exists()
    found = run()
    names = {p.name for p in (tmp_path / "out").iterdir()}
    clusters.write_text(peaks.replace("\nchr", "\ncontig"))
    with pytest.raises(InputFileError, match="lies in any region"):  # earlier results stay
        run(overwrite=True)
    assert {p.name for p in (tmp_path / "out").iterdir()} == names
    assert json.loads((tmp_path / "out/annotation.json").read_text()) == found


def test_a_stopped_run_starts_again(tmp_path, run):
    run()
    (tmp_path / "out/annotation.json").unlink()
    (tmp_path / "out/ldsc/clusters.1.annot.gz").unlink()
    with pytest.raises(UnfinishedError, match="thin changed"):
        run(again=True, thin=True)
    assert run(again=True)["snps"] == 499 + 299
    assert (tmp_path / "out/ldsc/clusters.1.annot.gz").exists()


def test_bad_scores(tmp_path, scores):
    for how, message in (
        (("SAD", [], (1.5,)), "top shares are"),
        (("SAD", [], ()), "scores have no annotation without"),
        (("SAD", ["b"], (0.1,)), "unknown target 'b'"),
        (("SAX", ["B"], (0.1,)), "not SAX"),
    ):
        with pytest.raises(ConfigError, match=message):
            read_score_columns(scores, *how)
    with h5py.File(scores / "scores.h5", "r+") as file:
        file["SAD"][:, 1] = 0
    with pytest.raises(ConfigError, match=r"no variant of .* has a SAD of B other than 0"):
        read_score_columns(scores, "SAD", ["B"], (0.1,))
    with h5py.File(scores / "scores.h5", "r+") as file:
        file["target_ids"][1] = b"T,cells"
        file["SAD"][:, 1] = 1
    with pytest.raises(ConfigError, match="two targets would give annotations with one name"):
        read_score_columns(scores, "SAD", [], (0.1,))
    with h5py.File(scores / "scores.h5", "r+") as file:
        for name in ("SAD", "target_ids", "target_labels"):
            del file[name]
        file["SAD"] = np.ones((40, 60), np.float32)
        file["target_ids"] = np.array([f"t{n}".encode() for n in range(60)])
        file["target_labels"] = np.array([b" "] * 60)
    with pytest.raises(ConfigError, match="60 targets, more annotations than one regression"):
        read_score_columns(scores, "SAD", [], (0.1,))


def test_annotations_are_read_as_they_were_written(tmp_path, bims):
    snps = read_bim(bims[0])
    columns = {"a": np.arange(len(snps)) % 2, "b": np.linspace(0, 1, len(snps))}
    for thin in (True, False):
        path = tmp_path / f"{thin}.annot.gz"
        write_annot(path, snps, columns, thin)
        np.testing.assert_allclose(read_annot(path), np.column_stack(list(columns.values())))
    (tmp_path / "bad.annot.gz").write_bytes(gzip.compress(b"a\tb\n1\tx\n"))
    with pytest.raises(InputFileError, match=r"cannot read annotations from .*bad.annot.gz"):
        read_annot(tmp_path / "bad.annot.gz")
    with pytest.raises(InputFileError, match="does not exist"):
        read_annot(tmp_path / "none.annot.gz")
