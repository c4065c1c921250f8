"""Calls at a threshold: accuracy, sensitivity and specificity, from additive counts."""

import numpy as np

CALLS = {
    "accuracy": "share of observed values called rightly; a prediction above 0.5 calls 1",
    "sensitivity": "share of observed ones that are called",
    "specificity": "share of observed zeros that are not called",
}
THRESHOLD = 0.5


def call_counts(
    truth: np.ndarray, prediction: np.ndarray, block: np.ndarray, blocks: int
) -> np.ndarray:
    """Return the counts that `call_statistics` needs, per block of the genome.

    Args:
        truth: observed values 0 and 1 of one target [positions]; NaN is missing.
        prediction: predicted probabilities [positions].
        block: block number of each position [positions].
        blocks: number of blocks.

    Returns:
        float64 [blocks, 4]: ones, ones called, zeros, zeros not called.
    """
    counts = np.zeros((blocks, 4))
    called = prediction > THRESHOLD
    seen = ~np.isnan(prediction)
    for column, chosen in enumerate(
        (truth == 1, (truth == 1) & called, truth == 0, (truth == 0) & ~called)
    ):
        counts[:, column] = np.bincount(block[chosen & seen], minlength=blocks)
    return counts


def call_statistics(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Return the statistics of counts [..., 4]; NaN where there is nothing to call."""
    ones, hits, zeros, rejected = np.moveaxis(np.asarray(counts, float), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "accuracy": (hits + rejected) / (ones + zeros),
            "sensitivity": hits / ones,
            "specificity": rejected / zeros,
        }
