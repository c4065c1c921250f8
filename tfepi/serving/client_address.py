"""Where a served model is: the server's address, the model's name and version."""

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from tfrecords_tools.errors import ConfigError

REST, GRPC = ("http", "https"), ("grpc", "grpcs")
_PORTS = {"http": 80, "https": 443}
_WANT = "want http://HOST:PORT, https://HOST, grpc://HOST:PORT or grpcs://HOST:PORT"


@dataclass(frozen=True)
class Address:
    """A model behind a server.

    Attributes:
        scheme: of `REST` or `GRPC`; https and grpcs are encrypted.
        host: name, or number without brackets.
        port: number.
        path: what comes before `/v1/models` in the address of a server behind another; "".
        model: name.
        version: number; None for the one that the server answers with.
    """

    scheme: str
    host: str
    port: int
    path: str
    model: str
    version: int | None = None

    @classmethod
    def parse(cls, url: str, model: str, version: int | None = None) -> "Address":
        """Return the address that a command line names.

        Raises:
            ConfigError: another form of address, a name or password in it, no model or a version
                below 0.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ConfigError(f"address {url!r}: {_WANT}") from None
        if "@" in parts.netloc:
            raise ConfigError(
                f"address {parts.scheme}://…@{parts.netloc.rpartition('@')[2]} holds a name or "
                "password, which would be written into run.json: leave it out, ~/.netrc may hold it"
            )
        port = _PORTS.get(parts.scheme) if port is None else port
        known = parts.scheme in (*REST, *GRPC) and host and port
        if not known or parts.query or parts.fragment:
            raise ConfigError(f"address {url!r}: {_WANT}")
        path = parts.path.rstrip("/")
        if path and parts.scheme in GRPC:
            raise ConfigError(f"address {url!r} has the path {path!r}, which gRPC knows none of")
        if not model:
            raise ConfigError("the model has no name: want that under which it is served (--model)")
        if version is not None and version < 0:
            raise ConfigError(f"--version is {version}: want the number of a version, 0 or more")
        return cls(parts.scheme, host, port, path, model, version)

    @property
    def target(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_rest(self) -> bool:
        """Whether it is asked by HTTP and JSON, else by gRPC."""
        return self.scheme in REST

    @property
    def is_encrypted(self) -> bool:
        """Whether the connection is encrypted."""
        return self.scheme.endswith("s")

    @property
    def of_model(self) -> str:
        """The model's address for HTTP, without a version."""
        return f"{self.scheme}://{self.target}{self.path}/v1/models/{quote(self.model, safe='')}"

    def __str__(self) -> str:
        version = "" if self.version is None else f" version {self.version}"
        return f"{self.scheme}://{self.target}{self.path} model {self.model}{version}"
