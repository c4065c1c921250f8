"""Chunk shapes by their laws; rows written in any pieces are the rows."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.variants.row_chunks import (
    CHUNK_BYTES,
    PACKED,
    ROWS_BYTES,
    TARGETS_PER_CHUNK,
    RowWriter,
    chunk_shape,
)


@given(
    rows=st.integers(1, 10**8),
    shape=st.one_of(
        st.tuples(st.integers(1, 6000)), st.tuples(st.integers(1, 7000), st.integers(1, 6000))
    ),
)
def test_chunks(rows, shape):
    found = chunk_shape(rows, shape)
    assert len(found) == len(shape) + 1
    assert 1 <= found[0] <= rows
    assert found[1:-1] == shape[:-1]
    assert found[-1] == min(shape[-1], TARGETS_PER_CHUNK)
    assert found[0] == 1 or 4 * np.prod(found) <= CHUNK_BYTES
    assert found[0] == 1 or 4 * found[0] * np.prod(shape) <= ROWS_BYTES


def test_few_targets_have_many_rows_and_enformers_fewer():
    assert chunk_shape(10**6, (2,)) == (1 << 17, 2)
    assert chunk_shape(10**6, (5313,)) == (789, 64)
    assert chunk_shape(10**6, (896, 5313)) == (1, 896, 64)


class Recorded:
    """An array that remembers where it was written."""

    def __init__(self, array):
        self.array, self.at = array, []
        self.shape, self.dtype = array.shape, array.dtype

    def __setitem__(self, key, values):
        self.at.append((key.start, key.stop))
        self.array[key] = values


@settings(max_examples=60, deadline=None)
@given(cuts=st.lists(st.integers(0, 30), max_size=12), step=st.integers(1, 40))
def test_rows_in_pieces(cuts, step):
    rows = max(1, sum(cuts))
    values = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    array = Recorded(np.zeros_like(values))
    checks = []
    writer = RowWriter(array, step, lambda: checks.append(1))
    first = 0
    for cut in [*cuts, rows - sum(cuts)]:
        writer.write(values[first : first + cut])
        first += cut
    writer.close()
    writer.close()
    assert np.array_equal(array.array, values)
    wanted = [(low, min(low + step, rows)) for low in range(0, rows, step)]
    assert array.at == wanted
    assert len(checks) == len(wanted)


@pytest.mark.parametrize("shape", [(7,), (4, 7)])
def test_a_plain_reader_reads_what_is_packed(tmp_path, shape):
    values = np.random.default_rng(0).normal(size=(50, *shape)).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        chunks = chunk_shape(50, shape)
        writer = RowWriter(file.create_dataset("x", values.shape, "f4", chunks=chunks, **PACKED), 8)
        writer.write(values)
        writer.close()
    with h5py.File(tmp_path / "x.h5") as file:
        assert np.array_equal(file["x"][()], values)
        assert (file["x"].compression, file["x"].shuffle) == ("gzip", True)
