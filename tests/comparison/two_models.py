"""Two plain models of other lengths, bins and units, and the plainest way to compare them."""

import numpy as np

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.genome import encode, one_hot
from tfrecords_tools.targets import Target

NAMES = ("open", "closed")


def spec_of(length: int, width: int, crop: int, names=NAMES, **changes) -> ModelSpec:
    heads = (Head("main", tuple(Target(i, n) for i, n in enumerate(names))),)
    values = {"name": "toy", "inputs": {"sequence": (length, 4)}, "bin_width": width}
    return ModelSpec(**(values | {"crop": crop, "heads": heads} | changes))


class Toy(CallablePredictor):
    """A signal per bp that depends on bases up to `reach` away, summed in bins, times `unit`."""

    def __init__(self, length, width, crop, reach=12, seed=1, unit=1.0, names=NAMES):
        super().__init__(self._values, spec_of(length, width, crop, names))
        rng = np.random.default_rng(seed)
        self.kernel = rng.gamma(0.5, 1, (2 * reach + 1, 4, len(names)))
        self.kernel *= np.exp(-np.abs(np.arange(-reach, reach + 1)) / 4)[:, None, None]
        self.reach, self.unit = reach, unit
        self.sequences = 0

    def _values(self, codes: np.ndarray) -> np.ndarray:
        self.sequences += len(codes)
        length, width, crop = self.spec.seq_length, self.spec.bin_width, self.spec.crop
        padded = np.pad(codes.astype(float), ((0, 0), (self.reach, self.reach), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(padded, 2 * self.reach + 1, axis=1)
        signal = 0.01 + np.einsum("nlck,kct->nlt", views, self.kernel)
        inner = signal[:, crop : length - crop]
        return self.unit * inner.reshape(len(codes), -1, width, inner.shape[2]).sum(axis=2)

    def of_letters(self, letters: str) -> np.ndarray:
        """Return predictions [bins, targets] of one window."""
        return self._values(one_hot(encode(letters))[None]).astype(np.float32)[0]


def window(sequence: str, start: int, length: int) -> str:
    """Return letters of a window, N beyond the sequence."""
    padded = "N" * length + sequence + "N" * length
    return padded[start + length : start + 2 * length]


def alleles(model: Toy, sequence: str, pos: int, ref: str, alt: str):
    """Return predictions of both alleles of an SNV, [bins, targets] each; pos is 1-based."""
    length = model.spec.seq_length
    start = pos - length // 2
    at = length // 2 - 1
    own = window(sequence, start, length)
    assert own[at] == ref
    return model.of_letters(own), model.of_letters(own[:at] + alt + own[at + 1 :])


def summed(model: Toy, values: np.ndarray, span: int) -> np.ndarray:
    """Return the signal of the middle span, bp by bp, [targets]."""
    width = model.spec.bin_width
    bases = np.repeat(values.astype(float) / width, width, axis=0)
    middle = len(bases) // 2
    return bases[middle - span // 2 : middle - span // 2 + span].sum(axis=0)
