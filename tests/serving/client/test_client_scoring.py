"""Scores by a server against scores here: the same files."""

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tfepi.serving.client_scoring import score_served_vcf, served_manifest
from tfepi.serving.client_transport import ServerLostError, ServerRefusedError
from tfepi.spec import CallablePredictor
from tfepi.variants.forecast import Forecast
from tfepi.variants.merge import merge_shards
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.sharding import Shard
from tfrecords_tools.targets import Target

ALL = ("SAD", "D1", "REF", "ALT")


def read(folder):
    with h5py.File(folder / "scores.h5") as file:
        return {name: file[name][()] for name in file}


def same(found, wanted):
    """Files of the same names and rows, and scores that differ by rounding."""
    names = {p.name for p in wanted.iterdir()}
    assert {p.name for p in found.iterdir()} == names
    assert (found / "skipped.tsv").read_text() == (wanted / "skipped.tsv").read_text()
    ours, theirs = read(found), read(wanted)
    assert list(ours) == list(theirs)
    for name, values in theirs.items():
        assert ours[name].dtype == values.dtype
        if values.dtype.kind == "f":
            np.testing.assert_allclose(ours[name], values, rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(ours[name], values)
    tables = [pq.read_table(f / "scores.parquet") for f in (found, wanted)]
    assert tables[0].schema == tables[1].schema


@pytest.fixture
def here(tmp_path, fasta, toy):
    """Return a function that scores a VCF here."""

    def score(vcf, stats=ALL, targets=None, **options):
        model = CallablePredictor(toy.values, toy.spec())
        scoring = Scoring(stats=tuple(stats), **options)
        out = tmp_path / "here"
        what = {"quiet": True, "overwrite": True, "targets": targets}
        return score_vcf(lambda: model, model.spec, vcf, fasta, out, scoring, **what)

    return score


@pytest.mark.parametrize("rest_format", ["columns", "rows"])
def test_the_same_files(serve, ask, here, vcf, fasta, tmp_path, rest_format):
    client = ask(serve(ALL), batch_size=7, rest_format=rest_format)
    out = score_served_vcf(client, vcf, fasta, tmp_path / "out", chunk_records=20, quiet=True)
    same(out, here(vcf))


def test_a_fixed_number_of_rows(serve, ask, here, vcf, fasta, tmp_path):
    server = serve(batch=5)
    client = ask(server)
    out = score_served_vcf(client, vcf, fasta, tmp_path / "out", quiet=True)
    same(out, here(vcf, ("SAD", "D1")))
    sent = [len(r["inputs"]["ref"]) for _, r in server.requests if r and "ref" in r["inputs"]]
    assert set(sent) == {5}


def test_some_statistics_and_targets(serve, ask, here, vcf, fasta, tmp_path):
    client = ask(serve(ALL, scored=("T2", "T0")))
    targets = (Target(0, "T0", description="renamed"),)
    what = {"stats": ("D1",), "targets": targets, "quiet": True}
    out = score_served_vcf(client, vcf, fasta, tmp_path / "out", **what)
    same(out, here(vcf, ("D1",), targets))
    assert read(out)["target_labels"].tolist() == [b"renamed"]
    out = score_served_vcf(client, vcf, fasta, tmp_path / "all", quiet=True)
    same(out, here(vcf, ALL, client.describe().scored["main"]))


def test_ref_that_the_genome_does_not_hold(serve, ask, here, make_vcf, letters, fasta, tmp_path):
    at = [letters["chrA"][p] for p in range(999, 1004)]
    other = "ACGT"[("ACGT".index(at[0]) + 1) % 4]
    inserted = "".join(at[:3])
    turned = [
        ("chrA", 1000, "snv", other, at[0]),
        ("chrA", 1000, "deleted", other + "TTT", inserted),
        ("chrA", 1000, "several", other, f"{at[0]},{inserted}"),
        ("chrA", 1001, "plain", at[1], "ACGT"[("ACGT".index(at[1]) + 2) % 4]),
        ("chrA", 1002, "neither", "ACGT"[("ACGT".index(at[2]) + 1) % 4], "<DEL>"),
    ]
    vcf = make_vcf(turned)
    client = ask(serve(ALL))
    what = {"ref_policy": "swap", "quiet": True}
    out = score_served_vcf(client, vcf, fasta, tmp_path / "out", **what)
    same(out, here(vcf, ref_policy="swap"))
    with pytest.raises(InputFileError, match="REF is"):
        score_served_vcf(client, vcf, fasta, tmp_path / "error")


def test_shards_and_merge(serve, ask, here, vcf, fasta, tmp_path):
    client, out = ask(serve(ALL)), tmp_path / "out"
    for number in (1, 2):
        what = {"shard": Shard(number, 2), "chunk_records": 16, "quiet": True}
        score_served_vcf(client, vcf, fasta, out, **what)
    same_but_shards = merge_shards(out)
    wanted = here(vcf)
    for name, values in read(wanted).items():
        found = read(same_but_shards)[name]
        assert len(found) == len(values)
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5)


def test_resume_goes_on_and_refuses_another_model(serve, ask, here, vcf, fasta, tmp_path):
    server, out = serve(ALL), tmp_path / "out"
    server.faults.extend([None] * 6 + [400])
    client, what = ask(server, in_flight=1, batch_size=4), {"chunk_records": 16, "quiet": True}
    with pytest.raises(ServerRefusedError):
        score_served_vcf(client, vcf, fasta, out, **what)
    parts = sorted(p.name for p in (out / "parts").iterdir())
    assert parts
    what["resume"] = True
    server.model = type(server.model)(ALL, seed=2)
    with pytest.raises(UnfinishedError, match="input model changed"):
        score_served_vcf(ask(server), vcf, fasta, out, **what)
    server.model = type(server.model)(ALL)
    server.requests.clear()
    same(score_served_vcf(ask(server, batch_size=9), vcf, fasta, out, **what), here(vcf))
    asked = [r for _, r in server.requests if r and r["signature_name"] == "score_alleles"]
    rows = sum(len(r["inputs"]["ref"]) for r in asked)
    assert 0 < rows < len(read(out)["pos"])


def test_a_model_that_is_replaced_during_a_run(serve, ask, vcf, fasta, tmp_path):
    server, out = serve(ALL, versions=None), tmp_path / "out"
    other = type(server.model)(ALL, seed=2)

    def replace(found):
        server.model = other
        return found

    server.faults.extend([None] * 5 + [replace])
    client, what = ask(server, in_flight=1, batch_size=4), {"chunk_records": 16, "quiet": True}
    with pytest.raises(ServerRefusedError, match=r"another model answers .*model_sha256"):
        score_served_vcf(client, vcf, fasta, out, **what)
    assert len(list((out / "parts").glob("*.h5"))) < 2
    assert not (out / "scores.h5").exists()


def test_a_refused_request_names_the_variants(serve, ask, vcf, fasta, tmp_path, records):
    server = serve()
    server.faults.append((400, {}, {"error": "ref of row 2 has 'Z'"}))
    client = ask(server, in_flight=1, batch_size=3)
    with pytest.raises(ServerRefusedError) as raised:
        score_served_vcf(client, vcf, fasta, tmp_path / "out", quiet=True)
    message = str(raised.value)
    assert "ref of row 2 has 'Z'" in message
    assert "status 400" in message
    assert f"3 variants, chrA:{records[0][1]} {records[0][3]}>" in message
    sent = [r for _, r in server.requests if r and r["signature_name"] == "score_alleles"]
    assert len(sent) <= 2  # it is not sent again


def test_undefined_rows_are_counted(serve, ask, vcf, fasta, tmp_path, caplog):
    server = serve(ALL)

    def undefine(found):
        for name in ("SAD", "D1"):
            found["outputs"][name][1][2] = float("nan")
        found["outputs"]["SAD"][0][0] = float("inf")  # alone: a statistic, not the prediction
        return found

    server.faults.append(undefine)
    client = ask(server, in_flight=1)
    out = score_served_vcf(client, vcf, fasta, tmp_path / "out", stats=("SAD", "D1"), quiet=True)
    assert "predictions that are no finite numbers, of 1 row" in caplog.text
    assert np.isnan(read(out)["SAD"][1, 2])


def test_only_undefined_predictions_are_an_error(serve, ask, make_vcf, letters, fasta, tmp_path):
    server = serve(("REF",))
    server.faults.append(lambda found: {"outputs": (np.array(found["outputs"]) * np.nan).tolist()})
    ref = letters["chrA"][99]
    vcf = make_vcf([("chrA", 100, ".", ref, "ACGT"["ACGT".index(ref) - 1])])
    with pytest.raises(InputFileError, match="predicts no finite number"):
        score_served_vcf(ask(server), vcf, fasta, tmp_path / "out", quiet=True)


def test_a_server_that_comes_back(serve, ask, here, vcf, fasta, tmp_path):
    server = serve(ALL)
    server.faults.extend([None, "drop", 503, "drop", (429, {"Retry-After": "0"}, b""), None, 500])
    client = ask(server, batch_size=4)
    out = score_served_vcf(client, vcf, fasta, tmp_path / "out", quiet=True)
    same(out, here(vcf))
    assert client.requests.repeated == 5


def test_a_server_that_does_not_come_back(serve, ask, vcf, fasta, tmp_path):
    server = serve()
    client = ask(server, patience=0.2)
    client.describe()
    server.stop()
    with pytest.raises(ServerLostError, match="no connection") as raised:
        score_served_vcf(client, vcf, fasta, tmp_path / "out", quiet=True)
    assert raised.value.status == 75
    server.start()


def test_what_is_not_served(serve, ask, vcf, fasta, tmp_path):
    client = ask(serve(scored=("T0",)))
    for what, message in (
        ({"stats": ("logSAD",)}, "unknown statistic 'logSAD' of the served model"),
        ({"head": "other"}, "head 'other'"),
        ({"targets": (Target(1, "T1"),)}, "unknown target 'T1' that the served model scores"),
        ({"ref_policy": "guess"}, "unknown ref_policy"),
    ):
        with pytest.raises(ConfigError, match=message):
            score_served_vcf(client, vcf, fasta, tmp_path / "out", **what)
    assert not (tmp_path / "out").exists()
    silent = serve(stats=(), notes=["it has no bin in the middle"])
    silent.model.metadata["heads"][0]["scored"] = None
    silent.model.metadata["stats"] = None
    with pytest.raises(ConfigError, match="scores no variants: it has no bin in the middle"):
        score_served_vcf(ask(silent), vcf, fasta, tmp_path / "out")


def test_forecast(serve, ask, vcf, fasta, tmp_path):
    client = ask(serve(ALL))
    manifest = served_manifest(client, vcf, fasta, stats=("SAD",))
    forecast = Forecast.of(manifest, ("h5",))
    out = score_served_vcf(client, vcf, fasta, tmp_path / "out", stats=("SAD",), quiet=True)
    assert list(forecast.files) == ["scores.h5"]
    assert forecast.rows == len(read(out)["pos"])
