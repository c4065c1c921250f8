"""How much a gene's start site and an element attend to each other.

A row of attention weights, of the token that looks (the query), has the sum 1 over the tokens
looked at (the keys). Weights are averaged over heads. Of two stretches Q and K of a window,
A(Q → K) is the share of Q's attention that goes to K: summed over the tokens of K, averaged over
those of Q. A token that a stretch covers in part counts in part.

Of each layer two profiles along the window are kept: A(TSS → token) and A(token → TSS), where TSS
is the stretch of the bins around the start site. The values for elements follow from them.

The weights themselves take 75 MB a layer of the published Enformer: they are reduced to profiles
inside the graph, layer by layer.
"""

from collections.abc import Callable

import numpy as np

from tfepi.analysis.tss_windows import TssWindow
from tfepi.spec import shift_sequence
from tfrecords_tools.errors import ConfigError

FROM_TSS, TO_TSS = "from_tss", "to_tss"
DIRECTIONS = (FROM_TSS, TO_TSS)


def coverage(low: int, high: int, tokens: int, length: int) -> np.ndarray:
    """Return the share of each token that a stretch covers: float64 [tokens].

    Args:
        low: first base of the stretch in the window; may be outside.
        high: the base behind its last.
        tokens: which divide the window into equal parts.
        length: of the window, bp.
    """
    width = length // tokens
    edges = np.arange(tokens + 1) * width
    return np.maximum(np.minimum(high, edges[1:]) - np.maximum(low, edges[:-1]), 0) / width


def profile_function(model, window: TssWindow) -> tuple[dict[str, int], Callable]:
    """Return the attention layers of a model, and the function from sequences to profiles.

    Args:
        model: a Keras model of "sequence", with attention layers.
        window: how windows lie.

    Returns:
        The number of tokens of each layer by name; and a function of base indices uint8
        [batch, length] and of the TSS's coverage by number of tokens, float [tokens], to a dict by
        layer of float32 [batch, 2, tokens]: A(TSS → token) and A(token → TSS).

    Raises:
        ConfigError: a model without attention layers, or of tokens that do not divide the window.
    """
    from tfepi.models import attention_weights
    from tfepi.startup import import_tensorflow

    tf = import_tensorflow()
    weighted = attention_weights(model)
    own = set(model.output) if isinstance(model.output, dict) else {"output"}
    tokens = {n: out.shape[-1] for n, out in weighted.output.items() if n not in own}
    for name, count in tokens.items():
        if count is None or window.length % count:
            raise ConfigError(
                f"attention layer {name!r} has {count} tokens for {window.length} bp: want tokens "
                "of equal width"
            )

    def call(sequence, covered):
        found = {}
        out = weighted({"sequence": tf.one_hot(sequence, 4)}, training=False)
        for name, count in tokens.items():
            weights, share = out[name], covered[str(count)]
            looking = (share / tf.reduce_sum(share))[None, None, None]
            seen = tf.reduce_mean(tf.matmul(looking, weights)[:, :, 0], axis=1)
            seeing = tf.reduce_mean(tf.matmul(weights, share[None, None, :, None])[..., 0], axis=1)
            found[name] = tf.stack([seen, seeing], axis=1)
        return found

    # One graph for all batches: what a window gives does not depend on which came first.
    signature = [
        tf.TensorSpec([None, window.length], tf.uint8),
        {str(n): tf.TensorSpec([n], tf.float32) for n in set(tokens.values())},
    ]
    compiled = tf.function(call, autograph=False, input_signature=signature)

    def run(sequence: np.ndarray, covered: dict[int, np.ndarray]) -> dict[str, np.ndarray]:
        shares = {str(n): c.astype(np.float32) for n, c in covered.items()}
        return {name: values.numpy() for name, values in compiled(sequence, shares).items()}

    return tokens, run


class Profiles:
    """Attention profiles of windows, averaged over strands and shifts.

    Tokens stay where they are in a shift; those of the reverse complement are mirrored.

    Args:
        model: a Keras model of "sequence", with attention layers.
        window: how windows lie.
        rc: average with the reverse complement.
        shifts: bp to average over.

    Attributes:
        tokens: number of tokens by layer.
    """

    def __init__(self, model, window: TssWindow, rc: bool = False, shifts: tuple[int, ...] = (0,)):
        self.tokens, self._function = profile_function(model, window)
        self._rc, self._shifts = rc, shifts
        self._covered = {
            n: coverage(*window.span, n, window.length) for n in set(self.tokens.values())
        }

    def __call__(self, sequences: np.ndarray) -> dict[str, np.ndarray]:
        """Return float32 [batch, 2, tokens] by layer, of base indices uint8 [batch, length]."""
        total: dict[str, np.ndarray] = {}
        for shift in self._shifts:
            for rc in (False, True) if self._rc else (False,):
                covered = {n: c[::-1] if rc else c for n, c in self._covered.items()}
                found = self._function(shift_sequence(sequences, shift, rc), covered)
                for name, values in found.items():
                    values = values[..., ::-1] if rc else values
                    total[name] = total.get(name, 0) + values
        passes = len(self._shifts) * (1 + self._rc)
        return {name: values / np.float32(passes) for name, values in total.items()}


def element_attention(profile: np.ndarray, low: int, high: int, length: int) -> tuple[float, float]:
    """Return A(TSS → element) and A(element → TSS); NaN of an empty stretch.

    Args:
        profile: of one window and layer, float [2, tokens].
        low: first base of the element in the window.
        high: the base behind its last.
        length: of the window, bp.
    """
    covered = coverage(low, high, profile.shape[-1], length)
    if not covered.sum():
        return float("nan"), float("nan")
    seen, seeing = profile.astype(float) @ covered
    return float(seen), float(seeing / covered.sum())


def background(total: np.ndarray, own: np.ndarray, windows: int) -> np.ndarray:
    """Return what the windows of other genes have at the same places: their mean profile.

    The TSS is in the middle of every window, so the same place is the same distance, on the same
    side along the chromosome.

    Args:
        total: sum of the profiles of all windows, float64 [2, tokens].
        own: profiles of the windows of a gene, which are left out, float [its windows, 2, tokens].
        windows: number of all of them; more than the gene's.

    Returns:
        float64 [2, tokens].
    """
    return (total - own.sum(axis=0, dtype=float)) / (windows - len(own))


def ratio(value: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return value / usual; NaN where the usual is 0, which is too little for float32."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(usual != 0, value / usual, np.nan)
