"""Progress bars for long work: rate and time left, on stderr, silent where nobody looks."""

from collections.abc import Iterable

from tqdm import tqdm


def progress(
    iterable: Iterable | None = None,
    *,
    total: int | None = None,
    unit: str = "it",
    label: str = "",
    quiet: bool = False,
    initial: int = 0,
) -> tqdm:
    """Return a tqdm bar with this project's settings.

    Silent with `quiet`, and where stderr is not a terminal.
    """
    return tqdm(
        iterable,
        total=total,
        unit=f" {unit}",
        desc=label or None,
        disable=True if quiet else None,
        initial=initial,
        dynamic_ncols=True,
        smoothing=0.1,
        unit_scale=bool(total and total > 10_000),
    )
