"""How well predicted expression of genes agrees with what was measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.analysis.expression_file import VALUES, Expression
from tfepi.analysis.observed_expression import Observed, match_genes, match_tracks
from tfepi.evaluation.accuracy import block_sums, statistics
from tfepi.evaluation.bootstrap import (
    FEWEST_BLOCKS,
    Blocks,
    Bootstrap,
    estimate,
    genome_blocks,
    multiplicities,
)
from tfepi.evaluation.metrics import format_estimate
from tfepi.evaluation.ranks import RankedPair
from tfrecords_tools.files import identity, write_json, write_text
from tfrecords_tools.intervals import Interval
from tfrecords_tools.text_table import text_table

JSON, TABLE = "accuracy.json", "accuracy.tsv"
FORMAT = "tfepi-gene-accuracy"
FORMAT_VERSION = 1
STATISTICS = {
    "pearsonr_log1p": "Pearson correlation of log(x + 1) across genes",
    "spearmanr": "Spearman correlation across genes",
}
SHOWN = 6  # tracks whose genes are drawn
_RANK_RESAMPLES = 200
_LISTED = 20


@dataclass(frozen=True)
class Cloud:
    """Genes of one track, for a figure.

    Attributes:
        name: of the track.
        observed: float64 [genes].
        predicted: with neighbours, float [genes].
        note: its correlation.
    """

    name: str
    observed: np.ndarray
    predicted: np.ndarray
    note: str


@dataclass(frozen=True)
class GeneAccuracy:
    """What was measured.

    Attributes:
        value: of accuracy.json.
        clouds: of up to six tracks, from the most accurate to the least.
    """

    value: dict
    clouds: tuple[Cloud, ...]


def resampling(resamples: int, seed: int) -> Bootstrap:
    """Return how intervals are made; 0 resamples for none.

    Raises:
        ConfigError: too few.
    """
    return Bootstrap(resamples, min(resamples, _RANK_RESAMPLES), seed=seed)


def check(observed: Observed, expression: Expression) -> None:
    """Check, before there are values, that measurements can be compared with predictions.

    Raises:
        as `measure`.
    """
    match_tracks(observed, expression, quiet=True)
    match_genes(observed, expression, quiet=True)


def measure(folder: str | Path, observed: Observed, bootstrap: Bootstrap) -> GeneAccuracy:
    """Compare expression.h5 with measurements, and write accuracy.json and accuracy.tsv.

    A gene's prediction is the sum over its start sites. Intervals are those of resampled blocks of
    the genome, since neighbouring genes are not independent.

    Args:
        folder: of the predictions.
        observed: the measurements.
        bootstrap: how intervals are made.

    Raises:
        InputFileError: too few genes match.
        ConfigError: no sample is the name of a track.
    """
    folder = Path(folder)
    expression = Expression.read(folder)
    pairs = match_tracks(observed, expression)
    rows, genes = match_genes(observed, expression)
    tracks = [track for _, track in pairs]
    predicted = {value: expression.columns(value, tracks)[genes] for value in VALUES}
    truth = observed.values[np.ix_(rows, [sample for sample, _ in pairs])]
    places = [
        Interval(expression.chrom[g], p, p + 1)
        for g, p in zip(genes.tolist(), expression.position[genes].tolist(), strict=True)
    ]
    blocks = genome_blocks(places)
    resamples = bootstrap.resamples if blocks.enough else 0
    drawn = multiplicities(blocks.count, resamples, bootstrap.seed)
    ranked = drawn[: bootstrap.rank_resamples]
    entries, kept = [], {}
    for number, (sample, track) in enumerate(pairs):
        entry = {
            "sample": observed.samples[sample],
            "track": expression.tracks[track],
            "description": expression.labels[track],
            "genes": int((~np.isnan(truth[:, number] + predicted[VALUES[1]][:, number])).sum()),
        }
        for value in VALUES:
            found = _compared(truth[:, number], predicted[value][:, number], blocks, drawn, ranked)
            entry[value] = {n: estimate(*found[n], bootstrap.level) for n in STATISTICS}
            for name in STATISTICS:
                kept.setdefault((value, name), []).append(found[name])
        entries.append(entry)
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "inputs": {"observed": identity(observed.path)},
        "statistics": STATISTICS,
        "genes": len(genes),
        "genes_predicted": len(expression.genes),
        "genes_observed": len(observed.genes),
        "unmatched_samples": [
            s for i, s in enumerate(observed.samples) if i not in {sample for sample, _ in pairs}
        ],
        "bootstrap": {
            "method": "percentile interval of resampled blocks of the genome",
            "level": bootstrap.level,
            "block_bp": blocks.block_bp,
            "blocks": blocks.count,
            "resamples": resamples,
            "rank_resamples": len(ranked),
            "seed": bootstrap.seed,
        },
        "notes": _notes(bootstrap, blocks),
        "mean": {v: {n: _mean(kept[v, n], bootstrap.level) for n in STATISTICS} for v in VALUES},
        "tracks": entries,
    }
    write_json(folder / JSON, value)
    write_text(folder / TABLE, "".join(_lines(entries)))
    return GeneAccuracy(value, tuple(_clouds(entries, truth, predicted[VALUES[1]])))


def _compared(
    truth: np.ndarray, prediction: np.ndarray, blocks: Blocks, drawn: np.ndarray, ranked: np.ndarray
) -> dict[str, tuple[float, np.ndarray]]:
    """Return value and resamples of each statistic."""
    sums = block_sums(truth, prediction, blocks.index, blocks.count)
    name = "pearsonr_log2"  # the base of a logarithm does not change a correlation
    pearson = float(statistics(sums.sum(axis=0))[name]), statistics(drawn @ sums)[name]
    pair = RankedPair(truth, prediction)
    block = blocks.index[pair.seen]
    resampled = [pair.statistics(row[block].astype(float))["spearmanr"] for row in ranked]
    return {
        "pearsonr_log1p": pearson,
        "spearmanr": (pair.statistics()["spearmanr"], np.array(resampled)),
    }


def _mean(found: list[tuple[float, np.ndarray]], level: float) -> dict:
    """Return the mean over the tracks for which a statistic is defined."""
    defined = [(value, resamples) for value, resamples in found if not np.isnan(value)]
    if not defined:
        return {"tracks": 0, "value": None, "interval": None}
    value = float(np.mean([v for v, _ in defined]))
    replicates = np.array([r for _, r in defined])
    seen = ~np.isnan(replicates)
    with np.errstate(invalid="ignore"):
        means = np.nansum(replicates, axis=0) / seen.sum(axis=0)
    return {"tracks": len(defined), **estimate(value, means, level)}


def _notes(bootstrap: Bootstrap, blocks: Blocks) -> list[str]:
    if not bootstrap.resamples or blocks.enough:
        return []
    return [
        f"the genes lie in {blocks.count} blocks of the genome, fewer than {FEWEST_BLOCKS}: no "
        "intervals"
    ]


def _lines(entries: list[dict]) -> Iterator[str]:
    numbers = (f"{v}_{n}{end}" for v in VALUES for n in STATISTICS for end in ("", "_low", "_high"))
    names = ("sample", "track", "description", "genes")
    yield "\t".join((*names, *numbers)) + "\n"
    for entry in entries:
        cells = [str(entry[name]) for name in names]
        for value in VALUES:
            for name in STATISTICS:
                found = entry[value][name]
                numbers = (found["value"], *(found["interval"] or (None, None)))
                cells += ["" if x is None else f"{x:.5f}" for x in numbers]
        yield "\t".join(cells) + "\n"


def _clouds(entries: list[dict], truth: np.ndarray, predicted: np.ndarray) -> Iterator[Cloud]:
    """Yield tracks at even steps of accuracy, from the most accurate one to the least."""
    values = [e[VALUES[1]]["pearsonr_log1p"]["value"] for e in entries]
    order = sorted(range(len(entries)), key=lambda i: (values[i] is None, -(values[i] or 0)))
    shown = np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int)
    for place in shown.tolist():
        i = order[place]
        note = format_estimate(entries[i][VALUES[1]]["pearsonr_log1p"])
        seen = ~(np.isnan(truth[:, i]) | np.isnan(predicted[:, i]))
        yield Cloud(entries[i]["sample"], truth[seen, i], predicted[seen, i], f"r = {note}")


def summary(found: GeneAccuracy) -> str:
    """Return a table for people: correlations of up to 20 tracks and means over all of them."""
    header = ["track", *(f"{n}, {v}" for v in VALUES for n in STATISTICS)]
    tracks = found.value["tracks"]
    entries = [(e["sample"], e) for e in tracks[:_LISTED]]
    if len(tracks) > 1:
        entries.append((f"mean over {len(tracks)} tracks", found.value["mean"]))
    rows = [
        [name, *(format_estimate(e[v][n]) for v in VALUES for n in STATISTICS)]
        for name, e in entries
    ]
    return f"{found.value['genes']} genes\n{text_table(header, rows)}"
