"""A genome, a VCF with every kind of record, and a model that is a plain sum."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pysam
import pytest

CHROM_LENGTHS = {"chrA": 5000, "chrB": 700}
TOY = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("toy_model.py"))))
HEADER = (
    "##fileformat=VCFv4.2\n"
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
)


@pytest.fixture(scope="session")
def letters() -> dict[str, str]:
    """Sequences of the small genome by chromosome."""
    rng = np.random.default_rng(3)
    found = {}
    for name, length in CHROM_LENGTHS.items():
        bases = rng.choice(list("ACGT"), length)
        bases[300:310] = "N"
        found[name] = "".join(bases)
    return found


@pytest.fixture(scope="session")
def fasta(tmp_path_factory, letters) -> Path:
    path = tmp_path_factory.mktemp("fasta") / "genome.fa"
    with open(path, "w") as handle:
        for name, sequence in letters.items():
            handle.write(f">{name}\n{sequence.lower() if name == 'chrB' else sequence}\n")
    return path


@pytest.fixture(scope="session")
def rows(letters) -> list[tuple[str, int, str, str, str]]:
    """Scoreable records (chrom, 1-based pos, id, REF, ALT): SNVs, indels, several ALTs, edges."""
    found = []
    for chrom, positions in (("chrA", range(1, 4900, 97)), ("chrB", (1, 9, 340, 691, 700))):
        for number, pos in enumerate(positions):
            ref = letters[chrom][pos - 1]
            if ref == "N":
                continue
            snv = TOY.other_base(ref)
            if chrom == "chrA" and number % 7 == 2:
                found.append((chrom, pos, f"ins{number}", ref, ref + "ACG" * (1 + number % 4)))
            elif chrom == "chrA" and number % 7 == 3:
                gone = letters[chrom][pos - 1 : pos + 12].rstrip("N")
                found.append((chrom, pos, f"del{number}", gone, ref))
            elif chrom == "chrA" and number % 7 == 4:
                found.append((chrom, pos, f"multi{number}", ref, f"{snv},{ref}TT"))
            elif chrom == "chrA" and number % 7 == 5:
                mnv = letters[chrom][pos - 1 : pos + 2]
                found.append((chrom, pos, f"mnv{number}", mnv, "".join(map(TOY.other_base, mnv))))
            else:
                found.append((chrom, pos, f"snv{number}", ref, snv))
                if number % 7 == 6:
                    found.append((chrom, pos, ".", ref, TOY.other_base(ref, 2)))
    return found


@pytest.fixture(scope="session")
def make_vcf(tmp_path_factory):
    """Return a function that writes records (chrom, pos, id, REF, ALT) to a VCF of any kind."""

    def write(records, name: str = "in.vcf", header: str = HEADER, info: str = "DP=7") -> Path:
        path = tmp_path_factory.mktemp("vcf") / name
        plain = path.with_suffix(".plain") if name != "in.vcf" else path
        body = ["\t".join(map(str, r)) + f"\t.\tPASS\t{info}\n" for r in records]
        plain.write_text(header + "".join(body))
        if name.endswith(".vcf.gz"):
            pysam.tabix_compress(str(plain), str(path), force=True)
        elif name.endswith(".bcf"):
            verbosity = pysam.set_verbosity(0)
            contigs = "".join(f"##contig=<ID={c},length={n}>\n" for c, n in CHROM_LENGTHS.items())
            plain.write_text(header.replace("#CHROM", contigs + "#CHROM") + "".join(body))
            with (
                pysam.VariantFile(str(plain)) as old,
                pysam.VariantFile(str(path), "wb", header=old.header) as new,
            ):
                for record in old:
                    new.write(record)
            pysam.set_verbosity(verbosity)
        elif plain != path:
            plain.rename(path)
        return path

    return write


@pytest.fixture(scope="session")
def vcf(make_vcf, rows) -> Path:
    return make_vcf(rows)


@pytest.fixture(scope="session")
def toy() -> SimpleNamespace:
    """What toy_model.py defines: the model's sizes, its spec and its predictor."""
    return TOY


@pytest.fixture
def predictor():
    return TOY.CountingPredictor()
