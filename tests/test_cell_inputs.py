"""Inputs of a cell type: from bigWigs as from records."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from tfepi.cell_inputs import CellInputs, RecordCellInputs
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.cell_states import CellStates, marker_states, read_states
from tfrecords_tools.conditioning import Conditioning, pooling_of
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome
from tfrecords_tools.targets import Target


def make_spec(data, **changes):
    values = {
        "reference_mode": "delta",
        "track_mask": True,
        "track_width": data.track_width,
        "track_length": data.track_length,
        "pooling": pooling_of(data.tracks),
    }
    found = Conditioning(("a", "b"), ("K", "M"), **(values | changes))
    head = Head("output", (Target(0, "K", mark="K"), Target(1, "M", mark="M")))
    return ModelSpec("toy", {"sequence": (256, 4)}, 32, 0, (head,), conditioning=found)


@pytest.fixture
def chroms(genome_folder):
    with Genome(genome_folder / "genome.fa") as genome:
        return dict(genome.chroms)


def states_of(data, size=6):
    columns = {t.cell: n for n, t in enumerate(data.tracks)}
    return marker_states(data, "train", columns, ("a", "b"), size, 64)


@pytest.mark.parametrize("cell", ["a", "c"])  # seen and unseen
def test_bigwigs_give_what_records_hold(cell_data, cell_tables, chroms, cell):
    spec = make_spec(cell_data)
    found = CellInputs(spec, cell_tables[1], cell, chroms)
    places = [(w.chrom, w.start, w.end) for w in cell_data.windows("test")]
    tracks = np.stack([t for _, _, t in cell_data.records_with_tracks("test")])
    wanted = RecordCellInputs(spec.conditioning, cell_data, cell)(tracks, len(tracks))
    np.testing.assert_array_equal(found(places)["tracks"], wanted["tracks"])
    np.testing.assert_array_equal(found(places[::-1])["tracks"], wanted["tracks"][::-1])  # held
    assert wanted["tracks"].shape == (len(places), cell_data.track_length, 3)
    assert found.files["tracks"] == cell_tables[1]
    assert {"track a", "track b", f"track {cell}"} == set(found.files) - {"tracks"}
    found.close()


def test_the_average_is_of_training_cells_alone(cell_data):
    tracks = np.stack([t for _, _, t in cell_data.records_with_tracks("test")])
    changed = tracks.copy()
    changed[..., 2] += 7  # the track of c, which is held out
    spec = make_spec(cell_data, reference_mode="average")
    given = RecordCellInputs(spec.conditioning, cell_data, "a")
    np.testing.assert_array_equal(given(tracks, 1)["tracks"], given(changed, 1)["tracks"])


def test_windows_beyond_the_chromosome_were_not_measured(cell_data, cell_tables, chroms):
    found = CellInputs(make_spec(cell_data), cell_tables[1], "a", chroms)
    tracks = found([("chr3", -300, -44), ("chr3", 24_000, 24_256)])["tracks"]
    assert (tracks[0, :21] == 0).all()
    assert (tracks[:, :, 2].mean(axis=1) < 1).all()
    assert tracks[0, -1, 2] == 1  # the context reaches into the chromosome


def test_vectors_come_from_marker_regions_of_training_windows(cell_data, cell_tables, chroms):
    states = states_of(cell_data)
    assert states.size == 6
    assert set(states.vectors) == {"a", "b", "c"}
    assert {r.chrom for r in states.regions} == {"chr1"}  # chr2 and chr3 are not trained on
    spans = sorted((r.start, r.end) for r in states.regions)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    trained = states.array(("a", "b"))
    np.testing.assert_allclose(trained.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(trained.std(), 1, rtol=1e-4)
    # Those regions differ most between a and b, of all that the training windows have.
    values = {}
    for window, (_, _, tracks) in zip(
        cell_data.windows("train"), cell_data.records_with_tracks("train"), strict=True
    ):
        means = np.log1p(np.nanmean(tracks[16:48, :2].astype(float).reshape(4, 8, 2), axis=1))
        for number in range(4):
            start = window.start + 64 * number
            values[window.chrom, start] = means[number].var()
    largest = sorted(values, key=values.get)[-6:]
    assert {(r.chrom, r.start) for r in states.regions} == set(largest)
    # A cell type's vector is the same from its bigWig, also of one that is unknown to the model.
    known = {c: v for c, v in states.vectors.items() if c != "c"}
    spec = make_spec(cell_data, reference_mode=None, states=replace(states, vectors=known))
    found = CellInputs(spec, cell_tables[1], "c", chroms)([("chr1", 0, 256)] * 2)
    assert set(found) == {"cell_state"}
    np.testing.assert_allclose(found["cell_state"], states.array(("c", "c")), atol=2e-3)


def test_known_vectors_need_no_tracks(cell_data, chroms):
    states = CellStates({"a": (1.0, 2.0)})
    spec = make_spec(cell_data, reference_mode=None, states=states)
    found = CellInputs(spec, None, "a", chroms)([("chr1", 0, 256)])
    np.testing.assert_array_equal(found["cell_state"], [[1, 2]])
    with pytest.raises(ConfigError, match="wants the accessibility of cell type 'z'"):
        CellInputs(spec, None, "z", chroms)


def test_states_survive_json(cell_data):
    found = make_spec(cell_data, states=states_of(cell_data))
    assert ModelSpec.from_json(found.to_json()).conditioning == found.conditioning


def test_wrong_tables(cell_data, cell_tables, chroms, tmp_path):
    spec = make_spec(cell_data)
    with pytest.raises(ConfigError, match="name the table of input tracks with --tracks"):
        CellInputs(spec, None, "a", chroms)
    with pytest.raises(InputFileError, match="'z' has no accessibility track"):
        CellInputs(spec, cell_tables[1], "z", chroms)
    with pytest.raises(InputFileError, match="another genome build"):
        CellInputs(spec, cell_tables[1], "a", chroms | {"chr1": 5})
    state = make_spec(cell_data, reference_mode=None, states=states_of(cell_data))  # 1c
    with pytest.raises(InputFileError, match="another genome build"):
        CellInputs(state, cell_tables[1], "a", chroms | {"chr1": 5})
    other = make_spec(cell_data, pooling=pooling_of(cell_data.tracks) | {"sum_stat": "max"})
    with pytest.raises(InputFileError, match=r"has sum_stat 'mean', .* trained on .* 'max'"):
        CellInputs(other, cell_tables[1], "a", chroms)
    with pytest.raises(InputFileError, match=r"has sum_stat 'mean', .* trained on .* 'max'"):
        RecordCellInputs(other.conditioning, cell_data, "a")
    mixed = (cell_data.tracks[0], replace(cell_data.tracks[1], clip=3.0))
    with pytest.raises(ConfigError, match=r"tracks of 'a' and 'b' have clip None and 3\.0"):
        pooling_of(mixed)
    assert pooling_of((mixed[0], replace(mixed[0], scale=2.0)))  # a scale is a track's own
    other = make_spec(cell_data, track_length=8)
    with pytest.raises(ConfigError, match="track_length is 8 in the model and 64"):
        RecordCellInputs(other.conditioning, cell_data, "a")
    states = CellStates({"a": (1.0,)})
    other = make_spec(cell_data, states=states)
    with pytest.raises(ConfigError, match="'c' has no vector"):
        CellInputs(other, cell_tables[1], "c", chroms)


def test_too_many_or_too_long_marker_regions(cell_data):
    columns = {t.cell: n for n, t in enumerate(cell_data.tracks)}
    with pytest.raises(ConfigError, match="wants 100000 marker regions"):
        marker_states(cell_data, "train", columns, ("a", "b"), 100_000, 64)
    for bp in (60, 512):
        with pytest.raises(ConfigError, match=f"region_bp is {bp}"):
            marker_states(cell_data, "train", columns, ("a", "b"), 4, bp)


def test_a_table_of_vectors(tmp_path):
    path = tmp_path / "states.tsv"
    path.write_text("# cell type, values\na\t1\t2.5\nb\t-1\t0\n")
    assert read_states(path, ("b",)).vectors == {"a": (1.0, 2.5), "b": (-1.0, 0.0)}
    for text, message in (
        ("a\t1\nb\tx\n", "line 2: want a cell type and finite numbers"),
        ("a\t1\nb\tnan\n", "line 2: want"),
        ("a\t1\nb\n", "line 2: want"),
        ("a\t1\na\t2\n", "'a' a second time"),
        ("a\t1\nb\t2\t3\n", "lines of 1 and 2 values"),
        ("", "lines of no values"),
        ("b\t1\n", "no line for cell type 'a'"),
    ):
        path.write_text(text)
        with pytest.raises(InputFileError, match=message):
            read_states(path, ("a",))
