"""CpGs on a simulated array, and their betas in people by the people's genotypes."""

from dataclasses import dataclass

import numpy as np

from tfepi.simulate.effects import STRONG
from tfepi.simulate.methylation import FEATURES, Tissue, sigmoid
from tfepi.simulate.methylation_contig import Contig
from tfepi.simulate.methylation_variants import Landscape, among

PROBE_SHARE = 0.07
_NEAR_SITE = 200
_ISLAND_WEIGHT, _SITE_WEIGHT = 4.0, 2.0


@dataclass(frozen=True)
class Probes:
    """The CpGs of a chromosome that an array measures, with the variants that act on them.

    Attributes:
        cpgs: positions, ascending, int64 [probes].
        first: number of the first of them among the genome's.
        features: of the reference, float64 [probes, features].
        start: bounds of each probe's variants in the next two, int64 [probes + 1].
        variant: number of the variant on the chromosome, int64 [n].
        delta: what it changes of the probe's features, float64 [n, features].
        destroyers: probe → variants that make it no CpG.
    """

    cpgs: np.ndarray
    first: int
    features: np.ndarray
    start: np.ndarray
    variant: np.ndarray
    delta: np.ndarray
    destroyers: dict[int, list[int]]

    @property
    def names(self) -> list[str]:
        """Names of the probes."""
        return [f"cg{self.first + n:08d}" for n in range(len(self.cpgs))]


def choose_probes(landscape: Landscape, rng: np.random.Generator) -> np.ndarray:
    """Return the CpGs of an array, ascending: about 7%, more of them in islands and at sites.

    Args:
        landscape: of the chromosome.
        rng: source of the choice.
    """
    cpgs = landscape.cpgs
    strong = landscape.sites.centre[landscape.sites.strength > STRONG]
    low, high = np.searchsorted(strong, [cpgs - _NEAR_SITE, cpgs + _NEAR_SITE])
    weight = 1 + _ISLAND_WEIGHT * landscape.features[:, 0] + _SITE_WEIGHT * (high > low)
    count = round(PROBE_SHARE * len(cpgs))
    return np.sort(rng.choice(cpgs, count, replace=False, p=weight / weight.sum()))


def make_probes(contig: Contig, cpgs: np.ndarray, first: int) -> Probes:
    """Return the probes of some CpGs.

    Args:
        contig: the chromosome.
        cpgs: positions, ascending, int64 [probes].
        first: number of the first of them among the genome's.
    """
    every = contig.effects
    changed = np.concatenate([np.zeros(0, np.int64), *(e.cpgs for e in every)])
    delta = np.concatenate([np.zeros((0, FEATURES)), *(e.delta for e in every)])
    variant = np.repeat(np.arange(len(every)), [len(e.cpgs) for e in every])
    measured = np.flatnonzero(among(changed, cpgs))
    chosen = measured[np.argsort(changed[measured], kind="stable")]
    destroyers: dict[int, list[int]] = {}
    for number, effect in enumerate(every):
        for cpg in effect.destroyed[among(effect.destroyed, cpgs)].tolist():
            destroyers.setdefault(int(np.searchsorted(cpgs, cpg)), []).append(number)
    return Probes(
        cpgs=cpgs,
        first=first,
        features=contig.landscape.features_of(cpgs),
        start=np.searchsorted(changed[chosen], np.append(cpgs, np.iinfo(np.int64).max)),
        variant=variant[chosen],
        delta=delta[chosen],
        destroyers=destroyers,
    )


def betas_of_people(
    probes: Probes, haplotypes: np.ndarray, tissue: Tissue, factors: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return beta of each person at each probe, without noise: float64 [people, probes].

    Beta is the mean of a person's two chromosomes. Of a chromosome, the variants' changes of the
    law's features add up, which is exact but for two variants that change one island's CpGs, and
    for indels between a site and a CpG; one that has lost the CpG counts as unmethylated, as
    bisulfite makes it appear.

    Args:
        probes: of the chromosome.
        haplotypes: uint8 [people, 2, variants], 1 for ALT.
        tissue: that is measured.
        factors: on the tissue's levels, [people, motifs] where people differ.
    """
    count = len(haplotypes)
    factors = np.broadcast_to(factors, (count, FEATURES - 1))
    weights = np.stack([tissue.weights(f) for f in factors])
    logits = tissue.base + weights @ probes.features.T
    betas = np.empty((count, len(probes.cpgs)))
    for k, (low, high) in enumerate(zip(probes.start[:-1], probes.start[1:], strict=True)):
        carried = haplotypes[:, :, probes.variant[low:high]]
        added = np.einsum("phv,pv->ph", carried, weights @ probes.delta[low:high].T)
        beta = sigmoid(logits[:, k, None] + added)
        if k in probes.destroyers:
            beta *= ~haplotypes[:, :, probes.destroyers[k]].any(axis=2)
        betas[:, k] = beta.mean(axis=1)
    return betas


def true_difference(contig: Contig, probes: Probes, tissue: Tissue) -> dict[tuple[int, int], float]:
    """Return (variant, probe) → change of beta on the reference; minus beta where it is destroyed.

    Args:
        contig: the chromosome.
        probes: on it.
        tissue: that is measured.
    """
    probe = np.repeat(np.arange(len(probes.cpgs)), np.diff(probes.start))
    before = probes.features[probe]
    change = tissue.betas(before + probes.delta) - tissue.betas(before)
    keys = zip(probes.variant.tolist(), probe.tolist(), strict=True)
    found = dict(zip(keys, change.tolist(), strict=True))
    base = tissue.betas(probes.features)
    for k, variants in probes.destroyers.items():
        found |= {(v, k): -float(base[k]) for v in variants}
    return found
