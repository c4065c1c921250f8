"""The test that a command line names: a folder that holds one, or a model to be tested."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.evaluation.predictions import Layout, SavedPredictions
from tfepi.specificity.cluster_run import check_several
from tfepi.specificity.options_given import refuse_given, split_names
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target, select

FOLDER = "test"
_SHIFTS = "1,0,-1"
_OF_MODELS = ("label", "no_rc", "shifts", "batch_size")


@dataclass(frozen=True)
class NamedTest:
    """A test of the reference sequence, done or to be done.

    Attributes:
        layout: windows, bins and targets.
        columns: numbers of the targets that are cell types.
        cell_types: these targets.
        inputs: label → path or identity of what is read.
        predictions: function of the output folder to the predictions.
    """

    layout: Layout
    columns: tuple[int, ...]
    cell_types: tuple[Target, ...]
    inputs: dict
    predictions: Callable[[Path], SavedPredictions]


def named_test(args: Namespace, bootstrap: Bootstrap) -> NamedTest:
    """Return the test of a command line, after checking all that can be without the model.

    Args:
        args: of `tfepi_specificity.py accuracy`.
        bootstrap: how intervals are made.

    Raises:
        ConfigError: neither a model nor a test, or both; one cell type; what
            `testing.prepare` refuses.
        InputFileError: a file that is missing or damaged.
    """
    given = [name for name in ("params", "model", "data") if getattr(args, name) is not None]
    if args.test is not None:
        if given or args.query or args.head:
            other = [getattr(args, n) for n in given] + [
                f"--{n}" for n in ("query", "head") if getattr(args, n)
            ]
            raise ConfigError(
                f"--test {args.test} is a test that is done, and {other[0]} belongs to a model: "
                "leave one out"
            )
        refuse_given(args, _OF_MODELS, f"--test {args.test} is a test that is done")
        found = _saved(args)
    elif len(given) < 3:
        raise ConfigError(
            f"{len(given)} of params.json, model and data are given: name all three, or a test "
            "that is done with --test"
        )
    else:
        found = _of_model(args, bootstrap)
    check_several([t.identifier for t in found.cell_types])
    return found


def _saved(args: Namespace) -> NamedTest:
    saved = SavedPredictions(args.test)
    layout = saved.layout
    everything = tuple(range(len(layout.targets)))
    names = split_names(args.targets, layout.targets)
    columns = select(layout.targets, names, "of the test") if names else everything
    targets = tuple(layout.targets[c] for c in columns)
    files = {name: Path(args.test) / f"{name}.h5" for name in ("preds", "targets")}
    return NamedTest(layout, columns, targets, files, lambda _out: saved)


def _of_model(args: Namespace, bootstrap: Bootstrap) -> NamedTest:
    from tfepi import predictors
    from tfepi.evaluation import matching, named_model, testing
    from tfepi.params import find_params, read_params
    from tfrecords_tools import files, joined
    from tfrecords_tools.data import Data

    params = read_params(args.params, training=False)
    label = args.label or "test"
    data = joined.pool_labels(Data.open(args.data), (label,))
    spec = predictors.read_spec(args.model, params, None, args.head, data)
    if sorted(spec.inputs) != ["sequence"] or (
        spec.conditioning is not None and spec.conditioning.outputs == "marks"
    ):
        raise ConfigError(
            f"{args.model} is asked about one cell type at a time: accuracy by cluster is of "
            "models that predict several at once"
        )
    head = spec.head(None if predictors.is_h5(args.model) else args.head)
    names = split_names(args.targets, head.targets)
    batch_size = 64 if args.batch_size is None else args.batch_size
    request = testing.Request(
        label=label,
        head=head.name,
        targets=named_model.names_to_test(head, data, names, args.query),
        rc=not args.no_rc,
        shifts=matching.parse_shifts(_SHIFTS if args.shifts is None else args.shifts),
        bootstrap=bootstrap,
        binary=params.train.loss == "bce",
        save=True,
        batch_size=batch_size,
    )
    stated = matching.stated_sizes(params.model)
    _, _, _, layout = testing.prepare(spec, data, request, stated)
    inputs = {"params": find_params(args.params), "data": data.folder / "statistics.json"}
    inputs = {k: files.identity(v) for k, v in (matching.model_files(args.model) | inputs).items()}

    def predictions(out: Path) -> SavedPredictions:
        folder = out / FOLDER
        parts = testing.planned_parts(spec, data, folder, request, inputs)
        if not (args.resume and testing.finished(parts)):
            model = predictors.load_predictor(args.model, batch_size, params, spec)
            how = (request, matching.stated_sizes(params.model, True), inputs, args.resume)
            outcome = testing.run_test(model, data, folder, *how, args.overwrite, args.quiet)
            outcome.predictions.remove()
        return SavedPredictions(folder)

    return NamedTest(layout, tuple(range(len(layout.targets))), layout.targets, inputs, predictions)
