"""The exact messages of the RESTful API, as its public description has them."""

import datetime
import ipaddress
import ssl

import numpy as np
import pytest

from tfepi.serving.client_address import Address
from tfepi.serving.client_rest import RestTransport, body, outputs
from tfepi.serving.client_transport import ALONE, Unavailable
from tfrecords_tools.errors import ConfigError

ADDRESS = Address.parse("http://127.0.0.1:1", "toy")
INPUTS = {"window": ["ACGT", "NNNN"], "offset": np.array([1, 2], np.int32), "ref": ["C", "N"]}


def test_bodies():
    assert body("score_alleles", INPUTS, "columns") == {
        "signature_name": "score_alleles",
        "inputs": {"window": ["ACGT", "NNNN"], "offset": [1, 2], "ref": ["C", "N"]},
    }
    assert body("score_alleles", INPUTS, "rows") == {
        "signature_name": "score_alleles",
        "instances": [
            {"window": "ACGT", "offset": 1, "ref": "C"},
            {"window": "NNNN", "offset": 2, "ref": "N"},
        ],
    }
    assert body("nothing", {}, "rows") == {"signature_name": "nothing", "inputs": {}}


def test_answers():
    both = {"SAD": [[1.0], [2.0]], "D1": [[3.0], [4.0]]}
    rows = [{"SAD": [1.0], "D1": [3.0]}, {"SAD": [2.0], "D1": [4.0]}]
    assert outputs({"outputs": both}, ADDRESS) == both
    assert outputs({"predictions": rows}, ADDRESS) == both
    assert outputs({"outputs": [[1.0], [2.0]]}, ADDRESS) == {ALONE: [[1.0], [2.0]]}
    assert outputs({"predictions": [[1.0], [2.0]]}, ADDRESS) == {ALONE: [[1.0], [2.0]]}


def test_what_is_sent(serve):
    server = serve()
    transport = RestTransport(Address.parse(server.url, "toy", 3))
    transport.predict("describe", {"row": np.zeros(1, np.int32)}, 10)
    assert server.requests == [
        (
            "/v1/models/toy/versions/3:predict",
            {"signature_name": "describe", "inputs": {"row": [0]}},
        )
    ]
    assert transport.version(10) == 3
    assert transport.signatures(10) is None
    assert [path for path, _ in server.requests[1:]] == [
        "/v1/models/toy/versions/3",
        "/v1/models/toy/versions/3/metadata",
    ]
    transport.close()


def test_signatures_of_the_metadata(serve, monkeypatch):
    transport = RestTransport(Address.parse(serve().url, "toy"))
    info = {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": "-1"}]}, "name": "x:0"}
    one = {"inputs": {"sequence": info}, "outputs": {}, "method_name": ""}
    answer = {"metadata": {"signature_def": {"signature_def": {"predict_dna": one}}}}
    monkeypatch.setattr(transport, "_answer", lambda *args, **options: answer)
    assert transport.signatures(10) == {"predict_dna": {"sequence": "DT_STRING"}}


def test_numbers_that_are_not_finite(serve):
    server = serve()
    server.faults.append((200, {}, b'{"outputs": {"SAD": [[NaN, Infinity, null]]}}'))
    found = RestTransport(Address.parse(server.url, "toy")).predict("score", {}, 10)
    values = np.asarray(found["SAD"], np.float32)
    assert np.isnan(values[0, [0, 2]]).all()
    assert np.isinf(values[0, 1])


@pytest.fixture
def encrypted(serve, tmp_path):
    """A server with a certificate of its own, and the file of that."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "server")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    file, secret = tmp_path / "certificate.pem", tmp_path / "key.pem"
    file.write_bytes(certificate.public_bytes(pem))
    plain = serialization.NoEncryption()
    secret.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain),
    )
    server = serve()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    server.encrypt(context)
    return server, file


def test_certificates(encrypted, monkeypatch):
    server, file = encrypted
    address = Address.parse(server.url, "toy")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    with pytest.raises(ConfigError, match=r"a certificate that is not trusted .*SSL_CERT_FILE"):
        RestTransport(address).version(10)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    assert RestTransport(address).version(10) == 3
    with pytest.raises(Unavailable):
        RestTransport(Address.parse(server.url.replace("https", "http"), "toy")).version(10)
