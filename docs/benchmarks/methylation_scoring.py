#!/usr/bin/env python3
"""tfepi_methylation.py variants beside calls pair by pair: windows per pair, pairs per CPU-s.

python docs/benchmarks/methylation_scoring.py [--variants 120] [--runs 5] [--memory 20000]

A genome with the CpGs of the human one (1 in 100 bp), a variant every 100 bp (every tenth an
indel), a small INTERACT of 2,001 bp with untrained weights. Pair by pair is the plain loop:
for each variant and each CpG within 1,000 bp two sequences by string operations, and a call of the
model for each. Both have their model loaded and traced before the clock starts; ours includes
all it reads, checks and writes. CPU-seconds of the whole process, runs in turn.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.methylation.variant_options import MethylationScoring
from tfepi.methylation.variant_scoring import score_methylation
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.genome import decode, encode
from tfrecords_tools.targets import Target

LENGTH, REACH, SPACING = 2001, 1000, 100
TASKS = 21
CONTENT = [0.295, 0.205, 0.205, 0.295]  # of A, C, G, T
KEPT_SHARE = 0.24  # of the CpGs that chance makes
SIZES = {"kernels": 32, "hidden": 64, "layers": 2, "attention_heads": 4, "feed_forward": 128}


def write_inputs(folder: Path, variants: int) -> tuple[str, list[tuple[int, str, str]]]:
    """Write genome.fa and in.vcf; return the sequence and (0-based position, REF, ALT)."""
    rng = np.random.default_rng(1)
    bases = rng.choice(4, (variants + 20) * SPACING, p=CONTENT).astype(np.uint8)
    cpgs = np.flatnonzero((bases[:-1] == 1) & (bases[1:] == 2))
    bases[cpgs[rng.random(len(cpgs)) > KEPT_SHARE]] = 3
    sequence = decode(bases)
    (folder / "genome.fa").write_text(f">chr1\n{sequence}\n")
    found, lines = [], ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    for number in range(variants):
        at = 10 * SPACING + number * SPACING + int(rng.integers(0, SPACING))
        ref = sequence[at]
        alt = "ACGT"[("ACGT".index(ref) + int(rng.integers(1, 4))) % 4]
        if number % 20 == 9:  # the last bases differ, so that only the first is shared
            alt = ref + "".join(rng.choice(list("ACGT"), int(rng.integers(0, 8)))) + alt
        elif number % 20 == 19:
            length = 2 + next(n for n in range(20) if sequence[at + 1 + n] != ref)
            ref, alt = sequence[at : at + length], ref
        found.append((at, ref, alt))
        lines.append(f"chr1\t{at + 1}\tv{number}\t{ref}\t{alt}\t.\t.\t.")
    (folder / "in.vcf").write_text("\n".join(lines) + "\n")
    return sequence, found


def spec() -> ModelSpec:
    heads = (Head("main", tuple(Target(i, f"s{i}") for i in range(TASKS)), "beta"),)
    extra = {"kind": "methylation"}
    return ModelSpec("interact", {"sequence": (LENGTH, 4)}, 1, LENGTH // 2, heads, extra=extra)


def pair_by_pair(predict, sequence: str, variants) -> dict[tuple[int, int], np.ndarray]:
    """Return (variant, position of the C) → ALT − REF of kept CpGs, one call per window."""
    half, pad = LENGTH // 2, "N" * LENGTH
    padded = pad + sequence + pad

    def ask(text: str, c: int) -> np.ndarray:
        window = encode(text[c - half : c + half + 1])
        return predict({"sequence": window[None]})["main"][0, 0]

    found = {}
    for number, (position, ref, alt) in enumerate(variants):
        at = position + len(pad)
        edited = padded[:at] + alt + padded[at + len(ref) :]
        shared = 0 if len(ref) == len(alt) else 1  # the base that VCF puts before an indel
        start, end = at + shared, at + len(ref)
        for c in range(start - REACH, end + REACH):
            if padded[c : c + 2] != "CG":
                continue
            moved = c if c < start else c + len(alt) - len(ref)
            if (c < start or c >= end) and edited[moved : moved + 2] == "CG":
                found[number, c - len(pad)] = ask(edited, moved) - ask(padded, c)
    return found


def measure(variants: int, runs: int) -> None:
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    from tfepi.models import interact
    from tfepi.predictors import KerasPredictor

    class Counted:
        """A predictor that counts the windows it is asked for."""

        def __init__(self, predictor):
            self.spec, self._predictor, self.windows = predictor.spec, predictor, 0

        def predict(self, inputs):
            self.windows += len(inputs["sequence"])
            return self._predictor.predict(inputs)

    keras.utils.set_random_seed(1)
    model = interact(input_length=LENGTH, targets=TASKS, head_hidden=64, **SIZES)
    one = Counted(KerasPredictor(model, spec(), 1))
    many = Counted(KerasPredictor(model, spec(), 64))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sequence, records = write_inputs(folder, variants)
        blank = np.zeros((1, LENGTH), np.uint8)
        for predictor in (one, many):
            predictor.predict({"sequence": blank})
            predictor.windows = 0
        times = {"ours": [], "pair by pair": []}
        for run in range(runs):
            began = time.process_time()
            score_methylation(
                lambda: many,
                spec(),
                folder / "in.vcf",
                folder / "genome.fa",
                folder / f"out{run}",
                MethylationScoring(REACH, pairs=True, batch_size=64),
                quiet=True,
            )
            times["ours"].append(time.process_time() - began)
            began = time.process_time()
            plain = pair_by_pair(one.predict, sequence, records)
            times["pair by pair"].append(time.process_time() - began)
        table = pd.read_parquet(folder / "out0" / "pairs.parquet")
    created = int((table["kind"] == "created").sum())
    table = table[table["kind"] == "kept"]
    keys = list(zip(table["id"].str[1:].astype(int), table["cpg"] - 1, strict=True))
    assert sorted(keys) == sorted(plain), "not the same pairs"
    ours = table[[f"s{t}_diff" for t in range(TASKS)]].to_numpy()
    theirs = np.array([plain[key] for key in keys])
    pairs = len(keys)
    print(f"{variants} variants, {pairs} pairs of variant and CpG, {created} of a created CpG")
    print(f"windows per pair: ours {many.windows / runs / pairs:.3f}", end=" ")
    print(f"(without those created {(many.windows / runs - created) / pairs:.3f}),", end=" ")
    print(f"pair by pair {one.windows / runs / pairs:.3f}")
    for label, seconds in times.items():
        print(f"{label}: {pairs / statistics.median(seconds):.1f} pairs per CPU-s, runs", end=" ")
        print(" ".join(f"{pairs / s:.1f}" for s in seconds))
    ratios = [b / a for a, b in zip(*times.values(), strict=True)]
    print(f"ratio: {statistics.median(ratios):.2f}, runs", " ".join(f"{r:.2f}" for r in ratios))
    print(f"largest difference {np.abs(ours - theirs).max():.2g} of effects up to", end=" ")
    print(f"{np.abs(theirs).max():.2g}")


class Cheap:
    """A model that costs nothing: a weighted sum of a few bases near the middle."""

    spec = spec()

    def predict(self, inputs):
        bases = inputs["sequence"][:, ::100].astype(np.float32)
        weights = np.random.default_rng(1).normal(size=(bases.shape[1], TASKS)).astype(np.float32)
        return {"main": 1 / (1 + np.exp(-(bases - 2) @ weights))[:, None]}


def measure_memory(folder: Path, variants: int) -> None:
    """Score what lies in a folder with the cheap model; print the peak memory of this process."""
    began = time.process_time()
    files = (folder / "in.vcf", folder / "genome.fa", folder / "out")
    score_methylation(Cheap, spec(), *files, MethylationScoring(REACH), quiet=True)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{variants} variants: peak {peak:.0f} MiB, {1000 * seconds / variants:.2f} CPU-ms each")


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--variants", type=int, default=120)
    p.add_argument("--runs", type=int, default=5)
    p.add_argument("--memory", type=int, default=20_000, help="variants; then four times as many")
    p.add_argument("--memory_of", metavar="FOLDER", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.memory_of:
        measure_memory(Path(args.memory_of), args.variants)
        return
    if args.variants:
        measure(args.variants, args.runs)
    for count in (args.memory, 4 * args.memory) if args.memory else ():
        with tempfile.TemporaryDirectory() as folder:
            write_inputs(Path(folder), count)
            what = ["--memory_of", folder, "--variants", str(count)]
            subprocess.run([sys.executable, __file__, *what], check=True, env=os.environ)


if __name__ == "__main__":
    main()
