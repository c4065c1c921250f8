"""Numbers as a reader sees them."""

import pytest

from tfepi.report.page.number import shown, signed


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 4, "–"),
        (float("nan"), 4, "–"),
        (True, None, "yes"),
        (False, 4, "no"),
        ("chr1", 4, "chr1"),
        (0, None, "0"),
        (0, 4, "0"),
        (0.0, 3, "0.00"),
        (12, 4, "12"),
        (1234567, None, "1,234,567"),
        (-12345, None, "−12,345"),
        (0.65432, 3, "0.654"),
        (-0.5, 4, "−0.5000"),
        (98.76543, 4, "98.77"),
        (1234.5, 3, "1,230"),
        (12.0, 2, "12"),
        (3.2e-7, 3, "3.20e−7"),
        (123456789.0, 4, "1.235e8"),
        (1e-12, 2, "1.0e−12"),
        (float("inf"), 3, "∞"),
        (float("-inf"), 3, "−∞"),
    ],
)
def test_shown(value, digits, text):
    assert shown(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"), [(2.5, "+2.50"), (-2.5, "−2.50"), (0, "0.00"), (1e-9, "+1.00e−9")]
)
def test_signed(value, text):
    assert signed(value, 3) == text
