#!/usr/bin/env python3
"""Print the results of docs/benchmarks/methylation.sh as Markdown tables.

Usage: methylation_tables.py FOLDER
"""

import json
import statistics
import sys
from pathlib import Path

import numpy as np
import pandas as pd

GENOMES, TISSUES, TOP = (45, 46), ("brain", "blood"), 5
SHUFFLES = 200


def table(header: list[str], rows: list[list[str]]) -> None:
    """Print a table."""
    for row in (header, ["---"] * len(header), *rows):
        print("|", " | ".join(str(cell) for cell in row), "|")
    print()


def ranged(values: list[float]) -> str:
    """Return the mean of seeds, and the least and the most."""
    return f"{statistics.mean(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


def of_models(folder: Path) -> None:
    """Print accuracy on the held-out chromosome."""
    statistic = {
        "all values at once": ("over_all",),
        "mean of samples": ("across_positions", "mean"),
        "across samples, mean of CpGs": ("across_targets",),
    }

    def read(name: str) -> dict[str, float]:
        found = json.loads((folder / f"test_{name}" / "metrics.json").read_text())
        for label, keys in statistic.items():
            value = found
            for key in (*keys, "pearsonr"):
                value = value.get(key, {})
            yield label, value.get("value")

    rows = [["hippocampus, WGBS", "pre-trained", *(shown(v) for _, v in read("pretrained"))]]
    for tissue in TISSUES:
        for start in ("pretrained", "scratch"):
            runs = sorted(folder.glob(f"test_{tissue}_{start}*"))
            values = [dict(read(run.name.removeprefix("test_"))) for run in runs]
            cells = [ranged([v[label] for v in values]) for label in statistic]
            rows.append([f"{tissue}, array", start, *cells])
    table(["Pearson, test chromosome", "start", *statistic], rows)


def shown(value: float | None, digits: int = 3) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}"


def of_epochs(folder: Path) -> None:
    """Print the validation correlation by epoch, mean of seeds."""
    rows, epochs = [], 0
    for name in ("pretrained", *(f"{t}_{s}" for t in TISSUES for s in ("pretrained", "scratch"))):
        runs = [folder / name] if name == "pretrained" else sorted(folder.glob(f"{name}*"))
        curves = []
        for run in runs:
            lines = (run / "metrics.jsonl").read_text().splitlines()
            curves.append([json.loads(line)["valid_global_pearsonr"] for line in lines])
        means = [statistics.mean(values) for values in zip(*curves, strict=True)]
        epochs = len(means)
        rows.append([name.replace("_", ", "), *(f"{m:.3f}" for m in means)])
    table(["validation Pearson after epoch", *(str(e + 1) for e in range(epochs))], rows)


def of_mqtls(folder: Path) -> None:
    """Print how scores tell mQTLs that act from matched variants."""
    rows = []
    for tissue in TISSUES:
        for genome in GENOMES:
            for kind in ("mrv", "true"):
                name = f"{kind}_{tissue}{genome}"
                found = pd.read_csv(folder / f"overlay_{name}" / "enrichment.tsv", sep="\t")
                found = found[found["score"] == "score"]
                auroc = found[found["statistic"] == "auroc"].iloc[0]
                odds = found[found["statistic"] == "odds_ratio"].set_index("top").loc[0.01]
                low, high = auroc["block_low"], auroc["block_high"]
                cells = [f"{auroc['value']:.3f} [{low:.3f}, {high:.3f}]"]
                cells.append(f"{odds['value']:.1f} [{odds['low']:.1f}, {odds['high']:.1f}]")
                cells.append(f"{auroc['cases']}, {auroc['controls']}")
                what = "model" if kind == "mrv" else "true effects"
                rows.append([f"{tissue}, genome {genome}", what, *cells])
    header = ["mQTLs that act", "score", "AUROC", "odds ratio, top 1%", "cases, controls"]
    table(header, rows)


def of_effects(folder: Path) -> None:
    """Print how scores agree with the true effects of all variants."""
    rows = []
    for tissue in TISSUES:
        for genome in GENOMES:
            scores = pd.read_parquet(folder / f"mrv_{tissue}{genome}" / "variants.parquet")
            truth = pd.read_csv(folder / f"sim{genome}" / "effects.tsv", sep="\t")
            both = scores.merge(truth, on="id").dropna(subset=["score", f"{tissue}_max"])
            found, true = both["score"], both[f"{tissue}_max"]
            large = true > 0.1
            sign = np.sign(both["score_diff"]) == np.sign(both[f"{tissue}_diff"])
            cells = [f"{found.corr(true):.3f}", f"{found.corr(true, method='spearman'):.3f}"]
            cells += [f"{sign[large].mean():.3f}", f"{large.sum():,} of {len(both):,}"]
            rows.append([f"{tissue}, genome {genome}", *cells])
    names = ["Pearson", "Spearman", "same sign, change > 0.1", "these"]
    table(["score and true largest change", *names], rows)


def of_loci(folder: Path) -> None:
    """Print the rank of the causal variant among all variants of its locus, genomes together."""
    ranks: dict[str, list[float]] = {}
    sizes = []
    for genome in GENOMES:
        causal = pd.read_csv(folder / f"sim{genome}" / "loci.tsv", sep="\t").set_index("LOCUS")
        for kind in ("mrv", "true"):
            where = folder / f"overlay_{kind}_brain{genome}" / "candidates.tsv"
            found = pd.read_csv(where, sep="\t")
            for locus, group in found.groupby("locus"):
                line = group[group["variant"] == causal["CAUSAL"][locus]]
                if line.empty:  # the variant that acts lies outside
                    continue
                line = line.iloc[0]
                if kind == "mrv":
                    sizes.append(len(group))
                    ranks.setdefault("p", []).append(line["rank_p"])
                for column in ("score", "posterior"):
                    ranks.setdefault(f"{kind} {column}", []).append(line[f"rank_{column}"])
    middle = statistics.median(sizes)
    print(f"{len(sizes)} loci with a variant that acts, {middle:.0f} variants in the median\n")
    names = {
        "p": "p of the GWAS",
        "mrv score": "score of the model alone",
        "mrv posterior": "p and score (posterior)",
        "true score": "true effect alone",
        "true posterior": "p and true effect",
    }
    rows = []
    for key, label in names.items():
        values = np.nan_to_num(np.array(ranks[key], float), nan=np.inf)
        first, near = np.mean(values == 1), np.mean(values <= TOP)
        rows.append([label, f"{np.median(values):g}", f"{first:.0%}", f"{near:.0%}"])
    table(["causal variant by", "median rank", "first", f"in the top {TOP}"], rows)


def of_scores(folder: Path) -> None:
    """Print what polygenic scores explain with and without the prior."""
    rows = []
    for genome in GENOMES:
        for kind in ("mrv", "true"):
            where = folder / f"prs_{kind}_brain{genome}" / "r2.tsv"
            found = pd.read_csv(where, sep="\t").set_index(["cohort", "method"])
            for cohort in ("same", "other"):
                for method in ("ct", "inf"):
                    plain, prior = found.loc[(cohort, method)], found.loc[(cohort, f"{method}_mrv")]
                    gain = [f"{prior[c]:+.3f}" for c in ("gain", "gain_low", "gain_high")]
                    cells = [f"{plain['r2']:.3f}", f"{prior['r2']:.3f}"]
                    cells.append(f"{gain[0]} [{gain[1]}, {gain[2]}]")
                    what = "model" if kind == "mrv" else "true effects"
                    rows.append([genome, cohort, method, what, *cells])
    header = ["genome", "ancestry", "method", "prior from", "R² without", "R² with", "gain"]
    table(header, rows)


def read_meme(path: Path) -> dict[str, np.ndarray]:
    """Return name → letter probabilities [width, 4]."""
    found, name = {}, ""
    for line in path.read_text().splitlines():
        if line.startswith("MOTIF"):
            name = line.split()[1]
        elif line.startswith(" "):
            found.setdefault(name, []).append([float(x) for x in line.split()])
    return {name: np.array(rows) for name, rows in found.items()}


def match(matrix: np.ndarray, letters: np.ndarray, least: int = 8) -> float:
    """Return the best mean log2(4 p) of a consensus over alignments of `least` bases or more."""
    log = np.log2(4 * np.maximum(matrix, 0.01))
    best = -np.inf
    for word in (letters, 3 - letters[::-1]):
        for shift in range(least - len(word), len(matrix) - least + 1):
            low, high = max(0, shift), min(len(matrix), shift + len(word))
            if high - low >= least:
                rows = np.arange(low, high)
                best = max(best, float(log[rows, word[rows - shift]].sum()) / len(word))
    return best


def of_motifs(folder: Path) -> None:
    """Print the filter most like each planted motif.

    "chance": share of shuffles of its bases that some filter is as much like.
    """
    motifs = read_meme(folder / "motifs" / "motifs.meme")
    truth = json.loads((folder / "sim44" / "truth.json").read_text())
    found = pd.read_csv(folder / "motifs" / "motifs.tsv", sep="\t").set_index("motif")
    rng, rows = np.random.default_rng(1), []
    for name, consensus in truth["motifs"].items():
        letters = np.array(["ACGT".index(c) for c in consensus])
        scores = {filter_: match(matrix, letters) for filter_, matrix in motifs.items()}
        best = max(scores, key=scores.get)
        chance = [
            max(match(m, rng.permutation(letters)) for m in motifs.values())
            for _ in range(SHUFFLES)
        ]
        share = np.mean(np.array(chance) >= scores[best])
        line = found.loc[best]
        effect = truth["effects"][name]
        if isinstance(effect, dict):
            effect = next(iter(effect.values()))
        cells = [f"{effect:+.1f}", best, line["consensus"], line["effect"]]
        rows.append([f"{name} {consensus}", *cells, f"{scores[best]:.2f}", f"{share:.2f}"])
    header = ["planted", "true effect", "filter", "its consensus", "it", "bits per base", "chance"]
    table(header, rows)


def of_attribution(folder: Path) -> None:
    """Print whether mutagenesis of CpGs of the test chromosome finds the sites that act there.

    A base is of a site if it lies in one of a motif that acts in the hippocampus, of at least a
    third of the full strength; bases in weaker ones and in the CpG itself do not count.
    """
    bases = pd.read_csv(folder / "attribution" / "attribution.tsv", sep="\t")
    bases = bases[~bases["distance"].isin((0, 1))]
    truth = json.loads((folder / "sim44" / "truth.json").read_text())
    levels = truth["tissues"][0]["levels"]
    names = ["chrom", "start", "end", "motif", "strength", "strand"]
    sites = pd.read_csv(folder / "sim44" / "sites.bed", sep="\t", names=names)
    strength: dict[tuple[str, int], float] = {}
    for site in sites[sites["motif"].isin(levels)].itertuples():
        for position in range(site.start + 1, site.end + 1):
            key = (site.chrom, position)
            strength[key] = max(strength.get(key, 0), site.strength)
    of = np.array([strength.get(key, 0) for key in zip(bases["chrom"], bases["pos"], strict=True)])
    size = bases["mutagenesis"].abs().to_numpy()
    within, outside = size[of >= 333], size[of == 0]
    ranks = pd.Series(np.concatenate([within, outside])).rank().to_numpy()[: len(within)]
    area = (ranks.sum() - len(within) * (len(within) + 1) / 2) / (len(within) * len(outside))
    print(
        f"{bases[['chrom', 'cpg']].drop_duplicates().shape[0]} CpGs: mean change of the prediction "
        f"{within.mean():.4f} by a base of a site ({len(within)}), {outside.mean():.4f} by another "
        f"({len(outside)}); AUROC {area:.3f}"
    )


def main() -> None:
    folder = Path(sys.argv[1])
    parts = (
        of_models,
        of_epochs,
        of_mqtls,
        of_effects,
        of_loci,
        of_scores,
        of_motifs,
        of_attribution,
    )
    for part in parts:
        part(folder)


if __name__ == "__main__":
    main()
