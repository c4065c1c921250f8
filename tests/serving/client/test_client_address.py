import pytest

from tfepi.serving.client_address import Address
from tfrecords_tools.errors import ConfigError


def test_addresses():
    plain = Address.parse("http://127.0.0.1:8501", "yeast")
    assert plain.is_rest
    assert not plain.is_encrypted
    assert plain.of_model == "http://127.0.0.1:8501/v1/models/yeast"
    behind = Address.parse("https://host.org/models/", "a b/c", 7)
    assert behind.of_model == "https://host.org:443/models/v1/models/a%20b%2Fc"
    assert behind.is_encrypted
    assert str(behind).endswith("model a b/c version 7")
    call = Address.parse("grpcs://[::1]:8500", "yeast")
    assert call.target == "[::1]:8500"
    assert not call.is_rest
    assert call.is_encrypted


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("127.0.0.1:8501", "want http://HOST:PORT"),
        ("ftp://host:1", "want http://HOST:PORT"),
        ("http://", "want http://HOST:PORT"),
        ("http://host:port", "want http://HOST:PORT"),
        ("http://[::1:2", "want http://HOST:PORT"),
        ("http://host:1?key=2", "want http://HOST:PORT"),
        ("grpc://host", "want http://HOST:PORT"),
        ("grpc://host:1/path", "path '/path'"),
        ("http://me:secret@host:1", "http://…@host:1 holds a name or password"),
    ],
)
def test_other_addresses(url, message):
    with pytest.raises(ConfigError, match=message) as raised:
        Address.parse(url, "yeast")
    assert "secret" not in str(raised.value)


def test_model_and_version():
    with pytest.raises(ConfigError, match="no name"):
        Address.parse("http://host:1", "")
    with pytest.raises(ConfigError, match="--version is -1"):
        Address.parse("http://host:1", "yeast", -1)
