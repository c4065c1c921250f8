"""What a served model says of itself: its contract, and what its signatures compute."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from tfepi.serving.client_transport import ServerRefusedError
from tfepi.spec import Head, ModelSpec
from tfepi.variants.scores import PREDICTIONS
from tfrecords_tools.errors import ConfigError, TfepiError, unknown
from tfrecords_tools.targets import Target

SIGNATURE, INPUT, OUTPUT = "describe", "row", "metadata"
FORMAT, FORMAT_VERSION = "tfepi-served-model", 1


@dataclass(frozen=True)
class Description:
    """What `describe` answers.

    Attributes:
        spec: the model's contract.
        scored: head → the targets that are scored, of the heads that are.
        stats: statistics that the scoring signatures compute.
        rc: predictions are averaged over both strands.
        indel_align: how predictions of alleles of different lengths are lined up.
        longest_allele: bp that an allele may have.
        batch: number of rows that every request has to have, or None for any.
        sha256: of the model's file, or None.
        metadata: all that it said, as it said it.
    """

    spec: ModelSpec
    scored: dict[str, tuple[Target, ...]]
    stats: tuple[str, ...]
    rc: bool
    indel_align: str
    longest_allele: int
    batch: int | None
    sha256: str | None
    metadata: dict

    @classmethod
    def of(cls, text: str, where: object) -> "Description":
        """Return the description in the text of an answer.

        Args:
            text: JSON.
            where: the server, for messages.

        Raises:
            ServerRefusedError: it is none, of another format, or lacks something.
            ConfigError: the model takes more than a sequence.
        """
        try:
            value = json.loads(text)
            kind = (value.get("format"), value.get("format_version"))
            if kind != (FORMAT, FORMAT_VERSION):
                raise ServerRefusedError(
                    f"{where} describes its model in the format {kind[0]!r} version {kind[1]!r}, "
                    f"want {FORMAT!r} version {FORMAT_VERSION}: export the model with this tfepi"
                )
            if value["inputs"]:
                raise ConfigError(
                    f"{where}: the model takes {', '.join(value['inputs'])} besides the sequence, "
                    "which this client does not send: score with tfepi_variants.py"
                )
            return cls._of(value)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, TfepiError):
                raise
            raise ServerRefusedError(
                f"{where} describes its model otherwise than this client understands ({error!r}): "
                "export the model with this tfepi"
            ) from None

    @classmethod
    def _of(cls, value: dict) -> "Description":
        heads = {h["name"]: h for h in value["heads"]}
        return cls(
            ModelSpec(
                name=value["model"],
                inputs={"sequence": (int(value["seq_length"]), 4)},
                bin_width=int(value["bin_width"]),
                crop=int(value["crop"]),
                heads=tuple(
                    Head(name, _targets(h["targets"]), h["units"]) for name, h in heads.items()
                ),
                extra={"kind": value["kind"]},
            ),
            {n: _targets(h["scored"]) for n, h in heads.items() if h["scored"] is not None},
            tuple(value["stats"] or ()),
            bool(value["rc"]),
            value["indel_align"],
            value["longest_allele"],
            value["batch_size"],
            value["model_sha256"],
            value,
        )

    @property
    def digest(self) -> str:
        """SHA-256 of all that it says."""
        return hashlib.sha256(json.dumps(self.metadata, sort_keys=True).encode()).hexdigest()

    def output(self, head: Head, stat: str) -> str:
        """Return the name of the output that holds a statistic of a head."""
        return stat if len(self.scored) == 1 else f"{head.name}/{stat}"

    def row_shape(self, head: Head, stat: str) -> tuple[int, ...]:
        """Return the shape of a row of a statistic: (targets,), or (bins, targets)."""
        targets = len(self.scored[head.name])
        return (self.spec.target_length, targets) if stat in PREDICTIONS else (targets,)

    def head(self, name: str | None) -> Head:
        """Return a head that is scored, the only one without a name.

        Raises:
            ConfigError: no such head, several and none named, or one that is not scored.
        """
        if not self.scored:
            raise ConfigError(
                f"the served model scores no variants: {'; '.join(self.metadata['notes'])}"
            )
        if name is None and len(self.scored) == 1:
            name = next(iter(self.scored))
        found = self.spec.head(name)
        if found.name not in self.scored:
            raise unknown("head", found.name, self.scored, "that the served model scores")
        return found

    def check_stats(self, names: Sequence[str]) -> None:
        """Refuse statistics that the server does not compute.

        Raises:
            ConfigError: naming one.
        """
        for name in names:
            if name not in self.stats:
                raise unknown("statistic", name, self.stats, "of the served model")

    def columns(self, head: Head, targets: Sequence[Target]) -> list[int]:
        """Return the places of targets among the scored ones of a head, by identifier.

        Raises:
            ConfigError: one that is not scored.
        """
        places = {t.identifier: n for n, t in enumerate(self.scored[head.name])}
        for target in targets:
            if target.identifier not in places:
                raise unknown("target", target.identifier, places, "that the served model scores")
        return [places[t.identifier] for t in targets]


def _targets(rows: Sequence[dict]) -> tuple[Target, ...]:
    return tuple(Target(**({"index": number} | row)) for number, row in enumerate(rows))
