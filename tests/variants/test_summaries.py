"""Tables of summaries against scores.h5, parts, resume and components of another run."""

import json

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tfepi.variants import summaries
from tfepi.variants.components import Components
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfepi.variants.summaries import summarise
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

STATS = ("SAD", "REF_RATIO")


@pytest.fixture
def scored(tmp_path, vcf, fasta, predictor):
    inputs = (predictor.spec, vcf, fasta, tmp_path / "scored")
    return score_vcf(lambda: predictor, *inputs, Scoring(stats=STATS), quiet=True)


@pytest.fixture
def run(scored, tmp_path):
    def make(name="out", path=scored, **options):
        options = {"subsets": ("two=track 2 | index=1",), "quiet": True} | options
        return summarise(path, tmp_path / name, **options)

    return make


def scores_of(folder, stat="SAD"):
    with h5py.File(folder / "scores.h5") as file:
        return {k: file[k][()] for k in ("chr", "pos", "snp", "ref_allele", "alt_allele", stat)}


def table(folder):
    return pq.read_table(folder / "summaries.parquet")


@pytest.mark.parametrize("part_rows", [7, 1 << 15])
@pytest.mark.parametrize("stat", STATS)
def test_tables(run, scored, monkeypatch, part_rows, stat):
    monkeypatch.setattr(summaries, "_BLOCK_BYTES", 5 * 8 * 3)
    folder = run(stat=stat, part_rows=part_rows, components=2, above=0.3)
    found, given = table(folder), scores_of(scored, stat)
    values = given[stat].astype(float) - (0.5 if stat == "REF_RATIO" else 0)
    of_subset = [
        f"{s}_{k}"
        for s in ("all", "two")
        for k in ("mean", "mean_abs", "max", "max_abs", "max_track", "above")
    ]
    assert found.column_names == ["chrom", "pos", "id", "ref", "alt", *of_subset, "PC1", "PC2"]
    assert found["pos"].to_pylist() == given["pos"].tolist()
    assert found["alt"].to_pylist() == [a.decode() for a in given["alt_allele"]]
    assert found["chrom"].to_pylist() == [a.decode() for a in given["chr"]]
    for name, columns in (("all", [0, 1, 2]), ("two", [1, 2])):
        chosen = values[:, columns]
        np.testing.assert_allclose(found[f"{name}_mean"], chosen.mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(found[f"{name}_mean_abs"], abs(chosen).mean(axis=1), atol=1e-6)
        np.testing.assert_allclose(found[f"{name}_max_abs"], abs(chosen).max(axis=1), atol=1e-6)
        tracks = [f"T{columns[i]}" for i in abs(chosen).argmax(axis=1)]
        assert found[f"{name}_max_track"].to_pylist() == tracks
        largest = np.take_along_axis(chosen, abs(chosen).argmax(axis=1)[:, None], axis=1)[:, 0]
        np.testing.assert_allclose(found[f"{name}_max"], largest, atol=1e-6)
        assert found[f"{name}_above"].to_pylist() == (abs(chosen) >= 0.3).sum(axis=1).tolist()
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    _, singular, vectors = np.linalg.svd(z, full_matrices=False)
    for k in range(2):
        sign = np.sign(vectors[k][abs(vectors[k]).argmax()])
        np.testing.assert_allclose(found[f"PC{k + 1}"], z @ vectors[k] * sign, atol=1e-5)
    facts = {
        k.decode(): v.decode() for k, v in found.schema.metadata.items() if k != b"ARROW:schema"
    }
    assert facts == {
        "format": "tfepi-variant-summaries",
        "format_version": "1",
        "stat": stat,
        "subsets": '{"two": "track 2 | index=1"}',
        "above": "0.3",
    }
    header, *lines = (folder / "summaries.tsv").read_text().splitlines()
    assert header.split("\t") == found.column_names
    assert len(lines) == len(found)
    cells = dict(zip(header.split("\t"), lines[11].split("\t"), strict=True))
    for name in ("pos", "all_mean", "two_max_abs", "PC2"):
        assert float(cells[name]) == pytest.approx(found[name][11].as_py(), rel=1e-5)
    assert (cells["id"], cells["all_max_track"]) == (
        found["id"][11].as_py(),
        found["all_max_track"][11].as_py(),
    )
    record = json.loads((folder / "run.json").read_text())
    assert (record["variants"], record["tracks"], record["components"]) == (len(values), 3, 2)
    assert record["subset_tracks"] == {"all": 3, "two": 2}
    assert record["variance_explained"] == pytest.approx(
        (singular[:2] ** 2).sum() / (singular**2).sum(), abs=1e-5
    )
    assert not (folder / "parts").exists()


def test_parts_do_not_show(run):
    one, many = run("one"), run("many", part_rows=5)
    assert (one / "summaries.tsv").read_bytes() == (many / "summaries.tsv").read_bytes()
    assert table(one).equals(table(many))
    assert (one / "components.npz").read_bytes() == (many / "components.npz").read_bytes()


def test_new_variants_in_the_space_of_others(
    run, tmp_path, scored, vcf, make_vcf, rows, fasta, predictor
):
    common = run("common")
    fewer = make_vcf(rows[10:25])
    inputs = (predictor.spec, fewer, fasta, tmp_path / "few")
    few = score_vcf(lambda: predictor, *inputs, Scoring(stats=STATS), quiet=True)
    placed = table(run("placed", few, loadings=common / "components.npz"))
    again = table(run("again", few, fit_on=scored))
    whole = table(common)
    key = {
        (p, a): i
        for i, (p, a) in enumerate(
            zip(whole["pos"].to_pylist(), whole["alt"].to_pylist(), strict=True)
        )
    }
    rows = [
        key[p, a] for p, a in zip(placed["pos"].to_pylist(), placed["alt"].to_pylist(), strict=True)
    ]
    assert 10 < len(rows) < len(whole)
    for k in ("PC1", "PC2", "PC3"):
        wanted = whole[k].to_numpy()[rows]
        np.testing.assert_allclose(placed[k], wanted, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(again[k], placed[k])
    own = table(run("own", few))
    assert abs(own["PC1"].to_numpy() - placed["PC1"].to_numpy()).max() > 0.01
    copied = Components.read(tmp_path / "placed/components.npz")
    assert copied.variants == len(whole)
    assert set(json.loads((tmp_path / "placed/run.json").read_text())["inputs"]) == {
        "scores",
        "loadings",
    }


@pytest.mark.parametrize("option", ["loadings", "fit_on"])
def test_scores_made_in_another_way_are_told_once(
    run, tmp_path, scored, vcf, fasta, predictor, caplog, option
):
    inputs = (predictor.spec, vcf, fasta, tmp_path / "rc")
    both = score_vcf(lambda: predictor, *inputs, Scoring(stats=STATS, rc=True), quiet=True)
    given = scored if option == "fit_on" else run("common") / "components.npz"
    run("placed", both, **{option: given})
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert told == [f"{both}/scores.h5 has the option rc True, the scores of the components False"]


def test_no_components(run):
    folder = run(components=0, subsets=())
    assert not any(n.startswith("PC") for n in table(folder).column_names)
    assert not (folder / "components.npz").exists()
    assert run(components=0, subsets=(), resume=True) == folder


def test_undefined_scores_are_missing(run, scored):
    with h5py.File(scored / "scores.h5", "r+") as file:
        file["SAD"][4] = np.nan
        file["SAD"][6, 1] = np.inf
    folder = run()
    found = table(folder)
    assert found["all_max_track"][4].as_py() is None
    assert np.isnan(found["all_mean"].to_numpy()[4])
    assert np.isfinite(found["all_mean"].to_numpy()[6])
    assert np.isnan(found["PC1"].to_numpy()[[4, 6]]).all()
    assert np.isfinite(np.delete(found["PC1"].to_numpy(), [4, 6])).all()
    line = (folder / "summaries.tsv").read_text().splitlines()[5].split("\t")
    assert line[5:10] == ["NA"] * 5


def test_a_killed_run_goes_on(run, monkeypatch, scored):
    whole = run("whole", part_rows=9)
    written = []

    def stops(path, schema, batches):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path.name)
        real(path, schema, batches)

    real = summaries.write_batches
    monkeypatch.setattr(summaries, "write_batches", stops)
    with pytest.raises(KeyboardInterrupt):
        run("killed", part_rows=9)
    assert len(written) == 2
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        run("killed", part_rows=9)
    for changed, name in (
        ({"stat": "REF_RATIO"}, "stat"),
        ({"subsets": ("two=index=1",)}, "subsets"),
        ({"components": 2}, "components"),
        ({"above": 1.0}, "above"),
        ({"part_rows": 8}, "part_rows"),
        ({"fit_on": scored}, "input fit_on"),
    ):
        with pytest.raises(UnfinishedError, match=f"{name} changed since its parts"):
            run("killed", **({"part_rows": 9} | changed), resume=True)
    found = []
    monkeypatch.setattr(
        summaries, "write_batches", lambda p, s, b: (found.append(p.name), real(p, s, b))
    )
    monkeypatch.setattr(summaries, "fit", None)  # the components were found before the kill
    folder = run("killed", part_rows=9, resume=True)
    assert not set(found) & set(written)
    for name in ("summaries.tsv", "summaries.parquet", "components.npz"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()
    found.clear()
    run("killed", part_rows=9, resume=True)
    assert not found
    monkeypatch.undo()
    run("killed", part_rows=9, overwrite=True)


def test_a_damaged_part(run, monkeypatch, tmp_path):
    def stops(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(summaries, "_assemble", stops)
    with pytest.raises(KeyboardInterrupt):
        run(part_rows=9)
    monkeypatch.undo()
    part = tmp_path / "out/parts/0000001.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(InputFileError, match=r"0000001\.parquet is missing or damaged"):
        run(part_rows=9, resume=True)
    part.unlink()
    assert len(table(run(part_rows=9, resume=True))) == len(table(run("whole")))


def test_scores_of_fewer_tracks(run, tmp_path, scored, vcf, fasta, predictor):
    inputs = (predictor.spec, vcf, fasta, tmp_path / "two")
    targets = predictor.spec.head().targets[1:]
    two = score_vcf(lambda: predictor, *inputs, quiet=True, targets=targets)
    with pytest.raises(ConfigError, match=r"lacks 1 of the 3 tracks of .*: score both in the same"):
        run(path=two, fit_on=scored)
    loadings = run("whole") / "components.npz"
    with pytest.raises(ConfigError, match="lacks 1 of the 3 tracks of the components, as 'T0'"):
        run(path=two, loadings=loadings)
    assert not (tmp_path / "out").exists()
    # Fewer are no matter the other way round: only those of the components are looked at.
    whole = table(run(path=scored, fit_on=two))
    np.testing.assert_allclose(whole["PC2"], table(run("own", two))["PC2"], atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"components": -1}, "components is -1: want 1 or more, or 0 for none"),
        ({"fit_on": "x", "loadings": "y"}, "--fit_on and --loadings both say"),
        ({"components": 0, "fit_on": "x"}, "--fit_on x is given, and no components"),
        ({"components": 0, "loadings": "y"}, "--loadings y is given, and no components"),
        ({"components": 3, "loadings": "y"}, "--components 3: those of y are all there are"),
        ({"part_rows": 0}, "part_rows is 0"),
        ({"above": 0.0}, "above is 0.0: want a magnitude"),
        ({"components": 4}, r"components is 4: \d+ variants and 3 tracks have at most 3"),
        ({"stat": "JS"}, "has SAD, REF_RATIO, not JS"),
        ({"subsets": ("x=nosuch",)}, "matches none of the 3 targets of the scores"),
        ({"loadings": "nosuch"}, "components nosuch does not exist"),
        ({"fit_on": "nosuch"}, "scores nosuch do not exist"),
    ],
)
def test_options_that_do_not_fit(run, tmp_path, options, message):
    with pytest.raises((ConfigError, InputFileError), match=message):
        run(**options)
    assert not (tmp_path / "out").exists()
