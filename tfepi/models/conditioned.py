"""Leopard's U-Net conditioned on accessibility in the ways that the Data Study Group recommends.

The report's recommendations 1a, 1b and 1c (§5): a stem of its own for each kind of input; binned
accessibility of a window wider than the sequence; a vector of the cell's state.
"""

import keras

from tfepi.layers import FiLM
from tfepi.models.leopard import (
    Factor,
    check_even,
    covering,
    over_sequence,
    unet,
    unet_head,
    unet_inputs,
    unit,
)
from tfrecords_tools.errors import ConfigError


def stems_unet(
    *,
    input_length: int = 10240,
    input_channels: int = 6,
    outputs: int = 2,
    bin_width: int = 1,
    track_width: int = 1,
    track_length: int | None = None,
    stem_filters: int = 8,
    join_level: int = 2,
    filters: int = 15,
    kernel: int = 7,
    depth: int = 5,
    decoder_depth: int | None = None,
    width_factor: Factor = 1.5,
    output_activation: str = "sigmoid",
    dtype: str = "float32",
) -> keras.Model:
    """Return the U-Net to which accessibility is joined deeper, after a stem of its own (1a).

    The stem has two units at the tracks' resolution, then pooling by 2 and two units until the
    resolution of the encoder's level `join_level`; wider positions are repeated. It sees what
    lies over the sequence. Its features are put behind the sequence's at that level. Layers:
    stem1a, stem1b, stem2_pool, stem2a, …, down2_join; the others as in `leopard_unet`.

    Args:
        input_length, outputs, bin_width: as in `leopard_unet`.
        input_channels: 4 and the tracks' channels.
        track_width, track_length: as in `leopard_unet`.
        stem_filters: of each convolution of the stem.
        join_level: level of the encoder, from 1 to depth; its positions are of 2**join_level bp.
        filters, kernel, depth, decoder_depth, width_factor: as in `leopard_unet`; the stem has
            the same kernel.
        output_activation, dtype: as in `leopard_unet`.

    Returns:
        Model from `sequence` and `tracks` to [batch, input_length / bin_width, outputs].

    Raises:
        ConfigError: no tracks, no such level, or lengths or widths that do not fit each other.
    """
    inputs = unet_inputs(input_length, input_channels, track_width, track_length, 2**depth)
    x = _tracks(inputs)
    _check_level(join_level, depth)
    stride = 2**join_level
    check_even(x.shape[1], track_width, input_length, stride)
    x = covering(x, track_width, input_length, dtype)
    width, step = track_width, 1
    while True:
        for part in "ab":
            x = unit(x, stem_filters, kernel, f"stem{step}{part}", dtype)
        if width >= stride:
            break
        width, step = 2 * width, step + 1
        x = keras.layers.MaxPooling1D(2, name=f"stem{step}_pool", dtype=dtype)(x)
    joined = {join_level: over_sequence(x, width, input_length, stride, dtype)}
    sizes = (filters, kernel, depth, width_factor, dtype)
    x = unet(inputs["sequence"], *sizes, joined, decoder_depth)
    y = unet_head(x, outputs, input_length, bin_width, output_activation)
    return keras.Model(inputs=inputs, outputs=y, name="stems_unet")


def wide_unet(
    *,
    input_length: int = 10240,
    input_channels: int = 6,
    outputs: int = 2,
    bin_width: int = 1,
    track_width: int = 128,
    track_length: int | None = None,
    stem_filters: int = 16,
    stem_layers: int = 4,
    summary_units: int = 32,
    join_level: int | None = None,
    filters: int = 15,
    kernel: int = 7,
    depth: int = 5,
    decoder_depth: int | None = None,
    width_factor: Factor = 1.5,
    output_activation: str = "sigmoid",
    dtype: str = "float32",
) -> keras.Model:
    """Return the U-Net that sees binned accessibility of a wider window than its sequence (1b).

    A stem of dilated units (1, 2, 4, …) runs over the whole window. What of it lies over the
    sequence is put behind the sequence's features at the encoder's level of the same
    resolution; the mean of it over the window goes through a dense layer and scales and shifts
    the bottleneck's features (`FiLM`, nothing at first). Layers: wide1, wide1_norm, …,
    wide_mean, wide_summary, down5_join, down5b_film; the others as in `leopard_unet`.

    Args:
        input_length, outputs, bin_width: as in `leopard_unet`.
        input_channels: 4 and the tracks' channels.
        track_width: bp per position of the tracks.
        track_length: positions of the tracks: as much before the sequence as after it.
        stem_filters, stem_layers: of the stem, whose last unit has the dilation
            2**(stem_layers − 1) and the kernel of the others.
        summary_units: of the dense layer.
        join_level: level of the encoder; None is that of the tracks' resolution, and the
            bottleneck where they are coarser. Features are pooled to it, or repeated.
        filters, kernel, depth, decoder_depth, width_factor: as in `leopard_unet`.
        output_activation, dtype: as in `leopard_unet`.

    Returns:
        Model from `sequence` and `tracks` to [batch, input_length / bin_width, outputs].

    Raises:
        ConfigError: no tracks, no such level, or lengths or widths that do not fit each other.
    """
    inputs = unet_inputs(input_length, input_channels, track_width, track_length, 2**depth)
    x = _tracks(inputs)
    if join_level is None:
        join_level = min(track_width.bit_length() - 1, depth)
    else:
        _check_level(join_level, depth)
    for layer in range(stem_layers):
        x = unit(x, stem_filters, kernel, f"wide{layer + 1}", dtype, 2**layer)
    summary = keras.layers.GlobalAveragePooling1D(name="wide_mean", dtype="float32")(x)
    summary = keras.layers.Dense(
        summary_units, activation="relu", name="wide_summary", dtype=dtype
    )(summary)
    bottleneck = f"down{depth}b"

    def modulate(features, name):
        if name != bottleneck:
            return features
        return FiLM(name=f"{name}_film", dtype=dtype)([features, summary])

    joined = {join_level: over_sequence(x, track_width, input_length, 2**join_level, dtype)}
    sizes = (filters, kernel, depth, width_factor, dtype)
    x = unet(inputs["sequence"], *sizes, joined, decoder_depth, modulate)
    y = unet_head(x, outputs, input_length, bin_width, output_activation)
    return keras.Model(inputs=inputs, outputs=y, name="wide_unet")


def state_unet(
    *,
    state_size: int,
    input_length: int = 10240,
    input_channels: int = 4,
    outputs: int = 2,
    bin_width: int = 1,
    track_width: int = 1,
    track_length: int | None = None,
    state_units: tuple[int, ...] = (32, 32),
    filters: int = 15,
    kernel: int = 7,
    depth: int = 5,
    decoder_depth: int | None = None,
    width_factor: Factor = 1.5,
    output_activation: str = "sigmoid",
    dtype: str = "float32",
) -> keras.Model:
    """Return the U-Net whose every level is modulated by a vector of the cell's state (1c).

    Dense layers make features of the vector; of these, linear functions scale and shift each
    channel after each batch norm (`FiLM`; Perez et al. 2018), at first by nothing. Layers:
    state1, …, down0a_film, …; the others as in `leopard_unet`.

    Args:
        state_size: numbers in the vector.
        input_length, outputs, bin_width: as in `leopard_unet`.
        input_channels, track_width, track_length: as in `leopard_unet`; tracks are joined at
            the input.
        state_units: of the dense layers.
        filters, kernel, depth, decoder_depth, width_factor: as in `leopard_unet`.
        output_activation, dtype: as in `leopard_unet`.

    Returns:
        Model from `sequence`, `cell_state` [batch, state_size] and, of more than 4 channels,
        `tracks` to [batch, input_length / bin_width, outputs].

    Raises:
        ConfigError: lengths or widths that do not fit each other.
    """
    inputs = unet_inputs(input_length, input_channels, track_width, track_length, 2**depth)
    joined = {}
    if "tracks" in inputs:
        joined[0] = over_sequence(inputs["tracks"], track_width, input_length, 1, dtype)
    state = inputs["cell_state"] = keras.Input((state_size,), name="cell_state")
    for layer, units in enumerate(state_units, 1):
        state = keras.layers.Dense(units, activation="relu", name=f"state{layer}", dtype=dtype)(
            state
        )

    def modulate(features, name):
        return FiLM(name=f"{name}_film", dtype=dtype)([features, state])

    sizes = (filters, kernel, depth, width_factor, dtype)
    x = unet(inputs["sequence"], *sizes, joined, decoder_depth, modulate)
    y = unet_head(x, outputs, input_length, bin_width, output_activation)
    return keras.Model(inputs=inputs, outputs=y, name="state_unet")


def _tracks(inputs):
    """Return the tracks of a model that is nothing without them."""
    if "tracks" not in inputs:
        raise ConfigError(
            "input_channels is 4, which leaves no channel for tracks: want at least 5, or use "
            "leopard_unet"
        )
    return inputs["tracks"]


def _check_level(join_level: int, depth: int) -> None:
    if not 1 <= join_level <= depth:
        raise ConfigError(f"join_level is {join_level}, want 1 to the depth {depth}")
