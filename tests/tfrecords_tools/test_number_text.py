import pytest

from tfrecords_tools.number_text import number_of


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, "track"), "0 tracks"),
        ((1, "track"), "1 track"),
        ((2, "track"), "2 tracks"),
        ((1, "match"), "1 match"),
        ((5313, "match"), "5313 matches"),
        ((1, "pair of strands", "pairs of strands"), "1 pair of strands"),
        ((3, "pair of strands", "pairs of strands"), "3 pairs of strands"),
    ],
)
def test_one_or_several(arguments, text):
    assert number_of(*arguments) == text
