"""What the incremental benchmarks share: models whose every variable is drawn at random.

Nothing of a model is switched off: projections that begin at zero, gammas and moving statistics of
norms are drawn too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras

if keras.backend.backend() == "tensorflow":
    from tfepi.startup import import_tensorflow

    import_tensorflow()  # with the kernels that the commands use

import numpy as np

from tfepi import models
from tfepi.models import make_model
from tfepi.params import parse_params, read_params
from tfepi.spec import Head, ModelSpec
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.incremental import IncrementalEvaluator
from tfrecords_tools.targets import Target

_WIDTHS = ("filters", "filters_init", "filters_end")
_POSITIVE = ("gamma", "moving_variance", "gain", "scale")


def preset_model(
    name: str, targets: int | dict | None = None, length: int | None = None, scale: float = 1
) -> keras.Model:
    """Return the model of a shipped params file, or a narrower or shorter one of the same pattern.

    Args:
        name: of the file.
        targets: number of outputs, as of `make_model`.
        length: bp, of which the same share is cropped; None as in the file.
        scale: of the trunk's filters, which become multiples of 8.
    """
    source = read_params(name).source
    section = source["model"] = dict(source["model"])
    key = "input_length" if "name" in section else "seq_length"
    for block in section.get("trunk", ()):
        for width in _WIDTHS:
            if width in block and scale != 1:
                block[width] = max(8, round(block[width] * scale / 8) * 8)
        if length is not None and "cropping" in block:
            block["cropping"] = block["cropping"] * length // section[key]
    if length is not None:
        section[key] = length
        section.pop("target_length", None)
    return make_model(parse_params(source).model, targets)


def preset_keywords(name: str) -> dict:
    """Return the keywords that a shipped params file gives a model function."""
    return dict(read_params(name).model.keywords)


def randomised(model: keras.Model, seed: int = 0) -> keras.Model:
    """Draw all variables of a model: kernels keep the scale of what goes through them and a ReLU.

    Narrower draws would leave an effect of one base on far bins below any tolerance.
    """
    rng = np.random.default_rng(seed)
    for weight in model.variables:
        if not keras.backend.is_float_dtype(weight.dtype):
            continue
        shape = tuple(weight.shape)
        if weight.name in _POSITIVE:
            values = rng.uniform(0.5, 1.5, shape)
        elif len(shape) > 1:
            values = rng.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        else:
            values = rng.normal(0, 0.1, shape)
        weight.assign(values.astype(np.float32))
    return model


def evaluator_of(
    model: keras.Model, head: str | None = None, columns: Sequence[int] | None = None
) -> IncrementalEvaluator:
    """Return the incremental evaluator of a model, whose contract is read off it.

    Args:
        model: functional.
        head: of several.
        columns: places of the targets that are predicted; None for all.
    """
    output = model.output[head] if isinstance(model.output, dict) else model.output
    inputs = {t.name: tuple(t.shape[1:]) for t in model.inputs}
    _, bins, count = output.shape
    targets = tuple(Target(i, f"t{i}") for i in range(count))
    width = inputs["sequence"][0] // bins
    spec = ModelSpec(model.name, inputs, width, 0, (Head(head or "main", targets),))
    chosen = HeadTargets(head or "main", bins, targets, None, None)
    return IncrementalEvaluator(model, spec, chosen, columns)


def drawn_inputs(evaluator: IncrementalEvaluator, count: int, seed: int = 1) -> dict:
    """Return inputs of a model: sequences without N, and numbers for all others."""
    rng, found = np.random.default_rng(seed), {}
    for name, shape in evaluator.spec.inputs.items():
        if name == "sequence":
            found[name] = rng.integers(0, 4, (count, shape[0]), dtype=np.uint8)
        else:
            found[name] = rng.random((count, *shape), dtype=np.float32)
    return found


def substituted(sequences: np.ndarray, positions: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return sequences with the letter at one position each moved on in ACGT, by 1 to 3."""
    changed, rows = sequences.copy(), np.arange(len(sequences))
    changed[rows, positions] = (changed[rows, positions] + steps) % 4
    return changed


def size_text(model: keras.Model) -> str:
    """Return the length of a model's sequence and its number of weights."""
    (length,) = (t.shape[1] for t in model.inputs if t.name == "sequence")
    weights = model.count_params()
    shown = f"{weights / 1e6:.1f} M" if weights >= 1e6 else f"{weights / 1e3:.0f} k"
    return f"{length:,} bp, {shown} weights"


@dataclass(frozen=True)
class Case:
    """A model whose speed is measured, and how much of it a run has.

    Attributes:
        build: takes the length (None: as published) and a factor on widths.
        changes: of one window, whose reference is kept.
        whole: whole passes.
        windows: of their own.
        batches: of whole passes, to choose from.
    """

    build: Callable[[int | None, float], keras.Model]
    changes: int
    whole: int
    windows: int
    batches: tuple[int, ...]


def _leopard(length: int | None, scale: float) -> keras.Model:
    return models.leopard_unet(
        outputs=1, input_length=length or 10_240, filters=max(2, round(15 * scale))
    )


def _basset(length: int | None, scale: float) -> keras.Model:
    sizes = {"stem_filters": 288, "neck_filters": 256, "dense_units": 768}
    sizes = {k: round(v * scale) for k, v in sizes.items()}
    tower = tuple(round(f * scale) for f in (288, 320, 368, 400, 464, 512))
    return models.basset(targets=1, input_length=length or 1344, tower_filters=tower, **sizes)


def _enformer(length: int | None, scale: float) -> keras.Model:
    length, channels = length or 196_608, max(96, round(1536 * scale / 96) * 96)
    return models.enformer(
        input_length=length,
        channels=channels,
        width_rounding=128 if channels >= 768 else 16,
        target_length=length // 128 * 7 // 12,
        output_heads=5313,
    )


def _interact(length: int | None, scale: float) -> keras.Model:
    sizes = {"kernels": 400, "hidden": 512, "feed_forward": 2048}
    sizes = {k: max(16, round(v * scale / 16) * 16) for k, v in sizes.items()}
    return models.interact(input_length=length or 2001, **sizes)


def _preset(name: str) -> Callable[[int | None, float], keras.Model]:
    return lambda length, scale: preset_model(name, None, length, scale)


SPEED = {
    "leopard_unet": Case(_leopard, 1536, 64, 64, (16, 32, 64)),
    "basset": Case(_basset, 3072, 256, 256, (64, 128, 256)),
    "basenji2": Case(_preset("basenji2"), 96, 8, 8, (1, 2, 4)),
    "enformer": Case(_enformer, 32, 4, 2, (1, 2)),
    "borzoi_small": Case(_preset("borzoi_small"), 192, 32, 32, (2, 4, 8)),
    "transformer_unet_small": Case(_preset("transformer_unet_small"), 192, 32, 32, (2, 4, 8)),
    "interact": Case(_interact, 96, 64, 32, (8, 16, 32)),
}


def _smaller_enformer() -> keras.Model:
    return models.enformer(
        input_length=32_768,
        channels=192,
        width_rounding=16,
        transformer_layers=3,
        target_length=192,
        output_heads={"human": 12, "mouse": 5},
    )


_INTERACT = {"targets": 3, "kernels": 96, "hidden": 128, "layers": 3, "feed_forward": 256}
MODELS: dict[str, Callable[[], keras.Model]] = {
    "leopard_unet": lambda: models.leopard_unet(outputs=2),
    "leopard_unet, 2 tracks": lambda: models.leopard_unet(outputs=2, input_channels=6),
    "leopard_unet, bins of 32 bp": lambda: models.leopard_unet(
        outputs=2, bin_width=32, decoder_depth=2
    ),
    "stems_unet": models.stems_unet,
    "wide_unet": models.wide_unet,
    "state_unet": lambda: models.state_unet(state_size=64),
    "basset": lambda: models.basset(targets=2),
    "basset_small": lambda: preset_model("basset_small", 2),
    "quickstart": lambda: preset_model("quickstart", 2),
    "basset_2016": models.basset_2016,
    "interact, narrower": lambda: models.interact(**_INTERACT),
    "interact_small_pretrain": lambda: preset_model("interact_small_pretrain", 2),
    "interact_celltype, narrower": lambda: models.interact_celltype(**_INTERACT),
    "enformer, reduced": _smaller_enformer,
    "enformer_small, shorter": lambda: models.enformer(
        **preset_keywords("enformer_small"),
        input_length=49_152,
        target_length=224,
        output_heads=10,
    ),
    "basenji2, a quarter as long and wide": lambda: preset_model("basenji2", None, 32_768, 0.25),
    "borzoi, an eighth as long and wide": lambda: preset_model("borzoi", None, 65_536, 1 / 8),
    "borzoi_small, shorter": lambda: preset_model("borzoi_small", None, 65_536),
    "transformer_unet_small, shorter": lambda: preset_model("transformer_unet_small", None, 65_536),
}
