"""Numbers as a page shows them."""

import math

from tfepi.report.page.content import Value

_LARGE, _SMALL = 1e6, 1e-3


def shown(value: Value, digits: int | None) -> str:
    """Return a value as text.

    Args:
        value: missing (None, NaN) is a dash.
        digits: significant digits of a number; None shows whole numbers in full.
    """
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    if abs(value) == math.inf:
        text = "∞" if value > 0 else "-∞"
    elif digits is None or (isinstance(value, int) and abs(value) < 10**digits):
        text = f"{value:,}"
    elif value and not _SMALL <= abs(value) < _LARGE:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa}e{int(exponent)}"
    else:
        rounded = float(f"{value:.{digits}g}")
        whole = len(str(int(abs(rounded)))) if abs(rounded) >= 1 else 0
        zeros = 0 if whole or not rounded else -1 - math.floor(math.log10(abs(rounded)))
        after = digits - 1 if not rounded else max(0, digits - whole + zeros)
        text = f"{rounded:,.{after}f}"
    return text.replace("-", "−")


def signed(value: float, digits: int) -> str:
    """Return a number as `shown`, with + before one above 0."""
    return ("+" if value > 0 else "") + shown(float(value), digits)
