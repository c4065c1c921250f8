"""Problems found before any work, and whether files agree on their chromosomes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tfrecords_tools.builds import wrong_build_hint
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.genome import missing_chrom
from tfrecords_tools.intervals import read_bed

_SHOWN = 4


@dataclass(frozen=True)
class Problem:
    """Something wrong: an "error" would make a later command fail, a "warning" would not."""

    level: str
    message: str


class Findings:
    """Collects problems, so that one run tells them all.

    Attributes:
        problems: in the order found.
    """

    def __init__(self):
        self.problems: list[Problem] = []

    def error(self, message: str) -> None:
        """Add an error, once."""
        self._add(Problem("error", " ".join(message.split())))

    def warning(self, message: str) -> None:
        """Add a warning, once."""
        self._add(Problem("warning", " ".join(message.split())))

    def _add(self, problem: Problem) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    @property
    def failed(self) -> bool:
        """Whether there is any error."""
        return any(p.level == "error" for p in self.problems)

    def attempt(self, function: Callable, *args):
        """Return function(*args), or None after adding the error it raised."""
        try:
            return function(*args)
        except (TfepiError, OSError) as error:
            self.error(str(error))
            return None


def listed(items: Iterable[str], separator: str = ", ") -> str:
    """Return the first few items, joined."""
    items = list(items)
    return separator.join(items[:_SHOWN]) + (f"{separator}…" if len(items) > _SHOWN else "")


def check_lengths(
    where: str,
    chroms: dict[str, int | None],
    needed: dict[str, int],
    genome: dict[str, int],
    findings: Findings,
) -> None:
    """Check that a track has the chromosomes that windows lie on, as long as the genome's.

    Args:
        where: the track, for messages.
        chroms: its chromosomes → length, bp.
        needed: chromosomes that windows lie on → length in the genome, bp.
        genome: all chromosomes of the genome.
        findings: where problems go.
    """
    absent = [c for c in needed if c not in chroms]
    if absent and len(absent) == len(needed):
        findings.error(missing_chrom(absent[0], chroms, where) + ": no chromosome is in both")
    elif absent:
        findings.error(
            f"{where} lacks {len(absent)} of the {len(needed)} chromosomes that windows lie on "
            f"({listed(absent)}): leave them out with --chroms or --limit"
        )
    other = [
        f"{c} has {chroms[c]} bp, in the genome {needed[c]} bp"
        for c in needed
        if c in chroms and chroms[c] != needed[c]
    ]
    if other:
        findings.error(
            f"{where} has {len(other)} of another length ({listed(other, '; ')}): "
            + wrong_build_hint(chroms, genome)
        )


def check_names(where: str, names: Iterable[str], genome: dict, findings: Findings) -> None:
    """Check that a file's chromosomes are the genome's: none is an error, some a warning."""
    names = list(names)
    absent = [c for c in names if c not in genome]
    if absent and len(absent) == len(names):
        findings.error(missing_chrom(absent[0], genome, f"the genome, compared with {where},"))
    elif absent:
        findings.warning(
            f"{where} names {len(absent)} chromosomes that the genome lacks, which count for "
            f"nothing: {listed(absent)}"
        )


def check_bed(path: str, genome: dict[str, int], findings: Findings) -> None:
    """Check that a BED file is one, and that its intervals lie on the genome's chromosomes."""
    intervals = findings.attempt(read_bed, path)
    if intervals is None:
        return
    if not intervals:
        findings.warning(f"BED {path} holds no interval")
    check_names(f"BED {path}", dict.fromkeys(i.chrom for i in intervals), genome, findings)
    beyond = [i for i in intervals if i.end > genome.get(i.chrom, i.end)]
    if beyond:
        i = beyond[0]
        findings.error(
            f"BED {path}: {len(beyond)} of {len(intervals)} intervals end beyond their chromosome, "
            f"first {i} where {i.chrom} has {genome[i.chrom]} bp: it is likely of another build"
        )
