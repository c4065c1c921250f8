"""Scores of an exam: folders and tables give the same, several targets become two numbers."""

import gzip
import json

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tfepi.qtl.exam_scores import Choice, common_rows, listed, named_scores, read_scores
from tfrecords_tools.errors import ConfigError, InputFileError

TARGETS = ("T0", "liver", "T2")
VARIANTS = pd.DataFrame(
    {
        "chrom": ["chr1", "chr1", "chr2", "chr2"],
        "pos": [5, 5, 9, 30],
        "id": ["rs1", "rs1b", ".", "rs3"],
        "ref": ["A", "A", "GC", "T"],
        "alt": ["C", "G", "G", "A"],
    }
)
VALUES = np.array([[1, -2, 0.5], [np.nan, 3, -1], [np.nan] * 3, [0.25, -0.5, np.inf]], np.float32)


def write_h5(folder, stat="SAD", values=VALUES):
    folder.mkdir()
    with h5py.File(folder / "scores.h5", "w") as file:
        file.attrs["format"], file.attrs["format_version"] = "tfepi-variant-scores", 1
        file.attrs["scoring"] = json.dumps({})
        file["target_ids"] = np.array(TARGETS, "S9")
        file["target_labels"] = np.array(["first", "CAGE: liver", "third"], "S20")
        names = {"chr": "chrom", "snp": "id", "ref_allele": "ref", "alt_allele": "alt"}
        for theirs, ours in names.items():
            file[theirs] = np.array(VARIANTS[ours], "S9")
        file["pos"] = VARIANTS["pos"].to_numpy(np.uint32)
        file.create_dataset(stat, data=values, chunks=(2, 3))
    return folder


def write_parquet(path, stat="SAD", wide=True, values=VALUES):
    table = pa.Table.from_pandas(VARIANTS, preserve_index=False)
    if wide:
        for name, column in zip(TARGETS, values.T, strict=True):
            table = table.append_column(f"{stat}_{name}", pa.array(column, from_pandas=False))
    else:
        flat = pa.array(values.ravel(), pa.float32(), from_pandas=False)
        table = table.append_column(stat, pa.FixedSizeListArray.from_arrays(flat, 3))
    facts = {"format": "tfepi-variant-table", "targets": json.dumps(TARGETS)}
    pq.write_table(table.replace_schema_metadata(facts), path)
    return path


def write_text(path):
    table = VARIANTS.assign(**dict(zip(TARGETS, VALUES.T, strict=True)))
    if path.suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t", index=False, na_rep="NA")
    return path


def by_name(path):
    table = VARIANTS.assign(**dict(zip(TARGETS, VALUES.T, strict=True)))
    table["variant_id"] = [f"{v.chrom}_{v.pos}_{v.ref}_{v.alt}_b38" for v in VARIANTS.itertuples()]
    table.drop(columns=["chrom", "pos", "ref", "alt"]).to_csv(path, index=False)
    return path


SOURCES = {
    "folder": lambda p: write_h5(p / "run"),
    "h5": lambda p: write_h5(p / "run") / "scores.h5",
    "wide": lambda p: write_parquet(p / "scores.parquet"),
    "lists": lambda p: write_parquet(p / "scores.parquet", wide=False),
    "folder_of_parquet": lambda p: write_parquet(p / "scores.parquet").parent,
    "text": lambda p: write_text(p / "t.tsv"),
    "gzip": lambda p: write_text(p / "t.tsv.gz"),
    "any_parquet": lambda p: write_text(p / "t.parquet"),
    "names": lambda p: by_name(p / "t.csv"),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("targets", "over", "score", "size"),
    [
        (TARGETS, "max", [-2, 3, np.nan, -0.5], [2, 3, np.nan, 0.5]),
        (TARGETS, "mean", [-1 / 6, 1, np.nan, -0.125], [3.5 / 3, 2, np.nan, 0.375]),
        (("liver",), "max", [-2, 3, np.nan, -0.5], [2, 3, np.nan, 0.5]),
        (("T2", "0"), "max", [1, -1, np.nan, 0.25], [1, 1, np.nan, 0.25]),
    ],
)
def test_every_source_gives_the_same(tmp_path, source, targets, over, score, size):
    found = read_scores("x", SOURCES[source](tmp_path), Choice("SAD", targets, over=over))
    assert found.table["pos"].tolist() == VARIANTS["pos"].tolist()
    for column in ("chrom", "ref", "alt"):
        assert found.table[column].astype(str).tolist() == VARIANTS[column].tolist()
    np.testing.assert_allclose(found.table["score"], score, rtol=1e-6)
    np.testing.assert_allclose(found.table["size"], size, rtol=1e-6)
    rows = np.array([3, 0])
    chosen = [TARGETS.index(t) if t != "0" else 0 for t in targets]
    expected = np.where(np.isfinite(VALUES), VALUES, np.nan)[rows][:, chosen]
    np.testing.assert_array_equal(found.by_target(rows), expected)


def test_a_query_chooses_by_description(tmp_path):
    found = read_scores("x", write_h5(tmp_path / "run"), Choice(query="CAGE: & liver"))
    assert [t.identifier for t in found.targets] == ["liver"]


def test_a_statistic_counts_from_what_is_no_effect(tmp_path):
    values = np.array(VALUES) / 10 + 0.5
    expected = [-0.2, 0.3, np.nan, -0.05]
    for path in (
        write_h5(tmp_path / "run", "REF_RATIO", values),
        write_parquet(tmp_path / "scores.parquet", "REF_RATIO", values=values),
    ):
        found = read_scores("x", path, Choice("REF_RATIO", ("liver",), raw=True))
        np.testing.assert_allclose(found.table["score"], expected, atol=1e-6)
        np.testing.assert_allclose(found.table["size"], expected, atol=1e-6)


def test_a_table_with_one_column_of_scores_needs_no_name(tmp_path):
    VARIANTS.assign(mine=[1, 2, 3, 4]).to_parquet(tmp_path / "t.parquet")
    assert read_scores("x", tmp_path / "t.parquet", Choice()).table["score"].tolist() == [
        1,
        2,
        3,
        4,
    ]


def test_variants_that_all_have(tmp_path):
    first = read_scores("first", write_h5(tmp_path / "run"), Choice())
    other = VARIANTS.assign(chrom=["1", "1", "2", "2"], s=[1.0, 2, 3, 4]).iloc[[3, 1, 2]]
    other.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    second = read_scores("second", tmp_path / "t.tsv", Choice())
    rows = common_rows([first, second])
    pairs = set(zip(*(r.tolist() for r in rows), strict=True))
    assert pairs == {(1, 1), (3, 0)}
    assert common_rows([first])[0].tolist() == [0, 1, 3]


def test_a_variant_that_is_there_twice_is_kept_once(tmp_path, caplog):
    table = pd.concat([VARIANTS, VARIANTS[:1]]).assign(s=[1.0, 2, 3, 4, 5])
    table.to_csv(tmp_path / "t.tsv", sep="\t", index=False)
    found = read_scores("x", tmp_path / "t.tsv", Choice())
    assert found.table["score"].tolist() == [1, 2, 3, 4]
    assert "1 row again that is there already" in caplog.text


def test_what_is_refused(tmp_path):
    run, table = write_h5(tmp_path / "run"), write_text(tmp_path / "t.tsv")
    wide = write_parquet(tmp_path / "scores.parquet")
    for path, choice, error, message in (
        (tmp_path / "none", Choice(), InputFileError, "do not exist|does not exist"),
        (run, Choice("D2"), ConfigError, "has SAD, not D2"),
        (wide, Choice("SED"), ConfigError, "unknown statistic 'SED' of .*SAD"),
        (run, Choice(targets=("livr",)), ConfigError, "unknown target 'livr'.*'liver'"),
        (table, Choice(targets=("livr",)), ConfigError, "unknown target 'livr'.*'liver'"),
        (run, Choice(query="brain"), ConfigError, "brain"),
        (table, Choice(), ConfigError, "columns T0, liver, T2: name the score with --target"),
    ):
        with pytest.raises(error, match=message):
            read_scores("x", path, choice)
    for columns, message in (
        (["chrom", "pos", "ref", "alt"], "no column of scores beside"),
        (["chrom", "pos", "ref", "id"], "do not say which variants"),
    ):
        VARIANTS[columns].to_csv(tmp_path / "u.tsv", sep="\t", index=False)
        with pytest.raises(InputFileError, match=message):
            read_scores("x", tmp_path / "u.tsv", Choice())
    VARIANTS.assign(s=1.0, ref=["A", None, "GC", "T"]).to_csv(tmp_path / "u.tsv", sep="\t")
    with pytest.raises(InputFileError, match="line 3 has no chrom, pos, ref and alt"):
        read_scores("x", tmp_path / "u.tsv", Choice(targets=("s",)))
    (tmp_path / "bad.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputFileError, match="no Parquet file"):
        read_scores("x", tmp_path / "bad.parquet", Choice())
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(table.read_bytes() * 99)[:-9])
    with pytest.raises(InputFileError):
        read_scores("x", tmp_path / "cut.tsv.gz", Choice(targets=("T0",)))
    with pytest.raises(InputFileError, match="scores x have no variant with a score"):
        common_rows([read_scores("x", write_h5(tmp_path / "no", values=VALUES[[2] * 4]), Choice())])
    with pytest.raises(ConfigError, match="unknown summary over targets 'sum'"):
        Choice(over="sum")
    with pytest.raises(ConfigError, match="both choose targets"):
        Choice(targets=("a",), query="b")


def test_names_of_scores(tmp_path):
    (tmp_path / "a=b").mkdir()
    base = Choice("JS", ("t",))
    found = named_scores(["one=x,target=p,q,stat=D2", "two=y,query=a=b & c", "dir/z.tsv"], base)
    assert found["one"] == ("x", Choice("D2", ("p", "q")))
    assert found["two"] == ("y", Choice("JS", (), "a=b & c"))
    assert found["z"] == ("dir/z.tsv", base)
    with pytest.raises(ConfigError, match="two scores are called 'x'"):
        named_scores(["x=a", "x=b"], base)
    with pytest.raises(ConfigError, match="want NAME=PATH"):
        named_scores(["a b=x"], base)
    with pytest.raises(ConfigError, match="want NAME=PATH"):
        named_scores([str(tmp_path / "a=b")], base)  # a path that is there is no name
    assert listed(" a,,b ") == ("a", "b")
