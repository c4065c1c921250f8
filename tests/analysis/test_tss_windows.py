import pytest

from tfepi.analysis.tss_windows import TssWindow
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target


def spec(length=256, width=8, crop=32, **changes):
    values = {
        "name": "small",
        "inputs": {"sequence": (length, 4)},
        "bin_width": width,
        "crop": crop,
        "heads": (Head("main", (Target(0, "t"),)),),
    }
    return ModelSpec(**(values | changes))


@pytest.mark.parametrize(("length", "width", "crop"), [(256, 8, 32), (200, 8, 20), (1344, 192, 0)])
@pytest.mark.parametrize("bins", [1, 3])
def test_the_tss_is_in_the_middle_bin(length, width, crop, bins):
    window = TssWindow.of(spec(length, width, crop), bins)
    start = window.start(10_000)
    low, high = window.span
    assert start + window.middle == 10_000
    middle = window.first + bins // 2
    assert crop + middle * width <= window.middle < crop + (middle + 1) * width
    assert (low, high) == (crop + window.first * width, crop + (window.first + bins) * width)
    # The reverse complement has the same bins, counted from the other end.
    total = (length - 2 * crop) // width
    mirrored = [total - 1 - b for b in range(window.first, window.first + bins)]
    assert sorted(mirrored) == list(range(window.mirrored, window.mirrored + bins))


def test_the_published_enformer():
    window = TssWindow.of(spec(196_608, 128, 40_960))
    assert (window.total, window.first, window.count) == (896, 447, 3)


@pytest.mark.parametrize(
    ("made", "bins", "message"),
    [
        (spec(), 2, "bins is 2: want an odd number"),
        (spec(), -1, "bins is -1: want an odd number"),
        (spec(), 49, "49 bins around the TSS reach beyond the model's 24 bins of 8 bp"),
        (spec(crop=128), 1, "1 bins around the TSS reach beyond the model's 0 bins"),
        (spec(extra={"kind": "methylation"}), 1, "predicts the methylation of one CpG"),
        (spec(inputs={"sequence": (256, 4), "tracks": (8, 1)}), 1, "takes tracks besides the seq"),
    ],
)
def test_what_does_not_fit(made, bins, message):
    with pytest.raises(ConfigError, match=message):
        TssWindow.of(made, bins)
