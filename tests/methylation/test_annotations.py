"""Annotation files: their layouts line by line, their order, and the priors against their law."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest

from tfepi.association.reference_snps import read_bim
from tfepi.methylation import annotate_arguments
from tfepi.methylation.annotations import Options, annotate, annotation_columns
from tfepi.methylation.score_prior import prior_weight
from tfrecords_tools import command
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

OPTIONS = Options(tops=(0.1, 0.5), tasks=("brain",))


@pytest.fixture
def scores(tmp_path):
    """Forty variants of two chromosomes and one without a number; two have no score."""
    rng = np.random.default_rng(4)
    table = pd.DataFrame({"chrom": ["chr10"] * 20 + ["chr2"] * 19 + ["chrX"]})
    table["pos"] = [*range(100, 2100, 100), *range(50, 1950, 100), 7]
    table["id"] = [f"rs{i}" for i in range(40)]
    table["ref"], table["alt"] = rng.choice([["A", "C"], ["A", "G"], ["G", "T"]], 40).T
    table["score"] = rng.permutation(40) / 100
    table["brain_score"] = rng.permutation(40) / 200
    table.loc[[3, 25], ["score", "brain_score"]] = None
    table.to_parquet(tmp_path / "variants.parquet")
    return table


def bim(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def as_ldsc_reads(path):
    return pd.read_csv(path, sep=r"\s+", compression="gzip")


def bims(tmp_path, scores):
    """Return .bim files of the chromosomes: shuffled, alleles swapped, with SNPs of their own."""
    files, rows = [], {}
    for chrom in ("10", "2"):
        of = scores[scores["chrom"] == f"chr{chrom}"].sample(frac=1, random_state=1)
        rows[chrom] = [
            (chrom, f"b{r.id}", 0.5, r.pos, *((r.ref, r.alt) if i % 2 else (r.alt, r.ref)))
            for i, r in enumerate(of.itertuples())
        ]
        rows[chrom].insert(4, (chrom, "other", 0, 999_999, "A", "C"))
        files.append(bim(tmp_path / f"ref.{chrom}.bim", rows[chrom]))
    return files, rows


def test_files_follow_the_bim(tmp_path, scores):
    files, rows = bims(tmp_path, scores)
    summary = annotate(tmp_path, tmp_path / "out", files, OPTIONS, quiet=True)
    assert summary["snps"] == 41
    assert summary["without_score"] == 4
    by_id = scores.set_index("id")
    expected, thresholds = annotation_columns(by_id.drop("rs39", axis=0), OPTIONS)
    whole, _ = annotation_columns(by_id, OPTIONS)
    names = ["MRV", "MRV_top10", "MRV_top50", "MRV_brain", "MRV_brain_top10", "MRV_brain_top50"]
    assert summary["annotations"] == list(expected) == names
    assert list(summary["thresholds"]) == list(thresholds)
    text = (tmp_path / "out/sbayesrc/MRV.annot.txt").read_text().splitlines()
    assert text[0].split("\t") == ["SNP", "Intercept", *names]
    lines = iter(text[1:])
    for chrom in ("10", "2"):
        path = tmp_path / f"out/ldsc/MRV.{chrom}.annot.gz"
        header = gzip.decompress(path.read_bytes()).split(b"\n")[0].decode()
        assert header == "\t".join(["CHR", "BP", "SNP", "CM", *names])
        found = as_ldsc_reads(path)
        assert found["SNP"].tolist() == [r[1] for r in rows[chrom]]
        assert found[["CHR", "BP", "CM"]].to_numpy().tolist() == [
            [int(chrom), r[3], r[2]] for r in rows[chrom]
        ]
        for snp, line in zip(found["SNP"], found[names].to_numpy(), strict=True):
            truth = np.zeros(6) if snp == "other" else whole.loc[snp[1:]].to_numpy()
            np.testing.assert_allclose(line, truth, rtol=1e-5)
            cells = next(lines).split("\t")
            assert cells[:2] == [snp, "1"]
            np.testing.assert_allclose(np.array(cells[2:], float), truth, rtol=1e-5)
        prior = as_ldsc_reads(tmp_path / f"out/polyfun/MRV.{chrom}.snpvar.gz")
        assert list(prior) == ["CHR", "BP", "SNP", "A1", "A2", "SNPVAR"]
        assert prior[["A1", "A2"]].to_numpy().tolist() == [list(r[4:]) for r in rows[chrom]]
        assert found["MRV_top10"].isin([0, 1]).all()
    assert next(lines, None) is None
    written = json.loads((tmp_path / "out/annotation.json").read_text())
    assert written == summary
    assert written["chromosomes"][0] == {
        "chrom": "10",
        "snps": 21,
        "without_score": 2,
        "bim_no_position": 1,
        "bim_other_alleles": 0,
        "bim_several_alleles": 0,
        "bim_other_strand": 0,
        "bim_ambiguous": 0,
        "bim_ambiguous_dropped": 0,
        "bim_matched": 20,
        "bim_swapped": 10,
        "bim_duplicates": 0,
    }


def test_prior_variances_follow_the_quantiles(tmp_path, scores):
    files, _ = bims(tmp_path, scores)
    summary = annotate(tmp_path, tmp_path / "out", files, Options(ratio=20, heritability=0.3))
    found = pd.concat(
        as_ldsc_reads(tmp_path / f"out/polyfun/MRV.{c}.snpvar.gz") for c in ("10", "2")
    ).set_index("SNP")["SNPVAR"]
    known = scores.dropna(subset="score").set_index("id")["score"]
    quantile = {i: (known < s).sum() / (len(known) - 1) for i, s in known.items()}
    weight = {i: prior_weight(quantile.get(i[1:], np.nan), 20) for i in found.index}
    total = sum(weight[i] for i in found.index)
    np.testing.assert_allclose(found, [0.3 * weight[i] / total for i in found.index], rtol=1e-5)
    assert found.sum() == pytest.approx(0.3, rel=1e-5)
    assert summary["largest_variance"] / summary["smallest_variance"] < 20.000001


def test_binary_annotations():
    table = pd.DataFrame({"score": [0, 0, 0, 0.5, np.nan, 0.2]})
    found, thresholds = annotation_columns(table, Options("M", (0.2, 0.999)))
    assert thresholds == {"M_top20": pytest.approx(0.26), "M_top99.9": 0}
    assert found["M_top20"].tolist() == [0, 0, 0, 1, 0, 0]
    assert found["M_top99.9"].tolist() == [0, 0, 0, 1, 0, 1]  # a score of 0 is no high one
    np.testing.assert_allclose(found["M"], [0, 0, 0, 0.5, 0, 0.2])
    table = table.assign(**{"a b_score": 0.1})
    assert list(annotation_columns(table, Options("M", (), ("a b",)))[0]) == ["M", "M_a_b"]
    table = table.assign(a_b_score=0.1)
    with pytest.raises(ConfigError, match="two annotations would be called M_a_b"):
        annotation_columns(table, Options("M", (), ("a b", "a_b")))


def test_scored_variants_themselves(tmp_path, scores, caplog):
    table = scores.assign(id=scores["id"].where(scores.index != 30, "."))
    table.loc[6, "id"] = "rs5"
    table.to_csv(tmp_path / "s.tsv.gz", sep="\t", index=False, na_rep="")
    summary = annotate(tmp_path / "s.tsv.gz", tmp_path / "out", (), Options(), quiet=True)
    assert [c["chrom"] for c in summary["chromosomes"]] == ["2", "10"]
    assert summary["snps"] == 38
    assert "1 variants on chrX are left out" in caplog.text
    assert "1 variants have the id of another" in caplog.text
    found = as_ldsc_reads(tmp_path / "out/ldsc/MRV.10.annot.gz")
    kept = 5 if scores["score"][5] > scores["score"][6] else 6
    assert found["BP"].tolist() == [
        p for i, p in enumerate(range(100, 2100, 100)) if i != 11 - kept
    ]
    assert found["BP"].is_monotonic_increasing
    other = as_ldsc_reads(tmp_path / "out/polyfun/MRV.2.snpvar.gz").set_index("BP")
    row = table.loc[30]
    assert other.loc[row["pos"], "SNP"] == f"2:{row['pos']}:{row['ref']}:{row['alt']}"
    assert other.loc[row["pos"], ["A1", "A2"]].tolist() == [row["alt"], row["ref"]]


def test_same_bytes_and_resume(tmp_path, scores):
    files, _ = bims(tmp_path, scores)
    for name in ("a", "b"):
        annotate(tmp_path, tmp_path / name, files, OPTIONS, quiet=True)
    made = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*.*z*"))
    assert len(made) == 4
    for name in made:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    again = annotate(tmp_path, tmp_path / "a", files, OPTIONS, resume=True)
    assert again == json.loads((tmp_path / "a/annotation.json").read_text())
    with pytest.raises(UnfinishedError, match="prefix changed"):
        annotate(tmp_path, tmp_path / "a", files, Options("X", (0.1, 0.5), ("brain",)), resume=True)


def test_bad_bims(tmp_path, scores):
    files, rows = bims(tmp_path, scores)
    with pytest.raises(InputFileError, match=r"line 1 has chromosome 10 again"):
        annotate(tmp_path, tmp_path / "a", [files[0], files[0]])
    path = bim(tmp_path / "c.bim", [rows["2"][0], rows["10"][0], rows["2"][1]])
    with pytest.raises(InputFileError, match=r"c.bim line 3 has chromosome 2 again"):
        annotate(tmp_path, tmp_path / "b", [path])
    path = bim(tmp_path / "d.bim", [(*r[:3], r[3] - 1, *r[4:]) for r in rows["2"]])
    with pytest.raises(InputFileError, match=r"d.bim: 0.0% .* the table is 0-based, add 1"):
        annotate(tmp_path, tmp_path / "c", [path])
    path = bim(tmp_path / "e.bim", [("7", *r[1:]) for r in rows["2"]])
    with pytest.raises(InputFileError, match=r"no SNP of .*e.bim is among .* chromosomes are 7"):
        annotate(tmp_path, tmp_path / "d", [path])
    path = bim(tmp_path / "f.bim", [rows["2"][0], ("2", "rs1", 0, 5, "A")])
    with pytest.raises(InputFileError, match=r"f.bim line 2 is none of a .bim"):
        read_bim(path)
    path.write_text("")
    with pytest.raises(InputFileError, match=r"f.bim has no rows$"):
        read_bim(path)


def test_bad_scores_and_options(tmp_path, scores):
    scores.assign(score=np.nan).to_parquet(tmp_path / "n.parquet")
    with pytest.raises(ConfigError, match="has a score: none has a CpG in reach"):
        annotate(tmp_path / "n.parquet", tmp_path / "a")
    scores.assign(chrom="scaffold").to_parquet(tmp_path / "m.parquet")
    with pytest.raises(ConfigError, match="no chromosome of the scores is a number"):
        annotate(tmp_path / "m.parquet", tmp_path / "b")
    for wrong, said in (
        ({"tops": (1.0,)}, "top shares are"),
        ({"heritability": 0}, "heritability is 0"),
        ({"prefix": "../x"}, "prefix is '../x'"),
        ({"ratio": 0.5}, "prior ratio is 0.5"),
    ):
        with pytest.raises(ConfigError, match=said):
            Options(**wrong)


def test_command(tmp_path, scores, capsys):
    files, _ = bims(tmp_path, scores)
    parser = command.Parser(prog="x")
    annotate_arguments.add(parser.add_subparsers(parser_class=command.Parser))
    text = f"annotate --scores {tmp_path} --bim {files[0]} {files[1]} --tasks all -q"
    args = parser.parse_args([*text.split(), "-o", str(tmp_path / "o")])
    assert command.run(lambda: args.work(args), args.quiet) == 0
    assert "41 SNPs of 2 chromosomes, 4 without a score" in capsys.readouterr().out
    assert (tmp_path / "o/run.json").exists()
    assert command.run(lambda: args.work(args), args.quiet) == 2
    assert "has results" in capsys.readouterr().err
