import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tfepi.comparison.spans import overlap_shares


@given(
    st.integers(-60, 60),
    st.integers(1, 20),
    st.integers(1, 12),
    st.integers(-80, 80),
    st.integers(1, 30),
    st.integers(1, 6),
)
def test_bp_by_bp(first, width, bins, start, size, count):
    wanted = np.zeros((count, bins))
    for b in range(bins):
        for bp in range(first + b * width, first + (b + 1) * width):
            if start <= bp < start + size * count:
                wanted[(bp - start) // size, b] += 1 / width
    found = overlap_shares(first, width, bins, start, size, count)
    np.testing.assert_allclose(found, wanted, atol=1e-12)
