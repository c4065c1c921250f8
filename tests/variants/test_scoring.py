import json
import logging
from dataclasses import replace

import h5py
import numpy as np
import pytest

from tfepi.spec import Head
from tfepi.variants import forecast
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.genome import encode, one_hot
from tfrecords_tools.targets import Target

ALL = ("SAD", "logSAD", "SAX", "D1", "D2", "JS", "REF_RATIO", "REF", "ALT")
STITCH, LEFT = Scoring(stats=ALL), Scoring(stats=ALL, indel_align="left")


@pytest.fixture
def run(tmp_path, vcf, fasta, predictor):
    """Return a function that scores the shared VCF into a new folder and returns the folder."""

    def score(name="out", scoring=STITCH, model=predictor, vcf=vcf, **options):
        options = {"quiet": True, "chunk_records": 16} | options
        return score_vcf(lambda: model, model.spec, vcf, fasta, tmp_path / name, scoring, **options)

    return score


def read(folder):
    with h5py.File(folder / "scores.h5") as file:
        return {name: file[name][()] for name in file}


def contents(folder):
    """Bytes of every result; run.json tells the time."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def plain_window(sequence, pos, host, allele, register, length):
    """An allele's window by slicing text; pos is 1-based."""
    pad = "N" * 200
    padded = pad + sequence + pad
    at = pos - 1 + len(pad)
    start = at - (length // 2 - 1)
    edited = padded[:at] + allele + padded[at + len(host) :]
    if register == "right":
        start += len(allele) - len(host)
    return edited[start : start + length]


def plain_predictions(toy, sequence, pos, host, allele, stitch):
    def ask(register):
        window = plain_window(sequence, pos, host, allele, register, toy.LENGTH)
        return toy.toy_values(one_hot(encode(window))[None])[0]

    left = ask("left")
    if not stitch or len(host) == len(allele):
        return left
    right, out = ask("right"), left.copy()
    for b in range(toy.BINS):
        start = toy.CROP + b * toy.BIN
        if start >= toy.LENGTH // 2 - 1 + len(host):
            out[b] = right[b]
        elif start + toy.BIN > toy.LENGTH // 2 - 1:
            out[b] = (left[b] + right[b]) / 2
    return out


@pytest.mark.parametrize("scoring", [STITCH, LEFT])
def test_scores_equal_one_variant_at_a_time(run, toy, letters, rows, scoring):
    found = read(run(scoring=scoring))
    pairs = [(c, p, i, r, a) for c, p, i, r, alts in rows for a in alts.split(",")]
    assert found["snp"].tolist() == [p[2].encode() for p in pairs]
    assert found["chr"].tolist() == [p[0].encode() for p in pairs]
    assert found["pos"].tolist() == [p[1] for p in pairs]
    assert found["ref_allele"].tolist() == [p[3].encode() for p in pairs]
    assert found["alt_allele"].tolist() == [p[4].encode() for p in pairs]
    stitch = scoring.indel_align == "stitch"
    for i, (chrom, pos, _, ref, alt) in enumerate(pairs):
        r = plain_predictions(toy, letters[chrom], pos, ref, ref, stitch)
        a = plain_predictions(toy, letters[chrom], pos, ref, alt, stitch)
        np.testing.assert_allclose(found["REF"][i], r, rtol=1e-5)
        np.testing.assert_allclose(found["ALT"][i], a, rtol=1e-5)
        np.testing.assert_allclose(found["SAD"][i], a.sum(0) - r.sum(0), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found["REF_RATIO"][i], r[2] / (r[2] + a[2]), rtol=1e-5)


def test_layout_and_types(run, toy, test_data):
    found = read(run())
    with h5py.File(test_data / "fixtures/basenji/sad_basenji/sad.h5") as file:
        names = set(file) - {f"{s}{e}" for s in ("sqrtSAD", "logD2") for e in ("", "_pct")}
        kinds = {name: (file[name].dtype.kind, file[name].ndim) for name in names}
    assert names <= set(found)
    for name, (kind, dimensions) in kinds.items():
        assert found[name].ndim == dimensions, name
        assert found[name].dtype.kind == kind, name
    assert all(found[s].dtype == np.float32 for s in ALL)
    assert found["target_labels"].tolist() == [b"T0", b"track 1", b"track 2"]
    wanted = np.quantile(found["D1"].astype(np.float64), found["percentiles"], axis=0).T
    np.testing.assert_allclose(found["D1_pct"], wanted, rtol=1e-5)


def test_rc_and_shifts(run, toy, letters, rows):
    found = read(run(scoring=Scoring(stats=("SAD",), rc=True, shifts=(0, 1, -2))))
    chrom, pos, _, ref, alt = next(r for r in rows if r[2].startswith("snv") and r[1] > 1000)
    row = found["pos"].tolist().index(pos)

    def averaged(allele):
        window = plain_window(letters[chrom], pos, ref, allele, "left", toy.LENGTH)
        total = 0
        for shift in (0, 1, -2):
            moved = ("N" * 5 + window + "N" * 5)[5 - shift :][: toy.LENGTH]
            moved = (
                "N" * shift + window[: toy.LENGTH - shift]
                if shift >= 0
                else window[-shift:] + "N" * -shift
            )
            codes = one_hot(encode(moved))
            total = total + toy.toy_values(codes[None])[0]
            total = total + toy.toy_values(codes[None, ::-1, ::-1])[0, ::-1]
        return total.sum(0) / 6

    np.testing.assert_allclose(found["SAD"][row], averaged(alt) - averaged(ref), rtol=1e-3)


def test_swap_scores_are_of_the_record_as_named(run, make_vcf, letters, toy):
    held, chrom = letters["chrA"][999], "chrA"
    other = toy.other_base(held)
    names = run("names", vcf=make_vcf([(chrom, 1000, ".", held, other)]))
    swapped = run(
        "swapped",
        Scoring(stats=ALL, ref_policy="swap"),
        vcf=make_vcf([(chrom, 1000, ".", other, held)]),
    )
    a, b = read(names), read(swapped)
    assert np.array_equal(a["SAD"], -b["SAD"])
    assert np.array_equal(a["REF"], b["ALT"])


def test_swapped_insertion(run, make_vcf, letters, toy):
    """REF lacks bases that the genome has: REF is what is stitched."""
    held = letters["chrA"][999:1004]
    record = ("chrA", 1000, ".", held[0], held)
    assert letters["chrA"][999] == held[0]
    wrong = toy.other_base(held[0])
    found = read(
        run(
            scoring=Scoring(stats=ALL, ref_policy="swap"),
            vcf=make_vcf([("chrA", 1000, ".", wrong, record[4])]),
        )
    )
    ref = plain_predictions(toy, letters["chrA"], 1000, held, wrong, True)
    np.testing.assert_allclose(found["REF"][0], ref, rtol=1e-5)
    alt = plain_predictions(toy, letters["chrA"], 1000, held, held, True)
    np.testing.assert_allclose(found["ALT"][0], alt, rtol=1e-5)


def test_reference_pass_is_shared(run, make_vcf, letters, toy, predictor):
    base = letters["chrA"][499]
    alts = [toy.other_base(base, k) for k in (1, 2, 3)]
    run(vcf=make_vcf([("chrA", 500, "m", base, ",".join(alts)), ("chrA", 500, "d", base, alts[0])]))
    assert predictor.sequences == 4


def test_batches_are_full_and_their_size_changes_nothing(run, predictor, toy):
    first = read(run("a", Scoring(stats=ALL, batch_size=64), chunk_records=1000))
    assert predictor.calls <= -(-predictor.sequences // 64) + 2  # windows, then changes
    second = read(run("b", Scoring(stats=ALL, batch_size=3), chunk_records=7))
    for name in ALL:
        np.testing.assert_allclose(second[name], first[name], rtol=1e-4, atol=1e-5)


def test_results_are_the_same_bytes_again(run):
    first, second = contents(run("a")), contents(run("b"))
    assert first == second
    assert sorted(first) == [
        ".tfepi",
        "manifest.json",
        "scores.h5",
        "scores.parquet",
        "scores.vcf.gz",
        "scores.vcf.gz.tbi",
        "skipped.tsv",
    ]


def test_targets_by_name_with_labels(run):
    table = (Target(5, "T2", description="last"), Target(9, "T0"))
    whole, some = read(run("a")), read(run("b", targets=table))
    assert some["target_ids"].tolist() == [b"T2", b"T0"]
    assert some["target_labels"].tolist() == [b"last", b"T0"]
    assert np.array_equal(some["SAD"], whole["SAD"][:, [2, 0]])


def test_untransform_is_on_predictions(run, predictor):
    head = replace(predictor.spec.heads[0], targets=(Target(0, "x", sum_stat="sum_sqrt"),) * 3)
    predictor.spec = replace(predictor.spec, heads=(head,))
    plain, undone = (
        read(run(str(style), Scoring(("REF", "ALT", "SAD"), indel_align="left", untransform=style)))
        for style in (None, "current")
    )
    ref, alt = ((1 + plain[n].astype(np.float64)) ** 2 - 1 for n in ("REF", "ALT"))
    np.testing.assert_allclose(undone["REF"], ref, rtol=1e-5)
    np.testing.assert_allclose(undone["SAD"], (alt - ref).sum(1), rtol=1e-3, atol=1e-3)


def test_second_head(run, toy):
    spec = toy.toy_spec()
    spec = replace(spec, heads=(Head("other", (Target(0, "o"),)), *spec.heads))

    def both(x):
        return {"main": toy.toy_values(x), "other": np.zeros((len(x), toy.BINS, 1))}

    model = toy.CountingPredictor(both, spec)
    found = read(run(scoring=Scoring(head="main"), model=model))
    assert found["SAD"].shape[1] == toy.TARGETS
    with pytest.raises(ConfigError, match=r"the model has the heads other, main: name one"):
        run("b", model=model)


def test_skipped_records(run, make_vcf, rows, letters, toy):
    wrong = ("chrA", 4990, "wrong", toy.other_base(letters["chrA"][4989]), "N")
    sv = ("chrA", 4991, "sv", letters["chrA"][4990], "<INV>,T")
    kept = [r for r in rows if r[0] == "chrA"]
    path = make_vcf([*kept, wrong, sv])
    folder = run(scoring=Scoring(ref_policy="skip"), vcf=path)
    lines = (folder / "skipped.tsv").read_text().splitlines()
    assert lines[0].split("\t") == ["row", "chrom", "pos", "id", "ref", "alt", "reason"]
    assert [x.split("\t")[3] for x in lines[1:]] == ["wrong", "sv"]
    assert lines[2].split("\t")[0] == str(len(kept) + 2)
    assert lines[2].split("\t")[5] == "<INV>"
    found = read(folder)
    assert found["snp"][-1] == b"sv"
    assert len(found["SAD"]) == sum(len(r[4].split(",")) for r in kept) + 1


def test_n_is_skipped_and_counted(run, make_vcf, rows):
    gap = [("chrA", 303, "gap", "N", "C"), ("chrA", 304, ".", "N", "G")]
    folder = run(scoring=Scoring(ref_policy="skip"), vcf=make_vcf([rows[0], *gap, *rows[20:23]]))
    lines = (folder / "skipped.tsv").read_text().splitlines()[1:]
    wanted = ["2", "chrA", "303", "gap", "N", "C", "REF 'N' has letters other than A, C, G, T"]
    assert lines[0].split("\t") == wanted
    assert len(lines) == 2
    found = json.loads((folder / "manifest.json").read_text())["survey"]
    assert (found["records"], found["skipped"]) == (6, 2)
    assert len(read(folder)["SAD"]) == found["rows"]
    assert json.loads((folder / "run.json").read_text())["skipped"] == 2


def test_a_part_of_only_skipped_records(run, make_vcf, letters, toy):
    base = letters["chrA"]
    bad = [("chrA", p, ".", base[p - 1], "<DEL>") for p in range(1, 6)]
    good = [("chrA", p, ".", base[p - 1], toy.other_base(base[p - 1])) for p in range(20, 24)]
    folder = run(scoring=Scoring(ref_policy="skip"), vcf=make_vcf(bad + good), chunk_records=4)
    assert len(read(folder)["SAD"]) == 4


def never():
    raise AssertionError("the model must not be loaded")


@pytest.mark.parametrize("kind", ["vcf", "fasta", "mismatch", "target", "shift", "bins"])
def test_bad_input_leaves_nothing(tmp_path, vcf, fasta, make_vcf, letters, toy, kind):
    spec, options = toy.toy_spec(), {}
    scoring = Scoring()
    if kind == "vcf":
        vcf = tmp_path / "no.vcf"
    elif kind == "fasta":
        fasta = tmp_path / "no.fa"
    elif kind == "mismatch":
        vcf = make_vcf([("chrA", 9, ".", toy.other_base(letters["chrA"][8]), "N")])
    elif kind == "target":
        options = {"targets": (Target(0, "T9"),)}
    elif kind == "shift":
        scoring = Scoring(shifts=(0, 32))
    else:
        spec = toy.toy_spec(bins=0, crop=32)
    with pytest.raises((InputFileError, ConfigError)):
        score_vcf(never, spec, vcf, fasta, tmp_path / "out", scoring, quiet=True, **options)
    assert not (tmp_path / "out").exists()


def test_bad_part_size(run):
    with pytest.raises(ConfigError, match="chunk_records is -1"):
        run(chunk_records=-1)


def test_results_are_refused_then_resumed_then_overwritten(run, predictor):
    folder = run()
    before, asked = contents(folder), predictor.sequences
    record = (folder / "run.json").read_bytes()
    with pytest.raises(UnfinishedError, match="has results"):
        run()
    assert run(resume=True) == folder
    assert predictor.sequences == asked
    assert (folder / "run.json").read_bytes() == record
    assert contents(folder) == before
    run(overwrite=True)
    assert predictor.sequences == 2 * asked
    assert contents(folder) == before


class Stop(Exception):
    pass


def stopping(toy, calls):
    """A model that fails after some calls."""
    model = toy.CountingPredictor()
    plain = model.predict

    def predict(inputs):
        if model.calls == calls:
            raise Stop
        return plain(inputs)

    model.predict = predict
    return model


@pytest.mark.parametrize("calls", [0, 1, 3, 7])
def test_resume_ends_in_the_same_bytes(run, toy, predictor, calls):
    small = Scoring(stats=ALL, batch_size=8)
    whole = contents(run("whole", small))
    total, predictor.sequences = predictor.sequences, 0
    with pytest.raises(Stop):
        run("cut", small, stopping(toy, calls))
    assert contents(run("cut", small, resume=True)) == whole
    first_part_done = calls == 7
    assert (predictor.sequences < total) == first_part_done


@pytest.mark.parametrize("change", ["option", "vcf", "chunk", "model", "targets"])
def test_resume_refuses_what_changed(run, toy, make_vcf, rows, tmp_path, change):
    model = tmp_path / "model.bin"
    model.write_text("weights")
    files = {"model_files": {"model": model}}
    small = Scoring(stats=ALL, batch_size=8)
    with pytest.raises(Stop):
        run("out", small, stopping(toy, 5), **files)
    options, scoring, wanted = {}, small, f"input {change}"
    if change == "option":
        scoring, wanted = replace(small, rc=True), "option rc"
    elif change == "vcf":
        options["vcf"] = make_vcf(rows[1:])
    elif change == "chunk":
        options["chunk_records"], wanted = 17, "option chunk_records"
    elif change == "model":
        model.write_text("other weights")
    else:
        options["targets"], wanted = (Target(0, "T1"),), "the model's window or targets"
    with pytest.raises(UnfinishedError, match=f"cannot go on in .*: {wanted}"):
        run("out", scoring, resume=True, **files, **options)


def test_resume_accepts_inputs_that_moved(run, toy, vcf, tmp_path):
    small = Scoring(stats=ALL, batch_size=8)
    with pytest.raises(Stop):
        run("out", small, stopping(toy, 5))
    moved = tmp_path / "moved.vcf"
    moved.write_bytes(vcf.read_bytes())
    run("out", small, resume=True, vcf=moved)


def test_a_folder_of_something_else_is_refused(run, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious.txt").write_text("x")
    for again in ("resume", "overwrite"):
        with pytest.raises(UnfinishedError, match="files that tfepi did not make"):
            run(**{again: True})
    (tmp_path / "out" / ".tfepi").touch()
    with pytest.raises(UnfinishedError, match=r"precious.txt but no manifest.json"):
        run(resume=True)


def test_leftovers_of_a_kill_are_removed(run):
    small = Scoring(stats=ALL, batch_size=8)
    cut = run("cut", small)
    whole = contents(cut)
    (cut / ".scores.h5.99.part.h5").write_text("half")
    (cut / "scores.parquet").unlink()
    run("cut", small, resume=True)
    assert contents(cut) == whole


def test_a_damaged_part_is_written_again(run, toy, tmp_path):
    small = Scoring(stats=ALL, batch_size=8)
    whole = contents(run("whole", small))
    with pytest.raises(Stop):
        run("cut", small, stopping(toy, 7))
    part = next((tmp_path / "cut" / "parts").glob("*.h5"))
    part.write_bytes(part.read_bytes()[:100])
    assert contents(run("cut", small, resume=True)) == whole


def test_nan_for_some_rows_is_kept_and_told(run, toy, caplog):
    def sometimes(x):
        values = toy.toy_values(x)
        values[x[:, toy.LENGTH // 2 - 1, 0] == 1] = np.nan
        return values

    with caplog.at_level(logging.WARNING):
        found = read(run(model=toy.CountingPredictor(sometimes)))
    undefined = np.isnan(found["SAD"]).all(axis=1)
    assert 0 < undefined.sum() < len(undefined)
    assert f"predictions that are no finite numbers, of {undefined.sum()} rows" in caplog.text
    assert np.isfinite(found["SAD_pct"]).all()


def test_only_nan_is_an_error(run, toy):
    model = toy.CountingPredictor(lambda x: toy.toy_values(x) * np.nan)
    with pytest.raises(InputFileError, match="predicts no finite number for records 1 to 16"):
        run(model=model)


def test_forecast_is_logged_before_the_model_loads(tmp_path, vcf, fasta, toy, caplog, rows):
    def stop():
        raise Stop

    with caplog.at_level(logging.INFO), pytest.raises(Stop):
        score_vcf(stop, toy.toy_spec(), vcf, fasta, tmp_path / "out", quiet=True)
    assert f"{len(rows)} records" in caplog.text
    assert "expected sizes: scores.h5 " in caplog.text


def test_forecast_is_near_the_truth(run, vcf, fasta, make_vcf, letters):
    many = [("chrA", p, f"rs{p}", letters["chrA"][p - 1], "T,G") for p in range(400, 4900)]
    sizes = {}
    plain = forecast.Forecast.report

    def keep(self, *rest):
        sizes.update(self.files)
        plain(self, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast.Forecast, "report", keep)
        folder = run(vcf=make_vcf(many), chunk_records=4096)
    for name, size in sizes.items():
        assert 0.3 < (folder / name).stat().st_size / size < 1.5, name


def test_small_disk_is_refused_before_work(run, predictor, tmp_path, monkeypatch):
    class Usage:
        free = 1000

    monkeypatch.setattr("shutil.disk_usage", lambda path: Usage)
    with pytest.raises(TfepiError, match=r"out needs .*kB, its disk has 1 kB: free some space"):
        run()
    assert predictor.calls == 0
    assert not (tmp_path / "out").exists()
