"""Numbers as a page shows them."""

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
    if isinstance(value, int) and (digits is None or abs(value) < 10**digits):
        return f"{value:,}".replace("-", "−")
    if not isinstance(value, int | float):
        return str(value)
    if digits is None:
        return f"{value:,}".replace("-", "−")
    if value and not _SMALL <= abs(value) < _LARGE:
        return f"{value:.{digits - 1}e}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")
    text = f"{value:.{digits}g}"
    text = f"{float(text):,.0f}" if abs(value) >= 10**digits else f"{value:#.{digits}g}".rstrip(".")
    return text.replace("-", "−")
