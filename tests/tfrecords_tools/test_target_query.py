"""Queries that choose targets: against sets made by hand, and everything that is no query."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.target_query import query_targets
from tfrecords_tools.targets import Target, numbered, read_targets

TARGETS = (
    Target(10, "ENC1+", strand_pair=11, description="CAGE:liver, adult", clip=384.0, scale=0.3),
    Target(11, "ENC1-", strand_pair=10, description="CAGE:liver, adult", clip=384.0, scale=0.3),
    Target(12, "ENC2", description="DNASE:HepG2 (a & b)", tissue="Liver", assay="DNase"),
    Target(13, "ENC3", description="DNASE:brain male embryo (104 days)", tissue="brain"),
    Target(14, "ENC4", description="CHIP:H3K27ac:brain", mark="H3K27ac", cell="neuron"),
    Target(15, 'E"5', description="a=b", file="liver/x.bw"),
)


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("CAGE:", {0, 1}),
        ("cage: & LIVER", {0, 1}),
        ("liver", {0, 1}),  # not in `tissue` or `file`
        ("enc", {0, 1, 2, 3, 4}),
        ("liver | brain", {0, 1, 3, 4}),
        ("liver | brain & DNASE:", {0, 1, 3}),  # & first
        ("(liver | brain) & DNASE:", {3}),
        ("((liver|brain))&!(CAGE:|CHIP:)", {3}),
        ("! CAGE:", {2, 3, 4, 5}),
        ("!!CAGE:", {0, 1}),
        ("!CAGE: & !DNASE:", {4, 5}),
        ("male embryo (104 days)", {3}),
        ("brain male embryo (104 days) & DNASE:", {3}),
        ('"a & b"', {2}),
        ('DNASE:"HepG2 (a &" | "a=b"', {2, 5}),
        ('" embryo"', {3}),
        ("tissue=liver", {2}),
        ("tissue = LIVER", {2}),
        ('tissue="liver"', {2}),
        ("tissue=live", set()),
        ("tissue!=liver", {0, 1, 3, 4, 5}),
        ("tissue=", {0, 1, 4, 5}),
        ("!tissue=", {2, 3}),
        ("index=13", {3}),
        ("index=1", set()),
        ("scale=0.30", {0, 1}),
        ("clip=384", {0, 1}),
        ("clip=", {2, 3, 4, 5}),
        ("clip!=384", {2, 3, 4, 5}),
        ("strand_pair=10", {1}),
        ("identifier~[+]$", {0}),
        (r"identifier~^enc\d$", {2, 3, 4}),
        ("identifier!~^enc", {5}),
        ("description~(liver|brain)", {0, 1, 3, 4}),
        ('description~"liver|brain" & mark=', {0, 1, 3}),
        ("description~(?-i:Liver)", set()),
        ("clip~^38", {0, 1}),
        ("index~^1[0-2]$", {0, 1, 2}),
        ("tissue~^$", {0, 1, 4, 5}),
        ('description~"[[(]104"', {3}),
        ("mark=h3k27ac|assay=dnase", {2, 4}),
        ("sum_stat=sum & file=", {0, 1, 2, 3, 4}),
        ("nosuch", set()),
    ],
)
def test_which_targets_match(query, wanted):
    if wanted:
        assert query_targets(TARGETS, query) == tuple(sorted(wanted))
    else:
        with pytest.raises(ConfigError, match="matches none of the 6 targets"):
            query_targets(TARGETS, query)


NAMES = ("a", "b", "c", "tissue=x", "tissue!=x")
SETS = {"a": {0, 1, 2, 3}, "b": {0, 1, 4, 5}, "c": {0, 2, 4, 6}, "tissue=x": {0, 3, 5, 6}}
SETS["tissue!=x"] = set(range(8)) - SETS["tissue=x"]
LETTERED = tuple(
    Target(
        i,
        f"#{i}",
        description="".join(n for n in "abc" if i in SETS[n]),
        tissue="x" if i in SETS["tissue=x"] else None,
    )
    for i in range(8)
)


def written():
    """Draw a query with the set it means, whose parts are in parentheses where they must be."""

    def joined(parts):
        pairs = st.lists(parts, min_size=2, max_size=3)
        return st.one_of(
            pairs.map(
                lambda p: (" & ".join(_closed(q, 2) for q in p), set.intersection(*_sets(p)), 2)
            ),
            pairs.map(lambda p: (" |".join(_closed(q, 1) for q in p), set.union(*_sets(p)), 1)),
            parts.map(lambda q: ("!" + _closed(q, 3), set(range(8)) - q[1], 3)),
        )

    leaves = st.sampled_from(NAMES).map(lambda n: (n, set(SETS[n]), 3))
    return st.recursive(leaves, joined, max_leaves=12)


def _sets(parts):
    return [p[1] for p in parts]


def _joined(sign, parts, binding):
    return sign.join(_closed(part, binding) for part in parts)


def _closed(part, binding):
    text, _, own = part
    return text if own >= binding else f"({text} )"


@given(written())
def test_any_query_means_its_set(drawn):
    query, wanted, _ = drawn
    if wanted:
        assert query_targets(LETTERED, query) == tuple(sorted(wanted))
    else:
        with pytest.raises(ConfigError, match="matches none"):
            query_targets(LETTERED, query)


@given(st.text(st.sampled_from('ab[]{}()?*+\\|&!=~" .^$1,:<-') | st.characters(), max_size=20))
def test_any_text_is_a_query_or_an_error(text):
    for query in (text, f"description~{text}", f'identifier~"{text}'):
        found = ()
        with contextlib.suppress(ConfigError):
            found = query_targets(TARGETS, query)
            assert found
        assert set(found) <= set(range(len(TARGETS)))


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "lacks a term at its end: give text, or column=value"),
        ("  ", "lacks a term at its end"),
        ("a &", "lacks a term at its end"),
        ("a & & b", "lacks a term at character 5"),
        ("| a", "lacks a term at character 1"),
        ("!", "lacks a term at its end"),
        ("()", r"lacks a term at character 2"),
        ("(a", r"a parenthesis that is not closed at its end: add \)$"),
        ("a (b", r"not closed at its end: add \), or put it in quotes"),
        ("a)", r"has '\)' at character 2: join terms by & or \|"),
        ("(a) b", "has 'b' at character 5"),
        ('"a & b', 'a quotation mark without a second one at its end: close it with "'),
        ("tisue=x", "unknown column 'tisue' in query 'tisue=x': did you mean 'tissue'"),
        ("Tissue=x", "did you mean 'tissue'"),
        ("=x", "unknown column ''"),
        ("index=one", "compares index with 'one': want a number"),
        ("clip!=x", "compares clip with 'x': want a number"),
        ("description~[", r"has '\[', which is no regular expression \(unterminated"),
        ("description~a{99999999999999999999}", "which is no regular expression"),
        ("(" * 51 + "a" + ")" * 51, "more than 50 parentheses in one another at character 52"),
        ("a" * 500 + " & ", r"query 'a{79}…' lacks a term"),
    ],
)
def test_what_is_no_query(query, message):
    with pytest.raises(ConfigError, match=message):
        query_targets(TARGETS, query)


def test_fifty_parentheses_are_read():
    assert query_targets(TARGETS, "(" * 50 + "CAGE:" + ")" * 50) == (0, 1)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (
            "CAGE: & livr",
            "query 'CAGE: & livr' matches none of the 6 targets of table x, 'livr' by itself none: "
            "descriptions are like 'CAGE:liver, adult', 'DNASE:HepG2 (a & b)', "
            "'CHIP:H3K27ac:brain', 'a=b'; ask for a part of one",
        ),
        ("CAGE: & DNASE:", "matches none of the 6 targets of table x: descriptions are like"),
        ("tissue=lung", "matches none of the 6 targets of table x: tissue is 'Liver', 'brain'"),
        ("CAGE: & threshold=1", "'threshold=1' by itself none: threshold is empty in all of them"),
        ("not CAGE:", "table x: 'not' is looked for as text; write ! for it, as in '!CAGE: & ("),
        ("CAGE: AND liver", "table x: 'AND' is looked for as text; write & for it"),
        ("liver & (brain or liver)", "'brain or liver' by itself none: 'or' is looked for as text"),
        ('"not CAGE:"', "table x: descriptions are like"),
        ("knot", "table x: descriptions are like"),
        ("tissue=not brain", "table x: tissue is 'Liver', 'brain'"),
        ("index=9", "index is '10', '11', '12', '13', '14', … (6 in all)"),
    ],
)
def test_what_matches_nothing_is_explained(query, message):
    with pytest.raises(ConfigError) as caught:
        query_targets(TARGETS, query, "table x")
    assert message in str(caught.value)


def test_targets_of_one_kind_or_without_names():
    alike = tuple(Target(i, f"x{i}", description=f"liver {i}" * 9) for i in range(7))
    with pytest.raises(ConfigError, match=r"like 'liver 0liver .*…', .*, … \(7 in all\); ask"):
        query_targets(alike, "brain")
    told = "came without a targets table, so they have no names; "
    for nameless, advice in (
        ((), r"give a targets table \(-t\) to the command that made them$"),
        (("add targets.txt",), "add targets.txt$"),
    ):
        with pytest.raises(ConfigError, match=told + advice):
            query_targets(numbered(3), "brain", "the scores", *nameless)
    with pytest.raises(ConfigError, match="none of the 1 target:"):
        query_targets(alike[:1], "brain")


def test_a_published_table(test_data):
    """Of the targets of existing records: CAGE in pairs of strands, DNase alone."""
    targets = read_targets(test_data / "data/human/basenji_records/targets.txt")
    assert query_targets(targets, "CAGE:") == tuple(range(24))
    assert query_targets(targets, "CAGE: & identifier~[+]$") == tuple(range(0, 24, 2))
    assert query_targets(targets, "DNASE: & (HepG2 | a172)") == (25, 32)
    assert query_targets(targets, "!CAGE: & male adult (54 years)") == (41, 42)
    assert query_targets(targets, "cells (polarized),") == (4, 5)
