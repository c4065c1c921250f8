"""When the rate is told, and that it is the rate."""

import logging
import re

import pytest

from tfepi.variants import pace
from tfepi.variants.pace import Pace, shown_time
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.sharding import Shard


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def told(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [r.getMessage() for r in caplog.records]


def test_rate_without_the_first_seconds(told):
    clock = Clock()
    meter = Pace(100_000, 1.5, 2.5e9, clock)
    clock.now += 60.0  # compilation
    meter.update(64)
    for _ in range(9):
        clock.now += 1.0
        meter.update(50)
    assert told() == []
    clock.now += 1.0
    meter.update(50)
    left = 100_000 - 64 - 500
    assert told() == [
        f"{left * 1.5:.0f} rows to go, 2.5 GB in all: about {left / 50 / 60:.0f} min at 75 rows/s"
    ]
    clock.now += 100.0
    meter.update(50)
    assert len(told()) == 1


def test_short_runs_say_nothing(told):
    clock = Clock()
    meter = Pace(300, 1.0, None, clock)
    for _ in range(3):
        clock.now += 9.0
        meter.update(100)
    assert told() == []


def test_parts_without_records_to_score_are_no_rate(told):
    clock = Clock()
    meter = Pace(300, 1.0, None, clock)
    for _ in range(3):
        clock.now += 20.0
        meter.update(0)
    assert told() == []
    clock.now += 20.0
    meter.update(100)
    assert told() == ["200 rows to go: about 2 min at 1.67 rows/s"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3.4, "about 3 s"),
        (89.4, "about 89 s"),
        (95, "about 2 min"),
        (5000, "about 83 min"),
        (9000, "about 2.5 h"),
        (400_000, "about 4.6 days"),
    ],
)
def test_durations(seconds, text):
    assert shown_time(seconds) == text


@pytest.mark.parametrize("shard", [None, Shard(1, 2)])
def test_a_run_tells(told, monkeypatch, predictor, vcf, fasta, tmp_path, shard):
    monkeypatch.setattr(pace, "_WARM_S", 0.0)
    monkeypatch.setattr(pace, "_MEASURED_S", 0.0)
    inputs = (predictor.spec, vcf, fasta, tmp_path / "out")
    score_vcf(lambda: predictor, *inputs, shard=shard, chunk_records=8, quiet=True)
    lines = [line for line in told() if "rows to go" in line]
    assert len(lines) == 1
    text = r"\d+ rows to go, [\d.]+ kB in all: about \d+ s at [\de+.]+ rows/s"
    assert re.fullmatch(text, lines[0])
    rows = int(lines[0].split()[0])
    assert 0 < rows < (80 if shard is None else 45)
