"""A genome with CpGs everywhere, variants of every kind on it, and a toy model of methylation."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

TOY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("toy_cpg_model.py"))))
HEADER = (
    "##fileformat=VCFv4.2\n"
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)


@pytest.fixture(scope="session")
def cpg_toy() -> SimpleNamespace:
    """What toy_cpg_model.py defines: the model's sizes, its spec, its predictor, plain scoring."""
    return TOY


@pytest.fixture(scope="session")
def cpg_letters() -> dict[str, str]:
    """Sequences by chromosome: CpGs at random, some at the very ends, and one without any."""
    rng = np.random.default_rng(8)
    found = {"chrA": "".join(rng.choice(list("ACGT"), 1400, p=[0.2, 0.3, 0.3, 0.2]))}
    found["chrA"] = "CG" + found["chrA"][2:700] + "N" * 12 + found["chrA"][712:]
    found["chrB"] = "".join(rng.choice(list("ACGT"), 300, p=[0.3, 0.2, 0.2, 0.3]))[:298] + "CG"
    found["chrC"] = "".join(rng.choice(list("ACT"), 200))
    return found


@pytest.fixture(scope="session")
def cpg_fasta(tmp_path_factory, cpg_letters) -> Path:
    path = tmp_path_factory.mktemp("cpg_fasta") / "genome.fa"
    path.write_text(
        "".join(f">{c}\n{s.lower() if c == 'chrB' else s}\n" for c, s in cpg_letters.items())
    )
    return path


def _record(rng, chrom: str, sequence: str, pos: int, number: int):
    ref = sequence[pos - 1]
    other = [b for b in "ACGT" if b != ref]
    kind = number % 9
    if kind == 1:
        return (chrom, pos, f"ins{number}", ref, ref + "".join(rng.choice(list("CGA"), 1 + kind)))
    if kind == 2:
        return (chrom, pos, f"del{number}", sequence[pos - 1 : pos + 2 + number % 30], ref)
    if kind == 3:
        return (chrom, pos, f"multi{number}", ref, f"{other[0]},{other[1]},{ref}CG")
    if kind == 4:
        old = sequence[pos - 1 : pos + 3]
        return (chrom, pos, f"mnv{number}", old, "".join(rng.choice(list("CG"), len(old))))
    if kind == 5:
        new = "".join(rng.choice(list("ACGT"), 5 + number % 3))
        return (chrom, pos, f"any{number}", sequence[pos - 1 : pos + 2], new)
    return (chrom, pos, f"snv{number}", ref, other[number % 3])


@pytest.fixture(scope="session")
def cpg_rows(cpg_letters) -> list[tuple[str, int, str, str, str]]:
    """Records (chrom, 1-based pos, id, REF, ALT): SNVs, indels, several ALTs, both ends."""
    rng = np.random.default_rng(2)
    places = {
        "chrA": [1, 2, *range(5, 1370, 15), 1399, 1400],
        "chrB": [1, 9, 30, 31, 150, 260, 280, 298, 299, 300],
        "chrC": [20, 90],
    }
    found = []
    for chrom, positions in places.items():
        sequence = cpg_letters[chrom]
        for number, pos in enumerate(positions):
            if "N" in sequence[pos - 1 : pos + 35]:
                continue
            record = _record(rng, chrom, sequence, pos, number)
            if pos + len(record[3]) - 1 > len(sequence) or record[3] in record[4].split(","):
                record = _record(rng, chrom, sequence, pos, 0)
            found.append(record)
            if number % 11 == 6:
                found.append((*record[:2], "again", *record[3:]))
    return found


@pytest.fixture(scope="session")
def cpg_pairs(cpg_rows) -> list[tuple[str, int, str, str, str]]:
    """The same, one row per ALT."""
    return [(c, p, i, r, a) for c, p, i, r, alts in cpg_rows for a in alts.split(",")]


@pytest.fixture(scope="session")
def cpg_vcf(tmp_path_factory):
    """Return a function that writes records (chrom, pos, id, REF, ALT) as a VCF."""

    def write(records) -> Path:
        path = tmp_path_factory.mktemp("cpg_vcf") / "in.vcf"
        body = ["\t".join(map(str, r)) + "\t.\tPASS\tDP=7\n" for r in records]
        path.write_text(HEADER + "".join(body))
        return path

    return write


@pytest.fixture
def cpg_model():
    return TOY.CountingPredictor()


@pytest.fixture
def score(tmp_path, cpg_rows, cpg_vcf, cpg_fasta, cpg_model):
    """Return a function that scores the shared records, or others, into a new folder."""
    from tfepi.methylation.variant_options import MethylationScoring
    from tfepi.methylation.variant_scoring import score_methylation

    def run(name="out", records=cpg_rows, model=cpg_model, vcf=None, chunk_records=16, **options):
        into = {"shard", "resume", "overwrite", "targets", "model_files"} & set(options)
        more = {key: options.pop(key) for key in into}
        scoring = MethylationScoring(**({"reach": TOY.HALF, "batch_size": 8} | options))
        return score_methylation(
            lambda: model,
            model.spec,
            vcf or cpg_vcf(records),
            cpg_fasta,
            tmp_path / name,
            scoring,
            chunk_records=chunk_records,
            quiet=True,
            **more,
        )

    return run
