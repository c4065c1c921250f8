"""Pairs of changes: sequences by hand, epistasis from four predictions, tables of intervals."""

import numpy as np
import pandas
import pytest

from tfepi.perturbation.double_mutants import PositionPairs, check_known, replaced
from tfepi.perturbation.interval_pairs import IntervalPair, IntervalPairs, read_interval_pairs
from tfepi.perturbation.pair_tables import epistasis, write_interval_pairs, write_position_pairs
from tfepi.perturbation.scrambles import permuted, stream
from tfepi.variants.alleles import Window
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import encode, reverse_complement

WINDOW = Window(64, 1, 0, 0)
REGIONS = [Stretch("cA", 400, 404, "+", "one"), Stretch("cB", 200, 203, "-")]


def test_what_stands_in_place_of_letters():
    own = encode("ACGTN")
    assert np.array_equal(replaced(own, "complement"), encode("TGCAN"))
    assert np.array_equal(replaced(own, "blank"), encode("NNNNN"))


def test_epistasis_is_what_the_sum_does_not_tell():
    assert epistasis(np.float32(1), np.float32(2), np.float32(5)) == 2
    assert epistasis(np.float32(1), np.float32(2), np.float32(3)) == 0


@pytest.mark.parametrize("kind", ["letters", "complement", "blank"])
def test_all_pairs_equal_one_at_a_time(run, genome, window_of, ask, kind):
    design = PositionPairs(REGIONS, 64, kind)
    v = 3 if kind == "letters" else 1
    assert design.bounds.tolist() == np.cumsum([0, 4 * v + 6 * v * v, 3 * v + 3 * v * v]).tolist()
    finish = {"t": lambda p, rows, g: write_position_pairs(p, rows, design, g)}
    folder = run(design, finish, stats=("SAD", "logSED", "center"), part_rows=5)
    table = pandas.read_parquet(folder / "t")
    row = 0
    for number, region in enumerate(REGIONS):
        start = (region.start + region.end) // 2 - 32
        own = window_of(region.chrom, start, region.strand)

        def others(letter, kind=kind):
            if kind == "letters":
                return [x for x in range(4) if x != letter]
            return [3 - letter] if kind == "complement" else [4]

        def values(sequence):
            bins = ask(sequence)
            return {
                "SAD": bins.sum(axis=0),
                "logSED": np.log2(bins.sum(axis=0) + 1),
                "center": bins[3:5].sum(axis=0),
            }

        places = range(region.start, region.end)
        at = {p: p - start if region.strand == "+" else start + 63 - p for p in places}
        plain = values(own)
        for a in places:
            for b in range(a + 1, region.end):
                for x in others(own[at[a]]):
                    for y in others(own[at[b]]):
                        changed = {}
                        for key, these in (("a", [(a, x)]), ("b", [(b, y)]),
                                           ("ab", [(a, x), (b, y)])):  # fmt: skip
                            new = own.copy()
                            for p, letter in these:
                                new[at[p]] = letter
                            changed[key] = values(new)
                        for target in range(3):
                            found = table.iloc[row]
                            row += 1
                            assert (found["a"], found["b"], found["number"]) == (a, b, number)
                            assert (
                                found["own_a"] + found["new_a"] == "ACGTN"[own[at[a]]] + "ACGTN"[x]
                            )
                            assert (
                                found["own_b"] + found["new_b"] == "ACGTN"[own[at[b]]] + "ACGTN"[y]
                            )
                            assert found["target"] == f"T{target}"
                            assert found["region"] == (region.label or ".")
                            assert (found["chrom"], found["strand"]) == (
                                region.chrom,
                                region.strand,
                            )
                            for stat in plain:
                                f = {k: w[stat][target] for k, w in changed.items()}
                                r = plain[stat][target]
                                for key in ("a", "b", "ab"):
                                    wanted = f[key] - r
                                    assert found[f"{stat}_{key}"] == pytest.approx(
                                        wanted, rel=1e-3, abs=1e-3
                                    )
                                wanted = f["ab"] - f["a"] - f["b"] + r
                                assert found[f"{stat}_epistasis"] == pytest.approx(
                                    wanted, rel=2e-3, abs=2e-3
                                )
    assert row == len(table)
    inside = table.loc[table["a"] // 8 == table["b"] // 8, "SAD_epistasis"]
    assert np.abs(inside).max() > 0.01  # the model's bins are squares of sums


def test_regions_that_are_refused(genome):
    for region in (Stretch("cA", 5, 6), Stretch("cA", 5, 70)):
        with pytest.raises(ConfigError, match="all pairs of its positions are changed, so want 2"):
            PositionPairs([region], 64)
    with pytest.raises(ConfigError, match="unknown change of positions 'shuffle'"):
        PositionPairs(REGIONS, 64, "shuffle")
    check_known(REGIONS, genome)
    with pytest.raises(InputFileError, match="region cB:95-103 has N at cB:100"):
        check_known([*REGIONS, Stretch("cB", 95, 103)], genome)


PAIRS = [IntervalPair("cA", (400, 406), (410, 411)), IntervalPair("cB", (150, 160), (120, 128))]


@pytest.mark.parametrize(("kind", "repeats"), [("blank", 1), ("complement", 1), ("shuffle", 3)])
def test_interval_pairs_equal_one_at_a_time(run, window_of, ask, kind, repeats):
    design = IntervalPairs(PAIRS, 64, kind, repeats, 5)
    finish = {"t": lambda p, rows, _: write_interval_pairs(p, rows, design)}
    table = pandas.read_parquet(run(design, finish, part_rows=4) / "t")
    assert len(table) == 3 * len(PAIRS)
    for n, pair in enumerate(PAIRS):
        low, high = min(pair.a[0], pair.b[0]), max(pair.a[1], pair.b[1])
        start = (low + high) // 2 - 32
        own = window_of(pair.chrom, start)
        effects = []
        for repeat in range(repeats):
            four = []
            for which in ((), (pair.a,), (pair.b,), (pair.a, pair.b)):
                new = own.copy()
                for first, last in which:
                    here = own[first - start : last - start]
                    if kind == "shuffle":
                        rng = stream(5, pair.chrom, first, last - first, repeat)
                        here = permuted(here, rng)
                    elif kind == "blank":
                        here = np.full(last - first, 4)
                    else:
                        here = reverse_complement(here)[::-1]
                    new[first - start : last - start] = here
                four.append(ask(new).sum(axis=0))
            plain, a, b, both = four
            effects.append((a - plain, b - plain, both - plain, both - a - b + plain))
        rows = table.iloc[3 * n : 3 * n + 3]
        for name, values in zip(("a", "b", "ab", "epistasis"), zip(*effects, strict=True),
                                strict=True):  # fmt: skip
            wanted = np.mean(values, axis=0)
            np.testing.assert_allclose(rows[f"SAD_{name}"], wanted, rtol=2e-3, atol=2e-3)
        spread = rows["SAD_epistasis_sd"]
        if repeats == 1:
            assert spread.isna().all()
        else:
            wanted = np.std([e[3] for e in effects], axis=0, ddof=1)
            np.testing.assert_allclose(spread, wanted, rtol=1e-2, atol=3e-3)
        first = rows.iloc[0]
        assert (first["start_a"], first["end_a"]) == pair.a
        assert (first["start_b"], first["end_b"]) == pair.b


def test_a_table_of_pairs(genome, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(
        "#chrom\tstart_a\tend_a\tstart_b\tend_b\tnote\ncA\t400\t406\t410\t411\tx\n\n"
        "cB\t150\t160\t120\t128\n"
    )
    assert read_interval_pairs(path, genome) == PAIRS
    with pytest.raises(InputFileError, match="does not exist"):
        read_interval_pairs(tmp_path / "none", genome)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrom\tstart_a\tend_a\tstart_b\tend\nx\n", "has no column end_b: want chrom, start_a"),
        ("chrom\tstart_a\tend_a\tstart_b\tend_b\n", "has no rows below its header"),
        ("cZ\t1\t5\t7\t9\n", "has no chromosome 'cZ'"),
        ("cA\t1\t5\t7\tx\n", "line 2 has no two intervals on cA of 900"),
        ("cA\t1\t5\t7\n", "line 2 has no two intervals"),
        ("cA\t5\t5\t7\t9\n", "line 2 has no two intervals"),
        ("cA\t1\t5\t7\t901\n", "line 2 has no two intervals"),
        ("cA\t1\t5\t4\t9\n", "line 2: intervals 1-5 and 4-9 share bases"),
    ],
)
def test_bad_tables_of_pairs(genome, tmp_path, text, message):
    path = tmp_path / "pairs.tsv"
    header = "" if text.startswith("chrom") else "chrom\tstart_a\tend_a\tstart_b\tend_b\n"
    path.write_text(header + text)
    with pytest.raises(InputFileError, match=message):
        read_interval_pairs(path, genome)


def test_pairs_that_are_refused():
    with pytest.raises(ConfigError, match="unknown change of intervals 'letters'"):
        IntervalPairs(PAIRS, 64, "letters")
    with pytest.raises(ConfigError, match="0 shuffles of each interval"):
        IntervalPairs(PAIRS, 64, "shuffle", 0)
    far = IntervalPair("cA", (100, 105), (160, 170))
    with pytest.raises(ConfigError, match="100-105 and 160-170 of cA reach over 70 bp: want at m"):
        IntervalPairs([far], 64)
