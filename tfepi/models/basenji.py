"""Models that params.json describes as a trunk of blocks and heads, as Basenji's do."""

import keras

from tfepi.layers import ACTIVATIONS
from tfepi.model_params import head_key
from tfepi.models.blocks import BLOCKS, REFUSED, Context
from tfepi.models.blocks.arguments import block_arguments, check_arguments
from tfepi.models.blocks.keras_layers import keras_reason
from tfepi.models.blocks.steps import NORM_TYPES, activate
from tfepi.models.blocks.values import check_value
from tfrecords_tools.errors import ConfigError, TfepiError, unknown


def basenji(
    *,
    seq_length: int,
    trunk: list[dict],
    heads: dict[str, dict | list[dict]],
    activation: str | None = "relu",
    norm_type: str | None = None,
    bn_momentum: float | None = None,
    l2_scale: float = 0,
    l1_scale: float = 0,
    padding: str | None = None,
    kernel_initializer: str | None = None,
    dtype: str = "float32",
) -> keras.Model:
    """Return the model of a trunk and heads, built as calico/basenji and calico/baskerville do.

    A block is {"name": one of `blocks.BLOCKS`, …its arguments}. The keywords from activation to
    kernel_initializer go to every block that takes them and does not set them itself, except
    Keras's own layers. The activation also follows the trunk.

    Args:
        seq_length: bp.
        trunk: blocks in order.
        heads: a block, or blocks in order, by the head's name; each starts from the trunk.
            Basenji makes them in the natural order of their names.
        activation: None leaves the blocks' own, and the trunk without one.
        norm_type: None, "batch", "batch-sync" or "layer".
        bn_momentum: of the moving averages; None leaves the blocks' own, 0.99.
        l2_scale, l1_scale: penalties of kernels.
        padding: None leaves the blocks' own, "same".
        kernel_initializer: None leaves the blocks' own, "he_normal".
        dtype: precision policy of the trunk; heads are float32.

    Returns:
        Model from {"sequence": [batch, seq_length, 4]} to [batch, bins, targets], with several
        heads to a dict of these by name. Layers are named after section, place of the block,
        block and part: trunk_2_conv_tower_conv3, head_human_1_final_dense.

    Raises:
        ConfigError: a block or argument that is unknown, or cannot be built.
    """
    defaults = {
        "activation": activation,
        "norm_type": norm_type,
        "bn_momentum": bn_momentum,
        "l2_scale": l2_scale,
        "l1_scale": l1_scale,
        "padding": padding,
        "kernel_initializer": kernel_initializer,
    }
    defaults = {key: value for key, value in defaults.items() if value not in (None, 0)}
    _check_settings(defaults)
    if not heads:
        raise ConfigError("the model has no head: add one, for instance a block 'final'")
    inputs = keras.Input((seq_length, 4), name="sequence")
    representations = []

    def add_blocks(x, section: str, blocks: list[dict], dtype: str, key: str):
        for place, block in enumerate(blocks):
            context = Context(dtype, f"{section}_{place + 1}", representations)
            x = _add_block(x, context, block, defaults, f"model.{key}[{place}]")
            if section == "trunk":
                representations.append(x)
        return x

    x = add_blocks(inputs, "trunk", trunk, dtype, "trunk")
    x = activate(x, Context(dtype, "trunk"), activation)
    outputs = {}
    for name, blocks in heads.items():
        blocks = blocks if isinstance(blocks, list) else [blocks]
        y = add_blocks(x, f"head_{name}", blocks, "float32", head_key(name))
        if len(y.shape) == 2:  # after a Flatten: one bin
            y = keras.layers.Reshape((1, y.shape[1]), name=f"head_{name}_bin", dtype="float32")(y)
        outputs[name] = y
    return keras.Model(
        inputs={"sequence": inputs},
        outputs=outputs if len(outputs) > 1 else y,
        name="basenji",
    )


def _check_settings(settings: dict) -> None:
    for key, value in settings.items():
        choices = {"activation": ACTIVATIONS, "norm_type": NORM_TYPES}.get(key)
        if choices and value not in choices:
            raise unknown(key, value, choices, "in model")
        try:
            check_value(key, value)
        except ConfigError as error:
            raise ConfigError(f"model: {error}") from None


def _add_block(x, context: Context, block: dict, defaults: dict, where: str):
    """Add one block of params.json; errors say where it stands."""
    if not isinstance(block, dict) or not isinstance(block.get("name"), str):
        raise ConfigError(f'{where} is {block!r}, want {{"name": …}} with its arguments')
    given = dict(block)
    name = given.pop("name")
    if name in REFUSED:
        raise ConfigError(f"{where}: block {name!r} {REFUSED[name]}")
    if name not in BLOCKS:
        raise unknown("block", name, BLOCKS, f"in {where}")
    context.prefix += f"_{name}"
    known = block_arguments(BLOCKS[name])
    # Basenji tries to pass them to Keras's own layers too, and looks at a wrapper's arguments.
    defaults = {k: v for k, v in defaults.items() if k in known and name[0].islower()}
    try:
        check_arguments(BLOCKS[name], name, given)
        return BLOCKS[name](x, context, **{**defaults, **given})
    except TfepiError as error:
        raise type(error)(f"{where}, {name}: {error}") from None
    except (TypeError, ValueError, IndexError) as error:
        if len(x.shape) == 2:
            raise ConfigError(
                f"{where}, {name}: a Flatten before it leaves no positions, which it needs: use "
                '"flatten": true of a dense block instead'
            ) from None
        raise ConfigError(
            f"{where}, {name}: {given} cannot be built on length {x.shape[1]}: "
            f"{keras_reason(error)}"
        ) from None
