"""The field of one loaded model: by arithmetic, and as measured.

field = field_of_model(predictor)
field.row()["theory_max"], field.row()["perturbation_max"]
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import keras

from tfepi.graph import graph_of
from tfepi.keras_contract import with_named_inputs
from tfepi.receptive_field import perturbation
from tfepi.receptive_field.agreement import Agreement, compare
from tfepi.receptive_field.asked import Asked
from tfepi.receptive_field.gradient import measure_gradient
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.places import CENTRE, Phases
from tfepi.receptive_field.profile import GRADIENT, PERTURBATION, SCAN, Measured
from tfepi.receptive_field.theory import (
    Reach,
    Theory,
    grid_of,
    needed_at,
    output_period,
    theory_of,
    touched_at,
)
from tfepi.receptive_field.tracing import traced_once_each
from tfrecords_tools.errors import ConfigError


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        methods: of `profile.METHODS`.
        places: of `places.PLACES`.
        phases: of the sequence that are changed: an even sample; None for all.
        output_phases: of output positions whose gradient is taken, likewise.
        repeats: random sequences.
        scan_step: bp from one base that a scan changes to the next.
        edge: bp from the ends of the sequence to the places at the edges.
        batch_size: sequences per call; of gradients a quarter, at least one.
        fill: what inputs besides the sequence hold (`asked.FILLS`).
        seed: of random sequences.
    """

    methods: tuple[str, ...] = (PERTURBATION, GRADIENT)
    places: tuple[str, ...] = (CENTRE,)
    phases: int | None = 1
    output_phases: int | None = 1
    repeats: int = 4
    scan_step: int = 1
    edge: int = 0
    batch_size: int = 16
    fill: str = "random"
    seed: int = 44


@dataclass(frozen=True)
class Found:
    """One measurement beside theory; None of a model that shows no layers."""

    measured: Measured
    reach: Reach | None
    agreement: Agreement | None


@dataclass(frozen=True)
class Field:
    """A model's receptive field.

    Attributes:
        grid: of the output.
        head: that is meant; None of a model with one output without a name.
        theory: by arithmetic; None of a model that shows no layers.
        found: measurements.
    """

    grid: OutputGrid
    head: str | None
    theory: Theory | None
    found: tuple[Found, ...]

    def row(self) -> dict[str, float | str | None]:
        """Return the numbers that models are compared by, bp; None where there is none.

        "theory_min", "theory_max" (bp that one output needs, over phases), "global_from", and for
        each method and place "<method>_<place>_max", "_mean", "_above_1e-02", "_mass_90%".
        """
        row: dict[str, float | str | None]
        if self.theory is None:
            row = dict.fromkeys(("theory_min", "theory_max", "global_from"))
        else:
            spans = self.theory.needed.spans
            row = {"theory_min": min(spans), "theory_max": max(spans)}
            row["global_from"] = ", ".join(self.theory.global_from)
        for one in self.found:
            summary = one.measured.summary()
            name = f"{one.measured.method}_{one.measured.place}"
            row |= {
                f"{name}_max": summary["span_max"],
                f"{name}_mean": summary["span_mean"],
                f"{name}_above_1e-02": summary["above_1e-02"],
                f"{name}_mass_90%": summary["mass_90%"],
            }
        return row


def field_of_model(
    source: object,
    *,
    grid: OutputGrid | None = None,
    head: str | None = None,
    target: int | None = None,
    length: int | None = None,
    effort: Effort = Effort(),
    advance: Callable[[int], object] = lambda rows: None,
) -> Field:
    """Return the field of a model as it is, by arithmetic and measured.

    Args:
        source: a Keras model; a `Predictor`, whose contract says where its output lies; or a
            function from one-hot codes float32 [batch, length, 4] to [batch, bins, values], which
            is only measured by perturbation.
        grid: of the output; None: of the contract, or as strides and lengths say.
        head: of several; None is the first.
        target: place of the only target that counts; None for all: the largest of their
            differences, and the gradient of their sum.
        length: of the sequence, bp, of a function.
        effort: how much is measured.
        advance: called with the number of sequences that were predicted.

    Returns:
        The field. A model with one bin is scanned where a perturbation is asked for, because
        which of its outputs a base changes says nothing.

    Raises:
        ConfigError: a method that the model cannot be measured by, or as of the measurements.
    """
    asked, model, head, own = _parts(source, head, length, effort)
    asked = replace(asked, fill=effort.fill, target=target)
    grid = grid or own or (grid_of(_graph(model, head)) if model is not None else None)
    if grid is None:
        grid = OutputGrid.of_lengths(asked.length, _bins(asked, effort))
    theory = theory_of(model, grid, head) if model is not None else None
    found: list[Found] = []
    for method in methods_for(effort.methods, grid.bins):
        if method == GRADIENT and model is None:
            raise ConfigError(
                "a gradient is asked of a function or SavedModel, which shows no layers: measure "
                "it by perturbation, or give the Keras model"
            )
        with traced_once_each():
            found += _measured(method, asked, model, head, target, grid, theory, effort, advance)
    return Field(grid, head, theory, tuple(found))


def methods_for(methods: Sequence[str], bins: int) -> tuple[str, ...]:
    """Return the methods for an output: of one bin a scan takes the place of a perturbation."""
    return tuple(dict.fromkeys(SCAN if m == PERTURBATION and bins == 1 else m for m in methods))


def _measured(method, asked, model, head, target, grid, theory, effort, advance) -> list[Found]:
    graph = _graph(model, head) if model is not None else None
    period = theory.period if theory else grid.width
    measuring = {"repeats": effort.repeats, "seed": effort.seed, "advance": advance}
    if method == SCAN:
        size = {"step": effort.scan_step, "batch_size": effort.batch_size}
        one = perturbation.scan(asked, grid=grid, **size, **measuring)
        middle = Phases.at(CENTRE, grid.bins, 1)
        return [_beside(one, needed_at(graph, grid, middle) if graph else None)]
    if method == PERTURBATION:
        edges = (grid.length, period, effort.phases, effort.edge)
        places = [Phases.at(place, *edges) for place in effort.places]
        size = {"batch_size": effort.batch_size}
        many = perturbation.measure(asked, None, places, grid=grid, **size, **measuring)
        reaches = [touched_at(graph, grid, p) if graph else None for p in places]
        return [_beside(*pair) for pair in zip(many, reaches, strict=True)]
    phases = Phases.at(CENTRE, grid.bins, output_period(period, grid), effort.output_phases)
    one = measure_gradient(
        model,
        phases,
        grid,
        head=head,
        target=target,
        others=asked.others,
        fill=asked.fill,
        batch_size=max(1, effort.batch_size // 4),
        **measuring,
    )
    return [_beside(one, needed_at(graph, grid, phases))]


def _beside(measured: Measured, reach: Reach | None) -> Found:
    return Found(measured, reach, compare(measured, reach) if reach is not None else None)


def _graph(model: keras.Model, head: str | None):
    graph = graph_of(model)
    return graph.leading_to(graph.output(head))


def _bins(asked: Asked, effort: Effort) -> int:
    """Return the bins of a function's output, by asking it once."""
    import numpy as np

    inputs = asked.drawn(np.random.default_rng(effort.seed))
    return asked.ask(inputs, inputs["sequence"][None]).shape[1]


def _parts(source: object, head: str | None, length: int | None, effort: Effort):
    """Return what is asked, the Keras model or None, the head, and the contract's grid."""
    if isinstance(source, keras.Model):
        from tfepi.predictors import KerasPredictor

        model = with_named_inputs(source)
        predictor = KerasPredictor(model, spec_of(model), effort.batch_size)
        names = [h.name for h in predictor.spec.heads]
        head = head if head is not None else names[0]
        asked = Asked.of(predictor, head=head)
        return asked, model, head, None
    if not hasattr(source, "spec"):
        return Asked.of(source, length), None, None, None
    spec = source.spec
    head = spec.head(spec.heads[0].name if head is None else head).name
    asked = Asked.of(source, head=head)
    return asked, keras_model_of(source), head, OutputGrid.of_spec(spec)


def keras_model_of(source: object) -> keras.Model | None:
    """Return the Keras model that something is, or that a Predictor asks; None of any other."""
    model = getattr(source, "model", source)
    return model if isinstance(model, keras.Model) else None


def spec_of(model: keras.Model):
    """Return a contract read off a Keras model: inputs, heads, numbered targets, bins.

    Args:
        model: functional, with inputs by name.
    """
    from tfepi.spec import Head, ModelSpec
    from tfrecords_tools.targets import Target

    outputs = model.output if isinstance(model.output, dict) else {"output": model.output}
    heads = tuple(
        Head(name, tuple(Target(i, f"t{i}") for i in range(out.shape[2])))
        for name, out in outputs.items()
    )
    grid = grid_of(_graph(model, heads[0].name))
    inputs = {t.name: tuple(t.shape[1:]) for t in model.inputs}
    return ModelSpec(model.name, inputs, grid.width, grid.crop, heads)
