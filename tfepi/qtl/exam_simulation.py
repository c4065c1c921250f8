"""Simulated fine-mapped QTLs with scores whose accuracy is known.

Causal variants lie near start sites, are frequent and in little LD, so that a score that only
knows where a variant lies tells them from others, until these are matched. The size of the true
score is exp(z), with z ~ N(μ, 1) of causal variants and N(0, 1) of others: AUROC = Φ(μ/√2). Its
sign is that of the effect with a given probability, and the effect's magnitude has a given
correlation with z (a Gaussian copula), whatever the sign. So the exam's statistics are known.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

_CHROMS = ("chr1", "chr2", "chr3", "chr4")
_GENE_BP = 50_000  # per gene, on average
_NEAR = 5_000  # bp over which causal variants become rarer by e
_BP_PER_VARIANT = 10_000


@dataclass(frozen=True)
class QtlSimulation:
    """What is simulated.

    Attributes:
        variants: scored ones.
        causal: of these.
        auroc: of the score's size, causal against others.
        sign: share of causal variants whose score has the sign of the effect.
        correlation: of z and the effect's magnitude, as normal scores.
        unmapped: share of the others that are in no row of the QTL table.
        seed: of everything.
    """

    variants: int = 20_000
    causal: int = 300
    auroc: float = 0.75
    sign: float = 0.85
    correlation: float = 0.6
    unmapped: float = 0.1
    seed: int = 44

    @property
    def truth(self) -> dict[str, float]:
        """What each statistic of `exam_accuracy.STATISTICS` but AUPRC truly is.

        Spearman's correlation of a bivariate normal is 6/π · asin(r/2) (Kruskal 1958). With signs
        that are independent of magnitudes, a rank of a signed value is (1 ± U)/2 with U the rank of
        its magnitude, and so the correlation is (2q − 1)(ρ + 3)/4.
        """
        magnitudes = 6 / np.pi * np.arcsin(self.correlation / 2)
        return {
            "auroc": self.auroc,
            "sign_accuracy": self.sign,
            "spearman": float((2 * self.sign - 1) * (magnitudes + 3) / 4),
            "spearman_abs": float(magnitudes),
        }


@dataclass(frozen=True)
class SimulatedQtls:
    """Simulated tables.

    Attributes:
        qtls: columns variant_id, gene_id, pip, slope (of effect_allele), ref, alt, chrom, pos,
            effect_allele, maf, ld_score.
        scores: columns chrom, pos, id, ref, alt, score (see above), place (knows the distance to
            the TSS alone) and causal.
        sites: start sites, columns chrom, position (0-based).
    """

    qtls: pd.DataFrame
    scores: pd.DataFrame
    sites: pd.DataFrame

    def write(self, folder: str | Path) -> dict[str, Path]:
        """Write qtls.tsv, scores.tsv and tss.bed; return the paths by these names."""
        folder = Path(folder)
        found = {name: folder / name for name in ("qtls.tsv", "scores.tsv", "tss.bed")}
        self.qtls.to_csv(found["qtls.tsv"], sep="\t", index=False)
        self.scores.drop(columns="causal").to_csv(found["scores.tsv"], sep="\t", index=False)
        bed = self.sites.assign(end=self.sites["position"] + 1)
        bed.to_csv(found["tss.bed"], sep="\t", index=False, header=False)
        return found


def simulate_qtls(settings: QtlSimulation = QtlSimulation()) -> SimulatedQtls:
    """Return QTLs, scores and start sites; the same settings give the same."""
    rng = np.random.default_rng(settings.seed)
    count = settings.variants
    length = count * _BP_PER_VARIANT // len(_CHROMS)
    everywhere = rng.choice(length * len(_CHROMS), count + 100)
    of, place = np.divmod(np.unique(everywhere)[:count], length)
    sites = [np.sort(rng.integers(0, length, max(2, length // _GENE_BP))) for _ in _CHROMS]
    distance = np.array([np.abs(sites[c] - p).min() for c, p in zip(of, place, strict=True)])
    maf = rng.uniform(0.02, 0.5, count)
    ld = rng.gamma(2, 30, count)
    weight = np.exp(-distance / _NEAR) * maf / (20 + ld)
    causal = np.zeros(count, bool)
    causal[rng.choice(count, settings.causal, replace=False, p=weight / weight.sum())] = True

    z = rng.normal(0, 1, count)
    mixed = settings.correlation * z + np.sqrt(1 - settings.correlation**2) * rng.normal(
        0, 1, count
    )
    sign = rng.choice([-1.0, 1.0], count)
    agree = np.where(rng.random(count) < settings.sign, 1, -1)
    effect = np.where(causal, sign * np.exp(0.5 * mixed), 0)
    size = np.exp(z + np.where(causal, np.sqrt(2) * norm.ppf(settings.auroc), 0))
    ref = rng.integers(0, 4, count)
    letters = np.array(list("ACGT"))
    scores = pd.DataFrame({"chrom": np.array(_CHROMS)[of], "pos": place + 1})
    scores["id"] = [f"rs{n}" for n in range(count)]
    scores["ref"], scores["alt"] = letters[ref], letters[(ref + rng.integers(1, 4, count)) % 4]
    scores["score"], scores["place"] = sign * agree * size, 1 / (1 + distance)
    scores["causal"] = causal
    table = scores.drop(columns=["score", "place", "id"]).assign(maf=maf, ld_score=ld)
    qtls = _fine_mapped(table, effect, rng, settings)
    places = [(c, s) for c, own in zip(_CHROMS, sites, strict=True) for s in own]
    return SimulatedQtls(qtls, scores, pd.DataFrame(places, columns=["chrom", "position"]))


def _fine_mapped(
    table: pd.DataFrame, effect: np.ndarray, rng: np.random.Generator, settings: QtlSimulation
) -> pd.DataFrame:
    """Return rows of variants: of causal ones two, the second with less PIP and another effect."""
    causal, count = table["causal"].to_numpy(), len(table)
    pip = np.where(causal, rng.uniform(0.9, 1, count), rng.uniform(0, 0.01, count))
    unclear = ~causal & (rng.random(count) < 0.02)  # neither
    pip[unclear] = rng.uniform(0.01, 0.9, unclear.sum())
    shown = np.where(causal, effect, rng.normal(0, 0.1, count))
    of_ref = rng.random(count) < 0.5
    found = table.drop(columns="causal").assign(pip=pip.round(6), slope=shown)
    found["effect_allele"] = np.where(of_ref, found["ref"], found["alt"])
    found["slope"] *= np.where(of_ref, -1, 1)
    found["gene_id"] = [f"G{n // 50}" for n in range(count)]
    again = found[causal].assign(pip=0.2, gene_id="other", slope=-found.loc[causal, "slope"])
    kept = found[causal | (rng.random(count) >= settings.unmapped)]
    return pd.concat([kept, again]).sample(frac=1, random_state=settings.seed)
