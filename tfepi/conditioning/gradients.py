"""How much a model's output moves with its sequence, and how much with its accessibility.

The output f of an example is the sum, over chosen bins, of one output channel on the scale it is
linear in (`SCALES`). Of the gradient of f with respect to an input x, two norms are taken over
positions and channels:

- raw, ||df/dx||: change of f per unit of x, so it depends on the units of x;
- scaled, ||df/dx * sd(x)||, with each channel's standard deviation over the examples: change of
  f per typical change of x, comparable between inputs.

Sequence gradients are taken less their mean over the four bases at each position: one-hot codes
always sum to one, so no mutation moves a sequence along that direction (Majdandzic et al. 2023,
Genome Biology 24:109). Of `tracks`, only channels 0 and 1 count: a mask is no measurement.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from tfrecords_tools.errors import ConfigError, unknown

SCALES = ("logit", "log", "linear")
CONDITIONS = ("tracks", "cell_state")
_MEASURED_CHANNELS = 2
_SMALLEST = 1e-30


def gradient_norms(
    model,
    batches: Iterable[Mapping[str, np.ndarray]],
    channel: int,
    bins: slice | None = None,
    scale: str = "logit",
    head: str | None = None,
    deviations: Mapping[str, np.ndarray | float] | None = None,
) -> dict:
    """Return norms of a Keras model's gradients on its inputs, and the ratios between inputs.

    Args:
        model: of "sequence" and perhaps "tracks" and "cell_state", with outputs
            [batch, bins, channels].
        batches: input name → float array, one-hot for "sequence"; inputs that the model does not
            take are passed over.
        channel: of the output, counted from 0.
        bins: which are summed; None: the middle quarter, at least one.
        scale: "logit" of a probability, "log" of a rate, or "linear".
        head: key of the output, of a model with several.
        deviations: input name → standard deviation of its channels, in place of the examples';
            `cell_state` of examples of one cell type has none.

    Returns:
        "examples"; "norms": input → {"raw", "scaled"}, each the "mean" and "sd" over examples;
        "ratios": "tracks" and "cell_state" → {"raw", "scaled"} of the sequence's norm over that
        input's, mean and sd over the examples in which the latter is not 0, whose number is
        "examples"; None for an input the model does not take.

    Raises:
        ConfigError: unknown scale, a channel or head the model lacks, an input that is missing,
            no examples, or a gradient that is no finite number.
    """
    if scale not in SCALES:
        raise unknown("scale of gradients", scale, SCALES)
    names = [n for n in ("sequence", *CONDITIONS) if n in {t.name for t in model.inputs}]
    output = model.output
    if isinstance(output, dict):
        head = next(iter(output)) if head is None and len(output) == 1 else head
        if head not in output:
            raise unknown("head", head, output, "of the model")
        output = output[head]
    bins_of, channels = output.shape[1:]
    if not 0 <= channel < channels:
        raise ConfigError(
            f"output channel {channel} is not one of the model's {channels}: count from 0"
        )
    if bins is None:
        width = max(1, bins_of // 4)
        bins = slice((bins_of - width) // 2, (bins_of - width) // 2 + width)
    gradients = _gradients(model, names, channel, bins, scale, head)
    squares: dict[str, list[np.ndarray]] = {name: [] for name in names}
    spread = {name: _Spread() for name in names}
    for batch in batches:
        lacking = [n for n in names if n not in batch]
        if lacking:
            raise ConfigError(f"the model takes {', '.join(lacking)}, which the examples lack")
        inputs = {n: np.asarray(batch[n], np.float32) for n in names}
        for name, gradient in gradients(inputs).items():
            value, slope = _chosen(name, inputs[name]), _chosen(name, gradient.numpy())
            if name == "sequence":
                slope = slope - slope.mean(axis=-1, keepdims=True)
            squares[name].append((slope.astype(float) ** 2).sum(axis=1))
            spread[name].add(value)
    if not squares["sequence"]:
        raise ConfigError("there are no examples to take gradients of: name some windows")
    norms = {}
    for name in names:
        square = np.concatenate(squares[name])
        if not np.isfinite(square).all():
            raise ConfigError(
                f"the gradient on {name} is no finite number in "
                f"{int((~np.isfinite(square).all(axis=1)).sum())} of {len(square)} examples: "
                "check the inputs for NaN, and the training run"
            )
        deviation = (deviations or {}).get(name)
        variance = spread[name].variance if deviation is None else np.square(deviation)
        norms[name] = {
            "raw": np.sqrt(square.sum(axis=1)),
            "scaled": np.sqrt((square * variance).sum(axis=1)),
        }
    return {
        "examples": len(norms["sequence"]["raw"]),
        "norms": {n: {k: _summary(v) for k, v in norms[n].items()} for n in names},
        "ratios": {
            n: {k: _ratio(norms["sequence"][k], norms[n][k]) for k in ("raw", "scaled")}
            if n in names
            else None
            for n in CONDITIONS
        },
    }


def _gradients(model, names: list[str], channel: int, bins: slice, scale: str, head: str | None):
    """Return the function from inputs to the gradient of each example's output on each input."""
    from tfepi.startup import import_tensorflow

    tf = import_tensorflow()

    def gradients(arrays: dict[str, np.ndarray]) -> dict:
        inputs = {n: tf.constant(arrays[n]) for n in names}
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            out = model(inputs, training=False)
            out = out[head] if isinstance(out, dict) else out
            value = out[:, bins, channel]
            # d logit(p) = dp / (p (1 - p)), d log(r) = dr / r: exact where p is all but 0,
            # where a clipped logit would have the gradient 0
            slope = {"logit": value * (1 - value), "log": value, "linear": tf.ones_like(value)}
            slope = tf.stop_gradient(1 / tf.maximum(slope[scale], _SMALLEST))
            total = tf.reduce_sum(slope * value)
        zero = tf.UnconnectedGradients.ZERO
        return tape.gradient(total, inputs, unconnected_gradients=zero)

    return gradients


def _chosen(name: str, values: np.ndarray) -> np.ndarray:
    """Return [examples, positions, channels] of what counts of an input or its gradient."""
    if name == "tracks":
        return values[..., :_MEASURED_CHANNELS]
    return values[:, None] if name == "cell_state" else values


class _Spread:
    """The variance of each channel over examples and positions, batch by batch."""

    def __init__(self):
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        values = values.reshape(-1, values.shape[-1]).astype(float)
        self._count += len(values)
        self._sum = self._sum + values.sum(axis=0)
        self._squares = self._squares + (values**2).sum(axis=0)

    @property
    def variance(self) -> np.ndarray:
        mean = self._sum / self._count
        return np.maximum(self._squares / self._count - mean**2, 0)


def _summary(values: np.ndarray) -> dict:
    return {"mean": float(values.mean()), "sd": float(values.std())}


def _ratio(above: np.ndarray, below: np.ndarray) -> dict | None:
    kept = below > 0
    if not kept.any():
        return None
    return _summary(above[kept] / below[kept]) | {"examples": int(kept.sum())}
