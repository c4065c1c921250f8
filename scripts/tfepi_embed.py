#!/usr/bin/env python3
"""Keep what a model's trunk makes of every record, so that heads train on it in minutes."""

import argparse

from tfrecords_tools import command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras file, Basenji .h5, or published Enformer")
    p.add_argument("data", help="folder of the records")
    p.add_argument("-o", "--out_dir", dest="out", default="embeddings", help="[%(default)s]")
    p.add_argument("--layer", help="whose values are kept [the one that the heads read]")
    p.add_argument("--labels", default="", help="of the records, comma-separated [all]")
    p.add_argument("--rc", action="store_true", help="also of the other strand")
    p.add_argument("--shifts", default="0", help='bp to move by, "1,0,-1" [%(default)s]')
    p.add_argument(
        "--precision", default="float16", choices=("float16", "float32"), help="[%(default)s]"
    )
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    command.add_common(p, seed=False)
    return p


def work(args: argparse.Namespace) -> None:
    from tfepi.evaluation.matching import parse_shifts
    from tfepi.evaluation.named_model import NamedModel
    from tfrecords_tools.data import Data
    from tfrecords_tools.output import check_folder

    shifts = parse_shifts(args.shifts)
    data = Data.open(args.data)
    labels = [label for label in args.labels.split(",") if label]
    for label in labels:
        data.shards(label)  # says which there are
    check_folder(args.out, args.resume, args.overwrite, {"data": data.folder})
    model = NamedModel.of(args.params, args.model, head="0", batch_size=args.batch_size)
    from tfepi.prediction.embed_records import embed_records

    again = {k: getattr(args, k) for k in ("resume", "overwrite", "quiet", "precision", "rc")}
    again |= {"layer": args.layer, "labels": labels, "shifts": shifts, "model_files": model.files}
    print("wrote", embed_records(model.load(), data, args.out, **again))


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
