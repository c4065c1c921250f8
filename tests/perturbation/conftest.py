"""A genome, the toy model, and runs of designs with it."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.perturbation.effects import Effects
from tfepi.perturbation.run import Asked, perturb
from tfepi.perturbation.tables import long_rows, write_table
from tfrecords_tools.genome import Genome, encode, one_hot, reverse_complement

TOY = SimpleNamespace(
    **runpy.run_path(str(Path(__file__).parents[1] / "variants" / "toy_model.py"))
)
LENGTH = TOY.LENGTH


def interacting(one_hot_codes):
    """The toy model, squared: what two changes do is not the sum of what each does."""
    return TOY.toy_values(one_hot_codes) ** 2


@pytest.fixture(scope="session")
def letters() -> dict[str, str]:
    rng = np.random.default_rng(5)
    found = {name: "".join(rng.choice(list("ACGT"), n)) for name, n in (("cA", 900), ("cB", 300))}
    found["cB"] = found["cB"][:100] + "N" * 6 + found["cB"][106:]
    return found


@pytest.fixture(scope="session")
def fasta(tmp_path_factory, letters) -> Path:
    path = tmp_path_factory.mktemp("fasta") / "genome.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in letters.items()))
    return path


@pytest.fixture
def genome(fasta):
    with Genome(fasta) as opened:
        yield opened


@pytest.fixture(scope="session")
def window_of(letters):
    """Return a function: base indices of [start, start + 64) on a strand, N beyond the ends."""

    def read(chrom: str, start: int, strand: str = "+", length: int = LENGTH) -> np.ndarray:
        text = "N" * 100 + letters[chrom] + "N" * 100
        own = encode(text[100 + start : 100 + start + length])
        return own if strand == "+" else reverse_complement(own)

    return read


@pytest.fixture(scope="session")
def ask():
    """Return a function: what the interacting model predicts for one sequence, [bins, targets]."""
    return lambda sequence: interacting(one_hot(sequence)[None])[0].astype(np.float64)


@pytest.fixture
def predictor():
    return TOY.CountingPredictor(interacting)


@pytest.fixture
def run(tmp_path, fasta, predictor):
    """Return a function that runs a design with the interacting model, in parts of 7 rows."""

    def done(design, finish, name="out", model=predictor, **more):
        options = {k: more.pop(k) for k in ("stats", "rc", "batch_size") if k in more}
        facts = more.pop("facts", {})
        asked = Asked(
            *(lambda: model, model.spec, fasta, tmp_path / name),
            **({"part_rows": 7, "quiet": True} | more),
        )
        effects = Effects(**({"batch_size": 5} | options))
        return perturb(asked, effects, "tfepi-test-changes", facts, design, finish)

    return done


@pytest.fixture(scope="session")
def write_all():
    """Return a function that writes all rows' statistics as a table, as `finish` has it."""

    def write(path, rows, genome):
        values = {name: rows.read(name, 0, rows.count) for name in rows.stats}
        places = {
            "row": np.arange(rows.count),
            "differ": rows.read("differ", 0, rows.count),
        }
        write_table(path, "tfepi-test", [long_rows(places, ["T0", "T1", "T2"], values)])

    return write
