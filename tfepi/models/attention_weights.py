"""What each transformer layer of a model looks at."""

from collections.abc import Sequence

import keras

from tfepi.layers import MultiheadAttention
from tfrecords_tools.errors import ConfigError, unknown


def attention_weights(model: keras.Model, layers: Sequence[str] | None = None) -> keras.Model:
    """Return a model that also gives its transformer layers' attention weights.

    It shares its layers with the given one, but for layers `MultiheadAttention`, which it copies
    with their weights of now. Attention weights are those before dropout. They take memory: of the
    published Enformer 75 MB a layer and sequence.

    Args:
        model: with layers `MultiheadAttention` of this package or of Keras, called once each.
        layers: names of those to give; None is all.

    Returns:
        Model to a dict: the outputs by head ("output", where there is one), and by layer, such as
        "transformer0_attention", float32 [batch, heads, tokens, tokens], whose rows (of the token
        that looks) have the sum 1.

    Raises:
        ConfigError: a model without such layers, or a name of none.
    """
    known = {x.name: x for x in model.layers if isinstance(x, _KINDS)}
    if not known:
        raise ConfigError(f"model {model.name!r} has no attention layers: want a transformer")
    for name in layers or ():
        if name not in known:
            raise unknown("attention layer", name, known, f"of model {model.name!r}")
    wanted, found = layers or tuple(known), {}

    def copy(layer):
        # Keras cannot call one layer with one output here and two there.
        own = isinstance(layer, MultiheadAttention) and layer.name in wanted
        return type(layer).from_config(layer.get_config()) if own else layer

    def call(layer, *args, **kwargs):
        if layer.name not in wanted:
            return layer(*args, **kwargs)
        outputs = layer(*args, **kwargs | {"return_attention_scores": True})
        named = keras.layers.Identity(name=f"{layer.name}_weights", dtype="float32")
        found[layer.name] = named(outputs[1])
        # `interact` calls Keras's layer with its weights already.
        return outputs if isinstance(layer, keras.layers.MultiHeadAttention) else outputs[0]

    copied = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for name in found:
        copied.get_layer(name).set_weights(known[name].get_weights())
    outputs = copied.output if isinstance(copied.output, dict) else {"output": copied.output}
    inputs = {tensor.name: tensor for tensor in copied.inputs}
    return keras.Model(inputs=inputs, outputs=outputs | found, name=f"{model.name}_attention")


_KINDS = (MultiheadAttention, keras.layers.MultiHeadAttention)
