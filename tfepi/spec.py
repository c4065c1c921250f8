"""A model's contract: what goes in, what comes out, what the numbers mean.

`ModelSpec` is written as model.json beside model files and travels in SavedModels.
A `Predictor` is a spec and a function; every command that asks a model goes through one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

import tfepi
from tfepi.sequences import model_inputs
from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import read_json, write_json
from tfrecords_tools.genome import one_hot, reverse_complement
from tfrecords_tools.statistics import KINDS
from tfrecords_tools.targets import Target, strand_order

# The inputs besides the sequence, by name, of windows at (chromosome, start, end), 0-based.
Condition = Callable[[Sequence[tuple[str, int, int]]], dict[str, np.ndarray]]
COVERAGE, METHYLATION = KINDS
FORMAT = "tfepi-model"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Head:
    """One output of a model.

    Attributes:
        name: key of the output.
        targets: what the last axis holds, in order.
        units: what a value is ("coverage"; "beta", of methylation; "probability").
        dispersion: of each target's negative binomial, where the model learned it, or None.
    """

    name: str
    targets: tuple[Target, ...]
    units: str = "coverage"
    dispersion: tuple[float, ...] | None = None

    @property
    def strand_order(self) -> tuple[int, ...] | None:
        """Positions that swap strand pairs on the last axis; None if unstranded."""
        return strand_order(self.targets)


@dataclass(frozen=True)
class ModelSpec:
    """What a model takes and gives.

    Attributes:
        name: the model function or "basenji" for trunk-and-head params.
        inputs: input name → (length, channels), of "cell_state" (size,); "sequence" is always
            there.
        bin_width: bp per output position.
        crop: bp left out at each end of the sequence.
        heads: outputs.
        data: SHA-256 of the training data's manifest, or None.
        conditioning: what a conditioned model was trained on and is asked, or None.
    """

    name: str
    inputs: dict[str, tuple[int, ...]]
    bin_width: int
    crop: int
    heads: tuple[Head, ...]
    data: str | None = None
    extra: dict = field(default_factory=dict)
    conditioning: Conditioning | None = None

    @property
    def seq_length(self) -> int:
        """Length of the sequence input, bp."""
        return self.inputs["sequence"][0]

    @property
    def kind(self) -> str:
        """What the training data hold: "coverage" in bins of windows, or "methylation" of CpGs.

        A window of methylation has the C of its CpG, as the forward strand writes it, in the
        middle.
        """
        return self.extra.get("kind", COVERAGE)

    @property
    def target_length(self) -> int:
        """Number of output positions."""
        return (self.seq_length - 2 * self.crop) // self.bin_width

    def head(self, name: str | None = None) -> Head:
        """Return a head by name or number (from 0); without either the only one.

        Raises:
            ConfigError: unknown name, or several heads and none named.
        """
        if name is None and len(self.heads) == 1:
            return self.heads[0]
        for number, head in enumerate(self.heads):
            if name in (head.name, str(number)):
                return head
        names = ", ".join(h.name for h in self.heads)
        if name is None:
            raise ConfigError(f"the model has the heads {names}: name one with --head")
        advice = "leave --head out" if len(self.heads) == 1 else "name one"
        raise ConfigError(f"head {name!r} is not one of the model's heads: {names}; {advice}")

    def to_json(self) -> dict:
        """Return the JSON value of model.json."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "tfepi_version": tfepi.__version__,
            "name": self.name,
            "inputs": {k: list(v) for k, v in self.inputs.items()},
            "bin_width": self.bin_width,
            "crop": self.crop,
            "heads": [
                {"name": h.name, "units": h.units, "targets": [t.to_json() for t in h.targets]}
                | ({"dispersion": list(h.dispersion)} if h.dispersion is not None else {})
                for h in self.heads
            ],
            "data": self.data,
            "extra": self.extra,
        } | ({"conditioning": self.conditioning.to_json()} if self.conditioning else {})

    def write(self, path: str | Path) -> None:
        """Write the spec as JSON."""
        write_json(path, self.to_json())

    @classmethod
    def from_json(cls, value: dict, where: str = "model.json") -> "ModelSpec":
        """Return the spec of a JSON value.

        Raises:
            InputFileError: not this format, a newer version, or a missing key.
        """
        if value.get("format") != FORMAT or value.get("format_version") != FORMAT_VERSION:
            raise InputFileError(
                f"{where} has format {value.get('format')!r} version "
                f"{value.get('format_version')!r}, want {FORMAT!r} version {FORMAT_VERSION}"
            )
        given = value.get("conditioning")
        try:
            heads = tuple(
                Head(
                    h["name"],
                    tuple(Target(**t) for t in h["targets"]),
                    h["units"],
                    None if h.get("dispersion") is None else tuple(h["dispersion"]),
                )
                for h in value["heads"]
            )
            return cls(
                name=value["name"],
                inputs={k: tuple(v) for k, v in value["inputs"].items()},
                bin_width=value["bin_width"],
                crop=value["crop"],
                heads=heads,
                data=value["data"],
                extra=value.get("extra", {}),
                conditioning=Conditioning.from_json(given) if given else None,
            )
        except (KeyError, TypeError, IndexError) as error:
            raise InputFileError(f"{where} is damaged: {error!r}") from None

    @classmethod
    def read(cls, path: str | Path) -> "ModelSpec":
        """Read model.json."""
        return cls.from_json(read_json(path), str(path))


class Predictor(Protocol):
    """A model that can be asked.

    `predict` takes a dict of arrays by input name: "sequence" is uint8 base indices
    [batch, length], float one-hot [batch, length, 4], or DNA letters
    (`sequences.as_sequences`). It returns a dict from head name to float32 [batch, bins, targets].
    Any batch size is taken.
    """

    spec: ModelSpec

    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]: ...


class CallablePredictor:
    """A Predictor of any function from one-hot float32 [batch, length, 4] to predictions.

    Args:
        function: returns float [batch, bins, targets], or a dict of them by head name.
        spec: the contract.
    """

    def __init__(self, function: Callable[[np.ndarray], object], spec: ModelSpec):
        self.spec = spec
        self._function = function

    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return {head: float32 [batch, bins, targets]}."""
        sequence = model_inputs(inputs, self.spec.inputs)["sequence"]
        if sequence.ndim == 2:
            sequence = one_hot(sequence)
        out = self._function(sequence)
        if not isinstance(out, dict):
            out = {self.spec.head().name: out}
        return {k: np.asarray(v, np.float32) for k, v in out.items()}


class AveragedPredictor:
    """A Predictor that averages another's over strands and shifts.

    A shift of s moves the sequence s bp to the right, filling with N, as Basenji's does; the
    bins stay where they are. The reverse complement's bins are flipped back and its strand
    pairs swapped. Of methylation it is moved 1 bp to the right, so that the CpG's other C is in
    the middle.

    Args:
        predictor: what to average.
        rc: average with the reverse complement.
        shifts: bp to average over.
    """

    def __init__(self, predictor: Predictor, rc: bool = False, shifts: tuple[int, ...] = (0,)):
        check_shifts(predictor.spec, shifts)
        self.spec = predictor.spec
        self._predictor = predictor
        self._step = int(self.spec.kind == METHYLATION)
        self._variants = [(s, r) for s in shifts for r in ((False, True) if rc else (False,))]

    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the mean predictions, {head: float32 [batch, bins, targets]}."""
        total: dict[str, np.ndarray] = {}
        given = model_inputs(inputs, self.spec.inputs, ())  # the predictor knows which lengths
        for shift, rc in self._variants:
            sequence = shift_sequence(given["sequence"], shift, rc)
            if rc and self._step:
                sequence = shift_sequence(sequence, self._step)
            moved = given | {"sequence": sequence}
            if rc and "tracks" in given:  # which, like the bins, stay where they are in a shift
                moved["tracks"] = given["tracks"][:, ::-1]
            predictions = self._predictor.predict(moved)
            for head in self.spec.heads:
                values = predictions[head.name]
                if rc:
                    values = values[:, ::-1]
                    if head.strand_order is not None:
                        values = values[:, :, list(head.strand_order)]
                total[head.name] = total.get(head.name, 0) + values
        return {
            k: (v / np.float32(len(self._variants))).astype(np.float32) for k, v in total.items()
        }


def check_shifts(spec: ModelSpec, shifts: tuple[int, ...]) -> None:
    """Check that there are shifts, each below half the model's sequence.

    Raises:
        ConfigError: none, one too large, or one at all of windows that are centred on CpGs.
    """
    if not shifts:
        raise ConfigError("shifts is empty: name at least one, for instance 0")
    largest = max(map(abs, shifts))
    if largest >= spec.seq_length // 2:
        raise ConfigError(
            f"shifts reach {largest} bp: want less than half the window of {spec.seq_length} bp"
        )
    if spec.kind == METHYLATION and largest:
        raise ConfigError(
            f"shifts reach {largest} bp, but the C of a CpG has to stay in the middle of its "
            "window: use 0"
        )


def shift_sequence(sequence: np.ndarray, shift: int, rc: bool = False) -> np.ndarray:
    """Return sequences moved right by `shift` bp and, with rc, reverse-complemented after.

    Args:
        sequence: base indices [batch, length] or one-hot [batch, length, 4].
        shift: bp; what moves in is N.
        rc: reverse complement.
    """
    is_indices = sequence.ndim == 2
    out = sequence
    if shift:
        out = np.full_like(sequence, 4 if is_indices else 0)
        if shift > 0:
            out[:, shift:] = sequence[:, :-shift]
        else:
            out[:, :shift] = sequence[:, -shift:]
    if rc:
        out = reverse_complement(out) if is_indices else out[:, ::-1, ::-1]
    return out
