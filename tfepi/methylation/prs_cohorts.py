"""Cohorts: genotypes with a phenotype, and covariates, of the same people."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas

from tfepi.methylation.association import join_alleles
from tfepi.methylation.genotypes import Genotypes
from tfepi.methylation.prs import CohortSnps
from tfepi.methylation.prs_snps import Snps, enough_match
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing

_MISSING = {"", "NA", "N/A", "NAN", ".", "-9"}
FEWEST_PEOPLE = 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cohort:
    """People whose scores are made.

    Attributes:
        name: of the cohort.
        genotypes: of all people.
        phenotype: of each person, float64 [people]; NaN where missing.
        covariates: float64 [people, covariates]; NaN where missing.
    """

    name: str
    genotypes: Genotypes
    phenotype: np.ndarray
    covariates: np.ndarray

    @property
    def measured(self) -> np.ndarray:
        """Numbers of the people with phenotype and all covariates."""
        whole = ~np.isnan(self.covariates).any(axis=1)
        return np.flatnonzero(whole & ~np.isnan(self.phenotype))


def named_paths(texts: Sequence[str], what: str, cohorts: Sequence[str] = ()) -> dict[str, Path]:
    """Return the paths of arguments [NAME=]PATH by name of the cohort.

    Args:
        texts: the arguments. Without `cohorts` a path without name is named by its last part;
            with them it belongs to the cohort at its place.
        what: the option, for messages.
        cohorts: names that there are.

    Raises:
        ConfigError: a name twice, unknown, or too many paths.
    """
    found: dict[str, Path] = {}
    for place, text in enumerate(texts):
        name, sign, path = text.partition("=")
        if not sign or "/" in name:
            path = text
            if cohorts and place >= len(cohorts):
                raise ConfigError(
                    f"{what} {text} is number {place + 1} of {len(cohorts)} cohorts: want one each"
                )
            name = cohorts[place] if cohorts else Path(path).name.removesuffix(".bed")
        if cohorts and name not in cohorts:
            raise unknown("cohort", name, cohorts, f"of {what}")
        if name in found:
            raise ConfigError(
                f"{what} names the cohort {name!r} twice: call them NAME={found[name]} and "
                f"OTHER={path}"
            )
        found[name] = Path(path)
    return found


def read_cohorts(
    genotypes: Sequence[str], phenotypes: Sequence[str], covariates: Sequence[str] = ()
) -> list[Cohort]:
    """Return the cohorts of a command line, each argument a [NAME=]PATH.

    Args:
        genotypes: prefixes of PLINK files.
        phenotypes: tables FID IID PHENO; one for each cohort.
        covariates: tables FID IID C1 …; of some cohorts or none.

    Raises:
        ConfigError: a cohort without phenotype, or names that do not fit.
        InputFileError: a file that cannot be read, nobody in common, or hardly anyone measured.
    """
    prefixes = named_paths(genotypes, "--genotypes")
    names = tuple(prefixes)
    tables = named_paths(phenotypes, "--pheno", names)
    further = named_paths(covariates, "--covar", names)
    found = []
    for name, prefix in prefixes.items():
        if name not in tables:
            raise ConfigError(f"cohort {name} has no phenotype: add --pheno {name}=FILE")
        opened = Genotypes(prefix)
        phenotype = read_people(tables[name], "phenotypes", opened.people)[:, 0]
        fixed = np.zeros((len(opened), 0))
        if name in further:
            fixed = read_people(further[name], "covariates", opened.people)
        cohort = Cohort(name, opened, phenotype, fixed)
        count = len(cohort.measured)
        if count < FEWEST_PEOPLE:
            beside = " and all covariates" if fixed.shape[1] else ""
            raise InputFileError(
                f"cohort {name} has {count} people with a phenotype{beside} in {tables[name]}, "
                f"want at least {FEWEST_PEOPLE}"
            )
        if count < len(opened):
            _log.warning(
                "cohort %s: %d of %d people are left out, without phenotype or a covariate",
                *(name, len(opened) - count, len(opened)),
            )
        values = phenotype[cohort.measured]
        if np.ptp(values) == 0:
            raise InputFileError(
                f"{tables[name]}: the phenotype is {values[0]:g} in all {count} people of cohort "
                f"{name}: want one that varies"
            )
        found.append(cohort)
    return found


def read_people(path: Path, what: str, people: pandas.DataFrame) -> np.ndarray:
    """Return the numbers of a table FID IID VALUE … for people: float64 [people, values].

    A header is told by its first name, FID or #FID. NA, nan, ".", and PLINK's -9 are missing; so
    are people who are not in the table.

    Raises:
        InputFileError: no such table, a line that is too short or names someone again, a value
            that is no number, or nobody in common.
    """
    existing(path, f"table of {what}")
    wanted = {key: i for i, key in enumerate(people.itertuples(index=False, name=None))}
    found, seen, width = None, set(), None
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputFileError(f"{path} is no text: want lines of FID IID and values") from None
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split()
        if not cells or (width is None and cells[0].upper() in ("FID", "#FID")):
            continue
        width = len(cells) if width is None else width
        if len(cells) < 3 or len(cells) != width:
            want = "FID IID and a value" if len(cells) < 3 else f"{width}, as in the lines before"
            raise InputFileError(f"{path} line {number} has {len(cells)} columns, want {want}")
        if found is None:
            found = np.full((len(people), width - 2), np.nan)
        key = (cells[0], cells[1])
        if key in seen:
            raise InputFileError(f"{path} line {number} names {key[0]} {key[1]} again")
        seen.add(key)
        if key in wanted:
            found[wanted[key]] = [_number(c, path, number) for c in cells[2:]]
    if not wanted.keys() & seen:
        shown = " ".join(next(iter(wanted)))
        there = f"its first are {' '.join(sorted(seen)[0])}" if seen else "it has none"
        raise InputFileError(
            f"{path} has nobody of the genotypes (the .fam begins with {shown}, {there}): are FID "
            "and IID the first two columns?"
        )
    return found


def _number(cell: str, path: Path, line: int) -> float:
    if cell.upper() in _MISSING:
        return np.nan
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise InputFileError(f"{path} line {line} has the value {cell[:40]!r}: want a number or NA")
    return value


def cohort_snps(snps: Snps, cohort: Cohort) -> tuple[CohortSnps, dict[str, int]]:
    """Return which of a score's SNPs a cohort has, and counts of how they matched.

    Raises:
        InputFileError: hardly any.
    """
    table = snps.table
    variants = table[["chrom", "pos"]].assign(id=table["snp"], ref=table["a2"], alt=table["a1"])
    bim = cohort.genotypes.snps
    bim_file = cohort.genotypes.files["bim"]
    joined = join_alleles(variants, bim, str(bim_file))
    what = f"the {len(table)} SNPs of the scores"
    enough_match(joined.counts, str(bim_file), what, len(table))
    found = joined.table
    sign = np.where(found["swapped"], -1, 1).astype(np.float32)
    rows, columns = found["row"].to_numpy(np.int64), found.index.to_numpy(np.int64)
    return CohortSnps(rows, columns, sign), joined.counts


def tuning_half(cohort: Cohort, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the measured people of a cohort in two groups, drawn by chance: to tune, and to test.

    Args:
        cohort: the first one.
        share: of people to tune.
        seed: of the draw.

    Raises:
        ConfigError: a group of fewer than 10 people.
    """
    people = cohort.measured
    count = round(share * len(people))
    if min(count, len(people) - count) < FEWEST_PEOPLE // 2:
        raise ConfigError(
            f"tune_share {share} leaves {count} people of cohort {cohort.name} to tune and "
            f"{len(people) - count} to test: want at least {FEWEST_PEOPLE // 2} each"
        )
    drawn = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(6,))).permutation(people)
    return np.sort(drawn[:count]), np.sort(drawn[count:])
