"""Leopard's U-Net (Li and Guan 2021), and the parts that conditioned models share with it."""

from collections.abc import Callable, Mapping
from typing import Annotated

import keras

from tfepi.layers import CenterSlice
from tfepi.models.blocks.keras_layers import keras_activation
from tfrecords_tools.errors import ConfigError

Factor = Annotated[float, "at least 1"]


def leopard_unet(
    *,
    input_length: int = 10240,
    input_channels: int = 4,
    outputs: int = 6,
    bin_width: int = 1,
    track_width: int = 1,
    track_length: int | None = None,
    filters: int = 15,
    kernel: int = 7,
    depth: int = 5,
    decoder_depth: int | None = None,
    width_factor: Factor = 1.5,
    output_activation: str = "sigmoid",
    dtype: str = "float32",
) -> keras.Model:
    """Return Leopard's U-Net (Li and Guan 2021, Genome Research 31:721; `code_1bp/unet.py`).

    Two units of convolution with ReLU and batch norm, in this order, at each of depth + 1 levels
    of the encoder, with max pooling by 2 between them; a transposed convolution, the encoder's
    features and two units at each level of the decoder. Level l has positions of 2**l bp, and
    int(f · width_factor) times the filters of the level above; the decoder's are int(f /
    width_factor) of those below. Layers are named after their level: down0a, down0a_norm, …,
    down5_pool, down5a, …, up4_grow, up4_join, up4a, …, head. 476,074 weights with 6 channels and
    one output.

    Args:
        input_length: bp, a multiple of 2**depth.
        input_channels: 4 for the sequence alone; what is above is the number of channels of a
            second input, `tracks`.
        outputs: number of targets.
        bin_width: bp per output position: features are averaged before the output.
        track_width: bp per position of the tracks, which are repeated to 1 bp.
        track_length: positions of the tracks, whose middle lies over the sequence; None is
            input_length / track_width.
        filters: of the first level.
        kernel: of every convolution.
        depth: number of poolings.
        decoder_depth: levels of the decoder; None is depth, so that it ends at 1 bp. For wide bins
            fewer do, at a part of the cost: with 2 of 5 it ends at 8 bp.
        width_factor: of filters from level to level.
        output_activation: "sigmoid" for labels, "softplus" for counts, "linear".
        dtype: precision policy; pooling to bins and the output are float32.

    Returns:
        Model from {"sequence": [batch, input_length, 4], "tracks": [batch, track_length,
        input_channels − 4]} to [batch, input_length / bin_width, outputs].

    Raises:
        ConfigError: lengths or widths that do not fit each other.
    """
    inputs = unet_inputs(input_length, input_channels, track_width, track_length, 2**depth)
    joined = {}
    if "tracks" in inputs:
        joined[0] = over_sequence(inputs["tracks"], track_width, input_length, 1, dtype)
    x = unet(inputs["sequence"], filters, kernel, depth, width_factor, dtype, joined, decoder_depth)
    y = unet_head(x, outputs, input_length, bin_width, output_activation)
    return keras.Model(inputs=inputs, outputs=y, name="leopard_unet")


def unet_inputs(
    length: int, channels: int, track_width: int, track_length: int | None, multiple: int
) -> dict[str, keras.KerasTensor]:
    """Return the inputs `sequence` and, of more than 4 channels, `tracks`.

    Args:
        length: bp of the sequence.
        channels: of both inputs together.
        track_width: bp per position of the tracks.
        track_length: positions; None where they cover the sequence and no more.
        multiple: what the length must be a multiple of, bp.

    Raises:
        ConfigError: another length, no tracks where they are described, or tracks that do not
            cover the sequence and as much at either end.
    """
    if length < 1 or length % multiple:
        below = length - length % multiple
        choice = f"{below} or {below + multiple}" if below else f"{multiple}"
        raise ConfigError(
            f"input_length is {length}, want a multiple of {multiple} (2 to the power of the "
            f"depth): {choice}"
        )
    if channels < 4:
        raise ConfigError(f"input_channels is {channels}, want 4 bases and those of the tracks")
    inputs = {"sequence": keras.Input((length, 4), name="sequence")}
    if channels == 4:
        if track_length is not None or track_width != 1:
            raise ConfigError(
                f"track_width is {track_width} and track_length {track_length}, but "
                "input_channels 4 leaves no channel for tracks: raise it, or leave them out"
            )
        return inputs
    if track_length is None:
        if length % track_width:
            raise ConfigError(
                f"track_width {track_width} does not divide input_length {length}: give "
                "track_length"
            )
        track_length = length // track_width
    rest = track_length * track_width - length
    if rest < 0 or rest % 2:
        raise ConfigError(
            f"tracks of {track_length} positions of {track_width} bp do not cover the sequence of "
            f"{length} bp with as much at either end: change track_length or track_width"
        )
    inputs["tracks"] = keras.Input((track_length, channels - 4), name="tracks")
    return inputs


def unit(x, filters: int, kernel: int, name: str, dtype: str, dilation: int = 1):
    """Add a convolution with ReLU and a batch norm, in this order."""
    x = keras.layers.Conv1D(
        filters,
        kernel,
        padding="same",
        dilation_rate=dilation,
        activation="relu",
        name=name,
        dtype=dtype,
    )(x)
    return keras.layers.BatchNormalization(
        momentum=0.99, epsilon=1e-3, name=f"{name}_norm", dtype=dtype
    )(x)


def unet(
    x,
    filters: int,
    kernel: int,
    depth: int,
    width_factor: float,
    dtype: str,
    joined: Mapping[int, keras.KerasTensor],
    decoder_depth: int | None = None,
    modulate: Callable | None = None,
):
    """Add the levels of the encoder and the decoder; sizes as in `leopard_unet`.

    Args:
        x: [batch, length, channels].
        joined: features that are put behind those of the encoder, by level.
        decoder_depth: levels of the decoder; None is depth.
        modulate: called with the features after each batch norm and with the unit's name,
            returns what the next layer sees.

    Raises:
        ConfigError: a level without filters, or more levels of the decoder than of the encoder.
    """
    if decoder_depth is None:
        decoder_depth = depth
    elif not 1 <= decoder_depth <= depth:
        raise ConfigError(f"decoder_depth is {decoder_depth}, want 1 to the depth {depth}")
    counts = [filters]
    for step in range(2 * depth):
        wider = counts[-1] * width_factor if step < depth else counts[-1] / width_factor
        counts.append(int(wider))
    if not counts[-1]:
        raise ConfigError(
            f"filters {filters} with width_factor {width_factor} leave a level without any: want "
            "more filters, or a width_factor nearer to 1"
        )

    def two_units(x, name):
        count = counts.pop(0)
        for part in (f"{name}a", f"{name}b"):
            x = unit(x, count, kernel, part, dtype)
            x = modulate(x, part) if modulate else x
        return x

    skips = []
    for level in range(depth + 1):
        name = f"down{level}"
        if level:
            skips.append(x)
            x = keras.layers.MaxPooling1D(2, name=f"{name}_pool", dtype=dtype)(x)
        if level in joined:
            x = keras.layers.Concatenate(name=f"{name}_join", dtype=dtype)([x, joined[level]])
        x = two_units(x, name)
    for level in reversed(range(depth - decoder_depth, depth)):
        name = f"up{level}"
        x = keras.layers.Conv1DTranspose(
            counts[0], 2, strides=2, padding="same", name=f"{name}_grow", dtype=dtype
        )(x)
        x = keras.layers.Concatenate(name=f"{name}_join", dtype=dtype)([x, skips[level]])
        x = two_units(x, name)
    return x


def unet_head(x, outputs: int, length: int, bin_width: int, activation: str):
    """Add the mean over bins and the output, a convolution of width 1, in float32.

    Args:
        x: features [batch, positions, channels] of the whole sequence.
        outputs: number of targets.
        length: of the sequence, bp.
        bin_width: bp.
        activation: of the output.

    Raises:
        ConfigError: bins that do not divide the length, or are no whole number of positions; or
            an unknown activation.
    """
    if length % bin_width:
        raise ConfigError(
            f"bin_width {bin_width} does not divide input_length {length}: want a divisor of it"
        )
    step = length // x.shape[1]
    if bin_width % step:
        raise ConfigError(
            f"bin_width {bin_width} is no multiple of the {step} bp at which decoder_depth ends: "
            "want wider bins, or more levels of the decoder"
        )
    if bin_width > step:
        pool = keras.layers.AveragePooling1D(bin_width // step, name="bins", dtype="float32")
        x = pool(x)
    return keras.layers.Conv1D(
        outputs, 1, activation=keras_activation(activation), name="head", dtype="float32"
    )(x)


def check_even(positions: int, track_width: int, length: int, stride: int) -> None:
    """Check that tracks, or what was made of them, can be brought to another resolution.

    Args:
        positions: of the tracks, whose middle is the sequence's.
        track_width: bp per position.
        length: bp of the sequence.
        stride: bp per position wanted.

    Raises:
        ConfigError: neither of the two widths divides the other, or positions lie across the
            sequence's.
    """
    wide, narrow = max(track_width, stride), min(track_width, stride)
    if wide % narrow or (positions * track_width - length) % (2 * narrow):
        raise ConfigError(
            f"tracks of {positions} positions of {track_width} bp do not lie evenly on the "
            f"sequence's {length // stride} positions of {stride} bp: change track_width, "
            "track_length or join_level"
        )


def covering(x, track_width: int, length: int, dtype: str):
    """Keep the middle positions of tracks that cover a sequence of so many bp, and no more."""
    count = -(-length // track_width)
    return _middle(x, count + (x.shape[1] - count) % 2, "tracks_cover", dtype)


def over_sequence(x, track_width: int, length: int, stride: int, dtype: str):
    """Return what of tracks lies over the sequence, at another resolution.

    Narrower positions are pooled by their maximum, wider ones repeated.

    Args:
        x: [batch, positions, channels].
        track_width, length, stride: as in `check_even`.
        dtype: precision policy.

    Returns:
        [batch, length / stride, channels].
    """
    check_even(x.shape[1], track_width, length, stride)
    x = covering(x, track_width, length, dtype)
    if track_width < stride:
        pool = stride // track_width
        x = keras.layers.MaxPooling1D(pool, name="tracks_pool", dtype=dtype)(x)
    elif track_width > stride:
        repeats = track_width // stride
        x = keras.layers.UpSampling1D(repeats, name="tracks_repeat", dtype=dtype)(x)
    return _middle(x, length // stride, "tracks_middle", dtype)


def _middle(x, count: int, name: str, dtype: str):
    return x if x.shape[1] == count else CenterSlice(count, name=name, dtype=dtype)(x)
