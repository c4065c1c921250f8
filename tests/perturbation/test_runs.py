"""Runs over changed sequences: parts, resuming, strands, what is refused, tracks."""

import json

import h5py
import numpy as np
import pandas
import pyarrow.parquet as pq
import pytest

from tfepi.perturbation.deletions import Deletions
from tfepi.perturbation.design import cut_pieces
from tfepi.perturbation.effect_tracks import check_tracks, mean_effect, write_effect_tracks
from tfepi.perturbation.effects import Effects, Rows, mean_and_sd
from tfepi.perturbation.scrambles import Scrambles
from tfepi.variants.mutagenesis import mutate
from tfepi.variants.mutagenesis_options import Mutagenesis
from tfepi.variants.numbered import Plan
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.targets import Target

REGIONS = [
    Stretch("cA", 400, 423, "+", "one"),
    Stretch("cB", 200, 215, "-", "two"),
    Stretch("cA", 0, 9, "+"),
]


@pytest.fixture
def design():
    return Deletions(*cut_pieces(REGIONS, 3, None, 64, 6), "blank")


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_one_prediction_for_each_sequence_and_change(run, design, write_all, predictor):
    run(design, {"t": write_all}, part_rows=2)
    assert predictor.sequences == len(design.sites) + len(design.pieces)


@pytest.mark.parametrize("changes", [{"batch_size": 64}, {"batch_size": 1}, {"part_rows": 100}])
def test_batches_and_parts_change_nothing(run, design, write_all, changes):
    first = pandas.read_parquet(run(design, {"t": write_all}) / "t")
    other = pandas.read_parquet(run(design, {"t": write_all}, "other", **changes) / "t")
    pandas.testing.assert_frame_equal(first, other, rtol=1e-4, atol=1e-5)


def test_a_stopped_run_goes_on_to_the_same_bytes(run, design, write_all, predictor):
    whole = contents(run(design, {"t": write_all}, "whole"))
    left, ask = [20], predictor.predict

    def stops(inputs):
        left[0] -= len(inputs["sequence"])
        if left[0] < 0:
            raise KeyboardInterrupt
        return ask(inputs)

    predictor.predict = stops
    with pytest.raises(KeyboardInterrupt):
        run(design, {"t": write_all}, "stopped")
    predictor.predict = ask
    predictor.sequences = 0
    folder = run(design, {"t": write_all}, "stopped", resume=True)
    assert contents(folder) == whole
    assert 0 < predictor.sequences < len(design.sites) + len(design.pieces)
    predictor.predict = stops  # a finished run asks for nothing
    run(design, {"t": write_all}, "stopped", resume=True)
    assert contents(folder) == whole


def test_files_are_written_in_order_and_the_last_is_the_end(run, design, write_all):
    def fails(path, rows, genome):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(design, {"first": write_all, "t": fails})
    folder = run(design, {"first": write_all, "t": write_all}, resume=True)
    assert {p.name for p in folder.iterdir()} == {
        *(".tfepi", "manifest.json", "run.json", "first", "t")
    }
    record = json.loads((folder / "run.json").read_text())
    assert (record["sequences"], record["rows"]) == (len(design.sites), len(design.pieces))


def test_resuming_with_something_else_is_refused(run, design, write_all):
    run(design, {"t": write_all}, facts={"way": "blank"})
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        run(design, {"t": write_all}, facts={"way": "blank"})
    with pytest.raises(UnfinishedError, match=r"cannot go on in .*: way changed since"):
        run(design, {"t": write_all}, facts={"way": "remove"}, resume=True)
    with pytest.raises(UnfinishedError, match="options changed since"):
        run(design, {"t": write_all}, facts={"way": "blank"}, resume=True, rc=True)
    run(design, {"t": write_all}, facts={"way": "remove"}, overwrite=True)


def test_repeats_of_a_piece_stay_in_one_part(run, write_all, tmp_path):
    design = Scrambles(*cut_pieces(REGIONS, 5, None, 64, 10), 4)

    def stop(path, rows, genome):
        with h5py.File(rows.plan.part(rows.folder, 0)) as part:
            assert len(part["SAD"]) == 8
        assert rows.part_rows == 8
        write_all(path, rows, genome)

    run(design, {"t": stop}, part_rows=5)


def test_targets_strands_and_statistics(run, design, write_all, predictor, ask, window_of):
    targets = (Target(2, "T2"), Target(0, "T0"))
    rows = {}

    def keep(path, found, genome):
        rows["SAD"] = found.read("SAD", 0, found.count)
        rows["one"] = found.read("SAD", 3, 9, slice(1, 2))
        rows["targets"] = [t.identifier for t in found.targets]
        path.write_text("done")

    run(design, {"t": keep}, rc=True, targets=targets)
    assert rows["targets"] == ["T2", "T0"]
    np.testing.assert_array_equal(rows["one"], rows["SAD"][3:9, 1:])
    for n in (0, 9, 15):
        piece = design.pieces[n]
        site = design.sites[piece.site]
        own = window_of(site.chrom, site.window, site.strand)
        new = own.copy()
        new[piece.low : piece.high] = 4
        both = [
            (ask(s).sum(axis=0) + ask(np.where(s == 4, 4, 3 - s)[::-1]).sum(axis=0)) / 2
            for s in (own, new)
        ]
        wanted = (both[1] - both[0])[[2, 0]]
        np.testing.assert_allclose(rows["SAD"][n], wanted, rtol=1e-3, atol=1e-3)


def test_undefined_predictions(run, design, write_all, predictor, caplog):
    ask = predictor.predict
    predictor.predict = lambda inputs: {
        "main": np.where(
            (inputs["sequence"][:, 30] == 4)[:, None, None], np.nan, ask(inputs)["main"]
        )
    }
    folder = run(design, {"t": write_all})
    missing = pandas.read_parquet(folder / "t")["SAD"].isna().sum() // 3
    record = json.loads((folder / "run.json").read_text())
    assert record["undefined_rows"] == missing > 0
    assert f"predictions that are no finite numbers, of {missing} changes" in caplog.text
    predictor.predict = lambda inputs: {"main": ask(inputs)["main"] * np.inf}
    with pytest.raises(InputFileError, match="no finite number for changes 1 to 7: its weights"):
        run(design, {"t": write_all}, "broken")


def test_bad_options(run, design, write_all, tmp_path):
    for values, message in (
        ({"stats": ("sum",)}, "unknown statistic 'sum'"),
        ({"stats": ("REF",)}, "unknown statistic 'REF'"),
        ({"shifts": ()}, "shifts are"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"untransform": "curent"}, "did you mean 'current'"),
    ):
        with pytest.raises(ConfigError, match=message):
            Effects(**values)
    for more, message in (
        ({"part_rows": 0}, "part_rows is 0: want at least 1"),
        ({"targets": (Target(0, "T9"),)}, "unknown target 'T9'"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(design, {"t": write_all}, **more)
    assert not (tmp_path / "out").exists()


def test_a_damaged_part_is_named(run, design, write_all, tmp_path):
    def damage(path, rows, genome):
        part = rows.plan.part(rows.folder, 1)
        part.write_bytes(part.read_bytes()[:700])
        write_all(path, rows, genome)

    with pytest.raises(InputFileError, match=r"part .*0000001.h5 is missing or damaged"):
        run(design, {"t": damage})


def test_a_small_disk_is_refused_and_the_work_forecast(run, design, write_all, monkeypatch, caplog):
    class Small:
        free = 100

    caplog.set_level("INFO")
    monkeypatch.setattr("shutil.disk_usage", lambda _: Small)
    with pytest.raises(ConfigError, match=r"out needs 576 B, its disk has 100 B"):
        run(design, {"t": write_all})
    changes, sites = len(design.pieces), len(design.sites)
    assert f"{sites} sequences: {changes + sites} predictions to make" in caplog.text


def test_tables_say_what_they_are(run, design, write_all):
    found = pq.read_schema(run(design, {"t": write_all}) / "t").metadata
    assert (found[b"format"], found[b"format_version"]) == (b"tfepi-test", b"1")


def test_blocks_of_rows_and_deviations(monkeypatch):
    plan = Plan("x", {}, {}, 1, ".h5")
    rows = Rows(plan, None, 10, 50, (Target(0, "a"),) * 2, ("SAD", "D2"))
    monkeypatch.setattr("tfepi.perturbation.effects._BLOCK_BYTES", 16 * 12)
    blocks = [(b.start, b.stop) for b in rows.blocks(0, 50, 5)]
    assert blocks == [(n, n + 10) for n in range(0, 50, 10)]
    mean, deviation = mean_and_sd(np.array([[1.0, 3.0], [2.0, 2.0]]), 1)
    assert (mean.tolist(), deviation.tolist()) == ([2, 2], [np.float32(np.sqrt(2)), 0])
    assert np.isnan(mean_and_sd(np.ones((2, 1)), 1)[1]).all()


@pytest.fixture
def mutated(tmp_path, fasta, predictor):
    regions = tmp_path / "in.bed"
    regions.write_text("cB\t195\t215\ncA\t400\t420\ncA\t405\t425\t.\t0\t-\ncA\t0\t6\n")
    options = Mutagenesis(length=20, stats=("SAD",))
    more = {"quiet": True}
    return mutate(
        lambda: predictor, predictor.spec, regions, fasta, tmp_path / "m", options, **more
    )


@pytest.mark.parametrize("which", ["each", "mean"])
def test_tracks_hold_the_mean_effect_of_each_base(mutated, fasta, predictor, which):
    import pyBigWig

    targets = predictor.spec.head().targets
    assert write_effect_tracks(mutated, fasta, which, targets) == (3 if which == "each" else 1)
    wanted: dict = {}
    with h5py.File(mutated / "scores.h5") as file:
        for row in range(4):
            chrom, start = file["chr"][row].decode(), int(file["start"][row])
            size = file["seqs"].shape[1]
            for index in range(size):
                own = file["seqs"][row, index]
                if not own.any():
                    continue
                base = start + (index if file["strand"][row] == b"+" else size - 1 - index)
                scores = file["SAD"][row, index].astype(float)
                change = np.mean([scores[x] - scores[own.argmax()] for x in range(4) if not own[x]],
                                 axis=0)  # fmt: skip
                wanted.setdefault((chrom, base), []).append(change)
    wanted = {k: np.mean(v, axis=0) for k, v in wanted.items()}
    names = ["mean"] if which == "mean" else ["t0", "t1", "t2"]
    for place, name in enumerate(names):
        with pyBigWig.open(str(mutated / "bigwig" / f"{name}.bw")) as track:
            assert track.chroms() == {"cA": 900, "cB": 300}
            for chrom, length in track.chroms().items():
                values = track.values(chrom, 0, length)
                covered = {base for base, v in enumerate(values) if not np.isnan(v)}
                assert covered == {b for c, b in wanted if c == chrom}
                for base in covered:
                    value = wanted[chrom, base]
                    value = value.mean() if which == "mean" else value[place]
                    assert values[base] == pytest.approx(value, rel=1e-4, abs=1e-5)
    before = contents(mutated)
    write_effect_tracks(mutated, fasta, which, targets)
    assert contents(mutated) == before


def test_no_track_and_an_unknown_one(mutated, fasta):
    assert write_effect_tracks(mutated, fasta, None, ()) == 0
    with pytest.raises(ConfigError, match="unknown choice of tracks 'all'"):
        check_tracks("all")


def test_the_mean_effect_of_n_is_missing():
    own = np.array([[False] * 4, [True, False, False, False]])
    found = mean_effect(np.array([[1.0, 2, 3, 4], [1, 2, 3, 7]]), own)
    assert np.isnan(found[0])
    assert found[1] == 3
