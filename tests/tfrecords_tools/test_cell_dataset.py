"""Examples of cell types: against records read one by one and the plain definition of tracks."""

from dataclasses import replace

import numpy as np
import pytest

from tfrecords_tools.cell_states import CellStates
from tfrecords_tools.conditioning import (
    CellExamples,
    Conditioning,
    reference_columns,
    target_columns,
    track_channels,
    track_columns,
)
from tfrecords_tools.errors import ConfigError, InputFileError

tf = pytest.importorskip("tensorflow")
from tfrecords_tools.dataset import Augmentation, eval_dataset, train_dataset  # noqa: E402
from tfrecords_tools.slices import Slices  # noqa: E402

CELLS, MARKS = ("a", "b", "c"), ("K", "M")
BOTH = ("sequence", "tracks")


def conditioning(data, **changes):
    sizes = {"track_width": data.track_width, "track_length": data.track_length}
    return Conditioning(CELLS, MARKS, **({"reference_mode": "delta"} | sizes | changes))


def batches(dataset):
    """Return inputs and targets of a whole dataset."""
    inputs, targets = [], []
    for x, y in dataset:
        inputs.append({k: v.numpy() for k, v in x.items()})
        targets.append(y.numpy())
    return {k: np.concatenate([i[k] for i in inputs]) for k in inputs[0]}, np.concatenate(targets)


def by_hand(data, label, found, cells):
    """Return tracks and targets of every window's cells, one by one."""
    own = track_columns(data.tracks, cells, "")
    reference = reference_columns(data.tracks, found, "")
    columns = target_columns(data.targets, cells, MARKS)
    tracks, targets = [], []
    for _, target, values in data.records_with_tracks(label):
        wide = np.concatenate([target.astype(np.float32), np.full((len(target), 1), np.nan)], 1)
        for number in range(len(cells)):
            tracks.append(track_channels(values, own[number], reference, found))
            targets.append(wide[:, columns[number]])  # -1 is the column of NaN
    return np.stack(tracks), np.stack(targets)


@pytest.mark.parametrize("mode", ["delta", "average"])
@pytest.mark.parametrize("mask", [False, True])
def test_every_window_is_an_example_of_every_cell(cell_data, mode, mask):
    found = conditioning(cell_data, reference_mode=mode, track_mask=mask)
    examples = CellExamples(found, CELLS, inputs=BOTH)
    inputs, targets = batches(eval_dataset(cell_data, "test", 7, examples=examples))
    tracks, wanted = by_hand(cell_data, "test", found, CELLS)
    assert inputs["tracks"].shape == (3 * cell_data.counts["test"], 64, 2 + mask)
    np.testing.assert_allclose(inputs["tracks"], tracks, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(targets, wanted)
    assert np.isnan(targets[:, :, 1]).any()
    assert not np.isnan(targets[0::3]).all()
    plain, _ = batches(eval_dataset(cell_data, "test", 7))
    np.testing.assert_array_equal(inputs["sequence"], np.repeat(plain["sequence"], 3, axis=0))


def test_missing_accessibility_is_zero_and_the_mask_says_so(cell_data):
    found = conditioning(cell_data, track_mask=True)
    raw = np.stack([t for _, _, t in cell_data.records_with_tracks("train")])
    gaps = np.isnan(raw[:, :, 2])
    assert 0.001 < gaps.mean() < 0.5  # t1 has gaps, and windows reach beyond chromosomes
    examples = CellExamples(found, ("c",), inputs=BOTH)
    inputs, _ = batches(eval_dataset(cell_data, "train", 16, examples=examples))
    assert np.isfinite(inputs["tracks"]).all()
    assert (inputs["tracks"][gaps] == 0).all()
    np.testing.assert_array_equal(inputs["tracks"][..., 2], ~gaps)


def test_outputs_by_cell_keep_every_target(cell_data):
    found = conditioning(cell_data, outputs="cells", reference_mode=None)
    examples = CellExamples(found, CELLS[:1])
    inputs, targets = batches(eval_dataset(cell_data, "test", 5, examples=examples))
    assert set(inputs) == {"sequence"}
    _, records = zip(*cell_data.records("test"), strict=True)
    np.testing.assert_array_equal(targets[:, :, :5], np.stack(records).astype(np.float32))
    assert targets.shape[2] == 6
    assert np.isnan(targets[:, :, 5]).all()


def test_a_random_cell_per_window_is_a_function_of_seed_and_epoch(cell_data):
    found = conditioning(cell_data)
    examples = CellExamples(found, CELLS, random=True, inputs=BOTH)
    every, labels = by_hand(cell_data, "train", found, CELLS)
    every = every.reshape(-1, 3, *every.shape[1:])

    def epoch(seed, number):
        return batches(
            train_dataset(cell_data, "train", 8, seed, number, shuffle_buffer=1, examples=examples)
        )

    def cells(tracks, windows):
        same = (np.abs(tracks[:, None] - windows) < 1e-4).all(axis=(2, 3))
        assert same.any(axis=1).all()
        return same.argmax(axis=1)

    first, target = epoch(1, 0)
    order = _order(first["sequence"], cell_data)
    chosen = cells(first["tracks"], every[order])
    assert set(chosen) == {0, 1, 2}
    labels = labels.reshape(-1, 3, *labels.shape[1:])
    np.testing.assert_array_equal(target, labels[order, chosen])
    again, _ = epoch(1, 0)
    np.testing.assert_array_equal(first["tracks"], again["tracks"])
    other, _ = epoch(1, 1)
    assert not np.array_equal(first["tracks"], other["tracks"])


def test_slices_draw_what_the_whole_batch_draws(cell_data):
    examples = CellExamples(
        conditioning(cell_data), CELLS, random=True, inputs=BOTH, scale=(0.9, 1.15)
    )
    flips = Augmentation(rc=True, shift=2)

    def found(slices):
        return batches(
            train_dataset(cell_data, "train", 7, 1, 2, flips, slices=slices, examples=examples)
        )

    whole, target = found(Slices())
    for numbers in ([0, 1], [0, 1, 2]):
        parts = [found(Slices(len(numbers), number)) for number in numbers]
        edges = [7 * n // len(numbers) for n in (*numbers, len(numbers))]
        for number in numbers:
            rows = [i for i in range(len(target)) if edges[number] <= i % 7 < edges[number + 1]]
            inputs, own = parts[number]
            np.testing.assert_array_equal(own, target[rows])
            for name in inputs:
                np.testing.assert_array_equal(inputs[name], whole[name][rows])


def _order(sequences, data):
    """Return the record numbers of one-hot sequences."""
    number = {s.tobytes(): n for n, (s, _) in enumerate(data.records("train"))}
    indices = np.where(sequences.any(axis=2), sequences.argmax(axis=2), 4).astype(np.uint8)
    return [number[row.tobytes()] for row in indices]


def test_every_cell_in_training_is_shuffled_and_complete(cell_data):
    found = conditioning(cell_data)
    examples = CellExamples(found, CELLS, inputs=BOTH)
    inputs, targets = batches(
        train_dataset(cell_data, "train", 6, 3, 0, shuffle_buffer=4096, examples=examples)
    )
    tracks, wanted = by_hand(cell_data, "train", found, CELLS)
    count = len(tracks) // 6 * 6
    assert len(targets) == count
    known = {t[:, 0].tobytes() for t in tracks}
    assert sum(t[:, 0].tobytes() in known for t in inputs["tracks"]) == count
    assert not np.allclose(np.nan_to_num(targets), np.nan_to_num(wanted[:count]))


def test_scale_touches_the_cells_own_track_alone(cell_data):
    found = conditioning(cell_data, track_mask=True)
    plain = CellExamples(found, ("a",), inputs=BOTH)
    scaled = replace(plain, scale=(0.9, 1.15))
    one, two = (
        batches(train_dataset(cell_data, "train", 8, 5, 2, examples=e))[0]["tracks"]
        for e in (plain, scaled)
    )
    np.testing.assert_array_equal(one[..., 1:], two[..., 1:])
    known = one[..., 0] > 0.1
    factors = [
        np.unique((b[k] / a[k]).round(4))
        for a, b, k in zip(one[..., 0], two[..., 0], known, strict=True)
    ]
    means = np.array([f.mean() for f in factors if len(f)])
    assert all(np.ptp(f) < 1e-3 for f in factors if len(f))
    assert means.min() >= 0.899
    assert means.max() <= 1.151
    assert means.std() > 0.03


def test_tracks_turn_with_the_strand(cell_data):
    found = conditioning(cell_data)
    examples = CellExamples(found, ("a",), inputs=BOTH)
    settings = (cell_data, "train", 8, 5, 2)
    flips = Augmentation(rc=True)
    plain, y = batches(train_dataset(*settings, examples=examples))
    turned, y_turned = batches(train_dataset(*settings, flips, examples=examples))
    known = plain["sequence"].any(axis=(1, 2))  # nothing tells the strands of N apart
    plain, turned = ({k: v[known] for k, v in d.items()} for d in (plain, turned))
    y, y_turned = y[known], y_turned[known]
    flipped = ~(plain["sequence"] == turned["sequence"]).all(axis=(1, 2))
    assert 0.2 < flipped.mean() < 0.8
    for name in BOTH:
        back = turned[name][flipped][:, ::-1]
        back = back[:, :, ::-1] if name == "sequence" else back
        np.testing.assert_array_equal(back, plain[name][flipped])
        np.testing.assert_array_equal(turned[name][~flipped], plain[name][~flipped])
    np.testing.assert_array_equal(y_turned[flipped][:, ::-1], y[flipped])


def test_labels_that_are_missing_can_be_zero(cell_data):
    found = conditioning(cell_data)
    masked = CellExamples(found, ("c", "b"), inputs=BOTH)
    _, kept = batches(eval_dataset(cell_data, "train", 8, examples=masked))
    _, zeros = batches(
        eval_dataset(cell_data, "train", 8, examples=replace(masked, missing="zero"))
    )
    assert np.isnan(kept[:, :, 0]).any()
    assert np.isnan(zeros[0::2, :, 1]).all()  # c has no track of M, which is no label at all
    kept[0::2, :, 1] = zeros[0::2, :, 1] = 0
    np.testing.assert_array_equal(np.nan_to_num(kept), zeros)


def test_vectors_of_cell_types(cell_data):
    states = CellStates({"a": (1.0, 2.0), "b": (3.0, 4.0), "z": (5.0, 6.0)})
    found = conditioning(cell_data, reference_mode=None, states=states)
    examples = CellExamples(found, ("b", "a"), inputs=("sequence", "cell_state"))
    inputs, _ = batches(eval_dataset(cell_data, "test", 4, examples=examples))
    assert set(inputs) == {"sequence", "cell_state"}
    np.testing.assert_array_equal(inputs["cell_state"][:4], [[3, 4], [1, 2]] * 2)


def test_records_of_any_writer(cell_data):
    found = conditioning(cell_data)
    examples = CellExamples(found, CELLS, inputs=BOTH)
    sliced, parsed = (
        batches(eval_dataset(d, "test", 7, examples=examples))
        for d in (cell_data, replace(cell_data, layout=None))
    )
    np.testing.assert_array_equal(sliced[0]["tracks"], parsed[0]["tracks"])
    np.testing.assert_array_equal(sliced[1], parsed[1])


def test_a_cell_without_accessibility(cell_data):
    data = replace(cell_data, tracks=cell_data.tracks[:2])
    with pytest.raises(InputFileError, match="'c' has no accessibility track"):
        eval_dataset(data, "test", 4, examples=CellExamples(conditioning(data), CELLS, inputs=BOTH))
    data = replace(cell_data, tracks=())
    with pytest.raises(ConfigError, match="has none: build it with --tracks"):
        eval_dataset(data, "test", 4, examples=CellExamples(conditioning(data), CELLS, inputs=BOTH))
