"""A small genome, a VCF with every kind of record, and servers of a model that is a plain sum."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.serving.client import Client
from tfepi.serving.client_requests import Waiting
from tfepi.startup import import_tensorflow

HERE = Path(__file__).parent
TOY = SimpleNamespace(**runpy.run_path(str(HERE / "toy_served.py")))
REST = SimpleNamespace(**runpy.run_path(str(HERE / "toy_rest.py")))
CHROMS = {"chrA": 3000, "chrB": 200}


@pytest.fixture(scope="session")
def letters() -> dict[str, str]:
    """Sequences of the genome by chromosome."""
    rng = np.random.default_rng(11)
    found = {name: "".join(rng.choice(list("ACGT"), n)) for name, n in CHROMS.items()}
    found["chrA"] = found["chrA"][:700] + "N" * 9 + "R" + found["chrA"][710:]
    return found


@pytest.fixture(scope="session")
def fasta(tmp_path_factory, letters) -> Path:
    path = tmp_path_factory.mktemp("fasta") / "genome.fa"
    path.write_text("".join(f">{n}\n{s.lower()}\n" for n, s in letters.items()))
    return path


@pytest.fixture(scope="session")
def records(letters) -> list[tuple]:
    """SNVs, insertions, deletions, several ALTs and long alleles, also at the ends."""
    found = []
    for chrom, positions in (("chrA", range(1, 2900, 41)), ("chrB", (1, 2, 90, 199, 200))):
        for number, pos in enumerate(positions):
            ref = letters[chrom][pos - 1]
            if ref not in "ACGT":
                continue
            snv = "ACGT"[("ACGT".index(ref) + 1) % 4]
            kind = number % 6 if chrom == "chrA" else 0
            ref = letters[chrom][pos - 1 : pos + 7] if kind in (2, 4) else ref
            if set(ref) - set("ACGT"):
                continue
            alts = {1: ref + "GATTACA" * (1 + number % 9), 2: ref[0], 3: f"{snv},{ref}TT"}
            alts |= {4: ref[::-1].replace(ref, snv)}
            found.append((chrom, pos, f"v{len(found)}", ref, alts.get(kind, snv)))
    long = letters["chrA"][2900:2980]
    return [*(r for r in found if r[0] == "chrA"), ("chrA", 2901, "long", long, long[:1])] + [
        r for r in found if r[0] == "chrB"
    ]


@pytest.fixture(scope="session")
def make_vcf(tmp_path_factory):
    """Return a function that writes records (chrom, pos, id, REF, ALT) to a VCF."""

    def write(records) -> Path:
        path = tmp_path_factory.mktemp("vcf") / "in.vcf"
        lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={c}>" for c in CHROMS)]
        lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
        lines += ["\t".join(map(str, r)) + "\t.\t.\t." for r in records]
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture(scope="session")
def vcf(make_vcf, records) -> Path:
    return make_vcf(records)


@pytest.fixture
def toy():
    """What toy_served.py defines."""
    return TOY


@pytest.fixture
def serve():
    """Return a function that starts an HTTP server of a toy model, with its arguments."""
    started = []

    def start(*args, versions=(3,), **options):
        started.append(REST.ToyRest(TOY.ToyServed(*args, **options), versions))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def ask():
    """Return a function that makes a client of a server, which pauses little between attempts."""
    made = []

    def client(server, patience=20, in_flight=3, timeout=10, draw=lambda: 0.01, **options):
        waiting = Waiting(in_flight, timeout, patience)
        made.append(Client(server.url, "toy", waiting=waiting, **options))
        made[-1].requests._draw = draw
        return made[-1]

    yield client
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def own_run(tmp_path_factory) -> Path:
    """A run folder of a model of six bins, whose targets are of two strands and of none."""
    import_tensorflow()
    import keras

    from tfepi.spec import Head, ModelSpec
    from tfrecords_tools.targets import Target

    folder = tmp_path_factory.mktemp("run")
    keras.utils.set_random_seed(5)
    sequence = keras.Input((64, 4), name="sequence")
    x = keras.layers.Conv1D(16, 9, padding="same", activation="gelu", name="motifs")(sequence)
    x = keras.layers.AveragePooling1D(8, name="bins")(x)
    x = keras.layers.Conv1D(16, 3, padding="same", activation="gelu", name="around")(x)
    x = keras.layers.Cropping1D(1, name="crop")(x)
    outputs = keras.layers.Dense(3, activation="softplus", name="output")(x)
    keras.Model(sequence, outputs).save(folder / "model_best.keras")
    pairs = ((0, "plus", 1), (1, "minus", 0), (2, "both", 2))
    targets = tuple(Target(n, name, strand_pair=pair) for n, name, pair in pairs)
    spec = ModelSpec("own", {"sequence": (64, 4)}, 8, 8, (Head("output", targets),))
    spec.write(folder / "model.json")
    return folder
