"""Models with every variable drawn at random, so that nothing is switched off."""

import keras
import numpy as np

from tfepi.spec import Head, ModelSpec
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.incremental import IncrementalEvaluator
from tfrecords_tools.targets import Target


def randomise(model: keras.Model, seed: int = 0) -> keras.Model:
    """Draw all variables: kernels keep the scale of what goes through them, none stays zero."""
    rng = np.random.default_rng(seed)
    for weight in model.variables:
        if not keras.backend.is_float_dtype(weight.dtype):
            continue
        shape = tuple(weight.shape)
        if weight.name in ("gamma", "moving_variance", "gain", "scale"):
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            values = rng.normal(0, np.sqrt(2 / max(1, np.prod(shape[:-1]))), shape)
        else:
            values = rng.normal(0, 0.1, shape)
        weight.assign(values)
    return model


def evaluator_of(
    model: keras.Model, head: str | None = None, columns=None, **options
) -> IncrementalEvaluator:
    """Return the incremental evaluator of a model, whose contract is read off it."""
    output = model.output[head] if isinstance(model.output, dict) else model.output
    inputs = {t.name: tuple(t.shape[1:]) for t in model.inputs}
    _, bins, count = output.shape
    targets = tuple(Target(i, f"t{i}") for i in range(count))
    spec = ModelSpec(
        model.name, inputs, inputs["sequence"][0] // bins, 0, (Head(head or "main", targets),)
    )
    chosen = HeadTargets(head or "main", bins, targets, columns, None)
    return IncrementalEvaluator(model, spec, chosen, **options)


def random_inputs(evaluator: IncrementalEvaluator, count: int = 1, seed: int = 1) -> dict:
    """Return inputs of a model: sequences with some N, and numbers for all others."""
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in evaluator.spec.inputs.items():
        if name == "sequence":
            found[name] = rng.integers(0, 4, (count, shape[0])).astype(np.uint8)
            found[name][:, shape[0] // 3] = 4
        else:
            found[name] = rng.random((count, *shape)).astype(np.float32)
    return found


def substituted(sequences: np.ndarray, positions: np.ndarray, seed: int = 2) -> np.ndarray:
    """Return sequences with another letter at one position each."""
    rng = np.random.default_rng(seed)
    changed = sequences.copy()
    rows = np.arange(len(changed))
    own = changed[rows, positions] % 4
    changed[rows, positions] = (own + rng.integers(1, 4, len(changed))) % 4
    return changed


def whole_of(evaluator, references, of, sequences, size=None) -> np.ndarray:
    """Return what the model itself predicts of changed sequences, `size` at a time."""
    inputs = {k: v[of] for k, v in references.inputs.items()} | {"sequence": sequences}
    return evaluator.whole(inputs, size)


def difference(found: np.ndarray, wanted: np.ndarray) -> float:
    """Return the largest difference relative to the output's scale."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())
