"""A tiny Enformer in the forms that the published one has, computed by plain TensorFlow.

Nothing here uses the package: names, layouts and arithmetic are written out from the published
description, so that they are an oracle for what reads them.
"""

import math

import numpy as np
import tensorflow as tf

LENGTH, BINS, KEPT = 2048, 16, 8
CHANNELS, WIDTHS, LAYERS, HEADS, KEY = 24, (12, 12, 16, 20, 20, 24), 2, 2, 4
OUTPUTS = {"human": 5, "mouse": 3}
SIZES = {"input_length": LENGTH, "target_length": KEPT}
FOUND = {
    "channels": CHANNELS,
    "width_rounding": 4,
    "transformer_layers": LAYERS,
    "attention_heads": HEADS,
    "key_size": KEY,
    "output_heads": OUTPUTS,
}
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def shapes() -> dict[str, tuple[int, ...]]:
    """Return object path → shape of every variable of the Sonnet module."""
    found = {}

    def layer(path, kernel=None, bias=True):
        found[f"{path}/w"] = kernel
        if bias:
            found[f"{path}/b"] = kernel[-1:]

    def norm(path, channels, averages=True):
        found[f"{path}/scale"] = found[f"{path}/offset"] = (channels,)
        for average in ("moving_mean", "moving_variance") if averages else ():
            found[f"{path}/{average}/_counter"] = ()
            for name in ("_hidden", "average"):
                found[f"{path}/{average}/{name}"] = (1, 1, channels)

    def pointwise_and_pool(path, channels):
        norm(f"{path}/1/_module/_layers/0", channels)
        layer(f"{path}/1/_module/_layers/2", (1, channels, channels))
        layer(f"{path}/2/_logit_linear", (channels, channels), bias=False)

    half = CHANNELS // 2
    layer("_trunk/_layers/0/_layers/0", (15, 4, half))
    pointwise_and_pool("_trunk/_layers/0/_layers", half)
    for n, (before, width) in enumerate(zip((half, *WIDTHS), WIDTHS, strict=False)):
        path = f"_trunk/_layers/1/_layers/{n}/_layers"
        norm(f"{path}/0/_layers/0", before)
        layer(f"{path}/0/_layers/2", (5, before, width))
        pointwise_and_pool(path, width)
    for n in range(LAYERS):
        path = f"_trunk/_layers/2/_layers/{n}/_layers"
        inner = f"{path}/0/_module/_layers"
        norm(f"{inner}/0", CHANNELS, averages=False)
        for name in ("q", "k"):
            layer(f"{inner}/1/_{name}_layer", (CHANNELS, HEADS * KEY), bias=False)
        layer(f"{inner}/1/_v_layer", (CHANNELS, CHANNELS), bias=False)
        layer(f"{inner}/1/_r_k_layer", (CHANNELS // HEADS, HEADS * KEY), bias=False)
        layer(f"{inner}/1/_embedding_layer", (CHANNELS, CHANNELS))
        for name in ("_r_w_bias", "_r_r_bias"):
            found[f"{inner}/1/{name}"] = (1, HEADS, 1, KEY)
        inner = f"{path}/1/_module/_layers"
        norm(f"{inner}/0", CHANNELS, averages=False)
        layer(f"{inner}/1", (CHANNELS, 2 * CHANNELS))
        layer(f"{inner}/4", (2 * CHANNELS, CHANNELS))
    norm("_trunk/_layers/4/_layers/0/_layers/0", CHANNELS)
    layer("_trunk/_layers/4/_layers/0/_layers/2", (1, CHANNELS, 2 * CHANNELS))
    for head, outputs in OUTPUTS.items():
        layer(f"_heads/{head}/_layers/0", (2 * CHANNELS, outputs))
    return found


def random_arrays(seed: int = 0) -> dict[str, np.ndarray]:
    """Return object path → random values, such that no stage vanishes."""
    rng = np.random.default_rng(seed)
    found = {}
    for path, shape in shapes().items():
        kind = path.rpartition("/")[2]
        if kind == "_counter":
            found[path] = np.array(7, np.int64)
        elif "moving_variance" in path or kind == "scale":
            found[path] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            spread = math.prod(shape[:-1]) ** -0.5 if kind == "w" else 0.3
            found[path] = rng.normal(0, spread, shape).astype(np.float32)
    return found


def predicted(arrays, x) -> dict:
    """Return what Enformer predicts of one-hot codes [batch, LENGTH, 4], stage by stage."""

    def dense(path, x):
        x = x @ arrays[f"{path}/w"]
        return x + arrays[f"{path}/b"] if f"{path}/b" in arrays else x

    def conv(path, x):
        return tf.nn.conv1d(x, arrays[f"{path}/w"], 1, "SAME") + arrays[f"{path}/b"]

    def gelu(x):
        return x * tf.sigmoid(1.702 * x)

    def block(path, x):
        mean = arrays[f"{path}/0/moving_mean/average"]
        deviation = tf.sqrt(arrays[f"{path}/0/moving_variance/average"] + 1e-5)
        x = (x - mean) / deviation * arrays[f"{path}/0/scale"] + arrays[f"{path}/0/offset"]
        return conv(f"{path}/2", gelu(x))

    def pointwise_and_pool(path, x):
        x = x + block(f"{path}/1/_module/_layers", x)
        pairs = tf.reshape(x, (-1, x.shape[1] // 2, 2, x.shape[2]))
        return tf.reduce_sum(
            pairs * tf.nn.softmax(dense(f"{path}/2/_logit_linear", pairs), axis=2), axis=2
        )

    def layer_norm(path, x):
        mean, variance = tf.nn.moments(x, -1, keepdims=True)
        x = (x - mean) / tf.sqrt(variance + 1e-5)
        return x * arrays[f"{path}/scale"] + arrays[f"{path}/offset"]

    def split(x, size):
        return tf.transpose(tf.reshape(x, (-1, x.shape[-2], HEADS, size)), (0, 2, 1, 3))

    def attention(path, x):
        q = split(dense(f"{path}/_q_layer", x), KEY) * KEY**-0.5
        k = split(dense(f"{path}/_k_layer", x), KEY)
        v = split(dense(f"{path}/_v_layer", x), CHANNELS // HEADS)
        features = tf.constant(_position_features(BINS, CHANNELS // HEADS), tf.float32)
        r = split(dense(f"{path}/_r_k_layer", features), KEY)
        content = tf.matmul(q + arrays[f"{path}/_r_w_bias"], k, transpose_b=True)
        distances = tf.matmul(q + arrays[f"{path}/_r_r_bias"], r, transpose_b=True)
        place = np.arange(BINS)[None] - np.arange(BINS)[:, None] + BINS - 1
        rows = [tf.gather(distances[:, :, i], place[i], axis=-1) for i in range(BINS)]
        weights = tf.nn.softmax(content + tf.stack(rows, axis=2))
        out = tf.transpose(weights @ v, (0, 2, 1, 3))
        return dense(f"{path}/_embedding_layer", tf.reshape(out, (-1, BINS, CHANNELS)))

    x = conv("_trunk/_layers/0/_layers/0", x)
    x = pointwise_and_pool("_trunk/_layers/0/_layers", x)
    for n in range(len(WIDTHS)):
        path = f"_trunk/_layers/1/_layers/{n}/_layers"
        x = pointwise_and_pool(path, block(f"{path}/0/_layers", x))
    for n in range(LAYERS):
        path = f"_trunk/_layers/2/_layers/{n}/_layers"
        inner = f"{path}/0/_module/_layers"
        x = x + attention(f"{inner}/1", layer_norm(f"{inner}/0", x))
        inner = f"{path}/1/_module/_layers"
        hidden = tf.nn.relu(dense(f"{inner}/1", layer_norm(f"{inner}/0", x)))
        x = x + dense(f"{inner}/4", hidden)
    cropped = (BINS - KEPT) // 2
    x = gelu(block("_trunk/_layers/4/_layers/0/_layers", x[:, cropped:-cropped]))
    return {head: tf.nn.softplus(dense(f"_heads/{head}/_layers/0", x)) for head in OUTPUTS}


def _position_features(length: int, count: int) -> np.ndarray:
    """Return features of the distances -length + 1 … length - 1."""
    kinds = count // 6
    distance = np.arange(1 - length, length)
    a = np.abs(distance)[:, None].astype(float)
    half_life = 2 ** np.linspace(3, np.log2(length), kinds)
    exponential = np.exp(-np.log(2) / half_life * a)
    mask = (2.0 ** np.arange(1, kinds + 1) - 1 > a).astype(float)
    mean, deviation = np.linspace(length / kinds, length, kinds), length / (2 * kinds)
    shape, rate = (mean / deviation) ** 2, mean / deviation**2
    with np.errstate(divide="ignore"):
        log_density = (shape - 1) * np.log(a) - rate * a + shape * np.log(rate)
    density = np.exp(log_density - [math.lgamma(s) for s in shape]) + 1e-8
    features = np.concatenate([exponential, mask, density / density.max(0)], axis=1)
    return np.concatenate([features, np.sign(distance)[:, None] * features], axis=1)


def module(arrays) -> tf.Module:
    """Return objects whose attributes lead to the arrays as variables, by their paths."""
    children: dict[str, dict] = {}
    for path, value in arrays.items():
        first, _, rest = path.partition("/")
        children.setdefault(first, {})[rest] = value
    node = tf.Module()
    for name, inner in children.items():
        setattr(node, name, _object(inner))
    return node


def _object(arrays):
    if set(arrays) == {""}:
        return tf.Variable(arrays[""])
    numbers = {path.partition("/")[0] for path in arrays}
    if not all(number.isdigit() for number in numbers):
        return module(arrays)
    inner = module({f"n{path}": value for path, value in arrays.items()})
    # Sonnet's lists hold functions too, such as GELU, in other places.
    return [getattr(inner, f"n{n}", tf.Module()) for n in range(max(map(int, numbers)) + 1)]


def write_checkpoint(arrays, prefix, root: str = "module") -> None:
    """Write a checkpoint of the released layout, and the folder's note of it."""
    checkpoint = tf.train.Checkpoint(**{root: module(arrays)})
    checkpoint.save(str(prefix))


def write_saved_model(
    arrays, folder, length: int = 2 * LENGTH, owner: str | None = "model"
) -> None:
    """Write a SavedModel of the published signature, which uses the middle LENGTH of `length`.

    Without an owner the root has the function, as the released code saves it.
    """
    enformer = module(arrays)
    variables = {}

    def collect(value, path):
        if isinstance(value, tf.Variable):
            variables[path] = value
        elif isinstance(value, tf.Module):
            for name, inner in vars(value).items():
                if not name.startswith(("_name", "_scope", "_tf_", "_self_", "_auto")):
                    collect(inner, f"{path}/{name}" if path else name)
        elif hasattr(value, "__len__"):
            for number, inner in enumerate(value):
                collect(inner, f"{path}/{number}")

    collect(enformer, "")
    assert set(variables) == set(arrays)
    side = (length - LENGTH) // 2

    @tf.function(input_signature=[tf.TensorSpec([None, length, 4], tf.float32)])
    def predict_on_batch(x):
        return predicted(variables, x[:, side : length - side])

    enformer.predict_on_batch = predict_on_batch
    root = enformer
    if owner:
        root = tf.Module()
        setattr(root, owner, enformer)
    tf.saved_model.save(root, str(folder))


def torch_arrays(arrays) -> dict[str, np.ndarray]:
    """Return the state dict of enformer-pytorch, whose trunk lists its parts a second time."""
    found = {}

    def layer(path, name, order):
        found[f"{name}.weight"] = np.ascontiguousarray(arrays[f"{path}/w"].transpose(order))
        if f"{path}/b" in arrays:
            found[f"{name}.bias"] = arrays[f"{path}/b"]

    def norm(path, name):
        found[f"{name}.weight"] = arrays[f"{path}/scale"]
        found[f"{name}.bias"] = arrays[f"{path}/offset"]
        if f"{path}/moving_mean/average" in arrays:
            found[f"{name}.running_mean"] = arrays[f"{path}/moving_mean/average"][0, 0]
            found[f"{name}.running_var"] = arrays[f"{path}/moving_variance/average"][0, 0]
            found[f"{name}.num_batches_tracked"] = np.array(7)

    def pointwise_and_pool(path, name):
        norm(f"{path}/1/_module/_layers/0", f"{name}.1.fn.0")
        layer(f"{path}/1/_module/_layers/2", f"{name}.1.fn.2", (2, 1, 0))
        logits = arrays[f"{path}/2/_logit_linear/w"].T[:, :, None, None]
        found[f"{name}.2.to_attn_logits.weight"] = np.ascontiguousarray(logits)

    layer("_trunk/_layers/0/_layers/0", "stem.0", (2, 1, 0))
    pointwise_and_pool("_trunk/_layers/0/_layers", "stem")
    for n in range(len(WIDTHS)):
        path, name = f"_trunk/_layers/1/_layers/{n}/_layers", f"conv_tower.{n}"
        norm(f"{path}/0/_layers/0", f"{name}.0.0")
        layer(f"{path}/0/_layers/2", f"{name}.0.2", (2, 1, 0))
        pointwise_and_pool(path, name)
    for n in range(LAYERS):
        path, name = f"_trunk/_layers/2/_layers/{n}/_layers", f"transformer.{n}"
        inner, attention = f"{path}/0/_module/_layers", f"{name}.0.fn.1"
        norm(f"{inner}/0", f"{name}.0.fn.0")
        for theirs, mine in (
            ("_q_layer", "to_q"),
            ("_k_layer", "to_k"),
            ("_v_layer", "to_v"),
            ("_r_k_layer", "to_rel_k"),
            ("_embedding_layer", "to_out"),
        ):
            layer(f"{inner}/1/{theirs}", f"{attention}.{mine}", (1, 0))
        found[f"{attention}.rel_content_bias"] = arrays[f"{inner}/1/_r_w_bias"]
        found[f"{attention}.rel_pos_bias"] = arrays[f"{inner}/1/_r_r_bias"]
        inner = f"{path}/1/_module/_layers"
        norm(f"{inner}/0", f"{name}.1.fn.0")
        layer(f"{inner}/1", f"{name}.1.fn.1", (1, 0))
        layer(f"{inner}/4", f"{name}.1.fn.4", (1, 0))
    norm("_trunk/_layers/4/_layers/0/_layers/0", "final_pointwise.1.0")
    layer("_trunk/_layers/4/_layers/0/_layers/2", "final_pointwise.1.2", (2, 1, 0))
    for head in OUTPUTS:
        layer(f"_heads/{head}/_layers/0", f"_heads.{head}.0", (1, 0))
    parts = {"stem": 1, "conv_tower": 2, "transformer": 4, "final_pointwise": 6}
    again = {}
    for name, value in found.items():
        part, _, rest = name.partition(".")
        if part in parts:
            again[f"_trunk.{parts[part]}.{rest}"] = value
    return found | again
