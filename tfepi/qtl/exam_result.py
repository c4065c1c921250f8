"""The result of an exam: each score by distance, beside what the matched features alone reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfepi.evaluation.bootstrap import Blocks, Bootstrap, position_blocks
from tfepi.evaluation.classification import classification
from tfepi.qtl.exam_accuracy import Sheet, accuracy, differences, groups
from tfepi.qtl.exam_features import PEAK, TSS
from tfepi.qtl.exam_matching import Matching, balance_table, baseline
from tfepi.qtl.exam_notes import notes
from tfepi.qtl.exam_scores import Scores
from tfepi.qtl.exam_variants import Labelled
from tfrecords_tools.progress import progress

FORMAT = "tfepi-qtl-exam"
FORMAT_VERSION = 1
_NO_RESAMPLES = Bootstrap(resamples=0, rank_resamples=0)


@dataclass(frozen=True)
class Exam:
    """An exam that was held.

    Attributes:
        result: the value of exam.json, but what is known of the run.
        table: labelled variants (`exam_variants.Labelled`), with NAME_score and NAME_size of each
            scores, the features, and `set`: the number of the matched set, -1 for none.
        sheet: the variants that were examined.
        examined: their rows in `table`.
        by_target: rows of targets.tsv, of scores with several targets.
    """

    result: dict
    table: pd.DataFrame
    sheet: Sheet
    examined: np.ndarray
    by_target: list[dict]

    def values(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return score and size of the examined variants."""
        rows = self.table.iloc[self.examined]
        return rows[f"{name}_score"].to_numpy(float), rows[f"{name}_size"].to_numpy(float)


def examined_rows(labelled: Labelled, matching: Matching) -> np.ndarray:
    """Return the rows of labelled variants that are examined: positives, and their negatives."""
    positives = np.flatnonzero(labelled.table["positive"])
    return np.sort(np.concatenate([positives, matching.negatives]))


def exam_blocks(labelled: Labelled, matching: Matching, block_bp: int | None = None) -> Blocks:
    """Return the blocks of the genome that the examined variants lie in.

    Raises:
        ConfigError: a given size that leaves fewer than five.
    """
    part = labelled.table.iloc[examined_rows(labelled, matching)]
    return position_blocks(part["chrom"], part["pos"] - 1, block_bp)


def hold_exam(
    read: Sequence[Scores],
    rows: Sequence[np.ndarray],
    labelled: Labelled,
    features: Mapping[str, np.ndarray],
    matching: Matching,
    blocks: Blocks,
    edges: Sequence[int],
    bootstrap: Bootstrap,
    floor: float = 0.0,
    quiet: bool = False,
) -> Exam:
    """Measure scores on positives and matched negatives.

    Args:
        read: scores.
        rows: of each, labels of the variants that all have (`exam_scores.common_rows`).
        labelled: positives and candidates among these.
        features: name → value of each labelled variant.
        matching: of them.
        blocks: of the examined variants (`exam_blocks`).
        edges: distances between groups, bp.
        bootstrap: resamples over blocks of the genome.
        floor: smallest effect whose sign counts.
        quiet: no progress bar.
    """
    table = _with_scores(labelled.table, read, rows, features, matching)
    positive = table["positive"].to_numpy()
    examined = examined_rows(labelled, matching)
    part = table.iloc[examined]
    distance = next((n for n in (TSS, PEAK) if n in features), None)
    sheet = Sheet(
        part["positive"].to_numpy(),
        (part["set"] >= 0).to_numpy(),
        part["effect"].to_numpy(float),
        None if distance is None else features[distance][examined],
        blocks,
        floor,
    )
    found = Exam({}, table, sheet, examined, [])
    values = {s.name: found.values(s.name) for s in read}
    marks, alone = [], []
    for low, high in groups(sheet, edges):
        some, inside = sheet.rows(low, high), sheet.inside(low, high)
        group = {"from": low, "to": high, "blocks": some.causal_blocks}
        for name, (score, size) in values.items():
            row = accuracy(some, score[inside], size[inside], bootstrap)
            marks.append({"score": name} | group | row)
        for name in features:
            value = baseline(name, features)[examined][inside][some.matched]
            truth = some.positive[some.matched]
            row = classification(truth, value, some.matched_blocks, bootstrap)
            alone.append({"score": alone_name(name)} | group | row)
    marks.sort(key=lambda row: list(values).index(row["score"]))
    alone.sort(key=lambda row: [alone_name(n) for n in features].index(row["score"]))
    apart = [_defined(row) for row in balance_table(features, positive, matching)]
    sizes = {s.name: table[f"{s.name}_size"].to_numpy(float) for s in read}
    result = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "scores": {s.name: _described(s) for s in read},
        "counts": labelled.counts,
        "matching": matching.to_json(),
        "balance": apart,
        "blocks": {"bp": sheet.blocks.block_bp, "count": sheet.blocks.count},
        "distance": distance,
        "accuracy": marks,
        "baselines": alone,
        "unmatched": {n: classification(positive, v, None, bootstrap) for n, v in sizes.items()},
        "differences": differences(sheet, values, bootstrap) if len(read) > 1 else [],
        "notes": notes(marks, labelled, matching, apart),
    }
    by_target = _by_target(read, rows, part, sheet, quiet)
    return Exam(result, table, sheet, examined, by_target)


def alone_name(feature: str) -> str:
    """Return what a feature is called as a score."""
    return f"1/{feature}" if feature in (TSS, PEAK) else feature


def _with_scores(
    table: pd.DataFrame,
    read: Sequence[Scores],
    rows: Sequence[np.ndarray],
    features: Mapping[str, np.ndarray],
    matching: Matching,
) -> pd.DataFrame:
    new = {}
    for scores, labels in zip(read, rows, strict=True):
        own = scores.table.loc[labels[table["row"]], ["score", "size"]]
        new |= {f"{scores.name}_{k}": own[k].to_numpy() for k in own}
    number = np.full(len(table), -1)
    each = matching.controls.controls
    number[matching.controls.cases] = np.arange(len(each))
    number[each] = np.arange(len(each))[:, None]
    return table.assign(**features, **new, set=number)


def _described(scores: Scores) -> dict:
    choice = scores.choice
    several = len(scores.targets) > 1
    return {
        "path": str(scores.path),
        "stat": choice.stat,
        "targets": [t.identifier for t in scores.targets],
        "over": choice.over if several else None,
        "size": "score" if choice.raw else "magnitude",
    }


def _by_target(
    read: Sequence[Scores],
    rows: Sequence[np.ndarray],
    part: pd.DataFrame,
    sheet: Sheet,
    quiet: bool,
) -> list[dict]:
    """Return rows of targets.tsv: without resamples, since there may be thousands."""
    found = []
    for scores, labels in zip(read, rows, strict=True):
        if len(scores.targets) < 2:
            continue
        values = scores.by_target(labels[part["row"]]).astype(float)
        bar = progress(scores.targets, unit="target", label=scores.name, quiet=quiet)
        for target, column in zip(bar, values.T, strict=True):
            size = column if scores.choice.raw else np.abs(column)
            row = accuracy(sheet, column, size, _NO_RESAMPLES)
            name = {"score": scores.name, "target": target.identifier}
            found.append(name | {"description": target.description} | row)
    return found


def _defined(row: dict) -> dict:
    return {k: None if isinstance(v, float) and not np.isfinite(v) else v for k, v in row.items()}
