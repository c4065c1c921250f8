"""Does a converted model do what its source does? On random sequences, or array by array."""

import gc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.params import Params
from tfepi.predictors import is_published, load_keras, load_predictor, read_spec
from tfepi.pretrained.enformer_files import open_weights
from tfepi.pretrained.sources import SAVED_MODEL, published_kind
from tfepi.spec import Predictor
from tfrecords_tools.errors import ConfigError, TfepiError

TOLERANCE = 1e-4
_UNKNOWN_SHARE = 0.01  # of the bases of a random sequence


@dataclass(frozen=True)
class Difference:
    """How far two models' predictions of one head are apart.

    Attributes:
        head: its name.
        absolute: the largest difference.
        relative: the largest ratio of a difference to the larger of the two values.
        spread: standard deviation of the first model's values.
    """

    head: str
    absolute: float
    relative: float
    spread: float

    def within(self, tolerance: float) -> bool:
        """Tell whether the models agree to tolerance · max(1, spread)."""
        return self.absolute <= tolerance * max(1.0, self.spread)  # not of NaN


def compare(source: Predictor, result: Predictor, count: int, seed: int = 0) -> list[Difference]:
    """Compare what two models predict of random sequences, one after another.

    Args:
        source, result: of one length; the source has every head of the result.
        count: number of sequences.
        seed: of the sequences, 1 in 100 of whose bases is N.

    Raises:
        ConfigError: models of different lengths, heads or numbers of outputs, or that take more
            than a sequence.
    """
    _check_alike(source, result)
    rng = np.random.default_rng(seed)
    known = (1 - _UNKNOWN_SHARE) / 4
    parts: dict[str, list[tuple]] = {head.name: [] for head in result.spec.heads}
    for _ in range(count):
        share = (known, known, known, known, _UNKNOWN_SHARE)
        indices = rng.choice(5, (1, source.spec.seq_length), p=share).astype(np.uint8)
        theirs, ours = (m.predict({"sequence": indices}) for m in (source, result))
        with np.errstate(invalid="ignore"):  # infinities are as little alike as NaN
            for head, found in parts.items():
                found.append(_measured(theirs[head].astype(float), ours[head].astype(float)))
    with np.errstate(invalid="ignore"):
        return [_joined(head, found) for head, found in parts.items()]


def _check_alike(source: Predictor, result: Predictor) -> None:
    theirs, ours = source.spec, result.spec
    for name in [name for spec in (theirs, ours) for name in spec.inputs if name != "sequence"]:
        raise ConfigError(
            f"a model to compare takes {name!r}: only models of the sequence alone can be compared"
        )
    if (theirs.seq_length, theirs.target_length) != (ours.seq_length, ours.target_length):
        raise ConfigError(
            f"the models to compare are of {theirs.seq_length} bp and {theirs.target_length} bins, "
            f"and of {ours.seq_length} bp and {ours.target_length} bins: want the same"
        )
    for head in ours.heads:
        other = len(theirs.head(head.name).targets)
        if other != len(head.targets):
            raise ConfigError(
                f"head {head.name!r} has {other} output{'' if other == 1 else 's'} in one of the "
                "models to compare and "
                f"{len(head.targets)} in the other: want the same"
            )


def _measured(theirs: np.ndarray, ours: np.ndarray) -> tuple[float, float, float, float, int]:
    """Return the largest differences, absolute and relative, then sum, squares and count."""
    apart = np.abs(ours - theirs)
    larger = np.maximum(np.abs(theirs), np.abs(ours))
    relative = np.divide(apart, larger, out=np.zeros_like(apart), where=larger != 0)
    return apart.max(), relative.max(), theirs.sum(), (theirs**2).sum(), theirs.size


def _joined(head: str, found: Sequence[tuple]) -> Difference:
    absolute, relative, total, squares, count = np.array(found).T
    mean = total.sum() / count.sum()
    spread = max(0.0, squares.sum() / count.sum() - mean**2) ** 0.5
    # numpy's max keeps NaN, Python's does not.
    return Difference(head, float(absolute.max()), float(relative.max()), float(spread))


def compared(
    model: str | Path,
    out: str | Path,
    params: Params,
    head: str | None,
    count: int,
    reference: str | Path | None = None,
    tolerance: float = TOLERANCE,
) -> list[str]:
    """Compare a model with what it was converted to, and return lines that say how.

    What was made stays, whatever comes out: a conversion takes longer than its removal.
    Published weights alone cannot run, so a .keras file made of them is compared with them array
    by array, unless there is a reference.

    Args:
        model: as of `convert.convert`.
        out: what was made of it.
        params: of the model.
        head: the head that was kept, or that an .h5 was saved for; or None.
        count: number of random sequences.
        reference: what to run instead of the model, for instance the published SavedModel of the
            same weights.
        tolerance: largest difference, for a standard deviation of up to 1; above, times that.

    Raises:
        ConfigError: models that are not alike, or that take more than a sequence.
        TfepiError: they differ by more.
    """
    gc.collect()  # the model that was converted: Keras's refer to themselves
    weights_alone = is_published(model, params) and published_kind(model) != SAVED_MODEL
    if weights_alone and reference is None and Path(out).suffix == ".keras":
        return [_same_arrays(model, out)]
    given = reference or model
    of_out = params if Path(out).suffix == ".h5" else None
    source = load_predictor(given, 1, params, read_spec(given, params, None, head))
    result = load_predictor(out, 1, of_out, read_spec(out, of_out, None, head))
    lines = []
    for found in compare(source, result, count):
        lines.append(
            f"{given} and {out}, {count} random sequence{'' if count == 1 else 's'}, head "
            f"{found.head}: largest difference {found.absolute:.3g}, relative "
            f"{found.relative:.3g}; standard deviation {found.spread:.3g}"
        )
        if not found.within(tolerance):
            raise TfepiError(
                f"{lines[-1]}: more than {tolerance:g} · max(1, standard deviation), so {out} is "
                "another model; it was written and stays: remove it, or allow more with "
                "--tolerance (and --overwrite) if that is known"
            )
    return lines


def _same_arrays(model: str | Path, out: str | Path) -> str:
    heads = [head.name for head in read_spec(out).heads]
    count, differing = open_weights(model).differing(load_keras(out), heads)
    if differing:
        others = f" and {len(differing) - 1} more" if differing[1:] else ""
        raise TfepiError(
            f"{out} differs from {model} in array {differing[0]}{others}: it was made of other "
            "weights; it was written and stays: remove it"
        )
    return (
        f"{model} and {out}: {count} arrays are equal bit by bit; weights alone "
        "cannot predict, so nothing else was compared (--reference names a SavedModel that can)"
    )
