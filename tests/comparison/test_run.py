"""Comparisons from sequence to table, beside the plainest arithmetic."""

import copy
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from tfepi.comparison.options import Comparing
from tfepi.comparison.run import compare_models
from tfepi.comparison.table import COLUMNS, summary
from tfepi.evaluation.bootstrap import Bootstrap
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.targets import Target

QUICK = Bootstrap(40, 40, block_bp=1000)
OPTIONS = Comparing(top=(10,), field_repeats=0)


@pytest.fixture(scope="module")
def models(wide, narrow):
    return {"wide": wide, "narrow": narrow}


@pytest.fixture(scope="module")
def sources(models, source_of):
    return [source_of(name, model) for name, model in models.items()]


@pytest.fixture(scope="module")
def compare(vcf, fasta, models):
    """Return a function that compares sources by their models."""

    def run(sources, out, options=OPTIONS, **changes):
        loads = {name: (lambda m=m: m) for name, m in models.items()}
        given = {"vcf": vcf, "fasta": fasta, "loads": loads, "bootstrap": QUICK, "quiet": True}
        return compare_models(sources, out, comparing=options, **(given | changes))

    return run


@pytest.fixture(scope="module")
def found(compare, sources, tmp_path_factory):
    """Folder and value of a comparison of both models, by target."""
    out = tmp_path_factory.mktemp("compared") / "out"
    return out, compare(sources, out)


def plain_log_ratios(toys, model, letters, snvs, span=96, pseudo=0.1):
    """Scores [variants, targets], and whose window runs beyond the chromosome."""
    length = model.spec.seq_length
    rows, off = [], []
    for chrom, pos, ref, alt in snvs:
        both = toys.alleles(model, letters[chrom], pos, ref, alt)
        rows.append([toys.summed(model, v, span) for v in both])
        off.append(pos - length // 2 < 0 or pos + length // 2 > len(letters[chrom]))
    rows, off = np.array(rows), np.array(off)
    added = pseudo * rows[~off, 0].mean(axis=0)
    return np.log2((rows[:, 1] + added) / (rows[:, 0] + added)), off


def test_scores_are_log_ratios_of_the_common_span(found, toys, models, letters, snvs):
    out, result = found
    assert (result["stat"], result["span"], result["variants"]) == ("logratio", 96, len(snvs))
    table = pd.read_parquet(out / "variants.parquet")
    assert table[["chrom", "pos", "ref", "alt"]].to_records(index=False).tolist() == snvs
    for name, model in models.items():
        wanted, off = plain_log_ratios(toys, model, letters, snvs)
        assert 0 < off.sum() < 10
        np.testing.assert_array_equal(table[f"{name}_beyond_chromosome"], off)
        for number, target in enumerate(toys.NAMES):
            np.testing.assert_allclose(table[f"{name}_{target}"], wanted[:, number], atol=2e-5)


def test_pairs_leave_out_windows_beyond_chromosomes(found, toys, models, letters, snvs):
    _, result = found
    scores, off = zip(
        *(plain_log_ratios(toys, m, letters, snvs) for m in models.values()), strict=True
    )
    used = ~off[0] & ~off[1]
    for number, pair in enumerate(result["pairs"]):
        assert (pair["first"], pair["second"]) == ("wide", "narrow")
        assert pair["series"] == toys.NAMES[number]
        assert (pair["n"], pair["beyond_chromosome"]) == (used.sum(), (~used).sum())
        assert pair["undefined"] == 0
        wanted = pearsonr(*(s[used, number] for s in scores))[0]
        assert pair["pearsonr"]["value"] == pytest.approx(wanted, abs=1e-4)
        assert pair["blocks"]["block_bp"] == 1000


def test_distances_are_printed_of_each_target(found):
    _, result = found
    text = summary(result)
    blocks = text.split("\n\n")
    assert "50% of effect" not in blocks[0]
    header, *rows = (line.split() for line in blocks[1].splitlines())
    assert header[:2] == ["target", "model"]
    wanted = []
    for series in ("open", "closed"):
        for name in ("wide", "narrow"):
            [entry] = [d for d in result["distance"] if (d["series"], d["model"]) == (series, name)]
            values = [f"{s['value']:,.0f}" for s in entry["within"].values()]
            wanted.append([series, name, *values])
    assert rows == wanted
    alone = copy.deepcopy(result)
    alone["series"] = alone["series"][1:]
    alone["pairs"] = alone["pairs"][1:]
    first = summary(alone).split("\n\n")[0].splitlines()
    assert "50% of effect" in first[0]
    assert [line.split()[-3:] for line in first[1:]] == [w[2:] for w in wanted[2:]]


def test_every_number_is_in_the_table(found):
    out, result = found
    assert json.loads((out / "compare.json").read_text()) == json.loads(json.dumps(result))
    assert result["format"] == "tfepi-comparison-of-models"
    table = pd.read_csv(out / "compare.tsv", sep="\t")
    assert tuple(table.columns) == COLUMNS
    pair = result["pairs"][1]
    rows = table[(table.part == "variants") & (table.series == "closed")].set_index("measure")
    assert rows.value["spearmanr"] == pytest.approx(pair["spearmanr"]["value"], rel=1e-5)
    assert rows.low["pearsonr"] == pytest.approx(pair["pearsonr"]["interval"][0], rel=1e-5)
    assert rows.value["top_overlap"] == pytest.approx(pair["top"][0]["overlap"]["value"])
    assert rows.k["top_jaccard"] == 10
    assert rows.expected["sign_agreement"] == pytest.approx(pair["sign"]["expected"], rel=1e-5)
    assert set(table.part) == {"variants", "distance", "field"}
    text = summary(result)
    assert "wide, narrow" in text
    assert "6 x 16" in text
    assert "logratio of 96 bp around the variant" in text
    record = json.loads((out / "run.json").read_text())
    assert record["outcome"] == "finished"
    assert set(record["inputs"]) == {"vcf", "fasta"}


def test_the_unit_of_a_model_does_not_matter(compare, source_of, toys, narrow, tmp_path):
    other = toys.Toy(200, 1, 20, reach=20, seed=2, unit=0.01)
    both = [source_of("narrow", narrow), source_of("other", other)]
    loads = {"narrow": lambda: narrow, "other": lambda: other}
    result = compare(both, tmp_path / "out", loads=loads)
    for pair in result["pairs"]:
        assert pair["pearsonr"]["value"] == pytest.approx(1, abs=1e-6)
        assert pair["top"][0]["overlap"]["value"] == 1
        assert pair["sign"]["agreement"]["value"] == 1


def test_what_is_there_is_gone_on_with(compare, sources, models, found, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(found[0], out)
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        compare(sources, out)
    before = [m.sequences for m in models.values()]
    again = compare(sources, out, resume=True)
    assert [m.sequences for m in models.values()] == before
    wanted = copy.deepcopy(found[1])
    for model in (*again["models"], *wanted["models"]):
        del model["scores"]  # each is in its own folder
    assert again == wanted
    other = compare(sources, out, replace(OPTIONS, stat="logSED", edges="keep"), resume=True)
    assert [m.sequences for m in models.values()] == before
    assert other["span"] is None
    assert other["pairs"][0]["n"] == other["variants"]
    with pytest.raises(UnfinishedError, match="option shifts changed"):
        compare(sources, out, replace(OPTIONS, shifts=(0, 1)), resume=True)


def test_folders_of_scores_say_the_same(compare, sources, found):
    out, result = found
    given = [
        replace(s, model=None, folder=out / "scores" / s.name, targets=s.targets) for s in sources
    ]
    again = compare(given, out.parent / "given", vcf=None, fasta=None)
    assert again["pairs"] == result["pairs"]
    assert again["distance"] == result["distance"]
    assert again["fields"] == []
    mixed = [replace(sources[0], folder=out / "scores" / "wide"), sources[1]]
    assert compare(mixed, out.parent / "mixed")["pairs"] == result["pairs"]


def test_the_mean_over_chosen_targets(compare, sources, found):
    out, _ = found
    first = replace(sources[0], folder=out / "scores" / "wide", mean=True)
    second = replace(sources[1], folder=out / "scores" / "narrow", targets=(Target(1, "closed"),))
    found_mean = compare([first, second], out.parent / "mean")
    table = pd.read_parquet(out / "variants.parquet")
    mean = pd.read_parquet(out.parent / "mean" / "variants.parquet")
    np.testing.assert_allclose(mean.wide, (table.wide_open + table.wide_closed) / 2, atol=1e-6)
    np.testing.assert_allclose(mean.narrow, table.narrow_closed, atol=1e-7)
    assert found_mean["series"] == [
        {"label": "chosen", "targets": {"wide": ["open", "closed"], "narrow": ["closed"]}}
    ]


def test_a_statistic_without_direction(compare, sources, found):
    out, _ = found
    given = [replace(s, folder=out / "scores" / s.name) for s in sources]
    result = compare(given, out.parent / "d2", replace(OPTIONS, stat="D2"))
    assert result["pairs"][0]["of"] == "sizes"
    assert result["pairs"][0]["sign"] is None
    table = pd.read_csv(out.parent / "d2" / "compare.tsv", sep="\t")
    assert "spearmanr_of_sizes" in set(table.measure)
    assert "spearmanr" not in set(table.measure)
    assert "no sign" in summary(result)


def test_scores_of_other_variants_are_refused(compare, sources, found, write_vcf, snvs, tmp_path):
    out, _ = found
    given = [replace(s, folder=out / "scores" / s.name) for s in sources]
    other = write_vcf(snvs[:-1])
    with pytest.raises(InputFileError, match=r"are of other variants .* than .*in\.vcf: score the"):
        compare(given, tmp_path / "out", vcf=other)
    with pytest.raises(InputFileError, match="are of other genome"):
        compare(given, tmp_path / "out", fasta=other)
    short = [given[0], replace(given[1], folder=None)]
    with pytest.raises(InputFileError, match="of model wide are of other variants"):
        compare(short, tmp_path / "out", vcf=other)
    assert not (tmp_path / "out").exists()


def test_scores_without_what_is_compared(compare, sources, found, tmp_path):
    out, _ = found
    both = [replace(s, folder=out / "scores" / s.name) for s in sources]
    with pytest.raises(ConfigError, match="has SAD, logSED, SAX, D2, REF, ALT, not JS: score"):
        compare(both, tmp_path / "out", replace(OPTIONS, stat="JS"))
    lean = replace(OPTIONS, stat="SAD", profiles=False)
    result = compare(sources, tmp_path / "lean", lean)
    assert result["distance"] == []
    given = [replace(s, folder=tmp_path / "lean" / "scores" / s.name) for s in sources]
    with pytest.raises(ConfigError, match="has scores without REF and ALT, of which logratio"):
        compare(given, tmp_path / "out")


def test_too_little_to_compare(compare, sources, write_vcf, snvs, found, tmp_path):
    with pytest.raises(ConfigError, match="1 model is given"):
        compare(sources[:1], tmp_path / "out")
    with pytest.raises(ConfigError, match="model wide has no scores yet: name the variants"):
        compare(sources, tmp_path / "out", vcf=None)
    with pytest.raises(InputFileError, match="holds 1 variant that can be scored, want at least 3"):
        compare(sources, tmp_path / "out", vcf=write_vcf(snvs[:1]))
    with pytest.raises(InputFileError, match="holds no record"):
        compare(sources, tmp_path / "out", vcf=write_vcf([]))
    with pytest.raises(ConfigError, match="shifts reach 99 bp"):
        compare(sources, tmp_path / "out", replace(OPTIONS, shifts=(0, 99)))
    styled = [replace(sources[0], untransform="older"), sources[1]]
    with pytest.raises(ConfigError, match="unknown untransform style 'older'"):
        compare(styled, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    inner = [v for v in snvs if v[0] == "chrA" and v[1] in (1071, 1168)]
    ends = write_vcf([snvs[0], *inner, next(v for v in snvs if v[0] == "chrB")])
    message = (
        r"wide and narrow both score 2 of 4 variants, want at least 3 .*the window of one runs "
        r"beyond the chromosome around 2 \(--edges keep lets them count\)"
    )
    with pytest.raises(InputFileError, match=message):
        compare(sources, tmp_path / "ends", vcf=ends, bootstrap=Bootstrap(0, 0))
    few = {"vcf": ends, "bootstrap": Bootstrap(0, 0)}
    kept = compare(sources, tmp_path / "kept", replace(OPTIONS, edges="keep"), **few)
    assert kept["pairs"][0]["n"] == 4
    too_long = "--span is 100 bp, and model wide predicts 96: want no more"
    with pytest.raises(ConfigError, match=too_long):
        compare(sources, found[0], replace(OPTIONS, span=100), resume=True)
    # Also before anything is scored, and of what has no span.
    with pytest.raises(ConfigError, match=too_long):
        compare(sources, tmp_path / "out", replace(OPTIONS, span=100))
    with pytest.raises(ConfigError, match="--span is 50 bp, and SAD is of each model's whole"):
        compare(sources, tmp_path / "out", replace(OPTIONS, span=50, stat="SAD"))
    wide_blocks = Bootstrap(40, 40, block_bp=10_000)
    with pytest.raises(ConfigError, match=r"--block_bp is 10000: .* lie in 2 blocks .* least 5"):
        compare(sources, tmp_path / "out", bootstrap=wide_blocks)
    assert not (tmp_path / "out").exists()


def test_a_model_that_predicts_negative_signal(compare, source_of, toys, wide, tmp_path):
    """Where a sum is below what is added the log ratio is undefined, counted and left out."""
    odd = toys.Toy(128, 16, 16, seed=3)
    inner = odd._function
    codes = np.eye(4)[np.random.default_rng(0).integers(0, 4, (50, 128))]
    level = np.median(inner(codes), axis=(0, 1))
    odd._function = lambda codes: inner(codes) - level
    both = [source_of("wide", wide), source_of("odd", odd)]
    result = compare(both, tmp_path / "out", loads={"wide": lambda: wide, "odd": lambda: odd})
    pair = result["pairs"][0]
    assert pair["undefined"] > 0
    table = pd.read_parquet(tmp_path / "out" / "variants.parquet")
    usable = table.odd_open.notna() & ~table.odd_beyond_chromosome & ~table.wide_beyond_chromosome
    assert pair["n"] == usable.sum()
    assert pair["n"] + pair["undefined"] + pair["beyond_chromosome"] == result["variants"]


def test_a_variant_that_comes_twice(compare, sources, write_vcf, snvs, tmp_path):
    rows = snvs[5:25]
    twice = write_vcf([*rows[:3], rows[2], *rows[3:]])
    result = compare(sources, tmp_path / "out", vcf=twice, bootstrap=Bootstrap(0, 0))
    assert result["variants"] == result["pairs"][0]["n"] == 21


def test_facts_of_the_models(found):
    _, result = found
    facts = [(m["name"], m["kind"], m["input"], m["bins"]) for m in result["models"]]
    assert facts == [("wide", "coverage", 128, 6), ("narrow", "coverage", 200, 160)]
    assert [m["beyond_chromosome"] for m in result["models"]] == [4, 4]


def test_records_that_cannot_be_scored(compare, sources, write_vcf, snvs, tmp_path):
    chrom, pos, ref, alt = snvs[8]
    other = write_vcf([*snvs[:8], (chrom, pos, alt, ref), *snvs[9:]])
    with pytest.raises(InputFileError, match=r"record 9 .*--ref_policy skip"):
        compare(sources, tmp_path / "out", vcf=other)
    assert not (tmp_path / "out").exists()
    skipped = replace(OPTIONS, ref_policy="skip")
    result = compare(sources, tmp_path / "skipped", skipped, vcf=other)
    assert result["variants"] == len(snvs) - 1
    assert [m["skipped"] for m in result["models"]] == [{"REF is not the genome's": 1}] * 2
    lines = summary(result).splitlines()
    assert "wide: records or ALTs of the VCF not scored: 1 REF is not the genome's" in lines
    beyond = result["pairs"][0]["beyond_chromosome"]
    assert any(x.startswith(f"wide, narrow: {beyond} variants left out, around") for x in lines)


def test_a_top_that_is_too_large_is_said(compare, sources, found):
    large = replace(OPTIONS, top=(10, 5000))
    result = compare(sources, found[0], large, resume=True)
    assert [t["k"] for t in result["pairs"][0]["top"]] == [10]
    assert "--top 5,000 is left out: it says nothing of" in summary(result)
    compare(sources, found[0], resume=True)
