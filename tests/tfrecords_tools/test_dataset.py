"""tf.data against the plain records."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tfrecords_tools import augmentation, base_symbols
from tfrecords_tools import dataset as D
from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot, reverse_complement
from tfrecords_tools.intervals import Interval
from tfrecords_tools.plan import make_plan
from tfrecords_tools.record_order import batch_records
from tfrecords_tools.records import sequence_features
from tfrecords_tools.slices import WHOLE, Slices
from tfrecords_tools.targets import Target
from tfrecords_tools.windows import Windowing


@pytest.fixture(scope="module", params=["index", "packed"])
def data(request, genome_folder, tmp_path_factory):
    """Records whose length is no multiple of four, with a strand pair."""
    folder = tmp_path_factory.mktemp("strands")
    table = (genome_folder / "targets.txt").read_text().splitlines()
    rows = [table[0] + "\tstrand_pair"]
    rows += [r + f"\t{p}" for r, p in zip(table[1:], (1, 0, 2), strict=True)]
    text = "\n".join(rows).replace("t0.bw", str(genome_folder / "t0.bw"))
    for name in ("t1.bw", "t2.bw"):
        text = text.replace(f"\t{name}", f"\t{genome_folder / name}")
    (folder / "targets.txt").write_text(text + "\n")
    options = BuildOptions(
        seq_length=250,
        bin_width=50,
        stride_train=100,
        stride_test=100,
        valid="chr2",
        test="chr3",
        records_per_shard=100,
        encoding=request.param,
        nan="keep",
    )
    plan = make_plan(genome_folder / "genome.fa", folder / "targets.txt", options)
    build(plan, folder / "data", quiet=True)
    return Data.open(folder / "data")


def collected(dataset):
    sequences, targets = [], []
    for inputs, target in dataset:
        sequences.append(inputs["sequence"].numpy())
        targets.append(target.numpy())
    return np.concatenate(sequences), np.concatenate(targets)


def test_eval_gives_the_records_in_order(data):
    indices, targets = data.arrays("valid")
    got, got_targets = collected(D.eval_dataset(data, "valid", 64))
    np.testing.assert_array_equal(got, one_hot(indices))
    np.testing.assert_array_equal(got_targets, targets.astype(np.float32))
    assert np.isnan(got_targets).any()


def test_targets_are_chosen_in_the_order_named(data):
    _, targets = data.arrays("valid")
    _, got = collected(D.eval_dataset(data, "valid", 64, targets=(2, 0)))
    np.testing.assert_array_equal(got, targets.astype(np.float32)[..., [2, 0]])


def rows_by_sequence(data, label):
    indices, targets = data.arrays(label)
    return {
        one_hot(i).tobytes(): t.astype(np.float32) for i, t in zip(indices, targets, strict=True)
    }


def test_train_shuffles_whole_batches_of_the_label(data):
    known = rows_by_sequence(data, "train")
    sequences, targets = collected(D.train_dataset(data, "train", 32, seed=1, epoch=0))
    assert len(sequences) == data.counts["train"] // 32 * 32
    found = {s.tobytes() for s in sequences}
    assert len(found) == len(sequences)
    for s, t in zip(sequences, targets, strict=True):
        np.testing.assert_array_equal(known[s.tobytes()], t)


def test_order_depends_on_seed_and_epoch_alone(data):
    def sequences(seed, epoch):
        augmentation = D.Augmentation(rc=True, shift=3)
        return collected(D.train_dataset(data, "train", 32, seed, epoch, augmentation, 200))[0]

    first = sequences(1, 0)
    np.testing.assert_array_equal(first, sequences(1, 0))
    assert (first != sequences(1, 1)).any()
    assert (first != sequences(2, 0)).any()


def moved(indices, shift, flip, step=0):
    """The definition of the augmentation, on one sequence."""
    out = np.full_like(indices, 4)
    n = len(indices)
    shift -= step if flip else 0
    for at in range(n):
        if 0 <= at - shift < n:
            out[at] = indices[at - shift]
    return reverse_complement(out) if flip else out


@pytest.mark.parametrize("most", [0, 1, 3, 6])
@pytest.mark.parametrize("rc", [False, True])
@pytest.mark.parametrize("per", ["example", "batch"])
def test_augmented_examples_are_moved_and_flipped_records(data, most, rc, per):
    if not most and not rc:
        pytest.skip("nothing is changed")
    indices, targets = data.arrays("train")
    expected = {}
    for i, t in zip(indices, targets.astype(np.float32), strict=True):
        for shift in range(-most, most + 1):
            for flip in (False, True) if rc else (False,):
                value = t[::-1][:, [1, 0, 2]] if flip else t
                key = one_hot(moved(i, shift, flip)).tobytes()
                expected.setdefault(key, []).append((value, shift, flip))
    augmentation = D.Augmentation(rc, most, per)
    seen = []
    for inputs, target in D.train_dataset(data, "train", 32, 5, 0, augmentation, 500):
        batch = []
        for s, t in zip(inputs["sequence"].numpy(), target.numpy(), strict=True):
            candidates = expected[s.tobytes()]
            assert any(np.array_equal(t, c[0], equal_nan=True) for c in candidates)
            if len(candidates) == 1:  # a window of N alone looks the same wherever it moves
                batch.append(candidates[0][1:])
        if per == "batch":
            assert len(set(batch)) == 1
        seen += batch
    shifts, flips = zip(*seen, strict=True)
    assert set(flips) == ({False, True} if rc else {False})
    if per == "example":
        assert set(shifts) == set(range(-most, most + 1))
        if rc:
            assert 0.4 < np.mean(flips) < 0.6


@pytest.mark.parametrize("encoding", ["index", "packed", "onehot"])
@pytest.mark.parametrize("length", [1, 4, 5, 7, 8, 12, 31, 90])
@pytest.mark.parametrize(
    ("most", "step"),
    [(0, 0), (1, 0), (3, 0), (4, 0), (11, 0), (40, 0), (0, 1), (3, 1), (40, 1)],
)
def test_any_length_is_moved_by_any_shift(encoding, length, most, step):
    rng = np.random.default_rng(length)
    shifts = np.resize(np.arange(-most, most + 1), 90)
    flips = rng.random(90) < 0.5
    bases = rng.choice(5, (90, length), p=[0.2, 0.2, 0.2, 0.3, 0.1]).astype(np.uint8)
    bases[:5] = 4
    bases[5:40] %= 4
    rows = [sequence_features(row, encoding) for row in bases if encoding != "onehot"]
    rows = rows or [{"sequence": one_hot(row).astype(np.uint8).tobytes()} for row in bases]
    values = {
        name: np.stack([np.frombuffer(row[name], np.uint8) for row in rows]) for name in rows[0]
    }
    data = SimpleNamespace(seq_length=length, encoding=encoding)
    symbols = base_symbols.as_symbols(values, data)
    how = D.Augmentation(True, most)
    got = augmentation.moved(symbols, length, how, shifts.astype(np.int32), flips, step)
    got = base_symbols.ONE_HOT[got.numpy()].reshape(90, -1, 4)[:, :length]
    expected = [moved(*row, step) for row in zip(bases, shifts, flips, strict=True)]
    np.testing.assert_array_equal(got, one_hot(np.stack(expected)))


def test_records_of_other_writers_are_parsed(data):
    """Without a manifest nothing is known of the records' layout."""
    assert data.layout is not None
    sliced = collected(D.eval_dataset(data, "valid", 64))
    parsed = collected(D.eval_dataset(replace(data, layout=None), "valid", 64))
    for a, b in zip(sliced, parsed, strict=True):
        np.testing.assert_array_equal(a, b)


def together(make, processes):
    """Return the batches that processes, each of some replicas, have slices of."""
    first = np.cumsum([0, *processes]).tolist()
    slices = [Slices(first[-1], f, n) for f, n in zip(first, processes, strict=False)]
    parts = [list(make(s)) for s in slices]
    batches = []
    for number in range(len(parts[0]) // processes[0]):
        own = [p[number * n + k] for p, n in zip(parts, processes, strict=True) for k in range(n)]
        assert all(len(target) for _, target in own)
        filled = [s for s in own if not np.isnan(s[1]).all() or s[0]["sequence"].shape[0] > 1]
        batches.append(tf.nest.map_structure(lambda *t: np.concatenate(t), *filled))
    return batches


def test_slices_of_batches_are_the_batches_of_one_device(data):
    """With augmentation, a batch that is not divisible, a last one smaller than the replicas."""
    augmentation = D.Augmentation(rc=True, shift=3)
    size = 32
    assert data.counts["valid"] % size
    for make in (
        lambda s: D.train_dataset(data, "train", size, 1, 2, augmentation, 200, slices=s),
        lambda s: D.eval_dataset(data, "valid", size, slices=s),
        lambda s: D.eval_dataset(data, "valid", data.counts["valid"] - 1, slices=s),
    ):
        whole = list(make(WHOLE))
        for processes in ([2], [1, 1], [3], [2, 1], [1, 1, 1, 1, 1]):
            found = together(make, processes)
            assert len(found) == len(whole)
            for (inputs, target), (got, got_target) in zip(whole, found, strict=True):
                told = f"processes {processes}"
                np.testing.assert_array_equal(got["sequence"], inputs["sequence"], told)
                np.testing.assert_array_equal(got_target, target, told)


def test_slices_of_a_known_size_say_so(data):
    dataset = D.train_dataset(data, "train", 32, 1, 0, slices=Slices(4, 1, 2))
    assert dataset.element_spec[1].shape[0] == 8
    assert [Slices(n).largest(10) for n in (1, 3, 10)] == [10, 4, 1]


def test_an_epoch_is_gone_on_with_in_its_middle(data):
    augmentation = D.Augmentation(rc=True, shift=3)
    whole = list(D.train_dataset(data, "train", 32, 1, 3, augmentation, 200))
    rest = list(D.train_dataset(data, "train", 32, 1, 3, augmentation, 200, skip=2))
    assert len(rest) == len(whole) - 2
    for (inputs, target), (got, got_target) in zip(whole[2:], rest, strict=True):
        np.testing.assert_array_equal(got["sequence"], inputs["sequence"])
        np.testing.assert_array_equal(got_target, target)


def test_the_records_of_a_batch_are_named(data):
    assert len(data.shards("train")) > 1
    whole = list(D.train_dataset(data, "train", 32, 1, 3, shuffle_buffer=200))
    for number in (0, len(whole) - 1):
        places = batch_records(data, "train", 32, 1, 3, number, 200)
        assert len({shard for shard, _ in places}) > 1
        by_shard = {p.name: list(data.shard_sequences(p)) for p in data.shards("train")}
        expected = np.stack([by_shard[shard][record] for shard, record in places])
        np.testing.assert_array_equal(whole[number][0]["sequence"], one_hot(expected))


def test_bad_requests_are_refused(data):
    with pytest.raises(ConfigError, match="a batch is 100000"):
        D.train_dataset(data, "train", 100_000, 1, 0)
    with pytest.raises(ConfigError, match="without its strand pair"):
        D.train_dataset(data, "train", 8, 1, 0, D.Augmentation(rc=True), targets=(0,))
    with pytest.raises(ConfigError, match="shift is -1"):
        D.Augmentation(shift=-1)
    with pytest.raises(ConfigError, match="example or batch"):
        D.Augmentation(per="epoch")


@pytest.fixture(scope="module", params=["index", "packed"])
def methylation(request, tmp_path_factory):
    """Windows of 33 bp around a CpG each, two targets with their reads."""
    folder = tmp_path_factory.mktemp("methylation") / "data"
    folder.mkdir()
    rng = np.random.default_rng(8)
    targets = (Target(0, "a"), Target(1, "b"))
    kind = {"kind": "methylation", "coverage": True}
    with DataWriter(folder, Windowing(33, 16, 1), targets, request.param, **kind) as writer:
        for row in range(96):
            indices = rng.integers(0, 5, 33, dtype=np.uint8)
            indices[16:18] = 1, 2
            betas = rng.random((1, 2)).astype(np.float16)
            reads = rng.integers(1, 40, (1, 2)).astype(np.float16)
            betas[0, row % 5 : 1], reads[0, row % 5 : 1] = np.nan, 0
            features = sequence_features(indices, request.param)
            features |= {"target": betas.tobytes(), "coverage": reads.tobytes()}
            writer.write("train", Interval("chr1", row, row + 1), features)
        writer.finish({"made_by": "test", "options": {}, "inputs": {}, "source": {}})
    return Data.open(folder)


def other_strand(indices):
    """The other strand with its C in the middle, letter by letter."""
    letters = ["TGCAN"[i] for i in indices[::-1]]
    return np.array(["ACGTN".find(x) for x in ["N", *letters[:-1]]], np.uint8)


def test_the_other_strands_c_is_in_the_middle_too(methylation):
    indices, targets = methylation.arrays("train")
    expected = {}
    for sequence, target in zip(indices, targets, strict=True):
        for found, flip in ((sequence, False), (other_strand(sequence), True)):
            assert found[16] == 1
            expected[one_hot(found).tobytes()] = target.astype(np.float32), flip
    flips = []
    for inputs, values in D.train_dataset(methylation, "train", 16, 3, 0, D.Augmentation(rc=True)):
        for sequence, target in zip(inputs["sequence"].numpy(), values.numpy(), strict=True):
            assert sequence[16].tolist() == [0, 1, 0, 0]
            wanted, flip = expected[sequence.tobytes()]
            np.testing.assert_array_equal(target, wanted)
            flips.append(flip)
    assert 0.3 < np.mean(flips) < 0.7
    assert len(flips) == 96


@pytest.mark.parametrize("laid_out", [True, False])
def test_targets_are_weighed_by_their_reads(methylation, laid_out):
    data = methylation if laid_out else replace(methylation, layout=None)
    reads = np.stack([data.coverage(*reversed(frame)) for frame in data.frames("train")])
    _, targets = data.arrays("train")
    expected = np.minimum(reads.astype(np.float32), 20) / np.float32(20)
    assert (expected == 1).any()
    assert ((expected > 0) & (expected < 1)).any()
    got = list(D.eval_dataset(data, "train", 40, coverage_cap=20))
    np.testing.assert_allclose(np.concatenate([w for _, _, w in got]), expected, rtol=1e-6)
    np.testing.assert_array_equal(np.concatenate([t for _, t, _ in got]), targets)
    assert (expected[np.isnan(targets)] == 0).all()
    by_target = {t.tobytes(): w for t, w in zip(targets.astype(np.float32), expected, strict=True)}
    augmentation = D.Augmentation(rc=True)
    for _, batch, weights in D.train_dataset(
        data, "train", 32, 1, 0, augmentation, targets=(1, 0), coverage_cap=20
    ):
        for target, weight in zip(
            batch.numpy()[..., ::-1], weights.numpy()[..., ::-1], strict=True
        ):
            np.testing.assert_allclose(weight, by_target[target.tobytes()], rtol=1e-6)
    assert len(next(iter(D.eval_dataset(data, "train", 8)))) == 2


def test_weights_without_coverage_are_refused(methylation, data):
    with pytest.raises(ConfigError, match="has no coverage: build it with --store_coverage"):
        D.eval_dataset(data, "valid", 8, coverage_cap=20)
    for cap in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match=f"coverage_cap is {cap:g}, want a positive number"):
            D.train_dataset(methylation, "train", 8, 1, 0, coverage_cap=cap)
    with pytest.raises(ConfigError, match="examples of cell types have no weights"):
        D.eval_dataset(methylation, "train", 8, examples=SimpleNamespace(), coverage_cap=20)
