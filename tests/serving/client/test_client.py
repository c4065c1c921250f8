"""The client alone: what it asks, and what it accepts for an answer."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from tfepi.serving.client import Client
from tfepi.serving.client_requests import Waiting
from tfepi.serving.client_transport import ServerLostError, ServerRefusedError
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import encode, one_hot

_GRAPH = "Graph execution error: Detected at node a (most recent call last): assertion"
DNA = ["ACGT" * 16, "AACCGGTT" * 8, "N" * 64]


def test_description(serve, ask):
    found = ask(serve(scored=("T1",))).describe()
    assert (found.spec.seq_length, found.spec.bin_width, found.spec.target_length) == (64, 8, 6)
    assert [t.identifier for t in found.spec.head().targets] == ["T0", "T1", "T2"]
    assert [t.identifier for t in found.scored["main"]] == ["T1"]
    assert (found.stats, found.rc, found.indel_align) == (("SAD", "D1"), False, "stitch")


def test_predict_dna(serve, ask, toy):
    server = serve()
    found = ask(server, batch_size=2).predict_dna(DNA)
    wanted = toy.values(one_hot(np.stack([encode(s) for s in DNA])))
    np.testing.assert_allclose(found["main"], wanted, rtol=1e-6)
    assert found["main"].dtype == np.float32
    assert len([r for _, r in server.requests if r and r["signature_name"] == "predict_dna"]) == 2


@pytest.mark.parametrize("rest_format", ["columns", "rows"])
def test_one_output_without_its_name(serve, ask, rest_format):
    client = ask(serve(("SAD",)), rest_format=rest_format)
    found = client.score_variants([DNA[0]] * 3, [DNA[1]] * 3)
    assert found["SAD"].shape == (3, 3)


def test_score_alleles_is_score_variants(serve, ask):
    client = ask(serve(("SAD", "REF", "ALT"), batch=2))
    window = "GATTACA" * 10
    alt = window[:31] + "C" + window[32:]
    found = client.score_alleles([window] * 3, [31] * 3, [window[31]] * 3, ["C"] * 3)
    wanted = client.score_variants([window[:64]] * 3, [alt[:64]] * 3)
    assert {k: v.shape for k, v in found.items()} == {
        "SAD": (3, 3),
        "REF": (3, 6, 3),
        "ALT": (3, 6, 3),
    }
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values)


def test_the_newest_version_is_asked_all_the_time(serve, ask):
    server = serve(versions=(3, 12, 4))
    ask(server).predict_dna(DNA)
    assert {p for p, r in server.requests if r} == {"/v1/models/toy/versions/12:predict"}
    server.requests.clear()
    ask(server, version=4).predict_dna(DNA)
    assert {p for p, r in server.requests} == {"/v1/models/toy/versions/4:predict"}
    other = serve(versions=None)
    ask(other).predict_dna(DNA)
    assert {p for p, r in other.requests if r} == {"/v1/models/toy:predict"}


def test_inputs_of_different_lengths(serve, ask):
    client = ask(serve())
    with pytest.raises(ConfigError, match="got 2 of ref, 1 of alt"):
        client.score_variants(DNA[:2], DNA[:1])
    with pytest.raises(ConfigError, match="at least one: got 0 of sequence"):
        client.predict_dna([])


def test_options_that_cannot_be(serve):
    url = serve().url
    with pytest.raises(ConfigError, match="unknown rest_format 'row'"):
        Client(url, "toy", rest_format="row")
    with pytest.raises(ConfigError, match="batch_size is 0"):
        Client(url, "toy", batch_size=0)


def test_more_rows_than_the_model_takes(serve, ask):
    with pytest.raises(ConfigError, match="--batch_size is 9: the model was exported for 4 rows"):
        ask(serve(batch=4), batch_size=9).predict_dna(DNA)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"outputs": {"SAD": [[1, 2, 3]]}}, "the answer has 'SAD', not 'D1'"),
        ({"outputs": {"SAD": [[1, 2]], "D1": [[1, 2]]}}, r"SAD .* shape \(1, 2\), want \(1, 3\)"),
        ({"outputs": {"SAD": [[1, 2, 3]] * 2, "D1": []}}, r"shape \(2, 3\), want \(1, 3\)"),
        (
            {"outputs": {"SAD": [[1, 2, "x"]], "D1": [[1, 2, 3]]}},
            "SAD of the answer are no numbers",
        ),
        (
            {"outputs": {"SAD": [[1, [2], 3]], "D1": [[1, 2, 3]]}},
            "SAD of the answer are no numbers",
        ),
        ({"something": 1}, "want 'outputs' or 'predictions'; is it another service"),
        ([1, 2], "want 'outputs' or 'predictions'"),
        ({"predictions": [{"SAD": 1}, {"D1": 1}]}, "rows of different outputs"),
    ],
)
def test_answers_that_are_none(serve, ask, answer, message):
    server = serve()
    server.faults.append(lambda found: answer)
    with pytest.raises(ServerRefusedError, match=message):
        ask(server).score_variants(DNA[:1], DNA[1:2])


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ((200, {}, b"<html>"), "no JSON: '<html>'"),
        ((404, {}, b"Not Found"), "status 404: Not Found; is 'toy' the name of the model"),
        ((301, {"Location": "http://127.0.0.1:1/"}, b""), "status 301"),
        ((413, {}, {"error": "too large"}), "status 413: too large"),
        ((400, {}, {"detail": {"why": 1}}), 'status 400: {"why": 1}'),
        ((401, {}, b""), "status 401 "),
        (
            (400, {}, {"error": f"{_GRAPH} failed: [row 0 has Z] [[{{{{node a}}}}]]"}),
            "400: row 0 has Z ",
        ),
    ],
)
def test_refusals(serve, ask, fault, message):
    server = serve()
    server.faults.append(fault)
    with pytest.raises(ServerRefusedError, match=message):
        ask(server).predict_dna(DNA)
    assert len([1 for _, r in server.requests if r and r["signature_name"] == "predict_dna"]) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (503, "status 503: fault 503"),
        (504, "status 504"),
        ((429, {"Retry-After": "3600"}, b""), "status 429"),
        ((503, {"Retry-After": "Wed, 21 Oct 2065 07:28:00 GMT"}, b""), "status 503"),
        ((503, {"Retry-After": "soon"}, b""), "status 503"),
        ("drop", "no connection"),
    ],
)
def test_no_answer(serve, ask, fault, message):
    server = serve()
    server.faults.extend([fault] * 9)
    client = ask(server, patience=0.0, draw=lambda: 1.0)
    with pytest.raises(ServerLostError, match=f"{message}.* 1 time in "):
        client.predict_dna(DNA)


def test_a_request_has_a_deadline(serve, ask):
    server = serve()
    client = ask(server)
    client.describe()
    client.requests.how = Waiting(timeout=0.2, patience=0)
    until = threading.Event()
    server.faults.append(lambda found: until.wait(30) or found)
    with pytest.raises(ServerLostError, match=r"no answer within 0.2 s"):
        client.predict_dna(DNA)
    until.set()


def test_fewer_in_flight_when_the_server_is_busy(serve, ask):
    server = serve()
    client = ask(server, in_flight=4, batch_size=1)
    client.describe()
    server.faults.extend([(429, {}, b"")] * 4)
    client.predict_dna(DNA)
    assert client.requests.flow.limit < 4
    assert client.requests.repeated == 4


def test_descriptions_that_are_none(serve, ask):
    for changes, message in (
        ({"format": "other"}, "in the format 'other' version 1"),
        ({"format_version": 2}, "version 2"),
        ({"inputs": {"tracks": [8, 2]}}, "takes tracks besides the sequence"),
        ({"heads": [{"name": "main"}]}, "otherwise than this client understands"),
        ({"seq_length": None}, "otherwise than this client understands"),
    ):
        error = ConfigError if "inputs" in changes else ServerRefusedError
        with pytest.raises(error, match=message):
            ask(serve(**changes)).describe()


def test_a_model_that_does_not_describe_itself(serve, ask):
    server = serve()
    plain = server.model.answer
    server.model.answer = lambda name, inputs: {"other": [1, 2]}
    with pytest.raises(ServerRefusedError, match="answers describe without metadata"):
        ask(server).describe()
    server.model.answer = lambda name, inputs: plain("nothing", inputs)
    with pytest.raises(ServerRefusedError, match="no signature nothing"):
        ask(server).describe()


_WITHOUT = """
import sys, json
from tfepi.serving.client import Client
with Client(sys.argv[1], "toy") as client:
    sad = client.score_variants(["A" * 64], ["A" * 32 + "C" * 32])["SAD"]
heavy = [name for name in ("tensorflow", "keras", "grpc") if name in sys.modules]
print(json.dumps([sad.shape, heavy]))
"""


def test_rest_needs_no_tensorflow(serve):
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT, serve().url], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[1, 3], []]
