import pytest

from tfepi.comparison.options import UNSIGNED, Comparing, parse_numbers, parse_tracks
from tfrecords_tools.errors import ConfigError


def test_statistics_without_direction():
    assert set(UNSIGNED) == {
        *("D1", "logD1", "sqrtD1", "D2", "logD2", "sqrtD2"),
        *("JS", "logJS", "JSD", "logJSD"),
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stat": "logSAT"}, "unknown statistic 'logSAT' in --stat: did you mean"),
        ({"ref_policy": "none"}, "unknown word 'none' in --ref_policy"),
        ({"edges": "none"}, "unknown word 'none' in --edges"),
        ({"span": 0}, "--span is 0 bp"),
        ({"distance_bin": -1}, "--distance_bin is -1 bp"),
        ({"field_repeats": -1}, "--field_repeats is -1"),
        ({"floor": 1.0}, "--floor is 1.0"),
        ({"pseudo": 0.0}, "--pseudo is 0.0"),
        ({"pseudo": float("nan")}, "--pseudo is nan"),
        ({"top": (10, 10)}, "--top is '10,10'"),
        ({"top": ()}, "--top is ''"),
        (
            {"profiles": False},
            "--no_profiles drops the predictions of both alleles, which --stat logratio",
        ),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        Comparing(**options)


def test_texts():
    assert parse_numbers("10,5", "--top") == (10, 5)
    with pytest.raises(ConfigError, match="--top is '1,x': want whole numbers"):
        parse_numbers("1,x", "--top")
    assert parse_tracks(["a=x.bw", "y.bw"]) == {"a": "x.bw", None: "y.bw"}
    for texts, of in ((["x", "y"], "without a target"), (["a=x", "a=y"], "of a")):
        with pytest.raises(ConfigError, match=f"two tracks {of}, x and y"):
            parse_tracks(texts)
