"""Random requests of each signature: to compare an export with its model, and to warm a server."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfepi.spec import ModelSpec
from tfepi.variants.alleles import Window
from tfrecords_tools.genome import decode, one_hot

_CHANGES = ((3, 1), (1, 3), (1, 1), (2, 2))  # lengths of REF and ALT: each kind of variant


@dataclass(frozen=True)
class Example:
    """Requests that belong together.

    Attributes:
        indices: sequences, uint8 [rows, length].
        further: a conditioned model's other inputs by name, float32 [rows, …].
        around: genome around a variant of each row, uint8 [rows, more than length].
        offset: 0-based place of the variant in it.
        alleles: REF and ALT of each row.
    """

    indices: np.ndarray
    further: Mapping[str, np.ndarray]
    around: np.ndarray
    offset: int
    alleles: tuple[tuple[str, str], ...]

    @classmethod
    def random(cls, spec: ModelSpec, rows: int, window: Window | None) -> "Example":
        """Return random requests, 1 in 5 of whose bases is N.

        Args:
            spec: the model's contract.
            rows: how many.
            window: where variants lie, or None without them.
        """
        rng = np.random.default_rng(0)
        indices = rng.integers(0, 5, (rows, spec.seq_length), dtype=np.uint8)
        further = {
            name: rng.random((rows, *shape), np.float32)
            for name, shape in spec.inputs.items()
            if name != "sequence"
        }
        if window is None:
            return cls(indices, further, indices, 0, ())
        room = max(ref - alt for ref, alt in _CHANGES)
        around = rng.integers(0, 5, (rows, window.length + 2 * room), dtype=np.uint8)
        offset = room + window.index
        alleles = []
        for row in range(rows):
            ref, alt = _CHANGES[row % len(_CHANGES)]
            held = rng.integers(0, 4, ref, dtype=np.uint8)
            around[row, offset : offset + ref] = held
            other = rng.integers(0, 4, alt, dtype=np.uint8)
            other[0] = (held[0] + (ref == alt)) % 4  # an indel's first base is the genome's
            alleles.append((decode(held), decode(other)))
        return cls(indices, further, around, offset, tuple(alleles))

    def requests(self) -> dict[str, dict[str, np.ndarray]]:
        """Return the inputs of each signature by name."""
        floats, text = one_hot(self.indices), _texts(self.indices)
        found = {
            "serving_default": {"sequence": floats},
            "predict": {"sequence": floats},
            "predict_indices": {"sequence": self.indices},
            "predict_dna": {"sequence": text},
        }
        if self.alleles:
            ref, alt = (np.array([pair[n].encode() for pair in self.alleles]) for n in (0, 1))
            found["score_variants"] = {"ref": text, "alt": text[::-1]}
            found["score_alleles"] = {
                "window": _texts(self.around),
                "offset": np.full(len(ref), self.offset, np.int32),
                "ref": ref,
                "alt": alt,
            }
        return {name: inputs | dict(self.further) for name, inputs in found.items()}


def _texts(indices: np.ndarray) -> np.ndarray:
    return np.array([decode(row).encode() for row in indices], object)
