"""Calibrated scores against loops over variants and targets; parts, resume, what is refused."""

import json
from bisect import bisect_left, bisect_right

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tfepi.variants import background, calibration, calibration_table
from tfepi.variants.background import Background
from tfepi.variants.calibration import calibrate
from tfepi.variants.options import Scoring
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

STATS = ("SAD", "REF_RATIO", "D2")
SUBSETS = ("two=track 2 | index=1",)


@pytest.fixture
def score(tmp_path, fasta, predictor):
    def make(name, vcf, stats=STATS, **options):
        targets = options.pop("targets", None)
        files = options.pop("model_files", None)
        inputs = (predictor.spec, vcf, fasta, tmp_path / name)
        scoring = Scoring(stats=stats, **options)
        keywords = {"quiet": True, "targets": targets, "model_files": files}
        return score_vcf(lambda: predictor, *inputs, scoring, **keywords)

    return make


@pytest.fixture
def scored(score, vcf):
    return score("scored", vcf)


@pytest.fixture
def others(score, make_vcf, letters, toy):
    """Scores of another 90 variants."""
    rows = []
    for pos in range(20, 4920, 54):
        ref = letters["chrA"][pos - 1]
        if ref != "N":
            rows.append(("chrA", pos, ".", ref, toy.other_base(ref, 1 + pos % 3)))
    return score("others", make_vcf(rows))


@pytest.fixture
def run(scored, others, tmp_path):
    def make(name="out", path=scored, by=others, **options):
        options = {"subsets": SUBSETS, "null": True, "quiet": True} | options
        return calibrate(path, by, tmp_path / name, **options)

    return make


def h5(path, *names):
    with h5py.File(path) as file:
        return {name: file[name][()] for name in names or file if name != "summaries"}


def effects(folder, stat):
    values = h5(folder / "scores.h5", stat)[stat].astype(float)
    return values - (0.5 if stat == "REF_RATIO" else 0)


def quantile(background_values, value):
    ordered = sorted(background_values)
    low, high = bisect_left(ordered, value), bisect_right(ordered, value)
    return (low + (high - low + 1) / 2) / (len(ordered) + 1)


def p_value(background_values, value):
    return (sum(b >= value for b in background_values) + 1) / (len(background_values) + 1)


def adjusted(p):
    m = len(p)
    found, least = [0.0] * m, 1.0
    for place, i in sorted(enumerate(sorted(range(m), key=p.__getitem__), 1), reverse=True):
        found[i] = least = min(least, p[i] * m / place)
    return found


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("stat", STATS)
def test_every_score_against_a_loop(run, scored, others, monkeypatch, stat, small):
    if small:  # a part per target, and blocks of few rows
        monkeypatch.setattr(background, "HELD_BYTES", 1)
        monkeypatch.setattr(calibration, "_COPIED_BYTES", 1)
        monkeypatch.setattr("tfepi.variants.row_chunks.CHUNK_BYTES", 60)
        monkeypatch.setattr(calibration_table, "_BLOCK_BYTES", 5 * 8 * 3)
    folder = run(stat=stat)
    found = h5(folder / "calibrated.h5")
    mine, theirs = effects(scored, stat), effects(others, stat)
    for t in range(3):
        own, by = mine[:, t].tolist(), theirs[:, t].tolist()
        sizes, by_size = [abs(v) for v in own], [abs(v) for v in by]
        wanted = [quantile(by_size, v) for v in sizes]
        np.testing.assert_allclose(found["quantile"][:, t], wanted, rtol=1e-6)
        p = [p_value(by_size, v) for v in sizes]
        np.testing.assert_allclose(found["p"][:, t], p, rtol=1e-6)
        np.testing.assert_allclose(found["q"][:, t], adjusted(p), rtol=1e-6)
        if stat == "D2":
            assert "signed_quantile" not in found
        else:
            wanted = [quantile(by, v) for v in own]
            np.testing.assert_allclose(found["signed_quantile"][:, t], wanted, rtol=1e-6)
    given = h5(scored / "scores.h5", "chr", "pos", "snp", "ref_allele", "alt_allele", "target_ids")
    for name, values in given.items():
        assert np.array_equal(found[name], values), name
    assert found["background_counts"].tolist() == [len(theirs)] * 3
    assert {found[n].dtype for n in ("quantile", "p", "q")} == {np.dtype(np.float32)}
    record = json.loads((folder / "run.json").read_text())
    assert record["resolution"] == 1 / (len(theirs) + 1)
    assert not (folder / "parts").exists()


@pytest.mark.parametrize("stat", ["SAD", "REF_RATIO"])
def test_table_against_a_loop(run, scored, others, stat):
    folder = run(stat=stat, over=0.6)
    table, each = pq.read_table(folder / "calibrated.parquet"), h5(folder / "calibrated.h5")
    mine, theirs = effects(scored, stat), effects(others, stat)
    assert table["pos"].to_pylist() == each["pos"].tolist()
    rows = table.to_pylist()
    for subset, tracks in (("all", [0, 1, 2]), ("two", [1, 2])):
        for name, of in (("max_abs", np.max), ("mean_abs", np.mean)):
            by = [np.float32(of(abs(row[tracks]))) for row in theirs]
            own = [np.float32(of(abs(row[tracks]))) for row in mine]
            key = f"{subset}_{name}"
            p = [p_value(by, v) for v in own]
            for column, wanted in (
                (key, own),
                (f"{key}_quantile", [quantile(by, v) for v in own]),
                (f"{key}_p", p),
                (f"{key}_q", adjusted(p)),
            ):
                np.testing.assert_allclose(table[column], wanted, rtol=1e-6, err_msg=column)
        for row, quantiles in zip(rows, each["quantile"][:, tracks].tolist(), strict=True):
            assert row[f"{subset}_top_quantile"] == max(quantiles)
            top = tracks[quantiles.index(max(quantiles))]
            assert row[f"{subset}_top_track"] == f"T{top}"
            assert row[f"{subset}_over"] == sum(q >= 0.6 for q in quantiles)
    facts = table.schema.metadata
    assert (facts[b"format"], facts[b"over"]) == (b"tfepi-calibration-table", b"0.6")


def test_without_a_null_there_are_no_p_values(run):
    folder = run(null=False)
    assert not {"p", "q"} & set(h5(folder / "calibrated.h5"))
    names = pq.read_table(folder / "calibrated.parquet").column_names
    assert not [n for n in names if n.endswith(("_p", "_q"))]
    assert "all_max_abs_quantile" in names


def test_undefined_scores(run, scored, others):
    for folder, place in ((scored, (4, 1)), (others, (7, 1)), (others, (8, slice(None)))):
        with h5py.File(folder / "scores.h5", "r+") as file:
            file["SAD"][place] = np.nan
    with h5py.File(scored / "scores.h5", "r+") as file:
        file["SAD"][6] = np.inf
    folder = run()
    found = h5(folder / "calibrated.h5")
    n = len(effects(others, "SAD"))
    assert found["background_counts"].tolist() == [n - 1, n - 2, n - 1]
    for name in ("quantile", "signed_quantile", "p", "q"):
        gone = np.isnan(found[name])
        assert {tuple(at) for at in np.argwhere(gone).tolist()} == {(4, 1), (6, 0), (6, 1), (6, 2)}
    by = abs(effects(others, "SAD")[:, 1])
    p = [
        p_value(by[~np.isnan(by)], abs(v)) for v in np.delete(effects(scored, "SAD")[:, 1], [4, 6])
    ]
    np.testing.assert_allclose(np.delete(found["q"][:, 1], [4, 6]), adjusted(p), rtol=1e-6)
    row = pq.read_table(folder / "calibrated.parquet").to_pylist()[6]
    assert row["all_top_track"] is None
    assert (row["all_over"], np.isnan(row["all_max_abs_quantile"])) == (0, True)
    assert np.isnan([row["all_top_quantile"], row["all_max_abs_p"], row["all_max_abs_q"]]).all()


def test_a_background_that_is_kept(run, others, tmp_path):
    first = run("first")
    found = h5(first / "background.h5")
    theirs = h5(others / "scores.h5", "SAD")["SAD"]
    assert np.array_equal(found["scores"], np.sort(theirs.T, axis=1))
    wanted = h5(first / "calibrated.h5")
    for by in (first, first / "background.h5"):
        folder = run(f"again{by.suffix}", by=by)
        assert not (folder / "background.h5").exists()
        again = h5(folder / "calibrated.h5")
        assert all(np.array_equal(again[k], v) for k, v in wanted.items())
        assert (folder / "calibrated.parquet").read_bytes() == (
            first / "calibrated.parquet"
        ).read_bytes()
    with pytest.raises(ConfigError, match="has no subset x=T1: name the scores of the background"):
        run("other", by=first, subsets=("x=T1",))
    with pytest.raises(ConfigError, match="is of SAD, the scores asked for of D2: use --stat SAD"):
        run("other", by=first, stat="D2")


def test_parts_do_not_show(run, monkeypatch):
    one = run("one")
    monkeypatch.setattr(background, "HELD_BYTES", 1)
    many = run("many")
    for name in ("calibrated.h5", "calibrated.parquet", "background.h5"):
        a, b = one / name, many / name
        if name == "background.h5":
            assert all(np.array_equal(v, h5(b)[k]) for k, v in h5(a).items())
        else:
            assert a.read_bytes() == b.read_bytes(), name


def test_a_killed_run_goes_on(run, monkeypatch, others):
    monkeypatch.setattr(background, "HELD_BYTES", 1)
    whole = run("whole")
    real, written = calibration._write_part, []

    def stops(*args):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(args[3])
        real(*args)

    monkeypatch.setattr(calibration, "_write_part", stops)
    with pytest.raises(KeyboardInterrupt):
        run("killed")
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        run("killed")
    for changed, name in (({"null": False}, "null"), ({"over": 0.5}, "over")):
        with pytest.raises(UnfinishedError, match=f"{name} changed since its parts"):
            run("killed", resume=True, **changed)
    done = []
    monkeypatch.setattr(calibration, "_write_part", lambda *a: (done.append(a[3]), real(*a)))
    monkeypatch.setattr(calibration, "write_background", None)  # it was written before the kill
    folder = run("killed", resume=True)
    assert done == [range(2, 3)]
    for name in ("calibrated.h5", "calibrated.parquet", "background.h5"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    done.clear()
    run("killed", resume=True)
    assert not done


def test_a_damaged_part(run, monkeypatch, tmp_path):
    def stops(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(calibration, "_assemble", stops)
    with pytest.raises(KeyboardInterrupt):
        run()
    monkeypatch.undo()
    part = tmp_path / "out/parts/0000000.h5"
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(InputFileError, match=r"0000000\.h5 is missing or damaged"):
        run(resume=True)
    part.unlink()
    run(resume=True)


def test_what_was_scored_in_another_way(run, score, vcf, make_vcf, rows, predictor, tmp_path):
    few = make_vcf(rows[:9])
    with pytest.raises(ConfigError, match=r"in other ways \(rc is True and False; shifts is"):
        run(by=score("rc", few, rc=True, shifts=(0, 1)))
    targets = predictor.spec.head().targets[1:]
    with pytest.raises(ConfigError, match=r"lacks 1 of the 3 tracks of .*, as 'T0': score both in"):
        run(by=score("two", few, targets=targets))
    run("fewer", score("fewer_scored", vcf, targets=targets), subsets=())
    with pytest.raises(ConfigError, match="has SAD, not D2"):
        run(by=score("sad", few, stats=("SAD",)), stat="D2")
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    a, b = (score(f"by_{m}", few, model_files={"model": tmp_path / m}) for m in ("a", "b"))
    with pytest.raises(ConfigError, match=r"\(their models' files differ\)"):
        run(path=a, by=b)
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_known_is_told(run, others, caplog):
    run(by=others / "scores.h5")
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert sum("files of one of the two are not known" in line for line in told) == 1


def test_what_a_small_null_means_is_told(run, scored, caplog):
    folder = run(by=scored)
    told = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    n = len(effects(scored, "SAD"))
    assert any("is its own background: each variant is compared with" in line for line in told)
    assert any(f"of {n} variants, {np.ceil(n / (n + 1) / 0.05):.0f} must share" in t for t in told)
    # Among its own scores each has itself as a tie.
    found = h5(folder / "calibrated.h5", "p")["p"][:, 0]
    assert (found.min(), found.max()) == pytest.approx((2 / (n + 1), 1))


def test_its_own_background_is_told_of_a_copy_and_a_background_made_of_it(
    run, scored, others, tmp_path, caplog
):
    copy = tmp_path / "copy.h5"
    copy.write_bytes((scored / "scores.h5").read_bytes())
    told = []
    for name, path, by in (
        ("a", scored, copy),
        ("b", scored, tmp_path / "a"),
        ("c", scored, tmp_path / "a" / "background.h5"),
        ("d", others, tmp_path / "a"),
        ("e", scored, others),
        ("f", scored, tmp_path / "e"),
    ):
        caplog.clear()
        run(name, path=path, by=by)
        told.append(any("is its own background" in r.getMessage() for r in caplog.records))
    assert told == [True, True, True, False, False, False]


def test_a_background_that_does_not_say_of_which_scores(run, scored, tmp_path, caplog):
    run("a", by=scored)
    with h5py.File(tmp_path / "a" / "background.h5", "r+") as file:
        facts = json.loads(file.attrs["source"])
        del facts["scores"]
        file.attrs["source"] = json.dumps(facts)
    caplog.clear()
    run("b", by=tmp_path / "a")
    assert "is its own background" not in caplog.text


def test_a_track_without_a_number(run, others):
    with h5py.File(others / "scores.h5", "r+") as file:
        file["SAD"][:, 2] = np.nan
    with pytest.raises(ConfigError, match="no defined score of SAD in 1 of the tracks, as 'T2'"):
        run()


def damage(path, what):
    with h5py.File(path, "r+") as file:
        if what == "format":
            file.attrs["format_version"] = 9
        elif what == "counts":
            del file["counts"]
            file["counts"] = np.zeros(2, int)
        else:
            del file["target_ids"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("format", "version 9, want 'tfepi-score-background' version 1"),
        ("counts", "is damaged: its sizes differ"),
        ("names", "is damaged, or no HDF5"),
    ],
)
def test_damaged_backgrounds(run, what, message):
    path = run("first") / "background.h5"
    damage(path, what)
    with pytest.raises(InputFileError, match=message):
        Background.read(path)
    with pytest.raises(InputFileError, match=message):
        run(by=path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"over": 0.0}, "over is 0.0: want a quantile between 0 and 1"),
        ({"over": 1.0}, r"over is 1\.0"),
        ({"stat": "JS"}, "has SAD, D2, REF_RATIO, not JS"),
        ({"subsets": ("x=nosuch",)}, "matches none of the 3 targets of the scores"),
        ({"by": "nosuch"}, "scores nosuch do not exist"),
        ({"path": "nosuch"}, "scores nosuch do not exist"),
    ],
)
def test_options_that_do_not_fit(run, tmp_path, options, message):
    with pytest.raises((ConfigError, InputFileError), match=message):
        run(**options)
    assert not (tmp_path / "out").exists()


def test_a_background_that_is_no_hdf5(run, tmp_path):
    path = tmp_path / "text.h5"
    path.write_text("no")
    with pytest.raises(InputFileError, match=r"background .*text\.h5 is damaged, or no HDF5"):
        run(by=path)


def test_a_disk_that_is_too_small(run, monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(ConfigError, match="its disk has 10 B"):
        run()
    assert not (tmp_path / "out").exists()


def test_scores_damaged_inside(tmp_path, run):
    """The header can be read, what it leads to cannot."""
    path = tmp_path / "scores.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("SAD", (4000, 4), np.float32, chunks=(50, 4), compression=1)
        data[:] = np.random.default_rng(0).normal(size=(4000, 4))
        place = [data.id.get_chunk_info(n) for n in range(data.id.get_num_chunks())]
    with open(path, "r+b") as file:
        file.seek(place[3].byte_offset)
        file.write(b"\xff" * place[3].size)
    scores = ScoreFile(path, "SAD", 4000, (), {}, {})
    with pytest.raises(InputFileError, match=r"is damaged in SAD .*score the variants again"):
        list(scores.scores(1000))
