#!/usr/bin/env python3
"""Shares of heritability that LDSC finds of simulated traits, through annotate and read.

Usage: seed_heritability.py OUT LDSC [TRAITS] [PEOPLE]

LDSC is the command that runs ldsc.py. A reference of 8 chromosomes and 60,000 SNPs in PLINK's
format, blocks of 50 SNPs in LD; disjoint clusters A and B (specific) and ubiquitous, about 3% of
the SNPs each; traits with h² 0.5, 30% of it from A, 29% from B, 8% from ubiquitous and the rest
from all SNPs alike; z-scores of 50,000 people by their law. Prints the truth, the estimates, and
how often the intervals hold the truth.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

CHROMS, SNPS, BLOCK, SPACING = 8, 7500, 50, 400
NAMES, SHARE = ("none", "ubiquitous", "A", "B"), np.array([0, 0.08, 0.30, 0.29])
H2, PEOPLE_GWAS, PEAK, GRID = 0.5, 50_000, 800, 2000
COMMAND = Path(__file__).parents[2] / "scripts" / "tfepi_heritability.py"


def haplotypes(rng, correlation, frequency, count):
    """Draw alleles of a block: bool [haplotypes, SNPs]."""
    ld = correlation ** np.abs(np.subtract.outer(np.arange(BLOCK), np.arange(BLOCK)))
    normal = rng.standard_normal((count, BLOCK)) @ np.linalg.cholesky(ld).T
    return normal < norm.ppf(frequency)


def write_plink(stem, chrom, position, names, genotypes):
    """Write .bed, .bim, .fam and .frq of genotypes 0, 1, 2 [people, SNPs]."""
    people = len(genotypes)
    codes = np.zeros((-(-people // 4) * 4, SNPS), np.uint8)
    codes[:people] = np.array([3, 2, 0], np.uint8)[genotypes]
    packed = (codes[0::4] | codes[1::4] << 2 | codes[2::4] << 4 | codes[3::4] << 6).T
    Path(f"{stem}.bed").write_bytes(b"\x6c\x1b\x01" + np.ascontiguousarray(packed).tobytes())
    Path(f"{stem}.fam").write_text("".join(f"f{i} i{i} 0 0 1 -9\n" for i in range(people)))
    bim = {"c": chrom, "s": names, "cm": position / 1e6, "p": position, "a": "A", "b": "G"}
    pd.DataFrame(bim).to_csv(f"{stem}.bim", sep="\t", header=False, index=False)
    frequency = genotypes.mean(axis=0) / 2
    frq = {"CHR": chrom, "SNP": names, "MAF": np.minimum(frequency, 1 - frequency)}
    pd.DataFrame(frq).to_csv(f"{stem}.frq", sep=" ", index=False)


def simulate(folder, traits, people):
    """Write the reference, clusters and GWAS; return the true share of each cluster."""
    rng, peaks, member, matrices, ids = np.random.default_rng(1), [], [], [], []
    for chrom in range(1, CHROMS + 1):
        position = np.sort(rng.choice(SNPS * SPACING - 1, SNPS, replace=False)) + 1
        of = np.zeros(SNPS, int)
        for cell in range(0, SNPS * SPACING - GRID, GRID):
            kind = rng.choice(4, p=[0.76, 0.08, 0.08, 0.08])
            start = cell + int(rng.integers(0, 300))
            if kind:
                peaks.append((f"chr{chrom}", start, start + PEAK, NAMES[kind]))
                of[(position > start) & (position <= start + PEAK)] = kind
        genotypes = np.empty((people, SNPS), np.int8)
        for low in range(0, SNPS, BLOCK):
            law = (rng.uniform(0.3, 0.95), rng.uniform(0.08, 0.5, BLOCK))
            both = haplotypes(rng, *law, 2 * people)
            genotypes[:, low : low + BLOCK] = both[:people].astype(np.int8) + both[people:]
            matrices.append(np.corrcoef(haplotypes(rng, *law, 20_000).T.astype(np.float32)))
        names = [f"rs{chrom}_{i}" for i in range(SNPS)]
        write_plink(folder / f"ref.{chrom}", chrom, position, names, genotypes)
        member.append(of)
        ids += names
    table = pd.DataFrame(peaks, columns=["chrom", "start", "end", "cluster"])
    table.to_csv(folder / "clusters.tsv", sep="\t", index=False)
    sizes = "".join(f"chr{c}\t{SNPS * SPACING}\n" for c in range(1, CHROMS + 1))
    (folder / "chrom.sizes").write_text(sizes)
    of = np.concatenate(member)
    count, rest = np.bincount(of, minlength=4), 1 - SHARE.sum()
    variance = H2 * (SHARE / count)[of] + H2 * rest / len(of)
    roots = [np.linalg.eigh(matrix) for matrix in matrices]
    for trait in range(traits):
        beta = rng.standard_normal(len(of)) * np.sqrt(variance)
        z = np.empty(len(of))
        for number, (matrix, (value, vector)) in enumerate(zip(matrices, roots, strict=True)):
            at = slice(number * BLOCK, (number + 1) * BLOCK)
            noise = vector @ (np.sqrt(np.maximum(value, 0)) * rng.standard_normal(BLOCK))
            z[at] = np.sqrt(PEOPLE_GWAS) * matrix @ beta[at] + noise
        gwas = pd.DataFrame({"SNP": ids, "A1": "A", "A2": "G", "Z": z, "N": PEOPLE_GWAS})
        gwas.to_csv(folder / f"trait{trait}.sumstats.gz", sep="\t", index=False)
    return dict(zip(NAMES, SHARE + rest * count / len(of), strict=True))


def main(out, ldsc, traits=40, people=2000):
    """Simulate, annotate, run LDSC, read, print."""
    folder = Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    truth = simulate(folder, int(traits), int(people))

    def run(*words):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run([*map(str, words)], check=True, env=os.environ | {"LDSC": ldsc}, **quiet)

    for chrom in range(1, CHROMS + 1):
        stem = folder / f"ref.{chrom}"
        run(ldsc, "--l2", "--bfile", stem, "--ld-wind-cm", 1, "--out", folder / f"w.{chrom}")
    bims = [folder / f"ref.{c}.bim" for c in range(1, CHROMS + 1)]
    stats = [f"trait{t}={folder}/trait{t}.sumstats.gz" for t in range(int(traits))]
    given = ["--clusters", folder / "clusters.tsv", "--bim", *bims, "--assembly", "simulated"]
    given += ["--chrom_sizes", folder / "chrom.sizes", "--weights", f"{folder}/w."]
    given += ["--frq", f"{folder}/ref.", "--sumstats", *stats, "-o", folder / "annotation"]
    run(sys.executable, COMMAND, "annotate", *given, "--overwrite")
    run("sh", folder / "annotation" / "commands.sh")
    results = [f"trait{t}={folder}/annotation/results/trait{t}.results" for t in range(int(traits))]
    more = ["--annotation", folder / "annotation", "-o", folder / "read", "--overwrite"]
    run(sys.executable, COMMAND, "read", *results, *more)
    found = json.loads((folder / "read" / "heritability.json").read_text())
    rows = found["traits"]
    wanted = {"specific": truth["A"] + truth["B"], "ubiquitous": truth["ubiquitous"]}
    for group, value in wanted.items():
        share, error = (np.array([r[group][k] for r in rows]) for k in ("share", "se"))
        inside = np.mean(np.abs(share - value) < 1.96 * error)
        print(
            f"{group}: truth {value:.1%}, mean of estimates {share.mean():.1%}, their spread "
            f"{share.std(ddof=1):.1%}, mean standard error {error.mean():.1%}, truth within the "
            f"interval {inside:.0%} of {len(rows)}"
        )
    ratio = wanted["specific"] / wanted["ubiquitous"]
    inside = np.mean([r["ratio_interval"][0] < ratio < r["ratio_interval"][1] for r in rows])
    mean = found["mean"]
    print(f"ratio: truth {ratio:.2f}, of means {mean['ratio']:.2f}, within {inside:.0%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
