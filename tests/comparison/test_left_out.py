"""What is not compared is counted, and said."""

from tfepi.comparison.left_out import left_out_lines, region_lines, regions_text, skipped_kinds

HEADER = "row\tchrom\tpos\tid\tref\talt\treason\n"


def written(tmp_path, *reasons):
    rows = (f"{n}\tchr1\t{n}\t.\tA\tC\t{reason}\n" for n, reason in enumerate(reasons, 1))
    (tmp_path / "skipped.tsv").write_text(HEADER + "".join(rows))
    return tmp_path


def test_kinds_of_what_was_not_scored(tmp_path):
    folder = written(
        tmp_path,
        "REF is A, the genome has C",
        "REF is A, the genome has G, and no ALT equals it",
        "REF ends at 900, past the end of chr1 (800 bp)",
        "position 0 lies before the chromosome",
        "no ALT allele",
    )
    assert skipped_kinds(folder) == {
        "REF is not the genome's": 2,
        "off the end of its chromosome": 2,
        "no sequence, or none that the model scores": 1,
    }


def test_nothing_was_skipped(tmp_path):
    assert skipped_kinds(tmp_path) == skipped_kinds(written(tmp_path)) == {}


def result(pairs, skipped=None, top=(10,), series=("open",)):
    models = [{"name": "a", "skipped": skipped or {}}, {"name": "b", "skipped": {}}]
    labels = [{"label": s} for s in series]
    return {"models": models, "pairs": pairs, "series": labels, "comparing": {"top": list(top)}}


def pair(n=50, beyond=0, undefined=0, top=(10,), series="open"):
    facts = {"series": series, "first": "a", "second": "b", "n": n, "top": [{"k": k} for k in top]}
    return facts | {"beyond_chromosome": beyond, "undefined": undefined}


def test_nothing_is_left_out():
    assert left_out_lines(result([pair()])) == []


def test_each_loss_is_a_line_and_is_said_once():
    both = [pair(50, 3, 1, series="open"), pair(49, 3, 2, series="closed")]
    found = result(both, {"REF is not the genome's": 4}, (10, 5000), ("open", "closed"))
    assert left_out_lines(found) == [
        "a: records or ALTs of the VCF not scored: 4 REF is not the genome's",
        "a, b: 3 variants left out, around which a window runs beyond the chromosome (--edges keep "
        "keeps them)",
        "a, b, open: 1 variant left out, without a score by one of the two",
        "a, b, closed: 2 variants left out, without a score by one of the two",
        "--top 5,000 is left out: it says nothing of 50 variants, want fewer than that",
    ]
    one = left_out_lines(result([pair(undefined=2)]))
    assert one == ["a, b: 2 variants left out, without a score by one of the two"]


def of_regions(compared, beyond=0, undefined=0, names=("a", "b")):
    facts = {"first": names[0], "second": names[1], "regions": compared}
    return facts | {"beyond_chromosome": beyond, "undefined": undefined}


def test_regions_that_are_left_out_are_counted():
    assert region_lines({}) == []
    pairs = [of_regions(300, 3), of_regions(299, 3, 1, ("b", "observed"))]
    regions = {"count": 303, "pairs": pairs * 2, "left_out": {"c": "predicts CpGs, not bins"}}
    beyond = "left out, around which a window runs beyond the chromosome (--edges keep keeps them)"
    assert region_lines(regions) == [
        f"a, b: 3 of 303 regions {beyond}",
        f"b, observed: 3 of 303 regions {beyond}",
        "b, observed: 1 of 303 regions left out, without a value by one of the two",
        "c: predicts CpGs, not bins",
    ]
    assert regions_text(regions) == "299 to 300 of 303 regions"
    assert regions_text({"count": 303, "pairs": pairs[:1]}) == "300 of 303 regions"
    assert regions_text({"count": 1, "pairs": [of_regions(1)]}) == "1 region"
