"""A genome, SNVs on it, and models of other lengths and bins as sources of a comparison."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.comparison.sources import Source
from tfepi.evaluation.named_model import NamedModel
from tfepi.params import parse_params

TOYS = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("two_models.py"))))
LENGTHS = {"chrA": 9000, "chrB": 4000}
HEADER = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"


@pytest.fixture(scope="session")
def toys() -> SimpleNamespace:
    """What two_models.py defines: models, and a plain way to compare them."""
    return TOYS


@pytest.fixture(scope="session")
def letters() -> dict[str, str]:
    rng = np.random.default_rng(4)
    return {name: "".join(rng.choice(list("ACGT"), n)) for name, n in LENGTHS.items()}


@pytest.fixture(scope="session")
def fasta(tmp_path_factory, letters) -> Path:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text("".join(f">{c}\n{s}\n" for c, s in letters.items()))
    return path


@pytest.fixture(scope="session")
def snvs(letters) -> list[tuple[str, int, str, str]]:
    """SNVs (chromosome, 1-based position, REF, ALT); the first and last of each are at an end."""
    found = []
    for chrom, sequence in letters.items():
        for pos in (20, *range(101, len(sequence) - 100, 97), len(sequence) - 20):
            ref = sequence[pos - 1]
            found.append((chrom, pos, ref, "ACGT"[("ACGT".index(ref) + 1 + pos % 3) % 4]))
    return found


@pytest.fixture(scope="session")
def write_vcf(tmp_path_factory):
    """Return a function that writes SNVs to a VCF."""

    def write(rows) -> Path:
        path = tmp_path_factory.mktemp("vcf") / "in.vcf"
        body = [f"{c}\t{p}\trs{p}\t{r}\t{a}\t.\t.\t.\n" for c, p, r, a in rows]
        path.write_text(HEADER + "".join(body))
        return path

    return write


@pytest.fixture(scope="session")
def vcf(write_vcf, snvs) -> Path:
    return write_vcf(snvs)


@pytest.fixture(scope="session")
def source_of(tmp_path_factory):
    """Return a function that makes the source of a model which is a function."""

    def make(name: str, model, **changes) -> Source:
        path = tmp_path_factory.mktemp("model") / name
        path.write_text(name)
        spec = model.spec
        params = parse_params({"model": {"name": "basset"}})
        named = NamedModel(path, params, spec, spec.head(), None, 16, {"model": path})
        return Source(name, named, None, spec.head().targets, **changes)

    return make


@pytest.fixture(scope="session")
def wide():
    """A model of 128 bp with 6 bins of 16 bp."""
    return TOYS.Toy(128, 16, 16)


@pytest.fixture(scope="session")
def narrow():
    """A model of 200 bp with 160 bins of 1 bp, in other units."""
    return TOYS.Toy(200, 1, 20, reach=20, seed=2, unit=50.0)
