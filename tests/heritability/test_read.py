"""LDSC's results: its own standard errors from its jackknife, sums and ratios, what is refused."""

import gzip
import itertools
import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tfepi.heritability.annotate_run import Request, annotate
from tfepi.heritability.assembly import Assembly
from tfepi.heritability.overlap import counted_overlap, plain_overlap, shares
from tfepi.heritability.read_run import comparison_table, read_traits, summary, write_tables
from tfepi.heritability.results_file import plain_category, read_results
from tfepi.heritability.shares import Trait, compare, jackknife_covariance, mean_of
from tfepi.heritability.traits import Annotations, annotations_of
from tfrecords_tools.errors import ConfigError, InputFileError

CLUSTERS = ("ubiquitous", "A", "B")
NAMES = Annotations(CLUSTERS, ubiquitous="ubiquitous")


def slow_error(statistic, blocks):
    """Return a jackknife standard error by Tukey's pseudo-values."""
    n = len(blocks)
    left_out = [statistic(b) for b in blocks]
    whole = sum(left_out) / n
    pseudo = [n * whole - (n - 1) * g for g in left_out]
    mean = sum(pseudo) / n
    return math.sqrt(sum((p - mean) ** 2 for p in pseudo) / (n - 1) / n)


def test_standard_errors_are_those_of_ldsc(trait_file):
    results = read_results(trait_file())
    deleted = shares(plain_overlap(results), results.delete)
    error = np.sqrt(np.diag(jackknife_covariance(deleted)))
    np.testing.assert_allclose(error[1:], results.table["prop_h2_se"][1:], rtol=1e-6)
    assert results.names == ["base", *CLUSTERS]
    assert math.isnan(results.table["enrichment_p"][0])


def test_sums_and_ratio_by_the_jackknife(trait_file):
    found = read_traits([("t", read_results(trait_file()))], NAMES)
    [row] = found.comparisons
    assert found.notes == []
    assert row.method == "jackknife"
    table = read_results(trait_file()).table
    m = table["prop_snps"].tolist()
    blocks = read_results(trait_file()).delete.tolist()

    def share(tau, j):
        total = sum(s * t for s, t in zip(m, tau, strict=True))
        return m[j] * (tau[0] + tau[j]) / total

    assert row.specific == pytest.approx(table["prop_h2"][2] + table["prop_h2"][3])
    slow = slow_error(lambda tau: share(tau, 2) + share(tau, 3), blocks)
    assert row.specific_se == pytest.approx(slow)
    assert row.ubiquitous_se == pytest.approx(table["prop_h2_se"][1], rel=1e-6)
    assert row.ratio == pytest.approx(row.specific / row.ubiquitous)
    slow = slow_error(lambda tau: math.log((share(tau, 2) + share(tau, 3)) / share(tau, 1)), blocks)
    for end, sign in zip(row.interval, (-1, 1), strict=True):
        assert end == pytest.approx(row.ratio * math.exp(sign * 1.959964 * slow), rel=1e-6)
    assert row.specific_snps == pytest.approx(m[2] + m[3])


def test_sums_without_a_jackknife(trait_file):
    found = read_traits([("t", read_results(trait_file(jackknife=False)))], NAMES)
    [row] = found.comparisons
    assert row.method == "independent"
    assert "as if they were independent: trait.results has no .part_delete" in found.notes[0]
    assert row.specific_se == pytest.approx(math.hypot(0.02659285641337443, 0.04406249941437236))
    spread = math.hypot(row.specific_se / row.specific, row.ubiquitous_se / row.ubiquitous)
    assert row.interval[1] == pytest.approx(row.ratio * math.exp(1.959964 * spread), rel=1e-6)


def test_without_coefficients(trait_file, ldsc):
    rows = (line.split("\t")[:7] for line in ldsc.RESULTS.splitlines())
    text = "".join("\t".join(cells) + "\n" for cells in rows)
    found = read_traits([("t", read_results(trait_file(results=text)))], NAMES)
    assert "trait.results has no coefficients" in found.notes[0]
    assert found.table["coefficient"].isna().all()


def simulated(rng, errors, count=200, traits=1):
    """Return traits whose block values vary with a known covariance of their shares."""
    truth = np.array([0.1, 0.35, 0.25])
    spread = np.linalg.cholesky(errors)
    made = []
    for number in range(traits):
        # The mean of a sample, and of it without each block: their jackknife is exact.
        sample = truth + rng.normal(size=(count, 3)) @ spread.T * math.sqrt(count)
        mean = sample.mean(axis=0)
        delete = (count * mean - sample) / (count - 1)
        made.append(
            Trait(
                f"t{number}", CLUSTERS, np.full(3, 0.02), mean, jackknife_covariance(delete), delete
            )
        )
    return truth, made


def test_intervals_hold_the_truth():
    errors = np.array([[4, 2, 2], [2, 25, 15], [2, 15, 25]]) * 1e-5
    rng = np.random.default_rng(3)
    truth, traits = simulated(rng, errors, traits=300)
    rows = [compare(t, "ubiquitous") for t in traits]
    specific, ratio = truth[1] + truth[2], (truth[1] + truth[2]) / truth[0]
    inside = [r.interval[0] < ratio < r.interval[1] for r in rows]
    assert 0.92 <= np.mean(inside) <= 0.98
    inside = [abs(r.specific - specific) < 1.96 * r.specific_se for r in rows]
    assert 0.92 <= np.mean(inside) <= 0.98
    # Taken as independent, clusters that vary together would look too sure.
    alone = [abs(r.specific - specific) < 1.96 * math.sqrt(50e-5) for r in rows]
    assert np.mean(alone) < 0.9
    means = [mean_of(rows[n : n + 20]) for n in range(0, 300, 20)]
    z = [(m.specific - specific) / m.specific_se for m in means]
    assert np.abs(z).max() < 4
    assert sum(m.interval[0] < ratio < m.interval[1] for m in means) >= 12


def test_mean_over_traits(trait_file):
    rows = read_traits([("t", read_results(trait_file()))], NAMES).comparisons
    _, traits = simulated(np.random.default_rng(1), np.eye(3) * 1e-4, traits=3)
    rows += [compare(t, "ubiquitous") for t in traits]
    mean = mean_of(rows)
    values = [r.specific for r in rows]
    assert mean.specific == pytest.approx(sum(values) / 4)
    assert mean.specific_se == pytest.approx(np.std(values, ddof=1) / 2)
    assert mean.ratio == pytest.approx(mean.specific / mean.ubiquitous)
    assert (mean.name, mean.method) == ("mean", "between traits")


def test_shares_that_are_not_above_zero():
    trait = Trait("t", CLUSTERS, np.full(3, 0.1), np.array([-0.1, 0.2, 0.3]), np.eye(3), None)
    row = compare(trait, "ubiquitous")
    assert math.isnan(row.ratio)
    value = row.to_json()
    assert value["ratio"] is None
    assert value["ratio_interval"] == [None, None]
    alone = compare(trait, None)
    assert alone.specific == pytest.approx(0.4)
    assert math.isnan(alone.ubiquitous)
    assert comparison_table([alone]).splitlines()[1].split("\t")[6:14] == [""] * 8


def test_plain_overlaps(trait_file, tmp_path):
    size = np.array([1, 0.4, 0.1])
    tau = np.array([1.0, 2, 5])
    nested = np.array([[1, 0.4, 0.1], [0.4, 0.4, 0.1], [0.1, 0.1, 0.1]])
    disjoint = np.array([[1, 0.4, 0.1], [0.4, 0.4, 0], [0.1, 0, 0.1]])
    for number, overlap in enumerate((nested, disjoint)):
        total = sum(overlap[j, j] * tau[j] for j in range(3))
        share = [sum(overlap[i, j] * tau[j] for j in range(3)) / total for i in range(3)]
        np.testing.assert_allclose(shares(overlap, tau), share)
        rows = zip(("base", "C", "D"), size, share, tau, strict=True)
        text = "".join(f"{n}L2_0\t{p}\t{h}\t.1\t1\t1\tNA\t{t}\t1\t1\n" for n, p, h, t in rows)
        header = "Category\tProp._SNPs\tProp._h2\tProp._h2_std_error\tEnrichment\t"
        header += "Enrichment_std_error\tEnrichment_p\tCoefficient\tCoefficient_std_error\t"
        path = trait_file(f"x{number}", False, f"{header}Coefficient_z-score\n{text}")
        np.testing.assert_allclose(plain_overlap(read_results(path)), overlap)
    wrong = path.read_text().replace("DL2_0\t0.1", "DL2_0\t0.2")
    assert plain_overlap(read_results(trait_file("y", False, wrong))) is None


@pytest.fixture
def beside_baseline(tmp_path, bims, sizes, clusters, ldsc):
    """Results of clusters beside overlapping baseline annotations, as LDSC computes them."""
    rng = np.random.default_rng(6)
    beds = {}
    for name, width in (("wide", 900), ("narrow", 200)):
        beds[name] = tmp_path / f"{name}.bed"
        beds[name].write_text(
            "".join(f"chr{c}\t{s}\t{s + width}\n" for c in (1, 2) for s in (100, 300, 1500))
        )
    assembly = Assembly.of("toy", sizes)
    annotate(tmp_path / "base", bims, Request(assembly, "baseline"), beds=beds, quiet=True)
    annotate(tmp_path / "own", bims, Request(assembly, thin=True), clusters, quiet=True)
    # Thin files have the column base here too; LDSC would want it once.
    columns, common = [], []
    for chrom in (1, 2):
        first = pd.read_csv(tmp_path / f"base/ldsc/baseline.{chrom}.annot.gz", sep="\t")
        own = tmp_path / f"own/ldsc/clusters.{chrom}.annot.gz"
        second = pd.read_csv(own, sep="\t").drop(columns="base")
        own.write_bytes(gzip.compress(second.to_csv(sep="\t", index=False).encode()))
        frequency = rng.uniform(0, 0.5, len(first))
        frq = pd.DataFrame({"CHR": chrom, "SNP": first["SNP"], "MAF": frequency})
        frq.to_csv(tmp_path / f"ref.{chrom}.frq", sep=" ", index=False)
        columns.append(np.hstack([first.iloc[:, 4:], second]))
        common.append((frequency > 0.05) & (frequency < 0.95))
    x = np.vstack(columns)[np.concatenate(common)].astype(float)
    names = ["baseL2_0", "wideL2_0", "narrowL2_0"] + [f"{c}L2_1" for c in ("ubiquitous", "B", "T")]
    k = range(len(names))
    count = np.zeros((6, 6))
    for row in x:  # a plain count of SNPs in both
        for i, j in itertools.product(k, k):
            count[i, j] += row[i] * row[j]
    delete = np.array([1, 0.2, 0.1, 3, 8, 6]) * rng.normal(1, 0.05, (20, 6))
    tau = delete.mean(axis=0)

    def share(t):
        total = sum(count[j, j] * t[j] for j in k)
        return [sum(count[i, j] * t[j] for j in k) / total for i in k]

    error = [slow_error(lambda t, i=i: share(t)[i], delete.tolist()) for i in k]
    rows = zip(names, x.mean(axis=0), share(tau), error, tau, strict=True)
    text = "".join(f"{n}\t{p}\t{h}\t{e}\t1\t1\tNA\t{t}\t1\t1\n" for n, p, h, e, t in rows)
    path = tmp_path / "b.results"
    path.write_text(ldsc.HEADER + text)
    np.savetxt(path.with_suffix(".part_delete"), delete)
    slow = slow_error(lambda t: sum(share(t)[4:]), delete.tolist())
    return path, [str(tmp_path / p) for p in ("base/ldsc/baseline.", "own/ldsc/clusters.")], slow


def test_counted_overlap(tmp_path, beside_baseline):
    path, prefixes, slow = beside_baseline
    names = annotations_of(tmp_path / "own", (), None)
    assert names.clusters == ("ubiquitous", "B", "T")
    results = [("t", read_results(path))]
    found = read_traits(results, names, prefixes, str(tmp_path / "ref."))
    assert found.notes == []
    assert found.comparisons[0].specific_se == pytest.approx(slow)
    without = read_traits(results, names)
    assert "since annotations overlap: give --ref_ld_chr" in without.notes[-1]
    assert without.comparisons[0].method == "independent"


def test_files_of_another_run(tmp_path, beside_baseline, bims):
    path, prefixes, _ = beside_baseline
    results, frq = read_results(path), str(tmp_path / "ref.")
    with pytest.raises(InputFileError, match=r"has other categories than the .annot files"):
        counted_overlap(results, prefixes[::-1], frq)
    with pytest.raises(InputFileError, match=r"there is no file .*none.1.annot.gz"):
        counted_overlap(results, [str(tmp_path / "none.")], frq)
    with pytest.raises(InputFileError, match=r"file of frequencies .*no.1.frq.gz does not exist"):
        counted_overlap(results, prefixes, str(tmp_path / "no."))
    whole = (tmp_path / "ref.1.frq").read_text()
    (tmp_path / "ref.1.frq").write_text("\n".join(whole.splitlines()[:-1]) + "\n")
    with pytest.raises(InputFileError, match=r"has 499 SNPs, the .frq file of chromosome 1 498"):
        counted_overlap(results, prefixes, frq)
    (tmp_path / "ref.1.frq").write_text(whole.replace("MAF", "P"))
    with pytest.raises(InputFileError, match=r"cannot read frequencies \(MAF\) from"):
        counted_overlap(results, prefixes, frq)
    lines = [f"{line} 0.5" if n else f"{line} FRQ" for n, line in enumerate(whole.split("\n"))]
    (tmp_path / "ref.1.frq").write_text("\n".join(lines[:-1]).replace("MAF", "P"))
    with pytest.raises(InputFileError, match=r"do not follow from its coefficients and the .annot"):
        counted_overlap(results, prefixes, frq)
    (tmp_path / "own/ldsc/clusters.1.annot.gz").unlink()
    with pytest.raises(InputFileError, match=r"clusters.1.annot.gz does not exist, but another"):
        counted_overlap(results, prefixes, frq)


def test_each_cluster_in_its_own_regression(trait_file, ldsc):
    lines = ldsc.RESULTS.splitlines(keepends=True)
    blocks = np.array([line.split() for line in ldsc.PART_DELETE.splitlines()], float)
    m = [0.029683333333333332, 0.03336666666666667, 0.030283333333333332]
    runs, deleted = [], []
    for row, name in enumerate(CLUSTERS, 1):
        tau = blocks[:, [0, row]]
        size = m[row - 1]
        share = size * tau.sum(axis=1) / (tau[:, 0] + size * tau[:, 1])
        error = slow_error(float, share.tolist())
        cells = lines[row + 1].split("\t")
        mean = tau.mean(axis=0)
        cells[2] = str(size * mean.sum() / (mean[0] + size * mean[1]))
        cells[3], cells[7] = str(error), str(mean[1])
        base = lines[1].split("\t")
        base[7] = str(mean[0])
        text = lines[0] + "\t".join(base) + "\t".join(cells)
        held = "".join(f"{a!r} {b!r}\n" for a, b in tau.tolist())
        runs.append(("t", read_results(trait_file(name, True, text, held))))
        deleted.append(share)
    found = read_traits(runs, NAMES)
    assert found.notes == []
    pairs = np.array(deleted).T.tolist()
    slow = slow_error(lambda s: s[1] + s[2], pairs)
    assert found.comparisons[0].specific_se == pytest.approx(slow)
    runs[1][1].path.with_suffix(".part_delete").write_text(
        "\n".join(runs[1][1].path.with_suffix(".part_delete").read_text().splitlines()[:-1] * 2)
    )
    with pytest.raises(InputFileError, match=r"says the standard error of AL2_0 is"):
        read_traits([runs[0], ("t", read_results(runs[1][1].path)), runs[2]], NAMES)
    with pytest.raises(InputFileError, match=r"has annotation 'A' as another file has"):
        read_traits([*runs, runs[1]], NAMES)


def test_bad_results(trait_file, ldsc, tmp_path):
    for change, message in (
        (("Prop._h2\t", "h2\t"), r"has no column Prop._h2: want what ldsc.py"),
        (("0.3214349613071813", "much"), r"column prop_h2: could not convert"),
        (("0.3214349613071813", "NA"), r"line 4: a share that is no number"),
    ):
        with pytest.raises(InputFileError, match=message):
            read_results(trait_file("x", True, ldsc.RESULTS.replace(*change)))
    with pytest.raises(InputFileError, match="has no category"):
        read_results(trait_file("x", True, ldsc.HEADER))
    for text, message in (
        ("", r"x.results is empty: want what ldsc.py --h2"),
        ('{\n "a": 1\n}\n', r"x.results is a JSON file: want what ldsc.py --h2"),
        ("a\tb\n1\t2\t3\n1\t2\n1\t2\t3\t4\n", r"\(Expected 3 .* saw 4\): want what ldsc.py"),
    ):
        with pytest.raises(InputFileError, match=message):
            read_results(trait_file("x", True, text))
    with pytest.raises(InputFileError, match="does not exist"):
        read_results(tmp_path / "none.results")
    rows = ldsc.PART_DELETE.splitlines()
    for text, message in (
        ("\n".join(r.rsplit(" ", 1)[0] for r in rows), "has 3 columns of numbers, .* has 4"),
        ("\n".join(rows[:5]), "has 5 blocks, too few"),
        ("a b c d\n", "cannot read jackknife values"),
    ):
        with pytest.raises(InputFileError, match=message):
            read_results(trait_file("x", deleted=text))
    lone = trait_file("lone", False, ldsc.RESULTS.replace("AL2_0", "L2_1").replace("BL2_0", "L2_2"))
    with pytest.raises(InputFileError, match=r"no results of A, B; .* has base, ubiquitous, \(unn"):
        read_traits([("t", read_results(lone))], NAMES)
    twice = trait_file("twice", False, ldsc.RESULTS.replace("BL2_0", "AL2_1"))
    with pytest.raises(InputFileError, match="has 2 categories of annotation 'A'"):
        read_traits([("t", read_results(twice))], NAMES)
    with pytest.raises(ConfigError, match="give --ref_ld_chr and --frqfile_chr together"):
        read_traits([("t", read_results(trait_file()))], NAMES, ["x."])


def test_an_annotation_alone_has_no_name(trait_file, ldsc):
    text = "".join(ldsc.RESULTS.splitlines(keepends=True)[:3]).replace("ubiquitousL2_0", "L2_1")
    path = trait_file("lone", False, text)
    alone = Annotations(("peaks",), alone="peaks")
    found = read_traits([("t", read_results(path))], alone)
    assert found.table["prop_h2"].tolist() == [0.0808342927845586]
    assert plain_category("T cellsL2_10") == "T cells"
    assert plain_category("other") == "other"


def test_which_annotations(tmp_path, bims, sizes, clusters):
    request = Request(Assembly.of("toy", sizes))
    annotate(tmp_path / "a", bims, request, clusters, quiet=True)
    found = annotations_of(tmp_path / "a", (), None)
    names = ("ubiquitous", "B", "T")
    assert found.clusters == names
    assert (found.others, found.ubiquitous, found.alone, found.disjoint) == (
        *((), "ubiquitous", None, True),
    )
    assert found.plain == {"base", *names}
    assert found.snps["T"][0] == pytest.approx(found.snps["T"][1] * 798)
    assert annotations_of(tmp_path / "a", (), "B").ubiquitous == "B"
    assert annotations_of(None, ("x", "y"), None).ubiquitous is None
    for given, message in (
        ((None, (), None), "give one of --annotation and --clusters"),
        ((tmp_path / "a", ("x",), None), "give one of --annotation and --clusters"),
        ((None, ("x", "x"), None), "--clusters has a name twice"),
        ((None, ("x",), "z"), "the ubiquitous cluster 'z' is none of the clusters: x"),
    ):
        with pytest.raises(ConfigError, match=message):
            annotations_of(*given)
    with pytest.raises(InputFileError, match=r"annotation.json does not exist"):
        annotations_of(tmp_path, (), None)
    (tmp_path / "annotation.json").write_text('{"format": "tfepi-annotation"}')
    with pytest.raises(InputFileError, match="has format 'tfepi-annotation' version None"):
        annotations_of(tmp_path, (), None)


@pytest.fixture
def annotated(tmp_path, bims, sizes, tmp_path_factory):
    """Annotations with the clusters of `trait_file`, which hold the shares of SNPs in it."""
    folder = tmp_path_factory.mktemp("annotated")
    peaks = [("ubiquitous", 240), ("A", 270), ("B", 240)]  # of 7980 bp: 0.030, 0.034, 0.030
    lines, start = ["chrom\tstart\tend\tcluster"], 0
    for name, width in peaks:
        lines.append(f"chr1\t{start}\t{start + width}\t{name}")
        start += width
    (folder / "clusters.tsv").write_text("\n".join(lines) + "\n")
    # The folder of `tfepi_specificity.py clusters` is as good as its table.
    annotate(folder / "out", bims, Request(Assembly.of("toy", sizes)), folder, quiet=True)
    return folder / "out"


def test_a_base_needs_no_files_of_the_run(trait_file, ldsc, annotated):
    names = annotations_of(annotated, (), None)
    found = read_traits([("t", read_results(trait_file()))], names)
    assert (found.notes, found.comparisons[0].method) == ([], "jackknife")
    wrong = ldsc.RESULTS.replace("0.3214349613071813", "0.42")
    with pytest.raises(
        InputFileError, match="do not follow from its coefficients, as those of dis"
    ):
        read_traits([("t", read_results(trait_file("u", results=wrong)))], names)
    unknown = read_traits([("t", read_results(trait_file("u", results=wrong)))], NAMES)
    assert "since annotations overlap: give --ref_ld_chr" in unknown.notes[0]


def test_shares_of_snps_of_other_annotations(trait_file, annotated):
    names = annotations_of(annotated, (), None)
    results = [(t, read_results(trait_file(t))) for t in ("t", "u")]
    other = replace(names, snps=names.snps | {"A": (4000, 0.05), "B": (4000, 0.04)})
    told = [n for n in read_traits(results, other).notes if "results say" in n]
    assert told == [
        "t, u: results say of A 3.34% of SNPs, 5.00% in annotation.json, and so of 1 more cluster: "
        "are they of these annotations and of this reference?"
    ]
    few = replace(names, snps={"A": (20, 0.05)})  # by chance
    assert read_traits(results, few).notes == []
    near = replace(names, snps={"A": (4000, 0.037)})  # common SNPs lie somewhat otherwise
    assert read_traits(results, near).notes == []


def test_the_mean_where_a_ratio_is_undefined(trait_file, ldsc):
    negative = ldsc.RESULTS.replace("0.0808342927845586", "-0.01")
    runs = [
        ("t", read_results(trait_file())),
        ("u", read_results(trait_file("u", False, negative))),
    ]
    found = read_traits(runs, NAMES)
    first, second = found.comparisons
    assert math.isnan(second.ratio)
    shares_of = [(first.specific + second.specific) / 2, (first.ubiquitous - 0.01) / 2]
    assert found.mean.ratio == pytest.approx(shares_of[0] / shares_of[1])
    assert found.notes[-1] == (
        "mean: its ratio is that of the mean shares of all traits, of u too, whose own is undefined"
    )
    runs = [("u", runs[1][1]), ("v", runs[1][1])]
    assert math.isnan(read_traits(runs, NAMES).mean.ratio)


def test_clusters_without_a_ubiquitous_one(trait_file):
    results = [("t", read_results(trait_file()))]
    found = read_traits(results, annotations_of(None, ("A", "B"), None))
    assert found.notes[-1] == (
        "none of the clusters (A, B) is called ubiquitous: all count as specific, and there is no "
        "ratio; --ubiquitous names one"
    )
    assert "ubiquitous" not in summary(found)
    named = read_traits(results, annotations_of(None, ("A", "B"), "B"))
    assert not any("is called ubiquitous" in note for note in named.notes)


def test_tables(trait_file, ldsc, tmp_path, caplog):
    negative = ldsc.RESULTS.replace("0.0808342927845586", "-0.01")
    runs = [
        ("t", read_results(trait_file())),
        ("u", read_results(trait_file("u", False, negative))),
    ]
    overlapping = Annotations(CLUSTERS, (), "ubiquitous", None, False)
    found = read_traits(runs, overlapping)
    assert "u: a share lies outside 0 to 1" in caplog.text
    assert "sums of shares count their heritability twice" in caplog.text
    write_tables(found, tmp_path)
    table = pd.read_csv(tmp_path / "heritability.tsv", sep="\t")
    assert table["trait"].tolist() == ["t"] * 3 + ["u"] * 3
    assert table["annotation"].tolist() == [*CLUSTERS, *CLUSTERS]
    assert table["enrichment"][1] == pytest.approx(9.63342)
    rows = pd.read_csv(tmp_path / "comparison.tsv", sep="\t").set_index("trait")
    assert list(rows.index) == ["t", "u", "mean"]
    assert rows.loc["t", "ratio"] == pytest.approx(0.6351077 / 0.0808343, rel=1e-5)
    assert math.isnan(rows.loc["u", "ratio"])
    value = json.loads((tmp_path / "heritability.json").read_text())
    assert value["format"] == "tfepi-heritability"
    assert [t["name"] for t in value["traits"]] == ["t", "u"]
    lines = summary(found).splitlines()
    assert lines[0].startswith("t: specific 63.5% ± 6")
    assert "ubiquitous 8.1% ± 1.2%, 7.9 times (" in lines[0]
    assert lines[1].endswith("ratio undefined: a share is not above 0; independent")
