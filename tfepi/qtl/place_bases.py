"""First and last bases as tables count them, from 0 or from 1."""

import numpy as np


def half_open(start, end, base: int):
    """Return start and end of an interval, 0-based and half-open.

    Args:
        start: first base, counted from `base`; a number or an array.
        end: counted from 1 the last base; counted from 0 the base behind it, or the same as
            `start` for one base.
        base: 0 or 1.
    """
    if base == 1:
        return start - 1, end
    return start, np.where(end == start, start + 1, end)


def shown(chrom: str, start: int, end: int) -> str:
    """Return a place as messages write it, one base as its position alone."""
    return f"{chrom}:{start}" if start == end else f"{chrom}:{start}-{end}"


def no_bases(start: int, base: int, by: str | None = None) -> str:
    """Return what is wrong with a place that has no bases, and what to do, to end an error with.

    Args:
        start: first base, counted from `base`.
        base: 0 or 1.
        by: column of distances that the place was reckoned from, or None.
    """
    if by is not None:
        return f", reckoned from {by}: want {by} as SNP minus target, in bp"
    if start == 0:
        return ": count it from 0 with --target_base 0"
    return f": want {base} or more" if start < base else ": want start ≤ end"
