#!/usr/bin/env python3
"""How far incremental predictions are off whole ones, for every model of the package.

    incremental_equality.py -o equality.json                 all models and all blocks of trunks
    incremental_equality.py basset leopard_unet --snvs 60 --indels 20 -o small.json

All variables are drawn at random. In one random window: substitutions at the first and last 50 bp
and at random places, and indels of 1 to 20 bp, a tenth each in the first and in the last 50 bp of
what bins cover, and of the window where that is more. An indel is predicted as it is scored: with
the left flank in place, in all bins, which is the whole shifted remainder; and stitched of both
registers, of which each is computed in the bins alone that it gives. Figures are the largest
difference from the prediction of the whole sequence, in all bins and targets, relative to the
largest value predicted. Beside them is what whole predictions in batches of 1 and of 16 differ by,
and how much half of the substitutions change at least. Changes are never predicted as a whole, as
they otherwise are where that saves nothing.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from incremental_blocks import BLOCKS
from incremental_models import (
    MODELS,
    drawn_inputs,
    evaluator_of,
    randomised,
    size_text,
    substituted,
)

from tfepi.geometry import position_widths
from tfepi.variants import incremental
from tfepi.variants.alleles import (
    LEFT,
    RIGHT,
    SequenceKey,
    Window,
    sequence,
    stitched,
    touched_bins,
)
from tfepi.variants.incremental import IncrementalEvaluator
from tfrecords_tools.errors import unknown
from tfrecords_tools.files import read_json, write_json
from tfrecords_tools.genome import decode

incremental._WORTH = float("inf")  # never as a whole
END = 50  # bp
LONGEST = 20  # bp of an indel
MOST_TARGETS = 512  # of a head that are compared
_CHUNK_BYTES = 128 << 20  # predictions compared at once


@dataclass(frozen=True)
class Indel:
    """A deletion or an insertion behind a base.

    Attributes:
        index: of that base in the window.
        host: what the genome has there.
        allele: what replaces it.
    """

    index: int
    host: str
    allele: str


class Compared:
    """Incremental and whole predictions of changes of one window.

    Args:
        evaluator: of a model.
        snvs, indels: how many.
        seed: of what is drawn.
    """

    def __init__(self, evaluator: IncrementalEvaluator, snvs: int, indels: int, seed: int):
        self._evaluator, self._rng = evaluator, np.random.default_rng(seed)
        self.length = length = evaluator.spec.seq_length
        inputs = drawn_inputs(evaluator, 1, seed)
        # The window lies in the middle of a genome that is three times as long.
        genome = self._rng.integers(0, 4, 3 * length, dtype=np.uint8)
        genome[length : 2 * length] = inputs["sequence"][0]
        genome[length + length // 3] = 4  # N
        self._genome = genome
        self._references = evaluator.references(
            inputs | {"sequence": genome[None, length : 2 * length]}
        )
        bins = self._references.predictions.shape[1]
        graph = evaluator.engine.graph
        width = int(position_widths(graph).get(graph.output(), length // bins))
        width = length if bins == 1 else width
        # Windows lie at multiples of twice their length, so that all that is drawn is in one.
        self._window = Window(length, width, (length - bins * width) // 2, bins, 2 * length)
        self.snvs, self.indels = self._places(snvs, 0, length), self._indels(indels)
        self.scale = float(np.abs(self._references.predictions).max())

    def _places(self, count: int, low: int, high: int) -> np.ndarray:
        """Return places in [low, high): a tenth in the first and in the last 50 bp each."""
        end = min(END, (high - low) // 2)
        few = count // 10
        first, last = (np.resize(np.arange(a, a + end), few) for a in (low, high - end))
        inside = self._rng.integers(low, high, count - 2 * few)
        return np.concatenate([first, last, inside])

    def _indels(self, count: int) -> list[Indel]:
        window = self._window
        low, high = window.crop, window.crop + window.bins * window.bin_width
        places = self._places(count, low, high)
        if low > 0:  # what is cropped away has ends, too
            few = count // 10
            places[-2 * few :] = self._places(10 * few, 0, self.length)[: 2 * few]
        found = []
        for index in places.tolist():
            size = int(self._rng.integers(1, LONGEST + 1))
            at = self.length + index
            base = self._genome[at : at + 1 + size]
            if self._rng.random() < 0.5:
                found.append(Indel(index, decode(base), decode(base[:1])))
            else:
                more = self._rng.integers(0, 4, size, dtype=np.uint8)
                host = base[:1]
                found.append(Indel(index, decode(host), decode(np.concatenate([host, more]))))
        return found

    def _sequence(self, indel: Indel, register: str) -> np.ndarray:
        def read(chrom: str, start: int, end: int) -> np.ndarray:
            return self._genome[self.length + start : self.length + max(start, end)]

        key = SequenceKey("", indel.index, indel.host, indel.allele, register)
        return sequence(read, self._window, key)

    def _chunks(self, count: int) -> Iterable[slice]:
        size = max(8, min(128, _CHUNK_BYTES // self._references.predictions.nbytes))
        return (slice(low, min(low + size, count)) for low in range(0, count, size))

    def _found(self, sequences: np.ndarray, bins: np.ndarray | None = None) -> np.ndarray:
        of = np.zeros(len(sequences), int)
        found = self._evaluator.alternatives(self._references, of, sequences, bins)
        return found.whole(self._references)

    def _whole(self, sequences: np.ndarray, size: int = 16) -> np.ndarray:
        inputs = {k: np.repeat(v, len(sequences), 0) for k, v in self._references.inputs.items()}
        return self._evaluator.whole(inputs | {"sequence": sequences}, size)

    def of_snvs(self) -> dict[str, float]:
        """Return the difference of substitutions, of whole predictions, and the median effect."""
        own = np.repeat(self._references.inputs["sequence"], len(self.snvs), axis=0)
        changed = substituted(own, self.snvs, self._rng.integers(1, 4, len(own)))
        largest, effects = 0.0, []
        for part in self._chunks(len(changed)):
            wanted = self._whole(changed[part])
            largest = max(largest, _apart(self._found(changed[part]), wanted))
            effects += np.abs(wanted - self._references.predictions).max(axis=(1, 2)).tolist()
            self.scale = max(self.scale, float(np.abs(wanted).max()))
        some = changed[np.linspace(0, len(changed) - 1, len(changed) // 5).astype(int)]
        noise = max(
            _apart(self._whole(some[part], 1), self._whole(some[part]))
            for part in self._chunks(len(some))
        )
        return {
            "snvs": largest / self.scale,
            "noise": noise / self.scale,
            "effect": float(np.median(effects)) / self.scale,
        }

    def of_indels(self) -> dict[str, float]:
        """Return the difference of indels: shifted remainders, and stitched of both registers."""
        largest = {"shifted": 0.0, "stitched": 0.0}
        for part in self._chunks(len(self.indels)):
            indels = self.indels[part]
            left, right = (
                np.stack([self._sequence(i, register) for i in indels])
                for register in (LEFT, RIGHT)
            )
            whole = self._whole(left), self._whole(right)
            found = self._found(left)
            largest["shifted"] = max(largest["shifted"], _apart(found, whole[0]))
            last = self._window.bins
            touched = [touched_bins(self._window, i.index, len(i.host)) for i in indels]
            rows = [n for n, (a, b) in enumerate(touched) if a >= 0 and a < last]
            if not rows:
                continue
            spans = np.array([touched[n] for n in rows]).clip(0, last)
            bins = np.zeros_like(spans), np.full_like(spans, last)
            bins[0][:, 1], bins[1][:, 0] = spans[:, 1], spans[:, 0]
            each = [self._found(s[rows], b) for s, b in zip((left, right), bins, strict=True)]
            for row, n in enumerate(rows):
                at = (self._window, indels[n].index, len(indels[n].host))
                a = stitched(each[0][row], each[1][row], *at)
                b = stitched(whole[0][n], whole[1][n], *at)
                largest["stitched"] = max(largest["stitched"], _apart(a, b))
        return {k: v / self.scale for k, v in largest.items()}


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


_HEAD = (
    "| model | size | fewer multiply-adds | substitutions | indels, shifted remainder "
    "| indels, stitched | whole beside whole | effect |"
)


def row(name: str, found: dict) -> str:
    """Return a row of the table."""
    figures = " | ".join(
        f"{found[key]:.1e}" if found[key] else "0"
        for key in ("snvs", "shifted", "stitched", "noise", "effect")
    )
    return f"| {name} | {found['size']} | {found['gain']:.1f}× | {figures} |"


def main() -> None:
    """Compare models, one after the other, and print the table of all in the file."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("names", nargs="*", help="of models and blocks [all]")
    p.add_argument("-o", "--out", type=Path, default=Path("equality.json"), help="[%(default)s]")
    p.add_argument("--snvs", type=int, default=500, help="[%(default)s]")
    p.add_argument("--indels", type=int, default=100, help="[%(default)s]")
    p.add_argument("--seed", type=int, default=44, help="[%(default)s]")
    options = p.parse_args()
    known = MODELS | BLOCKS
    for name in options.names:
        if name not in known:
            p.error(str(unknown("model or block", name, known)))
    rows = read_json(options.out) if options.out.exists() else {}
    for name in options.names or known:
        began = time.perf_counter()
        model = randomised(known[name]())
        outputs = model.output if isinstance(model.output, dict) else {None: model.output}
        head = next(iter(outputs))
        targets = outputs[head].shape[2]
        columns = list(range(MOST_TARGETS)) if targets > MOST_TARGETS else None
        evaluator = evaluator_of(model, head, columns)
        compared = Compared(evaluator, options.snvs, options.indels, options.seed)
        found = {"size": size_text(model), "gain": evaluator.gain}
        found |= {"snvs_drawn": options.snvs, "indels_drawn": options.indels}
        found |= compared.of_snvs() | compared.of_indels()
        rows[name] = found
        write_json(options.out, rows)
        print(f"{row(name, found)} {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print("\n".join([_HEAD, "|" + "---|" * 8, *(row(n, f) for n, f in rows.items())]))


if __name__ == "__main__":
    main()
