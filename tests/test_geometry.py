"""Fields and bin widths by arithmetic, beside what trying and the shapes say."""

import keras
import numpy as np
import pytest

from tfepi import geometry
from tfepi.geometry import bin_width
from tfepi.graph import graph_of
from tfepi.layer_rules import GLOBAL, rule_of
from tfepi.layers import CenterSlice, MultiheadAttention, SoftmaxPool1D
from tfepi.models import basset, enformer, leopard_unet, make_model, state_unet
from tfepi.params import parse_params


def model_of(trunk, **changes):
    section = {"seq_length": 256, "trunk": trunk, "head": {"name": "final", "units": 2}} | changes
    return make_model(parse_params({"model": section}).model, None)


POOLED = [{"name": "conv_dna", "filters": 4, "pool_size": 2}]


@pytest.mark.parametrize(
    ("trunk", "width"),
    [
        (POOLED, 2),
        (
            [
                *POOLED,
                {
                    "name": "conv_tower",
                    "filters_init": 4,
                    "filters_mult": 1,
                    "pool_size": 2,
                    "repeat": 3,
                },
            ],
            16,
        ),
        ([{"name": "conv_block", "filters": 4, "kernel_size": 5, "stride": 4}], 4),
        ([*POOLED, {"name": "Cropping1D", "cropping": 16}], 2),
        ([*POOLED, {"name": "dilated_residual", "filters": 4, "repeat": 2}], 2),
        (
            [
                *POOLED,
                {
                    "name": "conv_tower",
                    "filters_init": 4,
                    "filters_mult": 1,
                    "pool_size": 2,
                    "repeat": 3,
                },
                {"name": "unet_conv", "kernel_size": 3},
            ],
            8,
        ),
        ([*POOLED, {"name": "squeeze_excite", "bottleneck_ratio": 2}], 2),
        ([*POOLED, {"name": "center_slice", "center": 8}], 2),
    ],
)
def test_bin_width(trunk, width):
    assert bin_width(model_of(trunk)) == width


def test_a_joined_sequence_says_nothing():
    model = basset(targets=2)
    assert bin_width(model) is None
    assert bin_width(model, through_flatten=True) == 192


def test_each_head_has_its_own():
    heads = {
        "head_a": {"name": "final", "units": 2},
        "head_b": [
            {"name": "conv_block", "filters": 3, "pool_size": 4},
            {"name": "final", "units": 5},
        ],
    }
    section = {"seq_length": 256, "trunk": POOLED, **heads}
    model = make_model(parse_params({"model": section}).model, None)
    assert [bin_width(model, head) for head in ("a", "b")] == [2, 8]


def test_a_width_that_is_no_whole_number():
    inputs = keras.Input((30, 4), name="sequence")
    x = keras.layers.MaxPooling1D(3)(inputs)
    x = keras.layers.UpSampling1D(2)(x)
    assert bin_width(keras.Model({"sequence": inputs}, x)) is None


def spans_by_trying(layer, length: int, start: int, stop: int) -> tuple[int, int]:
    """Outputs that inputs [start, stop) change, with weights that cancel nothing."""
    x = np.random.default_rng(0).random((1, length, 3)).astype(np.float32)
    layer.build(x.shape)
    for weight in layer.weights:
        weight.assign(np.random.default_rng(1).uniform(0.5, 1, weight.shape))
    changed = x.copy()
    changed[:, start:stop] += 7
    differs = (np.asarray(layer(changed)) != np.asarray(layer(x)))[0].any(axis=-1)
    places = np.flatnonzero(differs)
    return int(places[0]), int(places[-1]) + 1


LAYERS = {
    "same": lambda: keras.layers.Conv1D(2, 5, padding="same"),
    "even same": lambda: keras.layers.Conv1D(2, 4, padding="same"),
    "valid": lambda: keras.layers.Conv1D(2, 4),
    "causal": lambda: keras.layers.Conv1D(2, 3, padding="causal", dilation_rate=2),
    "dilated": lambda: keras.layers.Conv1D(2, 3, padding="same", dilation_rate=3),
    "strided same": lambda: keras.layers.Conv1D(2, 5, strides=3, padding="same"),
    "strided valid": lambda: keras.layers.Conv1D(2, 4, strides=2),
    "separable": lambda: keras.layers.SeparableConv1D(2, 5, padding="same"),
    "depthwise": lambda: keras.layers.DepthwiseConv1D(5, padding="same"),
    "transposed": lambda: keras.layers.Conv1DTranspose(2, 2, strides=2, padding="same"),
    "wide transposed": lambda: keras.layers.Conv1DTranspose(2, 5, strides=2, padding="same"),
    "transposed valid": lambda: keras.layers.Conv1DTranspose(2, 4, strides=3),
    "max pool": lambda: keras.layers.MaxPooling1D(2),
    "max pool same": lambda: keras.layers.MaxPooling1D(3, padding="same"),
    "overlapping pool": lambda: keras.layers.AveragePooling1D(5, strides=2, padding="valid"),
    "softmax pool": lambda: SoftmaxPool1D(2, per_channel=True),
    "up": lambda: keras.layers.UpSampling1D(3),
    "crop": lambda: keras.layers.Cropping1D((3, 5)),
    "pad": lambda: keras.layers.ZeroPadding1D((2, 4)),
    "middle": lambda: CenterSlice(30),
    "dense": lambda: keras.layers.Dense(4),
    "layer norm": lambda: keras.layers.LayerNormalization(),
}


@pytest.mark.parametrize("name", sorted(LAYERS))
@pytest.mark.parametrize("start", [11, 12, 17])
def test_a_layer_touches_what_trying_shows(name, start):
    layer, length, stop = LAYERS[name](), 40, start + 1 + start % 3
    inputs = keras.Input((length, 3), name="sequence")
    model = keras.Model({"sequence": inputs}, layer(inputs))
    found = geometry.touched(model, start, stop)[layer.name]
    assert found == spans_by_trying(LAYERS[name](), length, start, stop)


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_needed_is_the_transpose_of_touched(name):
    length, layer = 40, LAYERS[name]()
    inputs = keras.Input((length, 3), name="sequence")
    model = keras.Model({"sequence": inputs}, layer(inputs))
    touched = [geometry.touched(model, p, p + 1).get(layer.name, (0, 0)) for p in range(length)]
    for q in range(model.output.shape[1]):
        inside = [p for p, (a, b) in enumerate(touched) if a <= q < b]
        first, last = geometry.needed(model, q, q + 1)["sequence"]
        if inside:
            assert (first, last) == (inside[0], inside[-1] + 1)
        else:
            assert first >= last or name == "pad"


@pytest.mark.parametrize(
    ("layer", "positions"),
    [
        (keras.layers.LayerNormalization(axis=[1, 2]), 20),
        (keras.layers.GroupNormalization(1), 20),
        (keras.layers.Softmax(axis=1), 20),
        (keras.layers.GlobalMaxPooling1D(keepdims=True), 1),
        (keras.layers.Reshape((1, 60)), 1),
        (MultiheadAttention(heads=1, key_size=2, value_size=3), 20),
    ],
)
def test_global_layers_touch_everything(layer, positions):
    inputs = keras.Input((20, 3), name="sequence")
    model = keras.Model({"sequence": inputs}, layer(inputs))
    assert geometry.touched(model, 4, 5)[layer.name] == (0, positions)
    assert geometry.needed(model, 0, 1)["sequence"] == (0, 20)


@pytest.mark.parametrize(
    ("depth", "widths"),
    [
        (1, {50}),
        (2, {124}),
        (3, {268, 276}),
        (4, {564, 580}),
        (5, {1140, 1172}),
        (6, {2292, 2356}),
        (7, {4596, 4724}),
    ],
)
def test_fields_of_the_u_net_by_depth_and_phase(depth, widths):
    model = leopard_unet(input_length=10_240, depth=depth, outputs=1, filters=60)
    graph = graph_of(model)
    assert geometry.period(graph) == 2**depth
    seen, seeing = set(), set()
    for p in range(5120, 5120 + 2**depth):
        first, last = geometry.spans_touched(graph, p, p + 1)[graph.output()]
        seen.add(last - first)
        assert 564 <= max(p - first, last - 1 - p) <= 595 or depth != 5
        first, last = geometry.spans_needed(graph, graph.output(), p, p + 1)[0]
        seeing.add(last - first)
    assert seen == seeing == widths


def test_fields_of_enformer():
    model = enformer(channels=96, width_rounding=8, transformer_layers=1, output_heads=2)
    graph = graph_of(model)
    assert geometry.period(graph) == 128
    touched = geometry.touched(model, 98_304, 98_305)
    first, last = touched["tower6_pool"]
    assert last - first <= 6
    assert touched["transformer0_attention"] == (0, 1536)
    assert touched["head"] == (0, 896)
    first, last = geometry.needed(model, 700, 701, layer="tower6_pool")["sequence"]
    assert last - first == 646


def test_a_branch_that_sees_nothing_of_the_sequence():
    model = state_unet(input_length=256, filters=6, depth=2, state_size=3)
    touched = geometry.touched(model, 100, 101)
    assert not any(name.startswith("state") for name in touched)


def test_an_unknown_layer_has_no_rule():
    class Strange(keras.layers.Layer):
        def call(self, x):
            return x

    assert rule_of(Strange()) is GLOBAL
