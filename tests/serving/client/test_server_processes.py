"""An exported model behind servers that others wrote, or whose messages others wrote.

KServe runs in an environment of its own: scripts/test_serving.sh makes it and runs these tests.
"""

import os
import runpy
import threading
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from tfepi.serving.client import Client
from tfepi.serving.client_requests import Waiting
from tfepi.serving.client_scoring import score_served_vcf
from tfepi.serving.client_transport import ServerRefusedError
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf

pytestmark = pytest.mark.slow
PROCESS = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("server_process.py"))))
STATS = ("SAD", "logSAD", "SAX", "D2", "JS", "JSD", "REF_RATIO", "REF", "ALT")


@pytest.fixture(scope="module")
def saved_model(own_run, tmp_path_factory) -> Path:
    from tfepi.serving.export import export
    from tfepi.serving.options import ExportOptions

    folder = tmp_path_factory.mktemp("saved") / "model"
    export(own_run, folder, options=ExportOptions(stats=STATS, rc=True))
    return folder


@pytest.fixture(scope="module", params=PROCESS.KINDS)
def server(request, saved_model, tmp_path_factory):
    if request.param == "kserve" and PROCESS.OTHERS not in os.environ:
        pytest.skip(f"{PROCESS.OTHERS} is not set: scripts/test_serving.sh runs this")
    if request.param == "grpc":
        pytest.importorskip("tensorflow_serving.apis")
    found = PROCESS.ServerProcess(
        request.param, saved_model, tmp_path_factory.mktemp("log") / "server.log"
    )
    found.start()
    yield found
    found.kill()


@pytest.fixture(scope="module")
def wanted(own_run, vcf, fasta, tmp_path_factory):
    """Scores of the shared VCF here, by name."""
    from tfepi.predictors import load_predictor

    model = load_predictor(own_run, 16)
    out = tmp_path_factory.mktemp("here") / "scores"
    scoring = Scoring(stats=STATS, rc=True)
    return read(score_vcf(lambda: model, model.spec, vcf, fasta, out, scoring, quiet=True))


def read(folder) -> dict[str, np.ndarray]:
    with h5py.File(folder / "scores.h5") as file:
        return {name: file[name][()] for name in file}


def same(found, wanted) -> None:
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(found[name], values, err_msg=name)


def client_of(server, in_flight=3, patience=120.0, **options) -> Client:
    return Client(server.url, "model", waiting=Waiting(in_flight, 60, patience), **options)


def test_the_same_scores(server, wanted, vcf, fasta, tmp_path):
    formats = ("columns", "rows") if server.kind == "kserve" else ("columns",)
    for rest_format in formats:
        with client_of(server, batch_size=11, rest_format=rest_format) as client:
            found = client.describe()
            assert (found.rc, found.stats) == (True, STATS)
            out = tmp_path / rest_format
            same(read(score_served_vcf(client, vcf, fasta, out, quiet=True)), wanted)


def test_a_model_of_a_fixed_number_of_rows(own_run, wanted, vcf, fasta, tmp_path):
    pytest.importorskip("tensorflow_serving.apis")
    from tfepi.serving.export import export
    from tfepi.serving.options import ExportOptions

    export(
        own_run, tmp_path / "saved", options=ExportOptions(("SAD", "ALT"), rc=True, batch_size=5)
    )
    server = PROCESS.ServerProcess("grpc", tmp_path / "saved", tmp_path / "log")
    server.start()
    try:
        with client_of(server) as client:
            found = read(score_served_vcf(client, vcf, fasta, tmp_path / "out", quiet=True))
    finally:
        server.kill()
    same({n: v for n, v in found.items() if n in wanted}, {n: wanted[n] for n in found})


def test_bad_requests_do_no_harm(server):
    """Each is refused with a reason, and the next good one is answered as before."""
    good = ["ACGT" * 16]
    floats = np.zeros((1, 64, 4), np.float32)
    window, offset = ["A" * 64], np.array([31], np.int32)
    alleles = {"window": window, "offset": offset, "ref": ["A"], "alt": ["C"]}
    bad = [
        ("predict_dna", {"sequence": ["ACG"]}, "3 letters"),
        ("predict_dna", {"sequence": ["ACGT" * 15 + "ACZT"]}, "position 62"),
        ("predict_dna", {"sequence": ["ACGT" * 15 + "AC\tT"]}, "position 62"),
        ("predict_dna", {"sequence": ["é" * 32]}, "row 0"),
        ("predict_dna", {"sequence": ["A" * 10_000_000]}, "10000000 letters"),
        ("predict_dna", {"sequence": []}, "empty|at least one|shape"),
        ("predict", {"sequence": np.full_like(floats, np.nan)}, "no finite number|JSON value"),
        ("predict", {"sequence": floats[:, :60]}, "shape"),
        ("score_alleles", alleles | {"ref": ["C"]}, "window has"),
        ("score_alleles", alleles | {"offset": np.array([-5], np.int32)}, "before"),
        ("score_alleles", alleles | {"alt": ["<DEL>"]}, "position 0"),
        ("score_alleles", alleles | {"alt": ["C" * 10_000_000]}, "letters: want"),
        ("score_alleles", alleles | {"ref": ["A", "A"]}, "rows"),
        ("score_variants", {"ref": good, "alt": ["ACGT"]}, "4 letters"),
        ("score_variants", {"ref": good}, "alt"),
        ("nothing", {"sequence": good}, "nothing"),
    ]
    with client_of(server) as client:
        before = client.predict_dna(good)["output"]
        for signature, inputs, message in bad:
            with pytest.raises(ServerRefusedError, match=message) as raised:
                client._transport.predict(signature, inputs, 60)
            assert "status 400" in str(raised.value) or "INVALID_ARGUMENT" in str(raised.value)
            assert len(str(raised.value)) < 1000
            np.testing.assert_array_equal(client.predict_dna(good)["output"], before)
    assert server.process.poll() is None


def test_a_server_that_is_killed(server, wanted, vcf, fasta, tmp_path):
    """Clients at once; the server is killed and started again while each is at work."""
    clients, done, failures = 4, [], []
    under_way = threading.Barrier(clients + 1, timeout=120)
    again = threading.Event()

    def score(number):
        try:
            with client_of(server, in_flight=2, batch_size=2) as client:
                plain, sent = client._transport.predict, []

                def predict(*args):
                    sent.append(args)
                    if len(sent) == 12:  # after the description and some scores
                        under_way.wait()
                        again.wait(120)
                    return plain(*args)

                client._transport.predict = predict
                out = tmp_path / f"out{number}"
                score_served_vcf(client, vcf, fasta, out, chunk_records=32, quiet=True)
                done.append((out, client.requests.repeated))
        except BaseException as error:
            failures.append(error)
            under_way.abort()

    threads = [threading.Thread(target=score, args=(n,)) for n in range(clients)]
    for thread in threads:
        thread.start()
    under_way.wait()
    server.kill()
    again.set()
    server.start()
    for thread in threads:
        thread.join(240)
    assert not failures
    assert len(done) == clients
    for out, repeated in done:
        assert repeated > 0
        same(read(out), wanted)
