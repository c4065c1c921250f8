"""A served model, asked from here: its description, predictions and scores of alleles.

with Client("http://127.0.0.1:8501", "yeast") as client:
    client.predict_dna(["ACGT…"])                # {head: float32 [1, bins, targets]}
    client.score_alleles(["ACGT…"], [383], ["A"], ["G"])   # {statistic: float32 [1, targets]}
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from tfepi.serving.client_address import Address
from tfepi.serving.client_batches import Batch, checked, filled
from tfepi.serving.client_description import INPUT, OUTPUT, SIGNATURE, Description
from tfepi.serving.client_requests import Requests, Waiting
from tfepi.serving.client_rest import FORMATS, RestTransport
from tfepi.serving.client_transport import (
    ALONE,
    Inputs,
    ServerRefusedError,
    Transport,
)
from tfrecords_tools.errors import ConfigError, unknown

_MOST_ROWS, _REQUEST_LETTERS = 64, 1 << 20


class Client:
    """Asks a model that TensorFlow Serving, or what speaks its protocols, serves.

    Args:
        url: http(s)://HOST:PORT, or grpc(s)://HOST:PORT, which needs the extra `serving`.
        model: the name it is served under.
        version: a number; None for the newest, which is then asked as long as the server says
            which it is.
        waiting: how many requests at once, and for how long.
        rest_format: "columns" or "rows" of JSON (`client_rest.FORMATS`).
        batch_size: rows per request; None for a number that suits the model.

    Raises:
        ConfigError: an address, a size or a format that cannot be used.
    """

    def __init__(
        self,
        url: str,
        model: str,
        version: int | None = None,
        *,
        waiting: Waiting = Waiting(),  # noqa: B008 frozen
        rest_format: str = FORMATS[0],
        batch_size: int | None = None,
    ):
        self.address = Address.parse(url, model, version)
        if rest_format not in FORMATS:
            raise unknown("rest_format", rest_format, FORMATS)
        if batch_size is not None and batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}: want at least 1")
        self.requests = Requests(waiting)
        self._size = batch_size
        self._transport = _transport(self.address, rest_format)
        self._description: Description | None = None

    def describe(self) -> Description:
        """Return what the model says of itself; it is asked once.

        Raises:
            ServerLostError: no answer for as long as there is patience.
            ServerRefusedError: no such model, or one that does not describe itself.
        """
        if self._description is None:
            if self.address.version is None:
                version = self._ask(self._transport.version, "its versions")
                if version is not None:
                    self._transport.pin(version)
            self._description = self._described()
        return self._description

    def check_same(self) -> None:
        """Check that the model is the one that was described first.

        Raises:
            ServerRefusedError: it is another.
        """
        first, now = self.describe(), self._described()
        if first.metadata == now.metadata:
            return
        keys = [k for k in first.metadata if first.metadata[k] != now.metadata.get(k)]
        raise ServerRefusedError(
            f"{self.address}: another model answers than at the start ({', '.join(keys)} "
            f"changed): name a --version, or start again with this one (--overwrite)"
        )

    def predict_dna(self, sequences: Sequence[str]) -> dict[str, np.ndarray]:
        """Predict sequences.

        Args:
            sequences: DNA of the model's length.

        Returns:
            Head → float32 [sequences, bins, targets].

        Raises:
            ServerLostError, ServerRefusedError: as `describe`; a refused request says why.
        """
        spec = self.describe().spec
        bins = spec.target_length
        shapes = {head.name: (bins, len(head.targets)) for head in spec.heads}
        return self._joined("predict_dna", {"sequence": sequences}, shapes)

    def score_variants(self, refs: Sequence[str], alts: Sequence[str]) -> dict[str, np.ndarray]:
        """Score pairs of sequences of the model's length, each with both alleles in place.

        Args:
            refs, alts: DNA, as many of one as of the other.

        Returns:
            Output (a statistic; of several heads HEAD/STATISTIC) → float32 [pairs, targets];
            REF and ALT [pairs, bins, targets].

        Raises:
            as `predict_dna`.
        """
        return self._joined("score_variants", {"ref": refs, "alt": alts}, self._score_shapes())

    def score_alleles(
        self,
        windows: Sequence[str],
        offsets: Sequence[int],
        refs: Sequence[str],
        alts: Sequence[str],
    ) -> dict[str, np.ndarray]:
        """Score alleles in their surroundings, insertions and deletions too.

        Args:
            windows: DNA around each variant: the model's sequence starts half its length less
                one before REF and needs len(REF) - len(ALT) letters to spare on either side.
            offsets: where in them REF starts, 0-based.
            refs, alts: the alleles.

        Returns:
            as `score_variants`.

        Raises:
            as `predict_dna`.
        """
        inputs = {"window": windows, "offset": np.asarray(offsets, np.int32)}
        inputs |= {"ref": refs, "alt": alts}
        return self._joined("score_alleles", inputs, self._score_shapes())

    def score_batches(self, batches: Iterable[Batch]) -> Iterator[dict[str, np.ndarray]]:
        """Yield what `score_alleles` returns of each batch, in their order, several in flight.

        Args:
            batches: taken as they can be sent.
        """
        return self._each("score_alleles", batches, self._score_shapes())

    @property
    def batch_size(self) -> int:
        """Rows per request.

        Raises:
            ConfigError: the model takes another number.
        """
        found = self.describe()
        if found.batch is not None and (self._size or found.batch) > found.batch:
            raise ConfigError(
                f"--batch_size is {self._size}: the model was exported for {found.batch} rows"
            )
        most = min(_MOST_ROWS, found.batch or _MOST_ROWS)
        return self._size or max(1, min(most, _REQUEST_LETTERS // found.spec.seq_length))

    def close(self) -> None:
        """End the connections."""
        self.requests.close()
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def _ask(self, ask: Callable, what: str):
        return self.requests.one(ask, f"{self.address} asked for {what}")

    def _described(self) -> Description:
        row = {INPUT: np.zeros(1, np.int32)}
        try:
            answer = self._ask(
                lambda timeout: self._transport.predict(SIGNATURE, row, timeout), "its description"
            )
        except ServerRefusedError as error:
            there = self._ask(self._transport.signatures, "its signatures")
            if there is None or SIGNATURE in there:
                raise
            raise ServerRefusedError(
                f"{error}; it has the signatures {', '.join(sorted(there))}: export the model with "
                "tfepi_export.py"
            ) from None
        found = np.asarray(answer.get(OUTPUT, answer.get(ALONE, ()))).ravel()
        if len(found) != 1:
            raise ServerRefusedError(f"{self.address} answers {SIGNATURE} without {OUTPUT}")
        text = found[0].decode() if isinstance(found[0], bytes) else str(found[0])
        return Description.of(text, self.address)

    def _score_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return output → shape of a row of the signatures that score."""
        found = self.describe()
        if not found.scored:
            found.head(None)  # says why
        return {
            found.output(head, stat): found.row_shape(head, stat)
            for head in map(found.spec.head, found.scored)
            for stat in found.stats
        }

    def _joined(
        self, signature: str, inputs: Inputs, shapes: Mapping[str, tuple]
    ) -> dict[str, np.ndarray]:
        """Return the answers to all rows."""
        counts = {name: len(value) for name, value in inputs.items()}
        total = min(counts.values())
        if len(set(counts.values())) > 1 or not total:
            shown = ", ".join(f"{count} of {name}" for name, count in counts.items())
            raise ConfigError(f"{signature} takes as many of each input, at least one: got {shown}")
        size = self.batch_size

        def batches() -> Iterator[Batch]:
            for low in range(0, total, size):
                high = min(low + size, total)
                some = {name: value[low:high] for name, value in inputs.items()}
                yield Batch(some, high - low, f"rows {low} to {high - 1} (from 0)")

        found = list(self._each(signature, batches(), shapes))
        return {name: np.concatenate([f[name] for f in found]) for name in found[0]}

    def _each(
        self, signature: str, batches: Iterable[Batch], shapes: Mapping[str, tuple]
    ) -> Iterator[dict[str, np.ndarray]]:
        fixed = self.describe().batch

        def ask(batch: Batch, ended) -> dict[str, np.ndarray]:
            inputs = batch.inputs if fixed is None else filled(batch, fixed)
            where = f"{self.address} asked for {signature} of {batch.what}"
            try:
                answer = self.requests.one(
                    lambda timeout: self._transport.predict(signature, inputs, timeout),
                    where,
                    ended,
                )
            except ServerRefusedError as error:
                raise ServerRefusedError(f"{error} ({signature} of {batch.what})") from None
            return checked(answer, shapes, batch, fixed, where)

        return self.requests.each(batches, ask)


def _transport(address: Address, rest_format: str) -> Transport:
    if address.is_rest:
        return RestTransport(address, rest_format)
    from tfepi.serving.client_grpc import GrpcTransport

    return GrpcTransport(address)
