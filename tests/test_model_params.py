"""The model section: trunk and heads are taken, and what nothing reads is refused."""

import pytest

from tfepi.model_params import head_key, head_name, parse_model
from tfrecords_tools.errors import ConfigError

TRUNK = [{"name": "conv_dna", "filters": 4}]
HEAD = {"name": "final", "units": 2}
MODEL = {"seq_length": 64, "trunk": TRUNK, "head": HEAD}


def test_trunk_and_head():
    found = parse_model(
        MODEL
        | {
            "activation": "gelu",
            "norm_type": None,
            "bn_momentum": 0.9,
            "l2_scale": 0,
            "augment_rc": True,
            "augment_shift": 3,
            "target_length": 64,
            "target_crop": 0,
            "strand_pair": [[1, 0]],
            "verbose": False,
        },
        "p.json",
    )
    assert (found.name, found.augment_rc, found.augment_shift) == ("basenji", True, 3)
    assert found.keywords == {
        "seq_length": 64,
        "trunk": TRUNK,
        "heads": {"output": [HEAD]},
        "activation": "gelu",
        "norm_type": None,
        "bn_momentum": 0.9,
        "l2_scale": 0,
    }
    assert found.stated == {"target_length": 64, "target_crop": 0, "strand_pair": [[1, 0]]}


def test_heads_are_in_natural_order():
    heads = {f"head{i}": [HEAD] for i in (10, 9, 2)} | {"head_human": HEAD}
    model = {"seq_length": 64, "trunk": TRUNK, **heads}
    found = parse_model(model, "p.json").keywords["heads"]
    assert list(found) == ["head2", "head9", "head10", "human"]


def test_names_of_heads():
    assert [head_name(k) for k in ("head", "head_human", "head1")] == ["output", "human", "head1"]


def test_keys_of_heads_lead_back_from_their_names():
    for key in ("head", "head_human", "head1", "head2_mouse"):
        assert head_key(head_name(key)) == key


def test_null_model_wide_leaves_what_the_blocks_have():
    keys = ("activation", "norm_type", "bn_momentum", "l2_scale", "padding", "kernel_initializer")
    null = dict.fromkeys(keys)
    assert parse_model(MODEL | null, "p.json").keywords.items() >= null.items()


def test_the_name_of_a_trunk_and_heads_may_be_written_out():
    assert parse_model(MODEL | {"name": "basenji"}, "p.json") == parse_model(MODEL, "p.json")
    with pytest.raises(ConfigError, match="neither 'trunk'"):
        parse_model({"name": "basenji"}, "p.json")


def test_an_empty_shift_as_the_originals_write_it():
    assert parse_model(MODEL | {"augment_shift": [0]}, "p.json").augment_shift == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seq_len": 3}, "unknown key 'seq_len' in model of p.json.* did you mean 'seq_length'"),
        ({"ensemble_rc": True}, "unknown key 'ensemble_rc' .* nothing reads it"),
        ({"batch_norm": True}, 'batch_norm has no effect .* "norm_type": "batch"'),
        ({"diagonal_offset": 2}, "diagonal_offset belongs to contact maps"),
        ({"adapter": "houlsby"}, "adapters are chosen in a section 'transfer'"),
        ({"trunk": []}, r"model.trunk is \[\], want a list of blocks"),
        ({"trunk": [{"filters": 3}]}, r"model.trunk\[0\] is .* want a block with a 'name'"),
        ({"head": 3}, r"model.head\[0\] is 3, want a block"),
        ({"seq_length": "64"}, "seq_length is '64', want a number of bp"),
        ({"seq_length": True}, "seq_length is True"),
        ({"activation": 3}, "activation is 3, want text"),
        ({"bn_momentum": "0.9"}, "bn_momentum is '0.9', want a number"),
        ({"augment_shift": -1}, "augment_shift is -1"),
        ({"augment_rc": 1}, "augment_rc is 1, want true or false"),
        ({"pool_width": 32}, "unknown key 'pool_width' in model of p.json: nothing reads it"),
        ({"target_length": "64"}, "target_length is '64', want a number of bins"),
        ({"target_crop": -1}, "target_crop is -1, want a number of bins"),
        ({"strand_pair": "x"}, "strand_pair is 'x', want a list of target numbers"),
        ({"strand_pair": [[1, 0], 3]}, "strand_pair is .*, want a list of target numbers"),
        ({"name": 3}, "model.name is 3, want the name of a model function"),
        ({"head_human": HEAD, "head__human": HEAD}, "is a second head named 'human'"),
    ],
)
def test_what_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        parse_model(MODEL | changes, "p.json")


def test_sections_that_lack_something():
    with pytest.raises(ConfigError, match=r"neither 'trunk' .* nor 'name'"):
        parse_model({"head": HEAD, "seq_length": 64}, "p.json")
    with pytest.raises(ConfigError, match="has a trunk but no 'head'"):
        parse_model({"trunk": TRUNK, "seq_length": 64}, "p.json")
