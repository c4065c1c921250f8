"""How well each procedure tells which allele of a site is more accessible, and where.

Source: Kathail et al. (2023), section 3.4, B.2 and Figures 1c and 4b.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfepi.allelic.analysis import DIRECTION, IMBALANCE, Analysis
from tfepi.allelic.seen_sites import ALL, SEEN
from tfepi.allelic.tasks import SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.procedure_estimates import over_seeds
from tfepi.specificity.procedures import Procedure

TASKS = {"auroc_imbalance": IMBALANCE, "auroc_imbalanced_direction": DIRECTION}
MATCHED = "auroc_direction"


@dataclass(frozen=True)
class Aurocs:
    """What every procedure and seed tells of the sites.

    Attributes:
        analyses: (procedure, seed, sample) → `allelic.analysis.Analysis`.
        left_out: reason → rows of the counts that are no heterozygous sites of the genome.
        label: sample → "train" and the like of the windows that hold a site, or "".
    """

    analyses: Mapping[tuple[Procedure, int, str], Analysis]
    left_out: Mapping[str, int]
    label: Mapping[str, np.ndarray]

    def matched(self) -> dict[tuple[Procedure, str], dict[int, float]]:
        """Return (procedure, "specific" or "ubiquitous") → seed → AUROC of the direction.

        Of all sites in peaks of the kind, both with the same distribution of imbalance; the mean
        over samples. Left out where there are too few sites.
        """
        found: dict[tuple[Procedure, str], dict[int, list[float]]] = {}
        for (procedure, seed, _), analysis in self.analyses.items():
            for group, value in matched_aurocs(analysis).items():
                found.setdefault((procedure, group), {}).setdefault(seed, []).append(value)
        return {k: {s: float(np.mean(v)) for s, v in of.items()} for k, of in found.items()}

    def rows(self) -> list[tuple]:
        """Return rows of procedures.tsv (`procedure_tables.COLUMNS`): every AUROC there is."""
        rows = []
        for (procedure, seed, sample), analysis in self.analyses.items():
            for subset, tasks in analysis.tasks.items():
                for cell, of in tasks.items():
                    for name, task in TASKS.items():
                        n = of[task]["positives"] + of[task]["negatives"]
                        place = (name, subset, cell, sample, n, of[task]["auroc"]["value"])
                        rows.append((procedure.name, seed, *place))
            for cell, clusters in analysis.clusters[ALL].items():
                for cluster in clusters:
                    of = cluster["all"]
                    n = of["positives"] + of["negatives"]
                    place = ("auroc_cluster_direction", cluster["cluster"], cell, sample, n)
                    rows.append((procedure.name, seed, *place, of["auroc"]["value"]))
            sites = _matched(analysis)["sites"] if _matched(analysis) else 0
            for group, value in matched_aurocs(analysis).items():
                proxy = analysis.predicted.proxy
                rows.append((procedure.name, seed, MATCHED, group, proxy, sample, sites, value))
        return rows

    def why_unmatched(self) -> str:
        """Return why a sample has no AUROC in specific and ubiquitous peaks, in words."""
        notes = {s["sample"]: s["note"] for s in self.to_json()["samples"] if s["note"]}
        return "; ".join(f"{name}: {n}" if name else n for name, n in notes.items())

    def to_json(self) -> dict:
        """Return what procedures.json says of the sites: counts, proxies, AUROCs over seeds."""
        first = next(iter(self.analyses.values()))
        samples = []
        for name, of in {n: a for (_, _, n), a in self.analyses.items()}.items():
            cluster, held = of.cluster, ~np.isin(self.label[name], SEEN)
            samples.append(
                {
                    "sample": name,
                    "sites": len(of.tested.sites),
                    "in_training_windows": int((~held).sum()),
                    "imbalanced": int(of.sets[ALL].positive.sum()),
                    "specific": int(((cluster != "") & (cluster != UBIQUITOUS)).sum()),
                    "ubiquitous": int((cluster == UBIQUITOUS).sum()),
                    "predicted_by": of.predicted.proxy,
                    "note": (_matched(of) or {}).get("note")
                    or (None if _matched(of) else "no sites in specific or in ubiquitous peaks"),
                }
            )
        aurocs = self.matched()
        return {
            "reads_above": int(first.tested.sites.reads.min()) - 1,
            "left_out": dict(self.left_out),
            "samples": samples,
            MATCHED: [
                {"procedure": p.name, "group": group, "auroc": over_seeds(values)}
                for (p, group), values in aurocs.items()
            ],
            **{name: self._task(task) for name, task in TASKS.items()},
        }

    def _task(self, task: str) -> list[dict]:
        values: dict[Procedure, dict[int, list[float]]] = {}
        for (procedure, seed, _), analysis in self.analyses.items():
            value = analysis.tasks[ALL][analysis.predicted.proxy][task]["auroc"]["value"]
            if value is not None:
                values.setdefault(procedure, {}).setdefault(seed, []).append(value)
        return [
            {
                "procedure": p.name,
                "auroc": over_seeds({s: float(np.mean(v)) for s, v in of.items()}),
            }
            for p, of in values.items()
        ]


def matched_aurocs(analysis: Analysis) -> dict[str, float]:
    """Return "specific" and "ubiquitous" → AUROC of the direction at the same imbalances."""
    of = _matched(analysis)
    if of is None or of["note"]:
        return {}
    return {group: of[group]["auroc"] for group in (SPECIFIC, UBIQUITOUS)}


def _matched(analysis: Analysis) -> dict | None:
    rows = analysis.clusters[ALL][analysis.predicted.proxy]
    return next((r.get("matched") for r in rows if r["cluster"] == SPECIFIC), None)
