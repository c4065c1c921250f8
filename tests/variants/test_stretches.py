"""Stretches of the genome, and the tiles in which neighbours share a window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfepi.variants.mutagenesis_sites import Span, stretch_sites
from tfepi.variants.stretches import Stretch, bed_stretches, stretches_digest, tiles
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome

_STRETCHES = st.lists(
    st.builds(
        lambda chrom, start, size, strand, label: Stretch(
            chrom, start, start + size, strand, label
        ),
        st.sampled_from("ab"),
        st.integers(0, 60),
        st.integers(0, 25),
        st.sampled_from("+-"),
        st.sampled_from(["", "x", "y", "z", "u", "v"]),
    ),
    max_size=7,
)


def bases(stretches):
    return {(s.chrom, s.strand, p) for s in stretches for p in range(s.start, s.end)}


@given(_STRETCHES, st.integers(1, 30))
def test_each_base_is_in_one_tile(stretches, most):
    found = list(tiles(stretches, most))
    covered = [
        (t.chrom, t.strand, p) for t in found for low, high in t.spans for p in range(low, high)
    ]
    assert sorted(covered) == sorted(bases(stretches))
    for tile in found:
        assert tile.spans[-1][1] - tile.spans[0][0] <= most
        inside = {
            (tile.chrom, tile.strand, p) for low, high in tile.spans for p in range(low, high)
        }
        names = {s.label for s in stretches if s.label and bases([s]) & inside}
        shown = set(tile.label.split(",")) - {"", "…"}
        assert shown <= names
        assert len(shown) == min(3, len(names))
        assert ("…" in tile.label) == (len(names) > 3)


def test_empty_stretches_name_no_tile():
    stretches = [Stretch("a", 29, 31), Stretch("a", 30, 30, label="x")]
    assert [t.label for t in tiles(stretches, 2)] == [""]


@given(_STRETCHES, st.integers(1, 20), st.integers(0, 12))
def test_sites_mutate_each_base_once_within_their_span(stretches, down, up):
    span = Span(up, down, 64)
    if not bases(stretches):
        with pytest.raises(InputFileError, match="have no bases to mutate"):
            stretch_sites(stretches, span)
        return
    covered = []
    for site in stretch_sites(stretches, span):
        mask, start = site.mask(span), site.start(span)
        assert len(mask) == span.length
        order = range(span.length) if site.strand == "+" else range(span.length - 1, -1, -1)
        covered += [
            (site.chrom, site.strand, start + p) for p, on in zip(order, mask, strict=True) if on
        ]
    assert sorted(covered) == sorted(bases(stretches))


def test_neighbours_share_a_window_that_is_centred_on_them():
    stretches = [Stretch("a", 100, 104, label="x"), Stretch("a", 110, 113, label="y")]
    first, *rest = stretch_sites([*stretches, Stretch("a", 140, 143)], Span.of(64, 20))
    assert (first.asked, first.label, len(rest)) == (((100, 104), (110, 113)), "x,y", 1)
    assert first.window + 32 == 106
    assert first.start(Span.of(64, 20)) == 96


def test_a_long_stretch_is_cut_evenly():
    spans = [t.spans for t in tiles([Stretch("a", 0, 70)], 30)]
    assert spans == [((0, 24),), ((24, 47),), ((47, 70),)]
    whole = stretch_sites([Stretch("a", 10, 30)], Span.of(64, 20))
    assert [s.asked for s in whole] == [()]  # all of the span


def test_bed_columns_and_digest(fasta, tmp_path):
    path = tmp_path / "in.bed"
    path.write_text("chrA\t5\t9\nchrB\t7\t8\tname\t0\t-\n")
    with Genome(fasta) as genome:
        found = bed_stretches(path, genome)
    assert found == [Stretch("chrA", 5, 9), Stretch("chrB", 7, 8, "-", "name")]
    assert str(found[0]) == "chrA:5-9"
    other = [found[0], Stretch("chrB", 7, 8, "+", "name")]
    assert stretches_digest(found) == stretches_digest(list(found)) != stretches_digest(other)
