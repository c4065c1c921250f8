"""The transfer section of params.json."""

import pytest

from tfepi.params import parse_params
from tfepi.transfer_params import TransferParams, parse_transfer
from tfrecords_tools.errors import ConfigError


@pytest.mark.parametrize(
    ("section", "want"),
    [
        ({}, TransferParams(batch_norm="frozen")),
        ({"mode": "full"}, TransferParams(mode="full", batch_norm="frozen")),
        ({"batch_norm": "trained"}, TransferParams()),
        ({"mode": "linear"}, TransferParams(mode="linear")),
        (
            {"mode": "adapter", "adapter": "lora", "adapter_latent": 16},
            TransferParams("adapter", "lora", adapter_latent=16),
        ),
        (
            {"mode": "adapter", "adapter": "locon", "conv_select": None, "locon_alpha": 0.5},
            TransferParams("adapter", "locon", conv_select=None, locon_alpha=0.5),
        ),
        # The example of Baskerville's tutorial.
        (
            {
                "mode": "adapter",
                "adapter": "houlsby_se",
                "adapter_latent": 8,
                "conv_select": 4,
                "conv_latent": 16,
            },
            TransferParams("adapter", "houlsby_se", 8, 4, 16),
        ),
    ],
)
def test_sections(section, want):
    assert parse_transfer(section) == want


def test_what_of_a_model_is_trained_and_how_fast():
    found = parse_transfer({"freeze": ["conv1*"], "rates": {"conv*": 0.1, "position": 2}})
    assert (found.mode, found.freeze) == ("full", ("conv1*",))
    assert list(found.rates.items()) == [("conv*", 0.1), ("position", 2)]
    assert parse_transfer({"mode": "full", "layer_decay": 0.8}).layer_decay == 0.8
    assert parse_transfer({}).rates == {}


def test_without_a_section_training_goes_on_as_it_was():
    model = {"name": "basset"}
    assert parse_params({"model": model}).transfer.batch_norm == "trained"
    assert parse_params({"model": model, "transfer": {}}).transfer.batch_norm == "frozen"
    with pytest.raises(ConfigError, match=r"batch_norm 'frosen'.*did you mean 'frozen'"):
        parse_transfer({"batch_norm": "frosen"})
    with pytest.raises(ConfigError, match="batch_norm has no effect with mode 'linear'"):
        parse_transfer({"mode": "linear", "batch_norm": "frozen"})


def test_defaults_are_baskervilles():
    assert TransferParams() == TransferParams(
        mode="full",
        adapter=None,
        adapter_latent=8,
        conv_select=4,
        conv_latent=4,
        lora_alpha=16,
        locon_alpha=1,
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ([1], r"transfer is \[1\], want a section"),
        ({"latent": 8}, "unknown key 'latent' in transfer of x.json: did you mean"),
        (
            {"mode": "lienar"},
            "unknown mode 'lienar' in transfer .* did you mean 'linear'",
        ),
        ({"mode": "adapter", "adapter": "lor"}, "unknown adapter 'lor' .* did you mean 'lora'"),
        ({"mode": "adapter", "adapter": ["lora"]}, r"unknown adapter \['lora'\]"),
        ({"mode": "adapter"}, "transfer has mode 'adapter' and names none: .* one of lora,"),
        ({"mode": "linear", "adapter": "lora"}, "transfer.adapter is 'lora', but mode 'linear'"),
        ({"adapter": "lora"}, "transfer.adapter is 'lora', but mode 'full'"),
        ({"mode": "linear", "conv_select": 2}, "conv_select has no effect with mode 'linear'"),
        (
            {"mode": "adapter", "adapter": "lora", "conv_select": 2},
            "x.json: transfer.conv_select has no effect with adapter 'lora': remove it",
        ),
        (
            {"mode": "adapter", "adapter": "lora", "adapter_latent": 0},
            "transfer.adapter_latent is 0, want a whole number of at least 1",
        ),
        (
            {"mode": "adapter", "adapter": "lora", "adapter_latent": 2.0},
            "transfer.adapter_latent is 2.0, want a whole number",
        ),
        (
            {"mode": "adapter", "adapter": "se", "conv_latent": -1},
            "transfer.conv_latent is -1, want a whole number",
        ),
        (
            {"mode": "adapter", "adapter": "se", "conv_select": 0},
            "transfer.conv_select is 0, want a whole number of at least 1, or null for all",
        ),
        (
            {"mode": "adapter", "adapter": "lora", "lora_alpha": 0},
            "transfer.lora_alpha is 0, want a number above 0",
        ),
        (
            {"mode": "adapter", "adapter": "locon", "locon_alpha": True},
            "transfer.locon_alpha is True, want a number above 0",
        ),
        ({"freeze": "conv*"}, r"transfer.freeze is 'conv\*', want a list of patterns"),
        ({"freeze": [""]}, r"transfer.freeze is \[''\], want a list of patterns"),
        ({"freeze": None}, "transfer.freeze is None, want a list of patterns"),
        ({"rates": [0.1]}, r"transfer.rates is \[0.1\], want a factor for each pattern"),
        ({"rates": {"a": 0}}, "transfer.rates has 0 for 'a', want .* above 0; .* in freeze"),
        ({"rates": {"a": True}}, "transfer.rates has True for 'a', want a number above 0"),
        ({"rates": {"a": float("inf")}}, "transfer.rates has inf for 'a', want a number"),
        ({"layer_decay": 0}, "transfer.layer_decay is 0, want a number above 0, at most 1"),
        ({"layer_decay": 1.1}, "transfer.layer_decay is 1.1, want a number above 0, at most 1"),
        ({"layer_decay": "0.8"}, "transfer.layer_decay is '0.8', want a number"),
        ({"layer_decay": 0.8, "rates": {"a": 1}}, "both rates and layer_decay"),
        (
            {"mode": "linear", "freeze": ["conv*"]},
            "transfer.freeze has no effect with mode 'linear'",
        ),
        (
            {"mode": "adapter", "adapter": "lora", "layer_decay": 0.8},
            "transfer.layer_decay has no effect with adapter 'lora'",
        ),
    ],
)
def test_bad_sections(section, message):
    with pytest.raises(ConfigError, match=message):
        parse_transfer(section, "x.json")
