"""Scores of a VCF by a Keras model: incremental and whole, centred and on a grid."""

import runpy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from tfepi.models import leopard_unet
from tfepi.predictors import KerasPredictor
from tfepi.spec import Head, ModelSpec
from tfepi.variants import incremental
from tfepi.variants.alleles import Window
from tfepi.variants.engine import Engine
from tfepi.variants.merge import merge_shards
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome, encode
from tfrecords_tools.sharding import Shard
from tfrecords_tools.targets import Target

RANDOM = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("random_weights.py"))))
LENGTH, STEP = 256, 64
STATS = ("SAD", "SAX", "D2", "logSED", "JS", "REF_RATIO", "REF", "ALT")
SCORING = Scoring(stats=STATS, rc=True, batch_size=4)


@pytest.fixture(scope="module")
def predictor():
    model = RANDOM.randomise(
        leopard_unet(
            input_length=LENGTH, depth=2, filters=6, outputs=2, output_activation="softplus"
        )
    )
    targets = (Target(0, "a"), Target(1, "b"))
    spec = ModelSpec("unet", {"sequence": (LENGTH, 4)}, 1, 0, (Head("main", targets),))
    return KerasPredictor(model, spec, 4)


@pytest.fixture
def scored(tmp_path, vcf, fasta, predictor):
    def score(name, scoring, **options):
        options = {"quiet": True, "chunk_records": 16} | options
        load = lambda: predictor  # noqa: E731
        folder = score_vcf(load, predictor.spec, vcf, fasta, tmp_path / name, scoring, **options)
        with h5py.File(folder / "scores.h5") as file:
            return {key: file[key][()] for key in file}

    return score


@pytest.mark.parametrize(("step", "shared"), [(0, False), (STEP, False), (STEP, True)])
def test_incremental_scores_are_the_whole_ones(scored, monkeypatch, step, shared):
    stretches, along = [], Engine.along
    monkeypatch.setattr(Engine, "along", lambda *given: stretches.append(given) or along(*given))
    if shared:  # of a model as small as this one windows share nothing otherwise
        monkeypatch.setattr(incremental, "_STRETCH_WORK", 0)
    found = scored("on", replace(SCORING, incremental="on", window_step=step))
    wanted = scored("off", replace(SCORING, incremental="off", window_step=step))
    for name in STATS:
        scale = np.abs(wanted[name]).max()
        np.testing.assert_allclose(found[name], wanted[name], atol=2e-5 * scale, err_msg=name)
    assert np.abs(wanted["SAD"]).max() > 0
    assert bool(stretches) == shared


def test_windows_on_a_grid_are_those_of_their_place(scored, predictor, fasta, rows):
    """Substitutions, one at a time, in the window that starts nearest at a multiple of the step."""
    found = scored("grid", Scoring(stats=("REF", "ALT", "REF_RATIO"), window_step=STEP))
    row = -1
    with Genome(fasta) as genome:
        for chrom, pos, _, ref, alts in rows:
            for alt in alts.split(","):
                row += 1
                if len(ref) != len(alt):
                    continue
                start = round((pos - 1 - (LENGTH // 2 - 1)) / STEP) * STEP
                at = pos - 1 - start
                if at * 2 == LENGTH - 2 + STEP or at * 2 == LENGTH - 2 - STEP:
                    continue  # as near to either
                own = genome.indices(chrom, start, start + LENGTH)
                changed = own.copy()
                changed[at : at + len(alt)] = encode(alt)
                both = predictor.predict({"sequence": np.stack([own, changed])})["main"]
                np.testing.assert_allclose(found["REF"][row], both[0], rtol=1e-4, atol=1e-6)
                np.testing.assert_allclose(found["ALT"][row], both[1], rtol=1e-4, atol=1e-6)
                ratio = both[0, at] / (both[0, at] + both[1, at])
                np.testing.assert_allclose(found["REF_RATIO"][row], ratio, rtol=1e-4)


def test_steps_that_cannot_be(scored):
    with pytest.raises(ConfigError, match="step of windows is -1 bp"):
        scored("a", replace(SCORING, window_step=-1))
    with pytest.raises(ConfigError, match="leave variants outside the model's bins"):
        scored("b", replace(SCORING, window_step=LENGTH + 1))


@pytest.mark.parametrize("position", [0, 40, 127, 128, 5000, 5031, 5032, 5033])
def test_a_position_lies_within_half_a_step_of_the_middle(position):
    window = Window(LENGTH, 8, 32, 24, STEP)
    assert window.start(position) % STEP == 0
    assert abs(window.index_of(position) - window.index) <= STEP // 2
    assert window.center_of(position) == (window.index_of(position) - 32) // 8
    centred = replace(window, step=0)
    assert centred.index_of(position) == centred.index
    assert centred.center_of(position) == centred.center


def test_scores_are_the_same_bytes_again(tmp_path, vcf, fasta, predictor):
    """In shards and at once: batches are those of a part, wherever it is made."""

    def score(name, **options):
        more = {"quiet": True, "chunk_records": 16} | options
        return score_vcf(
            lambda: predictor, predictor.spec, vcf, fasta, tmp_path / name, SCORING, **more
        )

    whole = score("whole")
    for number in (1, 2):
        score("shards", shard=Shard(number, 2))
    merged = merge_shards(tmp_path / "shards")
    assert (whole / "scores.h5").read_bytes() == (merged / "scores.h5").read_bytes()
