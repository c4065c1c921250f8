"""A model of CpGs beside one of bins: sizes without direction, effects by distance of CpGs."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tfepi.comparison.named import Named
from tfepi.comparison.options import Comparing
from tfepi.comparison.run import compare_models
from tfepi.comparison.sources import Source, read_manifest
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.spec import CallablePredictor
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

LENGTH, HALF = 31, 15


@pytest.fixture(scope="module")
def cpg_model(toys):
    weights = np.random.default_rng(6).normal(0, 0.4, (LENGTH, 4, 1)).astype(np.float32)

    def values(codes):
        return 1 / (1 + np.exp(-np.einsum("nlc,lct->nt", codes, weights)))[:, None]

    spec = toys.spec_of(LENGTH, 1, HALF, ("brain",), extra={"kind": "methylation"})
    return CallablePredictor(values, spec)


@pytest.fixture(scope="module")
def found(cpg_model, narrow, source_of, vcf, fasta, tmp_path_factory):
    out = tmp_path_factory.mktemp("cpgs") / "out"
    sources = [source_of("cpgs", cpg_model), source_of("bins", narrow, mean=True)]
    loads = {"cpgs": lambda: cpg_model, "bins": lambda: narrow}
    options, quick = Comparing(top=(10,), field_repeats=0), Bootstrap(40, 40)
    given = {"loads": loads, "quiet": True, "bootstrap": quick}
    return out, compare_models(sources, out, vcf, fasta, options, **given)


def plain(model, letters, snvs):
    """Per SNV the largest |ALT − REF| over kept CpGs in reach; and all sizes by distance."""
    best, sizes = [], defaultdict(list)
    for chrom, pos, _, alt in snvs:
        sequence = "N" * 200 + letters[chrom] + "N" * 200
        at = pos - 1 + 200
        other = sequence[:at] + alt + sequence[at + 1 :]
        largest = np.nan
        off = pos - 1 < 2 * HALF or pos - 1 + 2 * HALF + 1 > len(letters[chrom])
        for cpg in range(at - HALF, at + HALF + 1):
            if sequence[cpg : cpg + 2] == other[cpg : cpg + 2] == "CG":
                codes = [
                    np.array(["ACGT".find(b) for b in s[cpg - HALF : cpg + HALF + 1]])
                    for s in (sequence, other)
                ]
                one_hot = np.array([(c[:, None] == np.arange(4)) for c in codes]).astype(np.float32)
                values = model._function(one_hot)[:, 0, 0]
                size = abs(float(values[1]) - float(values[0]))
                largest = np.nanmax([largest, size])
                if not off:
                    sizes[abs(cpg - at)].append(size)
        best.append(largest)
    return np.array(best), sizes


def test_sizes_of_effects_on_cpgs(found, cpg_model, letters, snvs):
    out, result = found
    table = pd.read_parquet(out / "variants.parquet")
    best, _ = plain(cpg_model, letters, snvs)
    assert 0 < np.isnan(best).sum() < len(best) / 4
    np.testing.assert_allclose(table.cpgs, best, atol=1e-6)
    pair = result["pairs"][0]
    assert (pair["of"], pair["sign"]) == ("sizes", None)
    off = table.cpgs_beyond_chromosome | table.bins_beyond_chromosome
    seen = np.isfinite(best) & ~off
    assert (pair["n"], pair["undefined"]) == (seen.sum(), (np.isnan(best) & ~off).sum())
    wanted = spearmanr(best[seen], table.bins[seen].abs())[0]
    assert pair["spearmanr"]["value"] == pytest.approx(wanted, abs=1e-6)


def test_effects_by_distance_of_the_cpg(found, cpg_model, letters, snvs):
    out, result = found
    _, sizes = plain(cpg_model, letters, snvs)
    curves = pd.read_csv(out / "effect_distance.tsv", sep="\t")
    curves = curves[(curves.model == "cpgs") & (curves.grid == "linear")]
    near = np.mean([s for d in sizes if d <= max(min(sizes), 10) for s in sizes[d]])
    if 0 in sizes:
        near = np.mean(sizes[0])
    assert len(curves) > 10
    for row in curves.itertuples():
        here = [s for d in sizes if row.low <= d < row.high for s in sizes[d]]
        assert row.relative == pytest.approx(np.mean(here) / near, rel=1e-4)
    within = next(w["within"] for w in result["distance"] if w["model"] == "cpgs")
    mass = pd.Series({d: np.sum(sizes[d]) for d in sorted(sizes)}).cumsum()
    assert within["0.9"]["value"] == mass.index[(mass >= 0.9 * mass.iloc[-1]).argmax()]


def test_a_folder_of_effects(found, tmp_path):
    out, result = found
    folders = [Named(n, (str(out / "scores" / n),), {"mean": True}) for n in ("cpgs", "bins")]
    sources = [Source.of(named) for named in folders]
    assert [s.of_methylation for s in sources] == [True, False]
    options, quick = Comparing(top=(10,)), Bootstrap(40, 40)
    again = compare_models(sources, tmp_path / "out", comparing=options, bootstrap=quick)
    assert again["pairs"] == result["pairs"]
    assert again["distance"] == result["distance"]


def test_folders_that_cannot_be_read(found, tmp_path):
    out, _ = found
    for path, message in (
        (tmp_path, "has no manifest.json: want a folder of"),
        (tmp_path / "none", "is no folder: want a folder of"),
        (out, "has no manifest.json"),
    ):
        with pytest.raises(InputFileError, match=message):
            Source.of(Named("x", (str(path),)))
    for name, message in (
        ("cpgs", r"model x: scores .*cpgs are not finished: run tfepi_methylation\.py"),
        ("bins", r"bins are not finished: run tfepi_variants\.py"),
    ):
        unfinished = tmp_path / name
        unfinished.mkdir()
        manifest = (out / "scores" / name / "manifest.json").read_text()
        (unfinished / "manifest.json").write_text(manifest)
        with pytest.raises(UnfinishedError, match=message):
            Source.of(Named("x", (str(unfinished),)))
    with pytest.raises(ConfigError, match="query 'liver' matches none of the 2 targets of scores"):
        Source.of(Named("x", (str(out / "scores" / "bins"),), {"query": "liver"}))
    assert len(read_manifest(out / "scores" / "bins").targets) == 2
