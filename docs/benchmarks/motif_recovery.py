#!/usr/bin/env python3
"""Whether effects at ChIP-exo sites recover the consensus of the factor, as Markdown tables.

Usage: motif_recovery.py FOLDER OUT
FOLDER holds sacCer3.fa.gz and atac_open.bw; OUT what motif_places.py wrote and, in ism_* and
gradient_*, the effects of these places. results.json and the figure are written beside them.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyBigWig
from matplotlib.figure import Figure
from motif_places import (
    CHROM,
    ELSEWHERE,
    KINDS,
    MOTIFS,
    SHUFFLED,
    SITES,
    TEXTS,
    Place,
    informative,
)
from scipy.stats import rankdata

from tfepi.evaluation.bootstrap import interval, multiplicities
from tfepi.perturbation.motifs import Motif
from tfepi.report.figures import save_figure, styled
from tfepi.report.motif_figures import draw_logo
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome, encode

GAP, FLANK = 5, 25  # bp beside the motif that count neither way, then bp of flank
BESIDE = GAP + FLANK
DRAWN = 8  # bp beside the motif in the figure
BIN = 192  # bp that the model predicts
RESAMPLES, SEED = 2000, 44
TARGETS = ("atac_open", "atac_nucleosome")  # in the order of the model
SPREAD = (21, 71)  # bp over which the tracks spread a cut, or a midpoint
THIN = 0.04  # of the highest letter: lower ones are not drawn
METHODS = {
    "mutagenesis": ("ism", "scores.h5", "sum"),
    "gradient": ("gradient", "attributions.h5", "hypothetical"),
}


def read_effects(
    out: Path, places: Sequence[Place], method: str
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return effects of each place and BESIDE bp on either side, and the letters there.

    Returns:
        Along each place's strand: effects in cuts and in midpoints, less their mean over letters,
        float64 [positions, 4, targets], and letters, bool [positions, 4].

    Raises:
        InputFileError: they are of other places.
    """
    stem, name, values = METHODS[method]
    effects, letters = [None] * len(places), [None] * len(places)
    for where in ("genome", "shuffled"):
        path = out / f"{stem}_{where}" / name
        with h5py.File(path, "r") as file:
            for i, label in enumerate(map(int, file["label"][()])):
                p, low, high = places[label], int(file["start"][i]), int(file["end"][i])
                first = (p.start - low if p.strand == "+" else high - p.end) - BESIDE
                part = slice(first, first + p.end - p.start + 2 * BESIDE)
                block = file[values][i, part].astype(np.float64) / SPREAD
                effects[label] = block - block.mean(axis=1, keepdims=True)
                letters[label] = file["seqs"][i, part]
                ordered = MOTIFS[p.factor].frequencies[p.positions]
                wrong = int((ordered[letters[label][BESIDE:-BESIDE]] == 0).sum())
                if wrong != p.mismatches:
                    raise InputFileError(
                        f"{path} has {wrong} mismatches at {p}: make all of {out} again"
                    )
    return effects, letters


def read_cuts(folder: Path, out: Path, places: Sequence[Place]) -> np.ndarray:
    """Return cuts in the bin around each place, float64 [places, 2]: observed, predicted.

    What was observed is NaN of shuffled windows.
    """
    cuts = np.full((len(places), 2), np.nan)
    with pyBigWig.open(str(folder / f"{TARGETS[0]}.bw")) as bigwig:
        for i, p in enumerate(places):
            if p.kind != SHUFFLED:
                low = (p.start + p.end) // 2 - BIN // 2
                part = (max(0, low), min(low + BIN, bigwig.chroms(p.chrom)))
                cuts[i, 0] = np.nansum(bigwig.values(p.chrom, *part, numpy=True))
    for where in ("genome", "shuffled"):
        stem, name, _ = METHODS["gradient"]
        with h5py.File(out / f"{stem}_{where}" / name, "r") as file:
            cuts[file["label"][()].astype(int), 1] = file["prediction"][:, 0]
    return cuts / SPREAD[0]


def cuts_by_composition(folder: Path) -> list[list[str]]:
    """Return, of fifths of the chromosome's bins by G + C: G + C, and mean cuts in a bin."""
    with Genome(folder / "sacCer3.fa.gz") as genome:
        bins = genome.length(CHROM) // BIN
        sequence = genome.indices(CHROM, 0, bins * BIN).reshape(bins, BIN)
    with pyBigWig.open(str(folder / f"{TARGETS[0]}.bw")) as bigwig:
        track = np.nan_to_num(bigwig.values(CHROM, 0, bins * BIN, numpy=True))
    share = np.isin(sequence, encode("CG")).mean(axis=1)
    cuts = track.reshape(bins, BIN).sum(axis=1) / SPREAD[0]
    fifths = np.array_split(np.argsort(share, kind="stable"), 5)
    return [[f"{share[part].mean():.0%}", f"{cuts[part].mean():.1f}"] for part in fifths]


def correlation(logos: np.ndarray, motif: Motif) -> np.ndarray:
    """Return Pearson's r of logos with a consensus, over all positions and letters.

    Args:
        logos: with mean 0 over letters, [..., positions, 4].
        motif: its shares are taken less their mean, 1/4, so that N asks for no effect.
    """
    wanted = motif.frequencies - 0.25
    size = np.sqrt((logos**2).sum((-2, -1)) * (wanted**2).sum())
    with np.errstate(invalid="ignore"):
        return (logos * wanted).sum((-2, -1)) / size


def auroc(effects: np.ndarray, letters: np.ndarray, inside: np.ndarray) -> float:
    """Return how often a change inside a motif has a larger |effect| than one in its flanks.

    Args:
        effects: of one place, BESIDE bp on either side of the motif: [positions, 4].
        letters: that are there, bool [positions, 4]; changes of N are left out.
        inside: which positions of the motif count, bool.
    """
    base = np.where(letters, effects, 0).sum(axis=1, keepdims=True)
    known = letters.any(axis=1, keepdims=True)
    change = np.where(known & ~letters, np.abs(effects - base), np.nan)
    own = change[BESIDE:-BESIDE][inside].ravel()
    pooled = np.concatenate([own, change[:FLANK].ravel(), change[-FLANK:].ravel()])
    ranks, n = rankdata(pooled[~np.isnan(pooled)]), int((~np.isnan(own)).sum())
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * (len(ranks) - n)))


def estimate(replicates: np.ndarray) -> dict:
    """Return the first value, and the 95% percentile interval of the others."""
    return {"value": float(replicates[0]), "interval": interval(replicates[1:])}


def recovery(places: Sequence[Place], effects: np.ndarray, letters: np.ndarray) -> dict:
    """Return how well effects recover a factor's consensus at its places of one kind.

    Args:
        places: the places.
        effects: for one target, [places, positions, 4].
        letters: bool [places, positions, 4].
    """
    motif, counted = MOTIFS[places[0].factor], informative(MOTIFS[places[0].factor])
    ordered, own, ranked = effects.copy(), effects * letters, np.empty(len(places))
    for i, place in enumerate(places):
        ranked[i] = auroc(effects[i], letters[i], counted[place.positions])
        for values in (ordered, own):  # from the order along the strand to the consensus's
            values[i, BESIDE + place.positions] = values[i, BESIDE:-BESIDE].copy()
    flanks = np.concatenate([effects[:, :FLANK], effects[:, -FLANK:]], axis=1).mean(axis=1)
    drawn = multiplicities(len(places), RESAMPLES, SEED + KINDS.index(places[0].kind))
    shares = np.concatenate([np.ones((1, len(places))), drawn]) / len(places)
    logos, own = (
        np.einsum("rn,npl->rpl", shares, values[:, BESIDE:-BESIDE]) for values in (ordered, own)
    )
    beyond = logos - (shares @ flanks)[:, None]
    low = np.quantile((beyond[1:] * motif.frequencies).sum(axis=2), 0.025, axis=0)
    return {
        "places": len(places),
        "r": estimate(correlation(logos, motif)),
        "r_own": estimate(correlation(own - own.mean(axis=2, keepdims=True), motif)),
        "r_beyond": estimate(correlation(beyond, motif)),
        "auroc": estimate(shares @ ranked),
        "size": float(np.abs(effects[:, BESIDE:-BESIDE]).mean()),
        "letters": [bool(x) for x in counted & (low > 0)],
        "flanks": flanks.mean(axis=0).tolist(),
        "logo": ordered[:, BESIDE - DRAWN : DRAWN - BESIDE].mean(axis=0).tolist(),
    }


def shown(value: dict) -> str:
    """Return a value and its interval."""
    low, high = value["interval"] or (np.nan, np.nan)
    return f"{value['value']:.2f} [{low:.2f}, {high:.2f}]"


def table(header: list[str], rows: list[list]) -> None:
    """Print a table."""
    for row in (header, ["---"] * len(header), *rows):
        print("|", " | ".join(map(str, row)), "|")
    print()


def marked(consensus: str, found: list[bool]) -> str:
    """Return a consensus with the letters that were found as capitals, and N as dots."""
    letters = (c if yes else c.lower() for c, yes in zip(consensus, found, strict=True))
    return "".join(letters).replace("n", ".")


def print_tables(results: list[dict], counts: dict, cuts: dict) -> None:
    """Print sites and their cuts, then what is recovered."""
    by_key = {(r["factor"], r["kind"], r["target"], r["method"]): r for r in results}
    rows = []
    for factor, of in counts.items():
        numbers = (f"{x:.1%}" if isinstance(x, float) else x for x in of.values())
        seen = (f"{cuts[factor, k][0]:.0f} / {cuts[factor, k][1]:.0f}" for k in (SITES, ELSEWHERE))
        flanks = by_key[factor, SITES, TARGETS[0], "mutagenesis"]["flanks"]
        rows.append([factor, *numbers, *seen, " ".join(f"{x:+.1f}" for x in flanks)])
    names = [*next(iter(counts.values())), "cuts", "cuts elsewhere", "A C G T in flanks"]
    table(["", *names], rows)
    for target, kinds in ((TARGETS[0], KINDS), (TARGETS[1], KINDS[:1])):
        rows = []
        for factor in MOTIFS:
            for kind in kinds:
                ism, gradient = (by_key[factor, kind, target, m] for m in METHODS)
                cells = [ism["places"], f"{ism['size']:.2f}"]
                cells += [shown(ism[x]) for x in ("r", "r_own", "r_beyond", "auroc")]
                cells += [marked(TEXTS[factor], ism["letters"])]
                cells += [shown(gradient["r"]), shown(gradient["auroc"])]
                rows.append([factor, kind, *cells])
        names = ["r", "r, own letters", "r beyond flanks", "AUROC", "letters"]
        table([target, "", "places", "effect", *names, "gradient: r", "AUROC"], rows)


def draw(results: list[dict], stem: Path) -> None:
    """Draw mean effects of all letters, a row for each factor and a column for each kind."""
    logos = {
        (r["factor"], r["kind"]): np.array(r["logo"])
        for r in results
        if (r["target"], r["method"]) == (TARGETS[0], "mutagenesis")
    }
    with styled():
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        grid = figure.subplots(len(MOTIFS), len(KINDS), sharey="row")
        for kind, axis in zip(KINDS, grid[0], strict=True):
            axis.set_title(kind)
        for factor, axes in zip(MOTIFS, grid, strict=True):
            highest = max(np.abs(logos[factor, kind]).max() for kind in KINDS)
            most = max(np.maximum(logos[factor, kind], 0).sum(axis=1).max() for kind in KINDS)
            for kind, axis in zip(KINDS, axes, strict=True):
                logo = logos[factor, kind]
                draw_logo(axis, np.where(np.abs(logo) < THIN * highest, 0, logo), -DRAWN)
                axis.axvspan(-0.5, len(TEXTS[factor]) - 0.5, color="0.93", zorder=-1)
                axis.set_xticks(range(len(TEXTS[factor])), TEXTS[factor], fontsize=7)
                axis.tick_params(axis="x", length=0)
                axis.set_ylim(-1.05 * most, 1.05 * most)
            axes[0].set_ylabel(f"{factor}\neffect (cuts)")
        save_figure(figure, stem)


def main() -> None:
    folder, out = map(Path, sys.argv[1:])
    rows = pd.read_csv(out / "places.tsv", sep="\t", dtype={"order": str})
    places = [Place(**row) for row in rows.to_dict("records")]
    every = read_cuts(folder, out, places)
    results, cuts = [], {}
    for method in METHODS:
        effects, letters = read_effects(out, places, method)
        for (factor, kind), index in rows.groupby(["factor", "kind"], sort=False).groups.items():
            mine = [places[i] for i in index]
            cuts[factor, kind] = every[index].mean(axis=0)
            there = np.stack([letters[i] for i in index])
            for number, target in enumerate(TARGETS):
                these = np.stack([effects[i][..., number] for i in index])
                key = {"factor": factor, "kind": kind, "target": target, "method": method}
                results.append(key | recovery(mine, these, there))
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print_tables(results, json.loads((out / "counts.json").read_text()), cuts)
    fifths = cuts_by_composition(folder)
    table(
        ["G + C of fifths of chrX", *(share for share, _ in fifths)],
        [["cuts", *(c for _, c in fifths)]],
    )
    draw(results, out / "motif_recovery")


if __name__ == "__main__":
    main()
