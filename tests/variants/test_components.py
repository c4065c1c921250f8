"""Principal components of scores against numpy's SVD and scikit-learn's PCA."""

import logging
import zipfile

import h5py
import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from tfepi.variants import components as module
from tfepi.variants.components import Components, fit
from tfepi.variants.options import Scoring
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a scores.h5 of given scores and returns it, opened."""

    def make(values, name="s", stat="SAD", options="{}", tracks=None) -> ScoreFile:
        values = np.asarray(values, np.float32)
        (tmp_path / name).mkdir()
        path = tmp_path / name / "scores.h5"
        tracks = tracks or [f"t{i}" for i in range(values.shape[1])]
        with h5py.File(path, "w") as file:
            file.attrs["format"], file.attrs["format_version"] = "tfepi-variant-scores", 1
            file.attrs["scoring"] = options
            file["target_ids"] = np.array([t.encode() for t in tracks])
            file["target_labels"] = np.array([f"CAGE:{t}".encode() for t in tracks])
            file["pos"] = np.arange(len(values), dtype=np.uint32) + 1
            for key in ("chr", "snp", "ref_allele", "alt_allele"):
                file[key] = np.full(len(values), b"A")
            file[stat] = values
        return ScoreFile.of(path, stat)

    return make


def drawn(rows=200, tracks=12, rank=5, seed=0):
    """Scores of a few causes, at very different scales and offsets."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, tracks))
    values += 0.3 * rng.normal(size=(rows, tracks))
    return (values * 10.0 ** rng.uniform(-3, 3, tracks) + rng.uniform(-9, 9, tracks)).astype(
        np.float32
    )


def signed(vectors):
    """Return columns, each times the sign of its entry of largest magnitude."""
    return np.stack([v * np.sign(v[np.abs(v).argmax()]) for v in vectors.T], axis=1)


@pytest.mark.parametrize("block_bytes", [1, 7 * 12 * 8, 1 << 25])
@pytest.mark.parametrize(("rows", "count"), [(200, 7), (200, 12), (9, 8)])
def test_against_svd_and_scikit_learn(write, monkeypatch, rows, count, block_bytes):
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    values = drawn(rows)
    found = fit(write(values), count)
    exact = values.astype(np.float64)
    z = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    _, singular, vectors = np.linalg.svd(z, full_matrices=False)
    np.testing.assert_allclose(found.mean, exact.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.scale, exact.std(axis=0), rtol=1e-10)
    np.testing.assert_allclose(found.explained, singular[:count] ** 2 / rows, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.loadings, signed(vectors[:count].T), atol=1e-7)
    assert found.explained.sum() <= found.varying + 1e-9 == 12 + 1e-9
    assert (found.variants, found.count, found.stat) == (rows, count, "SAD")
    assert found.labels[3] == "CAGE:t3"

    theirs = PCA(count, svd_solver="full").fit(StandardScaler().fit_transform(exact))
    np.testing.assert_allclose(found.shares, theirs.explained_variance_ratio_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.loadings, signed(theirs.components_.T), atol=1e-6)
    placed = theirs.transform(StandardScaler().fit_transform(exact))
    size = np.sign((placed * found.project(exact)).sum(axis=0))
    np.testing.assert_allclose(found.project(exact), placed * size, atol=1e-6)


def test_all_components_keep_distances(write):
    values = drawn()
    scores = write(values)
    found = fit(scores, 12)
    placed = found.project(values.astype(float))
    np.testing.assert_allclose(placed.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(np.cov(placed.T, ddof=0), np.diag(found.explained), atol=1e-8)
    assert found.shares.sum() == pytest.approx(1)
    z = (values - found.mean) / found.scale
    np.testing.assert_allclose(
        np.linalg.norm(placed[3] - placed[8]), np.linalg.norm(z[3] - z[8]), rtol=1e-9
    )


def test_twenty_or_as_many_as_there_can_be(write, caplog):
    with caplog.at_level(logging.INFO):
        assert fit(write(drawn(100, 30), "a")).count == 20
        assert not caplog.records
        assert fit(write(drawn(100, 3), "b")).count == 3
        assert fit(write(drawn(6, 30), "c")).count == 5
    assert [r.getMessage() for r in caplog.records] == [
        "3 components, as many as there can be",
        "5 components, as many as there can be",
    ]


def test_tracks_that_do_not_vary_have_no_part(write):
    values = drawn()
    values[:, [2, 7]] = (0, -3.3)
    found = fit(write(values, "a"))
    assert (found.varying, found.count) == (10, 10)
    assert not found.loadings[[2, 7]].any()
    np.testing.assert_array_equal(found.scale[[2, 7]], 1)
    kept = [i for i in range(12) if i not in (2, 7)]
    alone = fit(write(values[:, kept], "b"))
    np.testing.assert_allclose(found.loadings[kept], alone.loadings, atol=1e-8)
    np.testing.assert_allclose(found.shares, alone.shares)


def test_undefined_scores(write, caplog):
    values = drawn()
    values[5, 3], values[9, 0], values[10] = np.nan, np.inf, np.nan
    found = fit(write(values, "a"), 4)
    alone = fit(write(np.delete(values, [5, 9, 10], axis=0), "b"), 4)
    np.testing.assert_allclose(found.loadings, alone.loadings, atol=1e-9)
    assert found.variants == 197
    assert "3 of 200 variants have undefined scores" in caplog.text
    assert np.isnan(found.project(values.astype(float))[5]).all()


def test_what_counts_from_no_effect(write):
    """A ratio of 0.5 is none."""
    scores = write(0.5 + drawn() / 1e4, "a", "REF_RATIO")
    [(first, block)] = scores.scores(1000)
    assert first == 0
    np.testing.assert_allclose(block, drawn() / 1e4, atol=1e-6)
    np.testing.assert_allclose(fit(scores, 2).mean, block.mean(axis=0))


@pytest.mark.parametrize(
    ("values", "count", "message"),
    [
        (drawn(9), 9, "components is 9: 9 variants and 12 tracks that vary have 1 to 8"),
        (drawn(50, 3), 4, "components is 4: 50 variants and 3 tracks that vary have 1 to 3"),
        (drawn(), 0, "components is 0"),
        (np.ones((5, 3)), None, "no track of SAD differs among 5 variants"),
        (drawn(1), None, "1 of 1 variants have SAD in every track, want at least 2"),
        (
            np.where(np.arange(12) == 4, np.nan, drawn()),
            None,
            "0 of 200 variants have SAD in every track, want at least 2; t4 lacks 200",
        ),
    ],
)
def test_what_has_no_components(write, values, count, message):
    with pytest.raises((ConfigError, InputFileError), match=message):
        fit(write(values), count)


def test_round_trip(write, tmp_path):
    found = fit(write(drawn(), options='{"rc": true}'), 4)
    path = tmp_path / "c.npz"
    found.write(path)
    data = path.read_bytes()
    again = Components.read(path)
    for name in ("mean", "scale", "loadings", "explained"):
        np.testing.assert_array_equal(getattr(again, name), getattr(found, name))
    for name in ("stat", "tracks", "labels", "varying", "variants", "source"):
        assert getattr(again, name) == getattr(found, name)
    assert again.source == {"options": {"rc": True}, "model": {}}
    again.write(path)
    assert path.read_bytes() == data


def test_files_that_are_no_components(write, tmp_path):
    found = fit(write(drawn()), 4)
    path = tmp_path / "c.npz"
    found.write(path)

    def changed(**values):
        with np.load(path) as file:
            content = {k: file[k] for k in file} | values
        other = tmp_path / "other.npz"
        np.savez(other, **{k: v for k, v in content.items() if v is not None})
        return other

    with pytest.raises(InputFileError, match=r"components .* does not exist"):
        Components.read(tmp_path / "nosuch")
    for values, message in (
        ({"format": np.array("x")}, "has format 'x' version 1, want 'tfepi-score-components'"),
        ({"format_version": np.array(2)}, "version 2, want"),
        ({"format": None}, "has format None version 1"),
        ({"mean": None}, "is damaged, or no"),
        ({"source": np.array("{")}, "is damaged, or no"),
        ({"mean": np.zeros(3)}, "is damaged: it has 12 tracks, and arrays of"),
        ({"mean": np.array([{}], object)}, r"\(it holds no plain arrays\): name components.npz"),
    ):
        with pytest.raises(InputFileError, match=message):
            Components.read(changed(**values))
    for data in (b"", b"no", path.read_bytes()[:-300]):
        (tmp_path / "bad.npz").write_bytes(data)
        with pytest.raises(InputFileError, match=r"is damaged, or no components \((?!.*pickle)"):
            Components.read(tmp_path / "bad.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputFileError, match="is damaged, or no"):
        Components.read(tmp_path / "one.npy")
    assert zipfile.is_zipfile(path)


def test_other_scores(write, caplog):
    options = '{{"rc": {}, "shifts": [0]}}'
    values = drawn()
    found = fit(write(values, "a", options=options.format("true")), 4)
    tracks = [f"t{i}" for i in (3, 1, *range(4, 12), 99, 0, 2)]
    more = write(
        values[:, [3, 1, *range(4, 12), 5, 0, 2]], "b", "SAD", options.format("true"), tracks
    )
    columns = found.columns(more)
    [(_, block)] = more.scores(1000)
    np.testing.assert_allclose(
        found.project(block[:, columns]), found.project(values.astype(float)), atol=1e-9
    )
    assert not caplog.records
    assert found.columns(write(values, "c", options=options.format("false"))) == list(range(12))
    assert "has the option rc False, the scores of the components True" in caplog.text
    with pytest.raises(ConfigError, match=r"lacks 2 of the 12 tracks of the components, as 't10'"):
        found.columns(write(values[:, :10], "d"))
    with pytest.raises(ConfigError, match="are of SAD, the scores asked for of D2: use --stat SAD"):
        found.columns(write(values, "e", "D2"))


@pytest.fixture
def folder(tmp_path, vcf, fasta, predictor):
    options = Scoring(stats=("SAD", "D1", "REF", "REF_RATIO"))
    files = {"model": vcf}  # any file: it stands for the model's
    inputs = (predictor.spec, vcf, fasta, tmp_path / "scored")
    return score_vcf(lambda: predictor, *inputs, options, model_files=files, quiet=True)


def test_a_scored_folder(folder, caplog):
    scores = ScoreFile.of(folder, "D1")
    with h5py.File(folder / "scores.h5") as file:
        values, pos = file["D1"][()], file["pos"][()].tolist()
        texts = {k: file[k][()] for k in ("chr", "snp", "ref_allele", "alt_allele")}
    assert (scores.rows, scores.names) == (len(values), ["T0", "T1", "T2"])
    assert scores.targets[1].description == "track 1"
    assert scores.options["stats"] == ["SAD", "D1", "REF", "REF_RATIO"]
    assert set(scores.model) == {"model"}
    blocks = list(scores.scores(7, 3, 20))
    assert [low for low, _ in blocks] == [3, 10, 17]
    np.testing.assert_array_equal(np.concatenate([b for _, b in blocks]), values[3:20])
    table = scores.variants(2, 5)
    assert table["pos"] == pos[2:5]
    for key, name in (
        ("chrom", "chr"),
        ("id", "snp"),
        ("ref", "ref_allele"),
        ("alt", "alt_allele"),
    ):
        assert table[key] == [v.decode() for v in texts[name][2:5]]
    found = fit(scores)
    other = {"model": scores.model["model"] | {"sha256": "0"}}
    assert found.columns(scores) == [0, 1, 2]
    assert not caplog.records
    Components(**{**vars(found), "source": {"model": other}}).columns(scores)
    assert "is of another model's file than the components" in caplog.text


def test_scores_that_cannot_be_read(folder, tmp_path):
    with pytest.raises(ConfigError, match="has SAD, D1, REF_RATIO, not REF: name one with --stat"):
        ScoreFile.of(folder, "REF")
    with pytest.raises(ConfigError, match="has SAD, D1, REF_RATIO, not JS"):
        ScoreFile.of(folder, "JS")
    with pytest.raises(ConfigError, match=r"unknown statistic 'SADD' of .*: did you mean 'SAD'"):
        ScoreFile.of(folder, "SADD")
    with pytest.raises(InputFileError, match="scores nosuch do not exist"):
        ScoreFile.of("nosuch")
    with pytest.raises(InputFileError, match=r"has no scores\.h5: name a folder of tfepi_var"):
        ScoreFile.of(tmp_path)
    with pytest.raises(InputFileError, match="is damaged"):
        ScoreFile.of(folder / "scores.parquet")
    with h5py.File(folder / "scores.h5", "r+") as file:
        names = file["target_ids"][()]
        del file["target_ids"]
        file["target_ids"] = names[1:]
    with pytest.raises(InputFileError, match="3 scores a variant, 2 identifiers and 3 labels"):
        ScoreFile.of(folder)
    with h5py.File(folder / "scores.h5", "r+") as file:
        del file["target_ids"]
        file["target_ids"] = names
        file["target_ids"][0] = b"X0"
    with pytest.raises(InputFileError, match=r"manifest\.json have other targets: keep together"):
        ScoreFile.of(folder)
    with h5py.File(folder / "scores.h5", "r+") as file:
        del file["target_labels"]
    with pytest.raises(InputFileError, match="is damaged"):
        ScoreFile.of(folder)
    with h5py.File(folder / "scores.h5", "r+") as file:
        file.attrs["format"] = "tfepi-mutagenesis-scores"
    with pytest.raises(InputFileError, match="has format 'tfepi-mutagenesis-scores' version 1"):
        ScoreFile.of(folder)
    (folder / "scores.h5").unlink()
    with pytest.raises(
        UnfinishedError, match=r"are not finished: run tfepi_variants\.py with --res"
    ):
        ScoreFile.of(folder)


def test_no_rows(write):
    with pytest.raises(InputFileError, match="has no scored variant"):
        write(np.zeros((0, 3)))
