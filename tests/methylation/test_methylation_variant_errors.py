import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tfepi.methylation.variant_options import (
    CpgWindow,
    MethylationScoring,
    default_chunk_records,
)
from tfepi.methylation.variant_scoring import score_methylation
from tfepi.spec import Head
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.targets import Target


def base(letters, pos, chrom="chrA"):
    held = letters[chrom][pos - 1]
    return held, "ACGT"[("ACGT".index(held) + 1) % 4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"extra": {}}, "the model toy does not predict methylation: score .* tfepi_variants.py"),
        ({"inputs": {"sequence": (40, 4)}}, "takes sequence of 40 bp and gives 0 positions"),
        ({"crop": 15}, "gives 11 positions: want the sequence alone"),
        ({"inputs": {"sequence": (41, 4), "tracks": (41, 1)}}, "takes sequence and tracks"),
    ],
)
def test_a_model_of_something_else(score, cpg_toy, change, message):
    model = cpg_toy.CountingPredictor(cpg_toy.toy_spec(**change))
    with pytest.raises(ConfigError, match=message):
        score(model=model)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reach": 21}, "reach is 21 bp, and the model sees 20 bp at either side of a CpG"),
        ({"reach": 0}, "reach is 0 bp: want at least 1"),
        ({"compared": "keep"}, "unknown choice of CpGs 'keep': did you mean 'kept'"),
        ({"ref_policy": "swop"}, "unknown ref_policy 'swop': did you mean 'swap'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"head": "brian"}, "head 'brian' is not one of the model's heads: main"),
        ({"chunk_records": 0}, "chunk_records is 0: want at least 1"),
    ],
)
def test_options(score, options, message):
    with pytest.raises(ConfigError, match=message):
        score(**options)


def test_a_task_whose_columns_are_taken(score, cpg_toy):
    names = ("score", "x", "y")
    head = Head("main", tuple(Target(i, n) for i, n in enumerate(names)))
    model = cpg_toy.CountingPredictor(cpg_toy.toy_spec(heads=(head,)))
    with pytest.raises(ConfigError, match="task 'score' would have a column 'score_cpg'"):
        score(model=model)


def test_files_of_another_build_and_naming_and_order(score, cpg_letters, tmp_path):
    good = [("chrA", p, ".", *base(cpg_letters, p)) for p in range(100, 130)]
    other = [(c, p, i, a, r) for c, p, i, r, a in good]
    with pytest.raises(InputFileError, match=r"REF differs in 30 of 30 .*another genome build"):
        score(records=other)
    with pytest.raises(InputFileError, match="the names differ by the 'chr' prefix"):
        score(records=[("A", 100, ".", "C", "T")])
    with pytest.raises(InputFileError, match="is not sorted: record 2 has position 100 after 101"):
        score(records=[good[1], good[0]])
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_scored_is_listed(score, cpg_letters):
    ref, alt = base(cpg_letters, 200)
    wrong = [("chrA", 200, "good", ref, alt), ("chrA", 200, "bad", alt, ref)]
    wrong.append(("chrA", 200, "some", ref, f"<DEL>,{alt}"))
    folder = score(records=wrong, ref_policy="skip")
    skipped = pd.read_csv(folder / "skipped.tsv", sep="\t")
    assert skipped["id"].tolist() == ["bad", "some"]
    assert skipped["row"].tolist() == [2, 3]
    assert skipped["reason"][0] == f"REF is {alt!r}, the genome has {ref!r}"
    table = pd.read_parquet(folder / "variants.parquet")
    assert table["id"].tolist() == ["good", "some"]
    assert table["score"][0] == table["score"][1]
    assert ";MRV_SCORE=.," in next(
        line for line in _lines(folder / "variants.vcf.gz") if "\tsome\t" in line
    )


def _lines(path):
    import gzip

    with gzip.open(path, "rt") as file:
        return file.readlines()


def test_predictions_that_are_not_finite(score, cpg_toy, cpg_letters, caplog):
    """NaN for some windows leaves them out of the maximum and is told; NaN for all is an error."""
    plain = cpg_toy.CountingPredictor()

    def some_nan(sequences):
        values = cpg_toy.toy_values(sequences)
        values[sequences[:, 0, 0] == 1] = np.nan
        return values

    records = [("chrA", p, ".", *base(cpg_letters, p)) for p in range(100, 160, 9)]
    whole = pd.read_parquet(score("a", records, plain, pairs=True) / "pairs.parquet")
    model = cpg_toy.CountingPredictor(function=some_nan)
    folder = score("b", records, model, pairs=True)
    pairs = pd.read_parquet(folder / "pairs.parquet")
    defined = pairs["brain_diff"].notna() & (pairs["kind"] == "kept")
    assert 0 < defined.sum() < (pairs["kind"] == "kept").sum()
    table = pd.read_parquet(folder / "variants.parquet")
    wanted = whole[defined].groupby("pos")["brain_diff"].agg(lambda d: d.abs().max())
    found = table.set_index("pos")["brain_score"].dropna()
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert "predictions that are no finite numbers, of" in caplog.text
    broken = cpg_toy.CountingPredictor(function=lambda s: cpg_toy.toy_values(s) * np.nan)
    with pytest.raises(InputFileError, match="no finite number for records 1 to 7"):
        score("c", records, broken)


def test_forecast_is_near_the_truth(score, cpg_rows, caplog):
    import json
    import re

    caplog.set_level(logging.INFO)
    folder = score(chunk_records=50)
    record = json.loads((folder / "run.json").read_text())
    text = caplog.text
    assert f"{len(cpg_rows)} records, " in text
    assert "expected sizes: variants.parquet" in text
    pairs, windows = map(
        float, re.search(r"about (\S+) pairs .* CpG, (\S+) windows", text).groups()
    )
    assert pairs == pytest.approx(record["pairs"], rel=0.3)
    assert windows == pytest.approx(record["windows"], rel=0.3)
    assert f"{record['windows'] / record['pairs']:.3f} a pair" in text


def test_a_small_disk_is_refused_before_work(score, cpg_model, monkeypatch, tmp_path):
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(ConfigError, match="its disk has 1 B"):
        score()
    assert not cpg_model.calls
    assert not (tmp_path / "out").exists()


def test_sizes_of_parts_follow_the_reach():
    assert default_chunk_records(1000) == 256
    assert default_chunk_records(1) == 4096
    assert default_chunk_records(1 << 20) == 64


def test_options_survive_json(cpg_toy):
    scoring = MethylationScoring(20, "all", True, True, "swap", "main", 7)
    assert MethylationScoring.from_json(scoring.__dict__) == scoring
    assert replace(CpgWindow.of(cpg_toy.toy_spec())).half == 20


def test_the_model_is_not_loaded_for_bad_input(cpg_toy, cpg_vcf, cpg_fasta, tmp_path):
    def load():
        raise AssertionError("loaded")

    spec = cpg_toy.toy_spec()
    vcf = cpg_vcf([("chrA", 5000, ".", "A", "C")])
    scoring = MethylationScoring(20)
    with pytest.raises(InputFileError, match="past the end of chrA"):
        score_methylation(load, spec, vcf, cpg_fasta, tmp_path / "out", scoring)
