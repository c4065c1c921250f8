#!/usr/bin/env python3
"""Predict the expression of genes: what a model gives at their transcription start sites."""

import argparse

from tfrecords_tools import cell_arguments, command


def parser() -> argparse.ArgumentParser:
    p = command.Parser(description=__doc__)
    p.add_argument("params", help="params.json the model was trained with, or a preset")
    p.add_argument("model", help="run folder, .keras, SavedModel or Basenji .h5; a,b,c: their mean")
    p.add_argument("annotation", metavar="genes", help="GTF, GFF3 or BED, plain or .gz")
    p.add_argument("-f", dest="fasta", metavar="FASTA", required=True, help="plain or bgzip")
    p.add_argument("-o", "--out_dir", dest="out", default="genes_out", help="[%(default)s]")
    p.add_argument("--genes", help="only these: names or identifiers a,b,c, or @file, one a line")
    p.add_argument("--gene_type", help="only genes of this type, as protein_coding")
    p.add_argument("--tss", default="canonical", help="of a gene: canonical, each [%(default)s]")
    p.add_argument("--apart", type=int, help="bp between its start sites, at least [all bins']")
    p.add_argument("--neighbours", type=int, default=1, help="bins on each side [%(default)s]")
    p.add_argument("-t", "--targets", metavar="TABLE", help="only this table's targets")
    p.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    p.add_argument("--head", help="output of the model, where it has several: name or number")
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    p.add_argument("--untransform", help="of targets: current, old, basenji_sad")
    p.add_argument("--batch_size", type=int, help="sequences per call of the model [by its size]")
    p.add_argument("--part_windows", type=int, help="sites per numbered part [by the model]")
    p.add_argument("--observed", metavar="TABLE", help="genes × samples: accuracy against it")
    p.add_argument("--bootstrap", type=int, default=1000, help="resamples; 0: none [%(default)s]")
    p.add_argument("--no_figures", "--no-figures", action="store_true", help="none")
    cell_arguments.add(p)
    command.add_common(p)
    return p


def work(args: argparse.Namespace) -> None:
    from dataclasses import replace
    from functools import partial

    from tfepi.analysis import gene_accuracy, gene_expression, observed_expression, tss
    from tfepi.evaluation.matching import parse_shifts
    from tfepi.evaluation.named_model import CellChoice, NamedModel
    from tfepi.prediction import ensemble
    from tfepi.report.gene_figures import draw_genes
    from tfrecords_tools.output import check_folder

    names, shifts = ("neighbours", "rc", "untransform"), parse_shifts(args.shifts)
    request = gene_expression.Request(**{n: getattr(args, n) for n in names}, shifts=shifts)
    listed, files = tss.listed_genes(args.genes)
    genes = tss.GeneChoice(args.annotation, listed, args.gene_type, args.tss, args.apart)
    read = {"observed table": args.observed} if args.observed else {}
    check_folder(args.out, args.resume, args.overwrite, read)
    bootstrap = gene_accuracy.resampling(args.bootstrap, args.seed)
    observed = observed_expression.read_observed(args.observed) if args.observed else None
    choice = CellChoice(args.cell, args.tracks, args.accessibility, args.fasta)
    given = (args.targets, args.head, args.batch_size, choice, args.query)
    models = [NamedModel.of(args.params, path, *given) for path in ensemble.paths(args.model)]
    model = models[0]
    request = replace(request, head=model.head.name, batch_size=model.batch_size)
    load, spec, of_model = ensemble.together(models)
    again = {k: getattr(args, k) for k in ("part_windows", "resume", "overwrite", "quiet")}
    again |= {"model_files": of_model | files, "targets": model.targets}
    again["condition"] = model.condition
    again["check"] = partial(gene_accuracy.check, observed) if observed else None
    out = gene_expression.predict_genes(load, spec, genes, args.fasta, args.out, request, **again)
    found = gene_accuracy.measure(out, observed, bootstrap) if observed else None
    if not args.no_figures:
        draw_genes(out, found)
    print((f"{gene_accuracy.summary(found)}\n" if found else "") + f"wrote {out}")


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return command.run(lambda: work(args), args.quiet)


if __name__ == "__main__":
    raise SystemExit(main())
