"""Marginal associations of simulated array CpGs with the variants around them (mQTLs)."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr
from scipy.stats import false_discovery_control

from tfepi.simulate.methylation import Tissue
from tfepi.simulate.methylation_array import Probes, betas_of_people, true_difference
from tfepi.simulate.methylation_contig import Contig

DISTANCE = 20_000
NOISE = 0.1
RARE = 0.02
FDR = 0.05
CAUSAL = 0.02  # of beta
HEADER = "SNP\tCHR\tPOS\tA1\tA2\tCPG_POS\tTISSUE\tBETA\tSE\tP\tFDR\tCAUSAL\tDESTROYED\n"


@dataclass(frozen=True)
class Associations:
    """Pairs of variant and probe of a chromosome, tested in a tissue; each an array [pairs].

    Attributes:
        variant: number of the variant on the chromosome.
        probe: number of the probe on it.
        beta: change of the probe's beta per copy of ALT.
        error: standard error of that.
        p: two-sided.
    """

    variant: np.ndarray
    probe: np.ndarray
    beta: np.ndarray
    error: np.ndarray
    p: np.ndarray


def regressions(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return slope, standard error and two-sided p of y on each row of x by itself.

    Args:
        x: dosages, float64 [variants, people], none of them constant.
        y: float64 [people].
    """
    x = x - x.mean(axis=1, keepdims=True)
    y = y - y.mean()
    squares = np.einsum("vp,vp->v", x, x)
    slope = x @ y / squares
    freedom = len(y) - 2
    error = np.sqrt(np.maximum(y @ y - slope**2 * squares, 1e-300) / freedom / squares)
    return slope, error, 2 * stdtr(freedom, -np.abs(slope / error))


def associate(
    contig: Contig,
    probes: Probes,
    haplotypes: np.ndarray,
    tissue: Tissue,
    rng: np.random.Generator,
) -> Associations:
    """Return the associations of every probe with the common variants within 20 kb.

    Args:
        contig: the chromosome.
        probes: on it.
        haplotypes: of the people, uint8 [people, 2, variants].
        tissue: that is measured.
        rng: source of the noise, of a standard deviation of 0.1.
    """
    betas = betas_of_people(probes, haplotypes, tissue)
    betas = np.clip(betas + NOISE * rng.standard_normal(betas.shape), 0, 1)
    dosage = haplotypes.sum(axis=1).T.astype(np.float64)
    frequency = dosage.mean(axis=1) / 2
    tested = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= RARE)
    dosage, positions = dosage[tested], contig.positions[tested]
    parts = []
    first, last = np.searchsorted(positions, [probes.cpgs - DISTANCE, probes.cpgs + DISTANCE + 1])
    for k, (low, high) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        found = regressions(dosage[low:high], betas[:, k])
        parts.append((tested[low:high], np.full(high - low, k), *found))
    if not parts:
        return Associations(*np.zeros((2, 0), np.int64), *np.zeros((3, 0)))
    return Associations(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def mqtl_lines(
    contigs: list[Contig], probes: list[Probes], tests: list[Associations], tissue: Tissue
) -> list[tuple[int, int, str]]:
    """Return the table's lines of a tissue, each with the number of its chromosome and its POS.

    There is a line for every pair with a false discovery rate (Benjamini & Hochberg) below 0.05
    among all pairs of the tissue, and for every other variant that was tested the pair with its
    smallest p.

    Args:
        contigs: the chromosomes.
        probes: on each.
        tests: of each.
        tissue: that was measured.
    """
    fdr = false_discovery_control(np.concatenate([t.p for t in tests]))
    lines, start = [], 0
    for number, (contig, on, t) in enumerate(zip(contigs, probes, tests, strict=True)):
        rate = fdr[start : start + len(t.p)]
        start += len(t.p)
        truth, names = true_difference(contig, on, tissue), contig.identifiers
        destroyed = {(v, k) for k, variants in on.destroyers.items() for v in variants}
        for j in _written(t, rate).tolist():
            pair = int(t.variant[j]), int(t.probe[j])
            variant = contig.variants[pair[0]]
            causal = abs(truth.get(pair, 0.0)) > CAUSAL
            cells = [names[pair[0]], contig.name, variant.pos + 1, variant.alt, variant.ref]
            cells += [on.cpgs[pair[1]] + 1, tissue.name, f"{t.beta[j]:.6g}", f"{t.error[j]:.6g}"]
            cells += [f"{t.p[j]:.6g}", f"{rate[j]:.6g}", int(causal), int(pair in destroyed)]
            lines.append((number, variant.pos, "\t".join(map(str, cells)) + "\n"))
    return lines


def _written(tests: Associations, fdr: np.ndarray) -> np.ndarray:
    """Return which tests are written, by variant and then probe: indices."""
    chosen = fdr < FDR
    order = np.lexsort((tests.p, tests.variant))
    best = order[np.unique(tests.variant[order], return_index=True)[1]]
    has_one = np.isin(tests.variant[best], tests.variant[chosen])
    chosen[best[~has_one]] = True
    written = np.flatnonzero(chosen)
    return written[np.lexsort((tests.probe[written], tests.variant[written]))]
