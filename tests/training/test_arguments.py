"""--from and --head, and their older names: what they mean, and what contradicts itself."""

import argparse

import pytest

from tfepi.training import arguments
from tfrecords_tools.errors import ConfigError


def start(*words):
    parser = argparse.ArgumentParser()
    arguments.add_start(parser)
    return arguments.start(parser.parse_args(words))


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ((), (None, False)),
        (("--from", "run"), ("run", False)),
        (("--from", "run", "--head", "keep"), ("run", False)),
        (("--from", "run", "--head", "new"), ("run", True)),
        (("--restore", "run"), ("run", False)),
        (("--restore", "run", "--trunk"), ("run", True)),
        (("--from", "run", "--trunk", "--head", "new"), ("run", True)),
    ],
)
def test_what_training_starts_from(words, want):
    assert start(*words) == want


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--from", "a", "--restore", "a"), "--from a and --restore a are two names of one option"),
        (("--from", "a", "--trunk", "--head", "keep"), "--trunk takes no head, and --head keep"),
        (("--head", "new"), "--head new says what to take of a model: name it with --from"),
        (("--trunk",), "--trunk says what to take of a model: name it with --from"),
    ],
)
def test_contradictions(words, message):
    with pytest.raises(ConfigError, match=message):
        start(*words)
