"""The figure shows the numbers of the files it is drawn of."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tfepi.comparison.options import Comparing
from tfepi.comparison.run import compare_models
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.report.comparison_figures import comparison_figure
from tfepi.report.comparison_panels import two_digits
from tfrecords_tools.files import read_json


@pytest.fixture(scope="module")
def out(tmp_path_factory, wide, narrow, toys, source_of, vcf, fasta):
    """Folder of a comparison of three models, with regions."""
    folder = tmp_path_factory.mktemp("drawn")
    models = {"wide": wide, "narrow": narrow, "other": toys.Toy(128, 96, 16, seed=9)}
    sources = [source_of(name, model) for name, model in models.items()]
    loads = {name: (lambda m=m: m) for name, m in models.items()}
    bed = folder / "regions.bed"
    bed.write_text("".join(f"chrA\t{s}\t{s + 50}\n" for s in range(300, 8000, 500)))
    given = {"regions": bed, "loads": loads, "quiet": True, "bootstrap": Bootstrap(40, 40)}
    options = Comparing(top=(5, 20), field_repeats=1, targets=("closed",))
    compare_models(sources, folder / "out", vcf, fasta, options, **given)
    return folder / "out"


def read(out: Path):
    tables = (
        pd.read_parquet(out / "variants.parquet"),
        pd.read_csv(out / "effect_distance.tsv", sep="\t"),
    )
    return read_json(out / "compare.json"), *tables


def axis_named(figure, title):
    return next(a for a in figure.axes if a.get_title(loc="left").startswith(title))


def test_every_panel_shows_its_numbers(out):
    result, variants, curves = read(out)
    figure = comparison_figure(result, variants, curves, "closed")
    pairs = {(p["first"], p["second"]): p for p in result["pairs"]}
    cells = np.asarray(axis_named(figure, "correlation of scores").images[0].get_array())
    assert cells[0, 2] == pytest.approx(pairs["wide", "other"]["spearmanr"]["value"])
    assert cells[2, 1] == pytest.approx(pairs["narrow", "other"]["pearsonr"]["value"])
    signs = np.asarray(axis_named(figure, "share of equal signs").images[0].get_array())
    assert signs[1, 0] == pytest.approx(pairs["wide", "narrow"]["sign"]["agreement"]["value"])
    shown = [
        line.get_xdata()[0]
        for line in axis_named(figure, "largest").lines
        if line.get_marker() == "o" and len(line.get_xdata()) == 1
    ]
    wanted = [p["top"][k]["overlap"]["value"] for k in (0, 1) for p in pairs.values()]
    assert shown == pytest.approx(wanted)
    drawn = {line.get_label(): line for line in axis_named(figure, "mean").lines}
    assert set(drawn) == {"wide", "narrow"}  # the third predicts one bin
    curve = curves.query("model == 'wide' and grid == 'log'")
    np.testing.assert_allclose(drawn["wide"].get_ydata(), curve.relative[curve.relative > 0])
    fields = axis_named(figure, "receptive field")
    assert [p.get_width() for p in fields.patches] == [128, 200, 128]
    marks = [line.get_xdata()[0] for line in fields.lines if line.get_marker() == "D"]
    assert marks == [f["measured"]["span_max"] for f in result["fields"]]
    labels = [t.get_text() for t in fields.get_legend().get_texts()]
    assert labels == ["input", "changed above 1% of the largest", "any change"]
    among = [p for p in result["regions"]["pairs"] if p["series"] == "closed"]
    dots = [
        line.get_xdata()[0]
        for line in axis_named(figure, "16 regions, 1 bin of 96 bp each").lines
        if line.get_marker() == "o" and len(line.get_xdata()) == 1
    ]
    measures = ("spearmanr", "pearsonr", "pearsonr_log2")
    assert dots == pytest.approx([p[m]["value"] for m in measures for p in among])
    caption = figure.get_supxlabel()
    pair = pairs["wide", "narrow"]
    assert f"wide, narrow: {pair['beyond_chromosome']} variants left out, around" in caption
    scatter = axis_named(figure, "logratio")
    assert scatter.get_xlabel() == "log ratio of wide"
    points = scatter.lines[0].get_xydata()
    assert len(points) == pairs["wide", "narrow"]["n"]
    assert set(points[:, 0]) <= set(variants.wide.astype(float))
    regions = np.asarray(axis_named(figure, "correlation over").images[0].get_array())
    found = result["regions"]["pairs"][0]
    assert regions[0, 1] == pytest.approx(found["spearmanr"]["value"])


def test_many_variants_are_drawn_as_counts(out):
    result, variants, curves = read(out)
    many = pd.concat([variants] * 20, ignore_index=True)
    figure = comparison_figure(result, many, curves, "closed")
    assert axis_named(figure, "logratio").collections


def test_what_is_undefined(out):
    result, variants, curves = read(out)
    pair = result["pairs"][0]
    pair["sign"], pair["of"], pair["top"] = None, "sizes", []
    pair["spearmanr"]["value"] = None
    result["fields"] = result["fields"][1:]
    figure = comparison_figure(result, variants, curves[:0], "closed")
    texts = [t.get_text() for a in figure.axes for t in a.texts]
    assert "–" in texts
    assert "scores alone" in texts
    assert "no model predicts several bins" in texts
    for p in result["pairs"]:
        p["top"] = []
    figure = comparison_figure(result, variants, curves, "closed")
    assert "too few variants" in [t.get_text() for a in figure.axes for t in a.texts]


def test_a_minus_is_one_and_regions_left_out_are_in_the_title(out):
    assert [two_digits(v) for v in (-0.125, 0.5)] == ["−0.12", "0.50"]
    result, variants, curves = read(out)
    result["pairs"][0]["spearmanr"]["value"] = -0.5
    for pair in result["regions"]["pairs"]:
        pair |= {"regions": 13, "beyond_chromosome": 3}
    figure = comparison_figure(result, variants, curves, "closed")
    texts = [t.get_text() for t in axis_named(figure, "correlation of scores").texts]
    assert "−0.50" in texts
    assert axis_named(figure, "logratio").get_title(loc="left").endswith("Spearman −0.50")
    assert axis_named(figure, "13 of 16 regions, 1 bin of 96 bp each")
    assert "wide, narrow: 3 of 16 regions left out, around" in figure.get_supxlabel()
