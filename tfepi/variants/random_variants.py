"""Random single-base variants of a genome, as a background or a null for scores.

Positions are drawn without replacement from all that qualify, class by class: of one class where
nothing is matched; else in the shares that a VCF's own variants have, of the trinucleotides around
them (with the change, both strands taken together) or of the share of G and C near them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pysam

from tfepi.variants.sequence_contexts import (
    CONTEXTS,
    LETTERS,
    changes_of,
    class_name,
    classes_of,
    context_classes,
    flank_of,
)
from tfepi.variants.vcf import chunks, read_variants
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError, unknown
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome, missing_chrom
from tfrecords_tools.intervals import merged, read_bed

_STRETCH = 1 << 22
_CHUNK = 4096


@dataclass(frozen=True)
class Sampling:
    """What is drawn.

    Attributes:
        count: number of variants.
        seed: of the draw.
        bed: only inside these regions; None for everywhere.
        chroms: only on these; none for all of the genome.
        match: VCF whose variants are matched, and whose positions are left out; or None.
        context: what of them is matched (`CONTEXTS`); None for trinucleotides, if there is a VCF.

    Raises:
        ConfigError: a value out of range, or a context without a VCF.
    """

    count: int
    seed: int = 44
    bed: str | Path | None = None
    chroms: tuple[str, ...] = ()
    match: str | Path | None = None
    context: str | None = None

    def __post_init__(self):
        if self.count < 1:
            raise ConfigError(f"count is {self.count}: want at least 1")
        if self.context is not None and self.context not in CONTEXTS:
            raise unknown("context", self.context, CONTEXTS)
        if self.context is not None and self.match is None:
            raise ConfigError(f"--context {self.context} is of other variants: name them, --match")

    @property
    def kind(self) -> str | None:
        """What is matched, or None."""
        return (self.context or CONTEXTS[0]) if self.match is not None else None


def sample_variants(
    fasta: str | Path, out: str | Path, sampling: Sampling, overwrite: bool = False
) -> int:
    """Write a VCF of random single-base variants, in the order of the FASTA.

    Args:
        fasta: the genome.
        out: .vcf, or .vcf.gz (bgzip).
        sampling: what is drawn.
        overwrite: replace a file that is there.

    Returns:
        How many of the variants of `match` were counted: 0 where none is given.

    Raises:
        InputFileError: files that cannot be used, or too few positions of a kind.
        ConfigError: a name that is no .vcf.
        UnfinishedError: the file is there.
    """
    out = Path(out)
    if not out.name.endswith((".vcf", ".vcf.gz")):
        raise ConfigError(f"output {out}: want a name that ends in .vcf or .vcf.gz")
    if not out.parent.is_dir():
        raise ConfigError(f"output {out}: folder {out.parent} does not exist, make it first")
    if out.exists() and not (overwrite and out.is_file()):
        raise UnfinishedError(f"output {out} is there: use --overwrite, or name another file")
    with Genome(fasta) as genome:
        spans = _spans(genome, sampling)
        counts, avoid = None, {}
        if sampling.match is not None:
            counts, avoid = _matched(genome, sampling)
        rng = np.random.default_rng(sampling.seed)
        totals = np.zeros(classes_of(sampling.kind), np.int64)
        for _, _, classes in _stretches(genome, spans, sampling.kind, avoid):
            totals += np.bincount(classes[classes >= 0], minlength=len(totals))
        quotas = _quotas(sampling, counts, totals)
        picks = [_ranks(rng, int(t), int(q.sum())) for t, q in zip(totals, quotas, strict=True)]
        changes = [rng.permutation(np.repeat(np.arange(q.size), q)) for q in quotas]
        with atomic_path(out) as temporary:
            text = pysam.BGZFile(str(temporary), "wb") if out.suffix == ".gz" else None
            with text or open(temporary, "wb") as handle:
                handle.write(_header(genome, sampling).encode())
                seen, number = np.zeros(len(totals), np.int64), 0
                for stretch in _stretches(genome, spans, sampling.kind, avoid):
                    lines = _lines(stretch, sampling.kind, picks, changes, seen, rng, number)
                    number += len(lines)
                    handle.write("".join(lines).encode())
    return 0 if counts is None else int(counts.sum())


def _header(genome: Genome, sampling: Sampling) -> str:
    lines = ["##fileformat=VCFv4.2", "##source=tfepi_calibrate.py sample"]
    lines.append(f"##tfepi_sample=<seed={sampling.seed},context={sampling.kind or 'none'}>")
    lines += [f"##contig=<ID={c},length={n}>" for c, n in genome.chroms.items()]
    return "\n".join([*lines, "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]) + "\n"


def _spans(genome: Genome, sampling: Sampling) -> list[tuple[str, int, int]]:
    """Return where positions are drawn, in the order of the FASTA."""
    for chrom in sampling.chroms:
        genome.length(chrom)
    chosen = [c for c in genome.chroms if not sampling.chroms or c in sampling.chroms]
    if sampling.bed is None:
        return [(c, 0, genome.chroms[c]) for c in chosen]
    regions = merged(read_bed(sampling.bed))
    for chrom, ends in regions.items():
        if chrom not in genome.chroms:
            raise InputFileError(
                f"{sampling.bed}: {missing_chrom(chrom, genome.chroms, f'FASTA {genome.path}')}"
            )
        if ends[-1, 1] > genome.chroms[chrom]:
            raise InputFileError(
                f"{sampling.bed} reaches {ends[-1, 1]} on {chrom}, which has "
                f"{genome.chroms[chrom]} bp: is it of another build?"
            )
    spans = [(c, s, e) for c in chosen for s, e in regions.get(c, np.zeros((0, 2), int)).tolist()]
    if not spans:
        raise InputFileError(f"{sampling.bed} has no region on the chromosomes that are used")
    return spans


def _stretches(
    genome: Genome,
    spans: Sequence[tuple[str, int, int]],
    kind: str | None,
    avoid: dict[str, np.ndarray],
) -> Iterator[tuple[tuple[str, int], np.ndarray, np.ndarray]]:
    """Yield (chromosome, start), base indices and classes of stretches of the genome."""
    flank = flank_of(kind)
    for chrom, start, end in spans:
        taken = avoid.get(chrom, np.zeros(0, np.int64))
        for low in range(start, end, _STRETCH):
            high = min(low + _STRETCH, end)
            bases = genome.indices(chrom, low - flank, high + flank)
            classes = context_classes(bases, kind)
            near = taken[np.searchsorted(taken, low) : np.searchsorted(taken, high)]
            classes[near - low] = -1
            yield (chrom, low), bases[flank : flank + high - low], classes


def _matched(genome: Genome, sampling: Sampling) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return how many variants there are of each class and change, and their positions.

    Changes are the other letters in the order A, C, G, T on the class's strand; of gc all are one.
    """
    kind = sampling.kind
    flank, changes = flank_of(kind), changes_of(kind)
    counts = np.zeros((classes_of(kind), changes), np.int64)
    positions: dict[str, list[int]] = {}
    for chunk in chunks(read_variants(sampling.match), _CHUNK):
        found = [
            (v.chrom, v.position, LETTERS.index(v.ref.upper()), LETTERS.index(alt.upper()))
            for v in chunk
            for alt in v.alts
            if v.chrom in genome.chroms and {v.ref.upper(), alt.upper()} <= set(LETTERS)
        ]
        if not found:
            continue
        around = genome.windows([(c, p - flank, p + flank + 1) for c, p, _, _ in found])
        for (chrom, position, ref, alt), bases in zip(found, around, strict=True):
            [number] = context_classes(bases, kind).tolist()
            if bases[flank] != ref or number < 0:
                continue
            positions.setdefault(chrom, []).append(position)
            turned = changes > 1 and ref % 2 == 0
            ref, alt = (3 - ref, 3 - alt) if turned else (ref, alt)
            counts[number, (alt - (alt > ref)) if changes > 1 else 0] += 1
    if not counts.sum():
        raise InputFileError(
            f"{sampling.match} has no single-base variant whose REF is the genome's: nothing can "
            "be matched"
        )
    return counts, {c: np.unique(p) for c, p in positions.items()}


def _quotas(sampling: Sampling, counts: np.ndarray | None, totals: np.ndarray) -> np.ndarray:
    """Return how many variants to draw of each class and change, by largest remainders."""
    if counts is None:
        quotas = np.array([[sampling.count]])
    else:
        share = counts.ravel() * (sampling.count / counts.sum())
        quotas = np.floor(share).astype(np.int64)
        rest = sampling.count - quotas.sum()
        quotas[np.argsort(quotas - share, kind="stable")[:rest]] += 1
        quotas = quotas.reshape(counts.shape)
    for number, (wanted, there) in enumerate(zip(quotas.sum(axis=1), totals, strict=True)):
        if wanted > there:
            name = class_name(number, sampling.kind)
            raise InputFileError(
                f"{there} positions{name} are there, {wanted} are wanted: draw fewer, or from more "
                "of the genome"
            )
    return quotas


def _ranks(rng: np.random.Generator, total: int, count: int) -> np.ndarray:
    """Return different numbers below total, ascending; memory is that of what is drawn."""
    if 2 * count > total:
        return np.sort(rng.permutation(total)[:count])
    found = np.zeros(0, np.int64)
    while len(found) < count:  # each round at least half are new
        found = np.union1d(found, rng.integers(0, total, count - len(found)))
    return found


def _lines(
    stretch: tuple[tuple[str, int], np.ndarray, np.ndarray],
    kind: str | None,
    picks: Sequence[np.ndarray],
    changes: Sequence[np.ndarray],
    seen: np.ndarray,
    rng: np.random.Generator,
    number: int,
) -> list[str]:
    """Return the VCF lines of what is drawn from a stretch; `seen` counts positions by class."""
    (chrom, start), bases, classes = stretch
    places, alts = [], []
    for i in np.flatnonzero([len(p) > 0 for p in picks]):
        at = np.flatnonzero(classes == i)
        low, high = np.searchsorted(picks[i], (seen[i], seen[i] + len(at)))
        seen[i] += len(at)
        place = at[picks[i][low:high] - (seen[i] - len(at))]
        ref = bases[place].astype(np.int64)
        if changes_of(kind) > 1:
            turned = ref % 2 == 0
            other = np.where(turned, 3 - ref, ref)
            alt = changes[i][low:high]
            alt = alt + (alt >= other)
            alts.append(np.where(turned, 3 - alt, alt))
        else:
            alts.append((ref + rng.integers(1, 4, len(ref))) % 4)
        places.append(place)
    place, alt = np.concatenate(places), np.concatenate(alts)
    order = np.argsort(place)
    return [
        f"{chrom}\t{start + p + 1}\trandom{number + i}\t{LETTERS[bases[p]]}\t{LETTERS[a]}"
        "\t.\t.\t.\n"
        for i, (p, a) in enumerate(zip(place[order].tolist(), alt[order].tolist(), strict=True), 1)
    ]
