"""Basset: the Poisson regression form of Kathail et al. and the classifier of 2016."""

import keras

from tfepi.layers import activation as activation_layer
from tfepi.models.blocks.keras_layers import keras_activation
from tfrecords_tools.errors import ConfigError

TOWER = (288, 320, 368, 400, 464, 512)


def basset(
    *,
    targets: int,
    input_length: int = 1344,
    bin_width: int = 192,
    stem_filters: int = 288,
    stem_kernel: int = 17,
    stem_pool: int = 3,
    tower_filters: tuple[int, ...] = TOWER,
    tower_kernel: int = 5,
    tower_pool: int = 2,
    neck_filters: int = 256,
    dense_units: int = 768,
    dropout: float = 0.2,
    activation: str = "gelu",
    output_activation: str = "softplus",
    bn_momentum: float = 0.9,
    dtype: str = "float32",
) -> keras.Model:
    """Return the convolutional network of Kathail et al. (2023), §2.2, by default.

    The stem is convolution, batch norm, activation, pooling; a tower stage activation,
    convolution, batch norm, pooling; then a convolution of width 1, flattening, a dense layer
    and one prediction for the centre bin. 5,850,400 + 769·targets trainable parameters.

    Args:
        targets: number of outputs.
        input_length: bp; pooling must leave at least one position.
        bin_width: bp of the centre bin that is predicted (part of the contract, no parameter).
        stem_filters, stem_kernel, stem_pool: first convolution.
        tower_filters: filters of each stage.
        tower_kernel, tower_pool: of every stage.
        neck_filters: of the convolution of width 1.
        dense_units, dropout: the dense layer.
        activation: "gelu" (tanh), "gelu_sigmoid" for models before October 2022, "relu".
        output_activation: "softplus" for counts, "sigmoid" for peaks.
        bn_momentum: of the moving averages; epsilon is 1e-3.
        dtype: precision policy of the trunk; the head is float32.

    Returns:
        Model from {"sequence": [batch, input_length, 4]} to [batch, 1, targets].
    """
    shrink = stem_pool * tower_pool ** len(tower_filters)
    if input_length < shrink:
        raise ConfigError(
            f"basset: input_length {input_length} is shorter than the pooling factor {shrink}"
        )
    norm = {"momentum": bn_momentum, "epsilon": 1e-3, "dtype": dtype}
    conv = {
        "padding": "same",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        "dtype": dtype,
    }
    inputs = keras.Input((input_length, 4), name="sequence")
    x = keras.layers.Conv1D(stem_filters, stem_kernel, name="stem_conv", **conv)(inputs)
    x = keras.layers.BatchNormalization(name="stem_norm", **norm)(x)
    x = activation_layer(activation, "stem_activation", dtype)(x)
    x = keras.layers.MaxPooling1D(stem_pool, padding="same", name="stem_pool", dtype=dtype)(x)
    for stage, filters in enumerate(tower_filters, 1):
        name = f"tower{stage}"
        x = activation_layer(activation, f"{name}_activation", dtype)(x)
        x = keras.layers.Conv1D(filters, tower_kernel, name=f"{name}_conv", **conv)(x)
        x = keras.layers.BatchNormalization(name=f"{name}_norm", **norm)(x)
        x = keras.layers.MaxPooling1D(tower_pool, padding="same", name=f"{name}_pool", dtype=dtype)(
            x
        )
    x = activation_layer(activation, "neck_activation", dtype)(x)
    x = keras.layers.Conv1D(neck_filters, 1, name="neck_conv", **conv)(x)
    x = keras.layers.BatchNormalization(name="neck_norm", **norm)(x)
    x = activation_layer(activation, "dense_activation", dtype)(x)
    length = x.shape[1] * x.shape[2]
    x = keras.layers.Reshape((1, length), name="flatten", dtype=dtype)(x)
    x = keras.layers.Dense(
        dense_units, use_bias=False, kernel_initializer="he_normal", name="dense", dtype=dtype
    )(x)
    x = keras.layers.BatchNormalization(name="dense_norm", **norm)(x)
    x = keras.layers.Dropout(dropout, name="dense_dropout", dtype=dtype)(x)
    x = activation_layer(activation, "head_activation", dtype)(x)
    x = keras.layers.Dense(
        targets,
        kernel_initializer="he_normal",
        activation=keras_activation(output_activation),
        name="head",
        dtype="float32",
    )(x)
    return keras.Model(inputs={"sequence": inputs}, outputs=x, name="basset")


def basset_2016(
    *,
    targets: int = 164,
    input_length: int = 600,
    bin_width: int = 600,
    filters: tuple[int, int, int] = (300, 200, 200),
    kernels: tuple[int, int, int] = (19, 11, 7),
    pools: tuple[int, int, int] = (3, 4, 4),
    dense_units: tuple[int, int] = (1000, 1000),
    dropout: float = 0.3,
    output_activation: str = "sigmoid",
    dtype: str = "float32",
) -> keras.Model:
    """Return Basset as published (Kelley, Snoek and Rinn 2016): peaks from 600 bp.

    Three times convolution (no padding), batch norm, ReLU, pooling; two dense layers with
    batch norm, ReLU and dropout; a sigmoid per cell type.

    Args:
        targets: number of cell types.
        input_length: bp.
        bin_width: bp that a prediction stands for (part of the contract, no parameter).
        filters, kernels, pools: of the convolutions.
        dense_units, dropout: of the dense layers.
        output_activation: "sigmoid" for peaks.
        dtype: precision policy of the trunk; the head is float32.

    Returns:
        Model from {"sequence": [batch, input_length, 4]} to [batch, 1, targets].
    """
    inputs = keras.Input((input_length, 4), name="sequence")
    x = inputs
    norm = {"momentum": 0.9, "epsilon": 1e-5, "dtype": dtype}
    for stage, (count, kernel, pool) in enumerate(zip(filters, kernels, pools, strict=True), 1):
        x = keras.layers.Conv1D(count, kernel, name=f"conv{stage}", dtype=dtype)(x)
        x = keras.layers.BatchNormalization(name=f"norm{stage}", **norm)(x)
        x = activation_layer("relu", f"relu{stage}", dtype)(x)
        x = keras.layers.MaxPooling1D(pool, name=f"pool{stage}", dtype=dtype)(x)
    length = x.shape[1] * x.shape[2]
    x = keras.layers.Reshape((1, length), name="flatten", dtype=dtype)(x)
    for stage, units in enumerate(dense_units, 1):
        x = keras.layers.Dense(units, name=f"dense{stage}", dtype=dtype)(x)
        x = keras.layers.BatchNormalization(name=f"dense_norm{stage}", **norm)(x)
        x = activation_layer("relu", f"dense_relu{stage}", dtype)(x)
        x = keras.layers.Dropout(dropout, name=f"dense_dropout{stage}", dtype=dtype)(x)
    x = keras.layers.Dense(
        targets, activation=keras_activation(output_activation), name="head", dtype="float32"
    )(x)
    return keras.Model(inputs={"sequence": inputs}, outputs=x, name="basset_2016")
