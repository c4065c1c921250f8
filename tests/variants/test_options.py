import pytest

from tfepi.spec import Head, ModelSpec
from tfepi.variants.options import (
    Scoring,
    check_stated,
    default_batch_size,
    default_chunk_records,
)
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"stats": ("SUD",)}, "unknown statistic 'SUD'"),
        ({"shifts": ()}, r"shifts are \[\]: want different numbers"),
        ({"shifts": (1, 1)}, r"shifts are \[1, 1\]"),
        ({"ref_policy": "keep"}, "unknown ref_policy 'keep'"),
        ({"indel_align": "right"}, "unknown indel_align 'right'"),
        ({"untransform": "curent"}, "unknown untransform style 'curent': did you mean 'current'"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_bad_options(values, message):
    with pytest.raises(ConfigError, match=message):
        Scoring(**values)


def spec(length, bin_width, targets):
    head = Head("h", tuple(Target(i, str(i)) for i in range(targets)))
    return ModelSpec("m", {"sequence": (length, 4)}, bin_width, 0, (head,))


@pytest.mark.parametrize(
    ("length", "bin_width", "targets", "batch", "chunk"),
    [
        (1344, 192, 10, 64, 4096),
        (131_072, 128, 74, 16, 64),
        (393_216, 128, 5313, 1, 64),
    ],
)
def test_default_sizes(length, bin_width, targets, batch, chunk):
    s = spec(length, bin_width, targets)
    assert default_batch_size(s, s.head()) == batch
    assert default_chunk_records(s) == chunk


def test_params_that_disagree():
    s = spec(1344, 192, 3)
    check_stated({"seq_length": 1344, "name": "m", "number of targets": 3}, s, s.head())
    message = "seq_length is 600 in params.json and 1344 in the model; number of targets is 2"
    with pytest.raises(ConfigError, match=message):
        check_stated({"seq_length": 600, "number of targets": 2}, s, s.head())
