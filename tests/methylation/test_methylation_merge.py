"""Parts, shards and runs that were stopped: the same bytes."""

import json

import pytest

from tfepi.methylation.variant_results import EFFECTS
from tfepi.variants.merge import merge_shards
from tfrecords_tools.errors import UnfinishedError
from tfrecords_tools.sharding import Shard

FINAL = [
    "no_cpg.tsv",
    "pairs.parquet",
    "skipped.tsv",
    "variants.bedGraph.gz",
    "variants.parquet",
    "variants.tsv.gz",
    "variants.vcf.gz",
    "variants.vcf.gz.tbi",
]


@pytest.fixture
def vcf(cpg_rows, cpg_vcf):
    return cpg_vcf([r for r in cpg_rows if r[0] != "chrA" or r[1] < 700])


def finals(folder):
    files = (p for p in folder.iterdir() if p.is_file() and p.name != "run.json")
    return {p.name: p.read_bytes() for p in files}


def counts(folder):
    record = json.loads((folder / "run.json").read_text())
    return {n: record[n] for n in ("pairs", "windows", "created_pairs", "skipped")}


def test_merged_shards_and_resumed_runs_equal_one_run(score, tmp_path, vcf, cpg_model, cpg_toy):
    whole = score("whole", vcf=vcf, pairs=True)
    wanted = finals(whole)
    assert sorted(wanted) == [".tfepi", "manifest.json", *FINAL]
    for i in (2, 0, 1):
        score("split", vcf=vcf, pairs=True, shard=Shard(i + 1, 3))
    merged = merge_shards(tmp_path / "split", results=EFFECTS)
    assert finals(merged) == wanted
    assert counts(merged) == counts(whole)
    assert counts(whole)["pairs"] > 150

    class Stopped(cpg_toy.CountingPredictor):
        def predict(self, inputs):
            if len(self.calls) == 30:
                raise KeyboardInterrupt
            return super().predict(inputs)

    with pytest.raises(KeyboardInterrupt):
        score("again", vcf=vcf, pairs=True, model=Stopped())
    assert not (tmp_path / "again" / "variants.parquet").exists()
    before = sum(cpg_model.calls)
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        score("again", vcf=vcf, pairs=True)
    resumed = score("again", vcf=vcf, pairs=True, resume=True)
    assert 0 < sum(cpg_model.calls) - before < counts(whole)["windows"]
    assert finals(resumed) == wanted
    assert counts(resumed) == counts(whole)
    (resumed / "variants.vcf.gz").unlink()
    with pytest.raises(UnfinishedError, match="option reach changed"):
        score("again", vcf=vcf, pairs=True, resume=True, reach=9)


def test_the_size_of_parts_and_batches_changes_nothing_but_the_last_digits(score, vcf):
    import numpy as np
    import pandas as pd

    one = pd.read_parquet(score("a", vcf=vcf, chunk_records=1000) / "variants.parquet")
    many = pd.read_parquet(score("b", vcf=vcf, chunk_records=5, batch_size=64) / "variants.parquet")
    for name in one:
        if one[name].dtype.kind == "f":
            np.testing.assert_allclose(many[name], one[name], atol=1e-6, err_msg=name)
        else:
            assert many[name].tolist() == one[name].tolist(), name
