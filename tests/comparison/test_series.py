from types import SimpleNamespace

import pytest

from tfepi.comparison.series import make_series
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target


def source(name, *targets, mean=False):
    found = tuple(Target(i, t) for i, t in enumerate(targets))
    return SimpleNamespace(name=name, targets=found, mean=mean)


def of(sources, names=()):
    return [(s.label, s.targets) for s in make_series(sources, names)]


def test_targets_of_the_same_identifier():
    both = [source("a", "x", "y", "z"), source("b", "z", "w", "x")]
    assert of(both) == [("x", {"a": ("x",), "b": ("x",)}), ("z", {"a": ("z",), "b": ("z",)})]
    assert of(both, ("z",)) == [("z", {"a": ("z",), "b": ("z",)})]
    with pytest.raises(ConfigError, match="unknown target 'y' of model b"):
        make_series(both, ("y",))


def test_one_target_each_whatever_its_name():
    assert of([source("a", "x"), source("b", "y")]) == [("chosen", {"a": ("x",), "b": ("y",)})]
    assert of([source("a", "x"), source("b", "x")]) == [("x", {"a": ("x",), "b": ("x",)})]


def test_the_mean_of_chosen_targets():
    both = [source("a", "x", "y", mean=True), source("b", "z")]
    assert of(both) == [("chosen", {"a": ("x", "y"), "b": ("z",)})]
    with pytest.raises(ConfigError, match="--targets x and the query or mean of a both choose"):
        make_series(both, ("x",))
    with pytest.raises(ConfigError, match=r"and c has 2: choose with c=…,query=…, or take all"):
        make_series([*both, source("c", "z", "x")])


def test_no_common_target():
    with pytest.raises(ConfigError, match=r"a has x, y; b has p, q, r, s, … \(5\); choose"):
        make_series([source("a", "x", "y"), source("b", "p", "q", "r", "s", "t")])


def test_numbers_are_no_names():
    nameless = source("b", "t0", "t1")
    with pytest.raises(ConfigError, match=r"b has 2 without names \(name its table with table=…"):
        make_series([source("a", "t0", "y", "t1"), nameless])


def test_too_many():
    many = [f"track{n}" for n in range(65)]
    with pytest.raises(ConfigError, match="share 65 targets, want at most 64"):
        make_series([source("a", *many), source("b", *many)])
