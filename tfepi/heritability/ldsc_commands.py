"""The commands that LDSC is run with on annotation files: a shell script."""

import glob
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

CHROMOSOMES = range(1, 23)  # those that LDSC estimates heritability on
_HEADER = """\
#!/bin/sh
# LD scores of the annotations, then each trait's heritability by annotation, with LDSC
# (https://github.com/bulik/ldsc, or a port of it to Python 3).
set -eu
cd "$(dirname "$0")"
: "${LDSC:=ldsc.py}"
"""
_ASKED = {
    "weights": (
        "WEIGHTS",
        "full prefix of the LD scores of regression weights: /ref/weights.hm3_noMHC.",
    ),
    "frequencies": ("FRQ", "full prefix of the .frq files: /ref/1000G.EUR.QC."),
}


@dataclass(frozen=True)
class LdscInputs:
    """What LDSC is given besides annotations; what is not stated is asked for by the script.

    Paths and prefixes are absolute: the script changes its folder.

    Attributes:
        sumstats: trait → its .sumstats.gz.
        weights: prefix of the LD scores of the regression's weights (--w-ld-chr).
        frequencies: prefix of the .frq files (--frqfile-chr).
        baseline: prefix of a baseline model's LD scores, or None.
        print_snps: list of SNPs whose LD scores are written, or None for all.
    """

    sumstats: Mapping[str, str] = field(default_factory=dict)
    weights: str | None = None
    frequencies: str | None = None
    baseline: str | None = None
    print_snps: str | None = None

    def absent(self) -> list[str]:
        """Return option and path of each file, and of each prefix of files, that is not here."""
        prefixes = {"--weights": self.weights, "--frq": self.frequencies}
        prefixes = {"--baseline": self.baseline} | prefixes
        found = [f"{k} {v}" for k, v in prefixes.items() if v and not _begins_files(v)]
        files = {f"--sumstats {trait}": path for trait, path in self.sumstats.items()}
        files["--print_snps"] = self.print_snps
        return found + [f"{k} {v}" for k, v in files.items() if v and not Path(v).is_file()]


def _begins_files(prefixes: str) -> bool:
    """Return whether each of comma-separated prefixes begins some file's name.

    LDSC puts a chromosome's number in the place of "@", or at the end.
    """
    patterns = ("*".join(map(glob.escape, p.split("@"))) + "*" for p in prefixes.split(","))
    return all(glob.glob(p) for p in patterns)


def command_script(
    sets: Sequence[str],
    bims: Mapping[str, Path],
    given: LdscInputs,
    thin: bool = False,
    centimorgans: bool = True,
) -> str:
    """Return the script.

    Args:
        sets: prefix of each set of annotation files, up to the chromosome.
        bims: chromosome → its .bim file.
        given: what else LDSC reads.
        thin: whether the files are thin.
        centimorgans: whether the .bim files have genetic positions; else windows are of 1 Mb.
    """
    lines = [_HEADER]
    named = {k: getattr(given, k) for k in _ASKED}
    for key, (variable, what) in _ASKED.items():
        lines.append(
            f"{variable}={shlex.quote(named[key])}\n"
            if named[key]
            else f': "${{{variable}:?{what}}}"\n'
        )
    window = "--ld-wind-cm 1" if centimorgans else "--ld-wind-kb 1000"
    more = " --thin-annot" * thin
    more += f" --print-snps {shlex.quote(given.print_snps)}" if given.print_snps else ""
    lines.append("\n")
    for prefix in sets:
        for loop, chrom, bfile in _loops(bims):
            step = (
                f'"$LDSC" --l2 --bfile {bfile} {window} --annot {_quoted(prefix, chrom)}.annot.gz'
                f"{more} --out {_quoted(prefix, chrom)}"
            )
            lines.append(f"{loop}\n  {step}\ndone\n" if loop else f"{step}\n")
    lines.append("\nmkdir -p results\n")
    traits = given.sumstats or {None: None}
    if None in traits:
        lines.append(
            ': "${SUMSTATS:?full path of the .sumstats.gz of a trait}" "${TRAIT:?its name}"\n'
        )
    for trait, path in traits.items():
        for prefix in sets:
            suffix = f".{Path(prefix).name.rstrip('.')}" if len(sets) > 1 else ""
            reference = f"{given.baseline},{prefix}" if given.baseline else prefix
            stats = '"$SUMSTATS"' if path is None else shlex.quote(path)
            out = f'results/"$TRAIT"{suffix}'
            if trait is not None:
                out = shlex.quote(f"results/{trait}{suffix}")
            lines.append(
                f'"$LDSC" --h2 {stats} --ref-ld-chr {shlex.quote(reference)} --w-ld-chr "$WEIGHTS" '
                '--overlap-annot --frqfile-chr "$FRQ" --print-coefficients --print-delete-vals '
                f"--out {out}\n"
            )
    return "".join(lines)


def _loops(bims: Mapping[str, Path]) -> list[tuple[str, str, str]]:
    """Return (for loop, chromosome in it, --bfile) once if names differ in the number alone.

    Otherwise once for each chromosome, without a loop.
    """
    stems = {chrom: str(path.with_suffix("")) for chrom, path in bims.items()}
    heads = {s.removesuffix(c) for c, s in stems.items() if s.endswith(c)}
    if len(stems) > 1 and len(heads) == 1 and all(s.endswith(c) for c, s in stems.items()):
        [head] = heads
        loop = f"for chrom in {' '.join(stems)}; do"
        return [(loop, "$chrom", f'{shlex.quote(head) if head else ""}"$chrom"')]
    return [("", chrom, shlex.quote(stem)) for chrom, stem in stems.items()]


def _quoted(prefix: str, chrom: str) -> str:
    return f'{shlex.quote(prefix)}"$chrom"' if chrom == "$chrom" else shlex.quote(prefix + chrom)
