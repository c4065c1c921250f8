"""The chromosomes that are counted, and which of them a table's names mean."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from tfrecords_tools.builds import build_of
from tfrecords_tools.errors import ConfigError, InputFileError, unknown

ALL = "all"
OTHER, UNKNOWN = -1, -2
_NUMBERED = re.compile(r"(chr)?(\d+|X)")
_MITOCHONDRIAL = {"MT": "M"}
_SHOWN = 6
_SYNONYMS = (
    ("hg38", "grch38", "b38"),
    ("hg19", "grch37", "b37"),
    ("hg18", "ncbi36", "b36"),
    ("mm10", "grcm38"),
    ("mm39", "grcm39"),
    ("hs1", "chm13", "t2t-chm13"),
)


def plain(name: str) -> str:
    """Return a chromosome's name without "chr", MT as M."""
    name = name.removeprefix("chr")
    return _MITOCHONDRIAL.get(name, name)


def chosen(sizes: Mapping[str, int], names: Sequence[str] | None = None) -> dict[str, int]:
    """Return chromosome → length of the chromosomes that are counted.

    Args:
        sizes: chromosome → length, bp, of a whole assembly.
        names: these, "chr1" or "1"; ("all",) is all of `sizes`. None: those with a number, and X,
            where `sizes` has a chromosome 1 (of human: chr1–22 and X, as in the Data Study Group
            report, §3.1); else all.

    Raises:
        ConfigError: a name that is not there, or twice; a length of 2^31 bp or more.
    """
    if names is None:
        numbered = [n for n in sizes if _NUMBERED.fullmatch(n)]
        kept = numbered if {"1", "chr1"} & set(numbered) else list(sizes)
    elif tuple(names) == (ALL,):
        kept = list(sizes)
    else:
        known = {plain(n): n for n in sizes}
        lacking = [n for n in names if plain(n) not in known]
        if lacking:
            raise unknown("chromosome", lacking[0], sizes, "in --chroms")
        kept = [known[plain(n)] for n in names]
    if not kept or len(set(kept)) < len(kept):
        raise ConfigError(f"--chroms is {','.join(names or ())}: want each chromosome once")
    for name in kept:
        if sizes[name] >= 1 << 31:
            raise ConfigError(f"{name} has {sizes[name]} bp: want fewer than 2^31")
    return {name: sizes[name] for name in kept}


class Names:
    """Numbers of chromosomes by whatever name a table gives them ("1" or "chr1").

    Args:
        sizes: chromosome → length of the whole assembly.
        counted: the chromosomes that are counted; their numbers are their order.
    """

    def __init__(self, sizes: Mapping[str, int], counted: Sequence[str]):
        self._known = {plain(name): OTHER for name in sizes}
        self._known |= {plain(name): number for number, name in enumerate(counted)}
        self._sizes, self._counted = sizes, list(counted)

    def number(self, name: str) -> int | None:
        """Return the number of a chromosome, `OTHER` if it is not counted, None if unknown."""
        return self._known.get(plain(name))

    def name(self, number: int) -> str:
        """Return what the lengths call a counted chromosome, or that it is another one."""
        return self._counted[number] if number >= 0 else "another chromosome"

    def renamed(self, names: Sequence[str]) -> str | None:
        """Return the first of a table's names that the lengths write otherwise: "1 is chr1"."""
        ours = {plain(name): name for name in self._sizes}
        other = (n for n in names if n not in self._sizes and plain(n) in ours)
        name = next(other, None)
        return None if name is None else f"{name} is {ours[plain(name)]}"

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """Return the number of each name as `number` gives it, `UNKNOWN` for None: int64."""
        found = [self.number(name) for name in names]
        return np.array([UNKNOWN if n is None else n for n in found], np.int64)

    def unknown(self, name: str, where: str) -> InputFileError:
        """Return the error for a chromosome that has no length."""
        shown = ", ".join(list(self._sizes)[:_SHOWN]) + ", …" * (len(self._sizes) > _SHOWN)
        return InputFileError(
            f"{where} is on chromosome {name!r}, which the lengths do not have ({shown}): give "
            "the lengths of the table's assembly, or take these rows out"
        )


def assembly_of(sizes: Mapping[str, int]) -> str | None:
    """Return the assembly whose chromosome 1 is as long as this one's, or None."""
    return build_of(dict(sizes))


def same_assembly(one: str, other: str) -> bool:
    """Tell whether two names are of one assembly: "hg38", "GRCh38" and "hg38 (GRCh38)" are."""

    def keys(name: str) -> set[str]:
        words = set(re.split(r"[\s()]+", name.lower())) - {""}
        return words | {s for group in _SYNONYMS if words & set(group) for s in group}

    return bool(keys(one) & keys(other))
