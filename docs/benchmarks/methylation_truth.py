#!/usr/bin/env python3
"""Write the true effects of simulated variants as a table of scores, to compare a model's with.

Usage: methylation_truth.py effects.tsv SCORES TISSUE OUT.tsv.gz   (SCORES: folder of the model's
scores, which says how many CpGs are in reach)
"""

import sys
from pathlib import Path

import pandas as pd


def main() -> None:
    effects, scores, tissue, out = sys.argv[1:]
    truth = pd.read_csv(effects, sep="\t", keep_default_na=False, na_values=[""])
    found = pd.read_parquet(Path(scores) / "variants.parquet", columns=["id", "cpgs"])
    table = truth[["chrom", "pos", "id", "ref", "alt"]].merge(found, on="id", how="left")
    table["cpgs"] = table["cpgs"].fillna(0).astype(int)
    columns = {"score": "max", "score_cpg": "cpg", "score_diff": "diff"}
    for name, what in columns.items():
        table[name] = truth[f"{tissue}_{what}"].astype("Int64" if what == "cpg" else float)
    table.insert(table.columns.get_loc("score") + 1, "score_task", tissue)
    table.to_csv(out, sep="\t", index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
