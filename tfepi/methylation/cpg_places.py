"""CpGs that a person names: in a BED, or as chromosome:position."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome, decode
from tfrecords_tools.intervals import bed_rows

_CPG = (1, 2)  # base indices of C and G


@dataclass(frozen=True)
class Place:
    """A CpG.

    Attributes:
        chrom: chromosome.
        position: of its C on the forward strand, 0-based.
        label: name of the BED's line, or "".
    """

    chrom: str
    position: int
    label: str = ""

    def __str__(self) -> str:
        return f"{self.chrom}:{self.position + 1}"


def read_places(text: str | Path, genome: Genome) -> list[Place]:
    """Return the CpGs of a BED file, or of a list chr:pos,chr:pos….

    Args:
        text: path of a BED, whose intervals begin with the C (0-based); or positions of the C,
            counted from 1.
        genome: which must have a CpG at each.

    Raises:
        InputFileError: no intervals, or a place that is no CpG.
        ConfigError: neither a file nor positions.
    """
    if Path(text).is_file():
        places = list(bed_places(text, genome))
        if not places:
            raise InputFileError(
                f"BED {text} has no intervals: want lines of chromosome, start, end"
            )
        return places
    places = []
    for item in str(text).split(","):
        match = re.fullmatch(r"(.+):(\d+)", item.strip())
        if match is None or match[2] == "0":
            raise ConfigError(
                f"CpG {item.strip()!r} is no place: want chr:pos with the position of the C "
                "counted from 1, or the path of a BED"
            )
        place = Place(match[1], int(match[2]) - 1)
        check_place(place, genome, str(place), one_based=True)
        places.append(place)
    return places


def bed_places(path: str | Path, genome: Genome) -> Iterator[Place]:
    """Yield the CpGs of a BED, line by line.

    Raises:
        InputFileError: a line that is no interval, or whose start is no CpG.
    """
    for number, (interval, _) in enumerate(bed_rows(path), 1):
        place = Place(interval.chrom, interval.start, interval.label)
        where = f"BED {path} interval {number} ({interval})"
        check_place(place, genome, where, one_based=False)
        yield place


def check_place(place: Place, genome: Genome, where: str, one_based: bool) -> None:
    """Refuse a place where the genome has no CpG.

    Args:
        place: to check.
        genome: the genome.
        where: the place as it was given, for messages.
        one_based: whether it was counted from 1.

    Raises:
        InputFileError: with the base there, and the shift that fits.
    """
    length = genome.length(place.chrom)
    if place.position >= length:
        raise InputFileError(
            f"{where} lies beyond the end of {place.chrom} ({length} bp in {genome.path}): is it "
            "of another build?"
        )
    around = genome.indices(place.chrom, place.position - 1, place.position + 3)
    if (around[1], around[2]) == _CPG:
        return
    counted = "1" if one_based else "0"
    if (around[2], around[3]) == _CPG:
        advice = f"a CpG begins 1 bp later: count the C from {counted}"
    elif (around[0], around[1]) == _CPG:
        advice = f"a CpG begins 1 bp earlier: name its C on the forward strand, from {counted}"
    else:
        advice = "nor is there a CpG 1 bp before or after: is it of another build?"
    raise InputFileError(
        f"{where} is no CpG: {genome.path} has {decode(around[1:3])} there; {advice}"
    )
