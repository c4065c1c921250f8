import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.variants.percentiles import PERCENTILES, column_percentiles, percentiles

floats = st.one_of(st.just(np.nan), st.floats(-(2.0**99), 2.0**99, width=32))


@settings(max_examples=100, deadline=None)
@given(values=st.lists(floats, min_size=1, max_size=60), cut=st.integers(1, 60))
def test_equals_numpy(values, cut):
    column = np.array(values, np.float32)
    blocks = [column[i : i + cut] for i in range(0, len(column), cut)]
    found = percentiles(lambda: iter(blocks))
    assert found.dtype == np.float32
    if np.isnan(column).all():
        assert np.isnan(found).all()
    else:
        wanted = np.nanquantile(column.astype(np.float64), PERCENTILES).astype(np.float32)
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-30)


odd = st.one_of(floats, st.sampled_from([0.0, -0.0, np.inf, -np.inf]))


@settings(max_examples=100, deadline=None)
@given(values=st.lists(odd, min_size=1, max_size=60))
def test_a_column_that_is_held_has_the_same_bytes(values):
    column = np.array(values, np.float32)
    held = column_percentiles(column)
    assert held.tobytes() == percentiles(lambda: iter([column])).tobytes()
    strided = np.stack([column, column], axis=1)[:, 0]
    assert column_percentiles(strided).tobytes() == held.tobytes()


@pytest.mark.parametrize("kind", ["normal", "few", "one bit"])
def test_long_columns(kind):
    rng = np.random.default_rng(2)
    column = rng.normal(size=50_000).astype(np.float32)
    if kind == "few":
        column = np.round(column)
    elif kind == "one bit":
        column = (1 + rng.integers(0, 2**12, 50_000) * 2.0**-23).astype(np.float32)
    found = percentiles(lambda: iter(np.array_split(column, 7)))
    wanted = np.quantile(column.astype(np.float64), PERCENTILES)
    np.testing.assert_allclose(found, wanted.astype(np.float32), rtol=1e-6)


def test_infinities_sort():
    column = np.array([-np.inf, 1, 2, np.inf], np.float32)
    found = percentiles(lambda: iter([column]), np.array([0, 1 / 3, 2 / 3, 1.0]))
    assert found.tolist() == [-np.inf, 1, 2, np.inf]


def test_shares_are_those_of_the_existing_tool(test_data):
    with h5py.File(test_data / "fixtures/basenji/sad_basenji/sad.h5") as file:
        np.testing.assert_allclose(PERCENTILES, file["percentiles"][()], atol=1e-12)
        column = file["SAD"][:, 0].astype(np.float32)
        wanted = file["SAD_pct"][0].astype(np.float32)
    np.testing.assert_allclose(percentiles(lambda: iter([column])), wanted, atol=2e-3)
