"""What a layer inside a model computes, as a Predictor whose targets are the layer's channels."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from tfepi.prediction.options import Request
from tfepi.predictors import KerasPredictor
from tfepi.spec import Head, ModelSpec, Predictor
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.targets import Target

HEAD = "embedding"


def instead(
    load: Callable[[], Predictor],
    layer: str,
    request: Request,
    targets: Sequence[Target] | None = None,
) -> tuple[Callable[[], Predictor], ModelSpec, Request]:
    """Return what predicts a layer's values instead of a model's targets, and the request for it.

    Args:
        load: returns the model.
        layer: as in `embedding`.
        request: for the model.
        targets: of the model that were chosen, if any.

    Raises:
        ConfigError: as `embedding`, or an option that means nothing for channels.
    """
    for name, value in (
        ("--rc", request.rc),
        ("--untransform", request.untransform),
        ("--targets", targets),
    ):
        if value:
            raise ConfigError(f"{name} has no meaning for a layer's channels: leave it out with -e")
    predictor = embedding(load(), layer)
    return lambda: predictor, predictor.spec, replace(request, head=HEAD)


def embedding(predictor: Predictor, layer: str) -> KerasPredictor:
    """Return a Predictor of a layer's output.

    Args:
        predictor: of a Keras model.
        layer: its name; or, as Basenji counts, the number of a batch normalisation from 0, or -1
            for the end of the trunk.

    Raises:
        ConfigError: a SavedModel, an unknown layer, one whose output is not [positions,
            channels], or whose positions do not lie evenly on the sequence.
    """
    if not isinstance(predictor, KerasPredictor):
        raise ConfigError("layers can be read of one Keras model only: name a run folder or .keras")
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    from tfepi.geometry import bin_width

    model = predictor.model
    found = _find(model.layers, layer)
    output = found.output
    if len(output.shape) != 3 or None in output.shape[1:]:
        raise ConfigError(
            f"layer {found.name!r} gives values of shape {tuple(output.shape)[1:]}: want "
            "[positions, channels]"
        )
    inner = keras.Model(model.inputs, output)
    # One position that has seen the whole sequence stands for all of it.
    width = bin_width(inner) or (predictor.spec.seq_length if output.shape[1] == 1 else 0)
    spec = _spec(predictor.spec, found.name, width, *output.shape[1:])
    return KerasPredictor(_ByName(inner, model.inputs), spec, predictor.batch_size)


class _ByName:
    """A model of a list of inputs, called with a dict of them."""

    def __init__(self, model, inputs):
        self._model = model
        self._names = [tensor.name for tensor in inputs]

    def __call__(self, batch, training=False):
        return self._model([batch[name] for name in self._names], training=training)


def _find(layers: Sequence, wanted: str):
    import keras

    number = int(wanted) if wanted.lstrip("-").isdecimal() else None
    if number is None:
        for layer in layers:
            if layer.name == wanted:
                return layer
        raise unknown("layer", wanted, [layer.name for layer in layers])
    if number == -1:
        kind, found = "layers named trunk…", [x for x in layers if x.name.startswith("trunk")]
    else:
        kind = "batch normalisations"
        found = [x for x in layers if isinstance(x, keras.layers.BatchNormalization)]
    if not found or not -1 <= number < len(found):
        raise ConfigError(
            f"embedding layer is {number}, the model has {len(found)} {kind}: want 0 to "
            f"{len(found) - 1}, -1 for the trunk's end, or a layer's name"
        )
    return found[number]


def _spec(spec: ModelSpec, layer: str, width: int, positions: int, channels: int) -> ModelSpec:
    crop = (spec.seq_length - positions * width) // 2
    if not width or crop < 0:
        raise ConfigError(
            f"layer {layer!r} has {positions} positions, which do not lie evenly on the "
            f"{spec.seq_length} bp of the sequence: name another"
        )
    return ModelSpec(
        name=f"{spec.name}:{layer}",
        inputs=spec.inputs,
        bin_width=width,
        crop=crop,
        heads=(Head(HEAD, tuple(Target(i, f"channel{i}") for i in range(channels)), "activation"),),
        data=spec.data,
    )
