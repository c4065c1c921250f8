"""A served model that is a plain sum, answering each signature one text at a time."""

import json

import numpy as np

from tfepi.spec import Head, ModelSpec
from tfrecords_tools.genome import encode, one_hot
from tfrecords_tools.targets import Target

LENGTH, BIN, CROP, BINS = 64, 8, 8, 6
NAMES = ("T0", "T1", "T2")
INDEX = LENGTH // 2 - 1


class BadRequest(Exception):
    """What a server answers INVALID_ARGUMENT to."""


def spec() -> ModelSpec:
    targets = tuple(Target(n, name, description=f"track {n}") for n, name in enumerate(NAMES))
    return ModelSpec("toy", {"sequence": (LENGTH, 4)}, BIN, CROP, (Head("main", targets),))


def values(codes: np.ndarray, seed: int = 1) -> np.ndarray:
    """Return a positive value per bin and target that depends on each base and its place."""
    weights = np.random.default_rng(seed).uniform(0.05, 1, (BIN, 4, len(NAMES)))
    inner = codes[:, CROP : CROP + BINS * BIN].reshape(len(codes), BINS, BIN, 4)
    return np.einsum("nbwc,wct->nbt", inner, weights.astype(np.float32)).astype(np.float32)


class ToyServed:
    """Answers signatures of the toy model.

    Args:
        stats: of ALL.
        scored: names of the targets that are scored.
        batch: the only number of rows, or None.
        seed: of the weights.
        changes: of the metadata.
    """

    ALL = ("SAD", "D1", "REF", "ALT")

    def __init__(self, stats=("SAD", "D1"), scored=NAMES, batch=None, seed=1, **changes):
        self.stats, self.batch, self.seed = stats, batch, seed
        self.columns = [NAMES.index(name) for name in scored]
        targets = [t.to_json() for t in spec().heads[0].targets]
        head = {"name": "main", "units": "coverage", "targets": targets}
        head["scored"] = [targets[n] for n in self.columns]
        self.metadata = {
            "format": "tfepi-served-model",
            "format_version": 1,
            "model": "toy",
            "kind": "coverage",
            "model_sha256": f"{seed:064d}",
            "inputs": {},
            "batch_size": batch,
            "seq_length": LENGTH,
            "bin_width": BIN,
            "crop": CROP,
            "target_length": BINS,
            "rc": False,
            "indel_align": "stitch",
            "stats": list(stats),
            "longest_allele": LENGTH,
            "heads": [head],
            "notes": [],
        } | changes

    def predict(self, text: str) -> np.ndarray:
        """Return float32 [bins, targets] of a sequence."""
        if len(text) != LENGTH:
            raise BadRequest(f"sequence has {len(text)} letters: want {LENGTH}")
        return values(one_hot(encode(text))[None], self.seed)[0]

    def compare(self, ref: np.ndarray, alt: np.ndarray) -> dict[str, np.ndarray]:
        """Return the statistics of two predictions."""
        found = {"SAD": alt.sum(0) - ref.sum(0), "D1": np.abs(alt - ref).sum(0)}
        found |= {"REF": ref, "ALT": alt}
        return {name: found[name][..., self.columns] for name in self.stats}

    def alleles(self, window: str, offset: int, ref: str, alt: str) -> dict[str, np.ndarray]:
        """Return the statistics of a row of `score_alleles`, by slices of text."""
        if window[offset : offset + len(ref)] != ref:
            raise BadRequest(f"ref is {ref}, window has {window[offset : offset + len(ref)]}")
        start = offset - INDEX
        room = max(0, len(ref) - len(alt))
        if start < room or len(window) < start + LENGTH + room:
            raise BadRequest("window is too short")
        own = self.predict(window[start : start + LENGTH])
        edited = window[:offset] + alt + window[offset + len(ref) :]
        left = self.predict(edited[start : start + LENGTH])
        if len(ref) == len(alt):
            return self.compare(own, left)
        moved = start + len(alt) - len(ref)
        short = max(0, -moved)
        right, joined = self.predict(("N" * short + edited)[moved + short :][:LENGTH]), left.copy()
        for b in range(BINS):
            low = CROP + b * BIN
            if low >= INDEX + len(ref):
                joined[b] = right[b]
            elif low + BIN > INDEX:
                joined[b] = (left[b] + right[b]) / 2
        return self.compare(own, joined)

    def answer(self, signature: str, inputs: dict[str, list]) -> dict[str, list | np.ndarray]:
        """Return output → values of a request: input → rows."""
        if signature == "describe":
            return {"metadata": [json.dumps(self.metadata)] * len(inputs["row"])}
        rows = list(zip(*inputs.values(), strict=True))
        if self.batch is not None and len(rows) != self.batch:
            raise BadRequest(f"the batch is {len(rows)}: want {self.batch}")
        if signature == "predict_dna":
            return {"main": np.stack([self.predict(row[0]) for row in rows])}
        names = list(inputs)
        by_name = [dict(zip(names, row, strict=True)) for row in rows]
        if signature == "score_variants":
            found = [self.compare(self.predict(r["ref"]), self.predict(r["alt"])) for r in by_name]
        elif signature == "score_alleles":
            found = [self.alleles(**r) for r in by_name]
        else:
            raise BadRequest(f"no signature {signature}")
        return {name: np.stack([f[name] for f in found]) for name in self.stats}
