"""Saturation mutagenesis of whole regions; references and windows of bins of any evaluator."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from tfepi.variants import mutagenesis as mutagenesis_module
from tfepi.variants.alternatives import Alternatives
from tfepi.variants.evaluators import make_evaluator
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.mutagenesis import mutate
from tfepi.variants.mutagenesis_options import Mutagenesis
from tfepi.variants.mutagenesis_scores import NAMES
from tfepi.variants.reference_groups import ReferenceGroups, group_size
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError, UnfinishedError
from tfrecords_tools.genome import Genome, encode, one_hot, reverse_complement

STRETCHES = [
    Stretch("chrA", 1000, 1023, "+", "long"),
    Stretch("chrA", 1024, 1026, "+", "near"),
    Stretch("chrB", 690, 700, "-", "end"),
]
OPTIONS = Mutagenesis(stats=("SAD", "sum"), length=10, batch_size=7)


class WindowedEvaluator:
    """Gives the bins of another evaluator's predictions around what differs, and no others."""

    def __init__(self, inner, width=2):
        self.inner, self.spec, self.width = inner, inner.spec, width
        self.windows, self.changes = inner.windows, inner.changes

    def references(self, inputs):
        return self.inner.references(inputs)

    def alternatives(self, references, of, sequences):
        whole = self.inner.alternatives(references, of, sequences).whole(references)
        differ = (whole != references.predictions[of]).any(axis=2)
        assert (differ.sum(axis=1) <= self.width).all()
        starts = np.minimum(differ.argmax(axis=1), whole.shape[1] - self.width)
        places = starts[:, None] + np.arange(self.width)
        return Alternatives(of, starts, whole[np.arange(len(of))[:, None], places])


@pytest.fixture
def run(tmp_path, fasta, predictor):
    regions = tmp_path / "in.bed"
    regions.write_text("".join(f"{s.chrom}\t{s.start}\t{s.end}\n" for s in STRETCHES))

    def scored(name="out", options=OPTIONS, model=predictor, stretches=STRETCHES, **more):
        more = {"quiet": True, "part_positions": 6, "stretches": stretches} | more
        return mutate(lambda: model, model.spec, regions, fasta, tmp_path / name, options, **more)

    return scored


def read(folder):
    with h5py.File(folder / "scores.h5") as file:
        return {name: file[name][()] for name in file}


def test_every_base_is_mutated_and_no_other(run, letters, toy):
    found = read(run())
    assert found["mutated"].sum() == 23 + 2 + 10
    assert np.array_equal(np.isnan(found["SAD"]).any(axis=(2, 3)), ~found["mutated"])
    seen = set()
    for row in range(len(found["start"])):
        chrom, strand = found["chr"][row].decode(), found["strand"][row].decode()
        start, end = found["start"][row], found["end"][row]
        window = start - 27 if strand == "+" else start - 64 + 27 + 10
        padded = "N" * 100 + letters[chrom] + "N" * 100
        own = encode(padded[100 + window : 100 + window + 64])
        own = own if strand == "+" else reverse_complement(own)
        for index in np.flatnonzero(found["mutated"][row]):
            seen.add((chrom, start + index if strand == "+" else end - 1 - index))
            for letter in range(4):
                new = own.copy()
                new[27 + index] = letter
                both = toy.toy_values(one_hot(np.stack([own, new])))
                wanted = both[1].sum(axis=0) - both[0].sum(axis=0)
                np.testing.assert_allclose(found["SAD"][row, index, letter], wanted, atol=1e-5)
    assert seen == {(s.chrom, p) for s in STRETCHES for p in range(s.start, s.end)}


def test_references_are_predicted_once_however_parts_are_cut(run, predictor):
    run(part_positions=4)
    sites = 3 + 1  # the long one and its neighbour share a window
    assert predictor.sequences == sites + 3 * (23 + 2 + 10)


def test_a_stopped_run_goes_on_to_the_same_bytes(run, toy):
    whole = (run("whole") / "scores.h5").read_bytes()
    left = [60]

    def stops(sequences):
        left[0] -= len(sequences)
        if left[0] < 0:
            raise KeyboardInterrupt
        return toy.toy_values(sequences)

    with pytest.raises(KeyboardInterrupt):
        run("stopped", model=toy.CountingPredictor(stops))
    folder = run("stopped", resume=True)
    assert (folder / "scores.h5").read_bytes() == whole
    with pytest.raises(UnfinishedError, match="stretches changed since"):
        run("stopped", stretches=STRETCHES[:2], resume=True)
    with pytest.raises(UnfinishedError, match="stretches changed since"):
        run("stopped", stretches=None, resume=True)


def test_the_forecast_counts_what_is_mutated(run, caplog):
    caplog.set_level("INFO")
    run()
    assert "4 sequences, up to 10 positions each: 109 predictions to make" in caplog.text


@pytest.mark.parametrize("rc", [False, True])
def test_windows_of_bins_give_the_same_scores(run, monkeypatch, rc):
    options = Mutagenesis(stats=NAMES, length=10, batch_size=7, rc=rc)
    whole = read(run("whole", options))

    def windowed(*arguments):
        averaged = make_evaluator(*arguments)
        return WindowedEvaluator(averaged)

    monkeypatch.setattr(mutagenesis_module, "make_evaluator", windowed)
    found = read(run("windowed", options))
    for name in NAMES:
        np.testing.assert_allclose(found[name], whole[name], rtol=2e-4, atol=2e-6)


def test_groups_are_the_same_wherever_one_begins(toy, fasta):
    asked = []

    class Evaluator:
        def references(self, inputs):
            asked.append(inputs["sequence"][:, 0].tolist())
            return None

    def groups():
        return ReferenceGroups(Evaluator(), 5, 2, lambda n: np.full(4, n, np.uint8))

    one = groups()
    assert [list(one.group(n).numbers) for n in (0, 0, 1, 2)] == [[0, 1], [0, 1], [2, 3], [4]]
    assert asked == [[0, 1], [2, 3], [4]]
    groups().group(1)
    assert asked[-1] == [2, 3]


@pytest.mark.parametrize(
    ("changes", "batch", "length", "wanted"),
    [
        (600, 64, 768, 42),
        (600, 16, 768, 16),
        (600, 64, 10_240, 3),
        (600, 8, 196_608, 1),
        (3, 8, 196_608, 2),
        (0, 4, 196_608, 4),
    ],
)
def test_sizes_of_groups(changes, batch, length, wanted):
    evaluator = SimpleNamespace(windows=batch, changes=batch)
    assert group_size(changes, evaluator, length) == wanted
    evaluator.changes *= 4  # as many windows as are held at most
    assert group_size(changes, evaluator, length) <= batch


def test_an_unknown_kind_of_evaluator_is_refused(predictor):
    chosen = HeadTargets.of(predictor.spec, None, None, None)
    with pytest.raises(ConfigError, match="unknown choice of incremental 'of'"):
        make_evaluator(predictor, predictor.spec, chosen, incremental="of")
    with pytest.raises(ConfigError, match="shifts reach 32 bp"):
        make_evaluator(predictor, predictor.spec, chosen, shifts=(32,))


def test_an_evaluator_averages_as_a_predictor_does(predictor, fasta):
    from tfepi.spec import AveragedPredictor

    chosen = HeadTargets.of(predictor.spec, None, None, None)
    with Genome(fasta) as genome:
        sequence = genome.indices("chrA", 100, 164)[None]
    evaluator = make_evaluator(predictor, predictor.spec, chosen, True, (0, 2))
    wanted = AveragedPredictor(predictor, True, (0, 2)).predict({"sequence": sequence})["main"]
    references = evaluator.references({"sequence": sequence})
    np.testing.assert_array_equal(references.predictions, wanted)
