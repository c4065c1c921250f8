"""Does each signature of a SavedModel compute what the model and `tfepi.variants` do?"""

from collections.abc import Mapping

import numpy as np

from tfepi.predictors import KerasPredictor
from tfepi.serving.examples import Example
from tfepi.serving.options import Scores
from tfepi.spec import AveragedPredictor, ModelSpec, Predictor
from tfepi.variants.alleles import LEFT, RIGHT, SequenceKey, sequence, stitched
from tfepi.variants.scores import PREDICTIONS, score

Arrays = Mapping[str, np.ndarray]


def expected(
    model, spec: ModelSpec, rc: bool, scores: Scores | None, stitch: bool, example: Example
) -> dict[str, dict[str, np.ndarray]]:
    """Return the outputs that each signature should give, by its name.

    Args:
        model: the Keras model.
        spec: its contract.
        rc: average over both strands.
        scores: what is scored, or None.
        stitch: alleles of another length are predicted in both registers.
        example: the requests.
    """
    predictor: Predictor = KerasPredictor(model, spec, len(example.indices))
    if rc:
        predictor = AveragedPredictor(predictor, rc=True)
    whole = predictor.predict({"sequence": example.indices, **example.further})
    found = dict.fromkeys(("serving_default", "predict", "predict_indices", "predict_dna"), whole)
    if scores is None:
        return found
    other = predictor.predict({"sequence": example.indices[::-1].copy(), **example.further})
    found["score_variants"] = _scored(scores, whole, other)
    found["score_alleles"] = _scored(scores, *_alleles(predictor, scores, stitch, example))
    return found


def _alleles(predictor: Predictor, scores: Scores, stitch: bool, example: Example):
    """Return predictions of REF and of ALT, {head: [rows, bins, targets]} each."""
    window, place = scores.window, example.offset
    sequences: dict[str, list[np.ndarray]] = {"": [], LEFT: [], RIGHT: []}
    for around, (ref, alt) in zip(example.around, example.alleles, strict=True):

        def read(chrom: str, start: int, end: int, around=around) -> np.ndarray:
            return around[start:end]

        sequences[""].append(sequence(read, window, SequenceKey("", place)))
        for register in (LEFT, RIGHT):
            key = SequenceKey("", place, ref, alt, register)
            sequences[register].append(sequence(read, window, key))
    predictions = {
        k: predictor.predict({"sequence": np.stack(v), **example.further})
        for k, v in sequences.items()
    }
    if not stitch:
        return predictions[""], predictions[LEFT]
    alts = {}
    for head, left in predictions[LEFT].items():
        right = predictions[RIGHT][head]
        alts[head] = np.stack(
            [
                left[n] if len(r) == len(a) else stitched(left[n], right[n], window, place, len(r))
                for n, (r, a) in enumerate(example.alleles)
            ]
        )
    return predictions[""], alts


def _scored(scores: Scores, ref: Arrays, alt: Arrays) -> dict[str, np.ndarray]:
    found = {}
    for head in scores.heads:
        values = score(scores.stats, head.values(ref), head.values(alt), scores.window.center)
        found |= {scores.key(head, name): v for name, v in values.items()}
    return found


def difference(got: np.ndarray, want: np.ndarray, least: float = 0.0) -> tuple[float, float]:
    """Return the largest absolute difference, and its share of the largest value.

    Values that are undefined in both are alike where a statistic is; NaN in one is NaN.

    Args:
        got, want: of one shape.
        least: what the largest value is at least taken for.
    """
    exact = np.asarray(want, np.float64)
    apart = np.abs(np.asarray(got, np.float64) - exact)
    largest = float(apart.max())
    return largest, largest / max(float(np.abs(exact).max()), least, 1e-12)


def score_difference(
    scores: Scores, got: Arrays, want: Arrays, predictions: Arrays
) -> tuple[float, float]:
    """Return the same of statistics.

    The effect of a variant is a small difference of large numbers, so its share is of the largest
    statistic of these predictions against none, where that is larger.

    Args:
        scores: what is scored.
        got, want: outputs by name.
        predictions: of the model, by head.
    """
    largest = share = 0.0
    for head in scores.heads:
        values = head.values(predictions)
        whole = score(scores.stats, np.zeros_like(values), values, scores.window.center)
        for stat in scores.stats:
            key = scores.key(head, stat)
            mine, theirs = (np.asarray(v[key], np.float64) for v in (got, want))
            if stat not in PREDICTIONS:
                undefined = np.isnan(mine) & np.isnan(theirs)
                mine, theirs = (np.where(undefined, 0, v) for v in (mine, theirs))
            size = np.abs(whole[stat][np.isfinite(whole[stat])]).max(initial=0) or 1.0
            found = difference(mine, theirs, float(size))
            largest = float(np.maximum(largest, found[0]))
            share = float(np.maximum(share, found[1]))
    return largest, share
