#!/usr/bin/env python3
"""Test a model: accuracy per target with intervals, figures, predictions."""

import argparse

from tfepi.evaluation import test_arguments
from tfepi.training import arguments
from tfrecords_tools import command, original_options


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras, SavedModel, Basenji .h5, published")
    p.add_argument("data", help="data folder")
    p.add_argument("-o", dest="out", default="test_out", help="output folder [%(default)s]")
    p.add_argument("--save", action="store_true", help="write preds.h5 and targets.h5")
    p.add_argument("--batch_size", type=int, default=64, help="[%(default)s]")
    test_arguments.add(p)
    p.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    arguments.add_devices(p)
    original_options.add(p, "test")
    command.add_common(p)
    return p


def work(args: argparse.Namespace) -> None:
    from tfepi import cell_data, cell_predictor, predictors
    from tfepi.crew import make_crew
    from tfepi.evaluation import matching, metrics, named_model, testing
    from tfepi.evaluation.bootstrap import Bootstrap
    from tfepi.params import find_params, read_params
    from tfrecords_tools import files, joined
    from tfrecords_tools.data import Data

    crew = make_crew(args.strategy, args.logical_devices)
    params = read_params(args.params, training=False)
    pooled = joined.pool_labels(Data.open(args.data), (args.label,))
    spec = predictors.read_spec(args.model, params, None, args.head, pooled)
    asked, data = cell_data.asked_in(spec, pooled, args.cell)
    head = asked.head(None if predictors.is_h5(args.model) else args.head)
    request = testing.Request(
        **{name: getattr(args, name) for name in ("label", "rc", "save", "batch_size")},
        head=head.name,
        targets=named_model.names_to_test(head, data, args.targets or (), args.query),
        shifts=matching.parse_shifts(args.shifts),
        bootstrap=Bootstrap(args.bootstrap, args.bootstrap_ranks, args.block_bp, seed=args.seed),
        binary=params.train.loss == "bce",
    )
    testing.prepare(asked, data, request, matching.stated_sizes(params.model))
    inputs = {"params": find_params(args.params), "data": data.folder / "statistics.json"}
    inputs = {k: files.identity(v) for k, v in (matching.model_files(args.model) | inputs).items()}
    crew.check_folder(args.out, args.resume, args.overwrite, inputs=inputs)
    parts = testing.planned_parts(asked, data, args.out, request, inputs)
    if args.resume and (found := testing.finished(parts)):
        return print(f"{metrics.summary_table(found)}\n{args.out} is finished: nothing to do")
    model = predictors.load_predictor(args.model, args.batch_size, params, spec)
    model = cell_predictor.in_cell(model, args.cell)
    how = (request, matching.stated_sizes(params.model, True), inputs)  # imports Keras
    how += (args.resume, args.overwrite, args.quiet, crew)
    if (outcome := testing.run_test(model, data, args.out, *how)) is None:
        return
    if not args.no_figures:
        from tfepi.report.figures_of_test import draw_test

        draw_test(outcome, head, args.out, args.model)
    outcome.predictions.remove()
    print(f"{metrics.summary_table(outcome.metrics)}\nwrote {args.out}: acc.txt, metrics.json")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
