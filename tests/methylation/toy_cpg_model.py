"""A model of one CpG's methylation, and the plainest way to score a variant by it."""

import numpy as np

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.genome import encode, one_hot
from tfrecords_tools.targets import Target

LENGTH, HALF, TASKS = 41, 20, ("brain", "blood", "saliva")
_PAD = 200


def toy_spec(**changes) -> ModelSpec:
    heads = (Head("main", tuple(Target(i, t) for i, t in enumerate(TASKS)), "beta"),)
    values = {
        "name": "toy",
        "inputs": {"sequence": (LENGTH, 4)},
        "bin_width": 1,
        "crop": HALF,
        "heads": heads,
        "extra": {"kind": "methylation"},
    }
    return ModelSpec(**(values | changes))


def toy_values(sequences: np.ndarray) -> np.ndarray:
    """Return a value per task that depends on every base and its place: [n, 1, tasks]."""
    weights = np.random.default_rng(5).normal(0, 0.4, (LENGTH, 4, len(TASKS))).astype(np.float32)
    return 1 / (1 + np.exp(-np.einsum("nlc,lct->nt", sequences, weights)))[:, None]


class CountingPredictor(CallablePredictor):
    """The toy model; keeps how many sequences each call had."""

    def __init__(self, spec=None, function=toy_values):
        super().__init__(function, spec or toy_spec())
        self.calls = []

    def predict(self, inputs):
        self.calls.append(len(inputs["sequence"]))
        return super().predict(inputs)


def predicted(window: str) -> np.ndarray:
    assert len(window) == LENGTH
    return toy_values(one_hot(encode(window))[None])[0, 0]


def plain_cpgs(sequence: str, pos: int, ref: str, alt: str, reach: int) -> list[dict]:
    """Every CpG around one ALT, base by base: its kind, 1-based place and both windows.

    `pos` is 1-based and the chromosome holds REF there.
    """
    padded = "N" * _PAD + sequence + "N" * _PAD
    at = pos - 1 + _PAD
    assert padded[at : at + len(ref)].upper() == ref
    sides = [padded.upper(), (padded[:at] + alt + padded[at + len(ref) :]).upper()]
    start, old, new = at, ref, alt
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    while old and new and old[0] == new[0]:
        old, new, start = old[1:], new[1:], start + 1
    lengths = [len(old), len(new)]
    found = []
    for side in (0, 1):
        own, other = lengths[side], lengths[1 - side]
        for i in range(start - reach, start + own + reach):
            if sides[side][i : i + 2] != "CG":
                continue
            if i < start:
                place, same = i, True
            elif i >= start + own:
                place, same = i - own + other, True
            else:
                place, same = min(i, start + other), own == other
            stays = same and sides[1 - side][place : place + 2] == "CG"
            if side == 1 and stays:
                continue
            places = (i, place) if side == 0 else (place, i)
            found.append(
                {
                    "kind": "kept" if stays else ("destroyed", "created")[side],
                    "cpg": places[0] - _PAD + 1,
                    "windows": [
                        s[p - HALF : p + HALF + 1] for s, p in zip(sides, places, strict=True)
                    ],
                }
            )
    return sorted(
        found, key=lambda c: (c["cpg"], ["kept", "destroyed", "created"].index(c["kind"]))
    )


def published(sequence: str, snps: list[tuple[int, str, str]]) -> dict[tuple[int, str], list]:
    """What INTERACT's read_variant.py and Fine_mapping.py do, with a chromosome as one chunk.

    Returns:
        (1-based position of the SNP, task) → [cpg_pos, snp_pos, ref, ref level, alt, alt level,
        |difference|].
    """
    best = {}
    sites, index = [], sequence.find("CG", 0)
    while index >= 0:
        sites.append(index + 1)
        index = sequence.find("CG", index + 1)
    for snp_pos, ref, alt in snps:
        for cpg_pos in sites:
            if abs(snp_pos - cpg_pos) > HALF:
                continue
            content = sequence[cpg_pos - HALF - 1 : cpg_pos + HALF]
            while len(content) < LENGTH:
                content += "N"
            changed = list(content)
            changed[HALF + snp_pos - cpg_pos] = alt
            before, after = predicted(content), predicted("".join(changed))
            for t, task in enumerate(TASKS):
                size = abs(after[t] - before[t])
                old = best.get((snp_pos, task))
                if old is None or old[6] < size:
                    row = [cpg_pos, snp_pos, ref, before[t], alt, after[t], size]
                    best[snp_pos, task] = row
    return best
