"""The models: what goes in and comes out, parameters, and how far they see."""

from tfepi.report.page.content import Check, Column, Note, Section, Table
from tfepi.report.page.folders import TRAIN, Folder, Runs
from tfepi.report.page.pictures import picture
from tfepi.report.window_figure import window_figure
from tfepi.spec import ModelSpec
from tfrecords_tools.errors import TfepiError

_LITTLE = 0.5  # of the window
_MODELS = (
    Column("folder", "folder"),
    Column("name", "model"),
    Column("parameters", "parameters", None),
    Column("trainable", "of these trained", None),
    Column("window", "window, bp", None),
    Column("bins", "bins", None),
    Column("bin_width", "bin, bp", None),
    Column("heads", "heads"),
    Column("targets", "targets", None),
    Column("field", "receptive field of a bin, bp", None),
    Column("global_from", "sees everything from layer"),
)
_LAYERS = (
    Column("name", "layer"),
    Column("kind", "kind"),
    Column("positions", "positions", None),
    Column("width", "bp per position"),
    Column("needed", "bp that one position needs", None),
)


def model_section(runs: Runs, ask_models: bool) -> Section | None:
    """Return the section on the models of the training runs; None without one.

    Args:
        runs: the folders.
        ask_models: load the models, which parameters and receptive fields need.
    """
    folders = runs.of(TRAIN)
    if not folders:
        return None
    rows, blocks, checks, layers = [], [], [], []
    for number, folder in enumerate(folders):
        of = f" of {folder.name}" if len(folders) > 1 else ""
        spec = ModelSpec.read(folder.path / "model.json")
        row = {
            "folder": folder.name,
            "name": spec.name,
            "window": spec.seq_length,
            "bins": spec.target_length,
            "bin_width": spec.bin_width,
            "heads": ", ".join(h.name for h in spec.heads),
            "targets": sum(len(h.targets) for h in spec.heads),
        }
        rows.append(row)
        if not ask_models:
            checks.append(Check("Model sees its window" + of, "unknown", "no model was loaded"))
            continue
        try:
            found = _of_model(folder, spec)
        except TfepiError as error:
            checks.append(Check("Model can be loaded" + of, "fail", str(error), "copy it again"))
            continue
        row |= found[0]
        checks.append(_sees(row, of))
        field = row.get("field")
        if field is not None:
            text = (
                f"Window{of}: {spec.seq_length:,} bp, of which the middle "
                f"{spec.seq_length - 2 * spec.crop:,} bp are predicted in bins of "
                f"{spec.bin_width:,} bp; the bin in the middle sees {field:,} bp."
            )
            drawn = window_figure(spec.seq_length, spec.crop, spec.bin_width, field)
            blocks.append(picture(drawn, f"window_{number}", text))
        layers.append(Table(f"layers_{number}", f"Layers{of}.", _LAYERS, found[1]))
    known = [c for c in _MODELS if any(r.get(c.key) not in (None, "") for r in rows)]
    blocks.insert(0, Table("models", "Models.", known, rows))
    if not ask_models:
        blocks.append(Note("Parameters and receptive fields are left out: no model was loaded."))
    return Section("models", "Model", [*blocks, *layers], checks)


def _of_model(folder: Folder, spec: ModelSpec) -> tuple[dict, list[dict]]:
    """Return what a model's row gains, and the rows of its layers."""
    from tfepi.predictors import load_keras
    from tfepi.receptive_field.grid import OutputGrid
    from tfepi.receptive_field.theory import theory_of

    model = load_keras(folder.path)
    row = {
        "parameters": model.count_params(),
        "trainable": sum(int(w.value.shape.num_elements()) for w in model.trainable_weights),
    }
    head = spec.heads[0].name if len(spec.heads) > 1 else None
    theory = theory_of(model, OutputGrid.of_spec(spec), head)
    row |= {"field": max(theory.needed.spans), "global_from": ", ".join(theory.global_from)}
    layers = [
        {
            "name": layer.name,
            "kind": layer.kind,
            "positions": layer.positions,
            "width": float(layer.width) if layer.width is not None else None,
            "needed": layer.needed[1],
        }
        for layer in theory.layers
    ]
    return row, layers


def _sees(row: dict, of: str) -> Check:
    field, window, name = row["field"], row["window"], "Model sees its window" + of
    found = f"a bin in the middle sees {field:,} of {window:,} bp"
    if field >= _LITTLE * window or row["bins"] > 1:
        return Check(name, "pass", found)
    return Check(name, "warn", found, "a shorter window gives the same predictions in less time")
