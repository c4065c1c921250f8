"""Bins of a genome; the report's number of all regions."""

import numpy as np
import pytest

from tfepi.qtl.bins import GenomeBins
from tfepi.simulate.qtl_links import HG38
from tfrecords_tools.errors import ConfigError


def test_all_regions_of_the_report():
    assert len(GenomeBins.of(HG38)) == 303_114
    assert sum(-(-length // 10_000) for length in HG38.values()) == 303_114


def test_coordinates():
    bins = GenomeBins.of({"a": 25, "b": 10, "c": 1}, 10)
    assert bins.counts.tolist() == [3, 1, 1]
    assert bins.first.tolist() == [0, 3, 4, 5]
    chrom, start, end = bins.coordinates()
    assert chrom.tolist() == [0, 0, 0, 1, 2]
    assert start.tolist() == [0, 10, 20, 0, 0]
    assert end.tolist() == [10, 20, 25, 10, 1]
    assert np.all(end > start)


@pytest.mark.parametrize(
    ("lengths", "width", "message"),
    [
        ({"a": 10}, 0, "bins of 0 bp on 1 chromosomes"),
        ({}, 10, "bins of 10 bp on 0 chromosomes"),
        ({"a": 1 << 31}, 1, "bins of 1 bp are 2147483648"),
    ],
)
def test_bins_that_cannot_be(lengths, width, message):
    with pytest.raises(ConfigError, match=message):
        GenomeBins.of(lengths, width)
