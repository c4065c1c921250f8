"""Tables of allele counts: tab-separated, columns by the names that tools give them.

GATK's ASEReadCounter (contig, position counted from 1, refAllele, altAllele, refCount, altCount)
is one such table; a column `pos` of unknown base needs to be told apart by the caller.
"""

import csv
import gzip
import zlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.allelic.counts import BASES, CountFile, Layout
from tfrecords_tools.errors import ConfigError, InputFileError, unknown

ALIASES = {
    "chrom": "contig chrom #chrom chr chromosome",
    "pos0": "pos0 position0 start0",
    "pos1": "pos1 position1",
    "pos": "pos position",
    "ref": "ref refallele ref_allele",
    "alt": "alt altallele alt_allele",
    "ref_reads": "ref_reads refcount ref_count ref_counts",
    "alt_reads": "alt_reads altcount alt_count alt_counts",
    "sample": "sample sample_id",
    "dosage": "background_allelic_dosage dosage bad",
}
"""Our name of a column → the names it may have in a file, in any case; the first there is taken."""
_NEEDED = ("chrom", "ref", "alt", "ref_reads", "alt_reads")
_GATK = {"contig", "position", "refallele", "altallele", "refcount", "altcount"}
_TEXT = ("chrom", "ref", "alt", "sample")


def read_table(
    path: Path,
    base: int | None,
    columns: Mapping[str, str],
    left_out: Counter[str],
    dosage: bool = True,
) -> CountFile:
    """Read a table of allele counts.

    Args:
        path: tab-separated, plain or gzip; lines "##…" may come first.
        base: of a column `pos`, 0 or 1; None where the columns tell.
        columns: our name → the header's, before the usual ones.
        left_out: gains the rows whose alleles are no two single bases.
        dosage: read a column of dosages, if there is one.

    Raises:
        InputFileError, ConfigError: as `counts.read_sites`.
    """
    want = "want a tab-separated table with a header, plain or gzip"
    try:
        skipped = _comment_lines(path)
        names = list(pd.read_csv(path, sep="\t", nrows=0, skiprows=skipped, dtype=str).columns)
        if names[0].startswith(("{", "[")):
            raise InputFileError(f"allele counts {path} are a JSON file: {want}")
        found = _columns(path, names, columns)
        if not dosage:
            found.pop("dosage", None)
        place, base, known = _base(path, names, found, base)
        frame = pd.read_csv(
            path,
            sep="\t",
            skiprows=skipped,
            usecols=list(found.values()),
            dtype={found[k]: str for k in _TEXT if k in found},
            keep_default_na=False,
            quoting=csv.QUOTE_NONE,
            skip_blank_lines=False,
            low_memory=False,
        )
    except (ValueError, OSError, EOFError, zlib.error) as error:
        if isinstance(error, ConfigError | InputFileError):
            raise
        if isinstance(error, pd.errors.EmptyDataError):
            raise InputFileError(f"allele counts {path} are empty: {want}") from None
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise InputFileError(f"cannot read allele counts from {path} ({reason}): {want}") from None
    frame = frame.rename(columns={theirs: ours for ours, theirs in found.items()})
    first = skipped + 2
    for name in (place, "ref_reads", "alt_reads"):
        frame[name] = _whole(path, frame[name], name, first, base if name == place else 0)
    frame["position"] = frame[place] - base
    frame["dosage"] = _dosage(path, frame["dosage"], first) if "dosage" in frame else np.nan
    if "sample" not in frame:
        frame["sample"] = path.name.split(".")[0]
    for name in ("ref", "alt"):
        frame[name] = frame[name].str.upper()
    single = frame["ref"].isin(BASES) & frame["alt"].isin(BASES) & (frame["ref"] != frame["alt"])
    if not single.all():
        left_out["not a change of one base"] += int((~single).sum())
    wanted = ["chrom", "position", "ref", "alt", "ref_reads", "alt_reads", "dosage", "sample"]
    there = tuple(frame["sample"].unique().tolist())
    layout = {f"pos{base}" if known and k == place else k: name for k, name in found.items()}
    return CountFile(frame.loc[single, wanted], there, Layout(layout, base))


def _comment_lines(path: Path) -> int:
    """Return how many lines "##…" come before the header."""
    with open(path, "rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    with (gzip.open if packed else open)(path, "rb") as handle:
        count = 0
        for line in handle:
            if not line.startswith(b"##"):
                return count
            count += 1
    return count


def _columns(path: Path, names: list[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return our names of the columns that are there → the header's."""
    found = {}
    for ours, theirs in given.items():
        if ours not in ALIASES:
            raise unknown("column", ours, ALIASES)
        if theirs not in names:
            raise unknown("column", theirs, names, f"of {path}")
        found[ours] = theirs
    placed = any(k.startswith("pos") for k in found)
    lower = {name.lower().strip(): name for name in reversed(names)}
    for ours, aliases in ALIASES.items():
        there = [lower[a] for a in aliases.split() if a in lower]
        if there and ours not in found and not (placed and ours.startswith("pos")):
            found[ours] = there[0]
    missing = [k for k in _NEEDED if k not in found]
    if not any(k.startswith("pos") for k in found):
        missing.insert(1 if "chrom" in missing else 0, "pos0 (or pos1, or pos with --base)")
    if missing:
        raise InputFileError(
            f"allele counts {path} have columns {', '.join(names)[:200]}; want "
            f"{', '.join(missing)} as well: name them with --columns, as ref_reads=NAME"
        )
    return found


def _base(
    path: Path, names: list[str], found: dict[str, str], base: int | None
) -> tuple[str, int, bool]:
    """Return the column of positions, its base, and whether its name tells that."""
    place = next(k for k in ("pos0", "pos1", "pos") if k in found)
    for other in {"pos0", "pos1", "pos"} - {place}:
        found.pop(other, None)
    gatk = {n.lower().strip() for n in names} >= _GATK and found[place].lower() == "position"
    known = {"pos0": 0, "pos1": 1}.get(place, 1 if gatk else None)
    if known is None and base is None:
        raise ConfigError(
            f"allele counts {path}: column {found[place]!r} counts from 0 or from 1, which a file "
            "does not tell: say --base 0 or --base 1"
        )
    if known is not None and base is not None and base != known:
        what = "ASEReadCounter's position" if gatk else f"column {found[place]!r}"
        raise ConfigError(f"allele counts {path}: {what} counts from {known}, not {base}")
    return place, base if known is None else known, known is not None


def _whole(path: Path, values: pd.Series, name: str, first: int, least: int) -> pd.Series:
    """Return whole numbers, not below the least."""
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() | (numbers % 1 != 0) | (numbers < least) | (numbers.abs() >= 1 << 53)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputFileError(
            f"{path} line {first + row} has {name} {str(values.iloc[row])[:40]!r}: want a whole "
            f"number, {least} or more"
        )
    return numbers.astype(np.int64)


def _dosage(path: Path, values: pd.Series, first: int) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    bad = ~np.isfinite(numbers) | (numbers < 1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputFileError(
            f"{path} line {first + row} has a background dosage of {str(values.iloc[row])[:40]!r}: "
            "want copies of the major to those of the minor allele, 1 or more; --no_dosage leaves "
            "dosages out"
        )
    return numbers.astype(float)
