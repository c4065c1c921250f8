"""Small data that the tests share: a genome, tracks and tables, made with fixed seeds."""

import contextlib
import gc
import json
import logging
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).parent.parent / "scripts"
# Files of 15 s and more, the longest first: at the end of a run one of these would be waited for.
LONG = (
    "training/test_strategies.py",
    "training/test_fit.py",
    "training/test_cells.py",
    "scripts/test_tfepi_conditioning.py",
    "test_crew.py",
    "training/test_heads.py",
    "tfrecords_tools/test_dataset.py",
    "training/test_rematerialise.py",
    "scripts/test_main_job.py",
    "scripts/test_tfepi_specificity_procedures.py",
    "tfrecords_tools/test_build.py",
    "analysis/test_enhancer_runs.py",
    "pretrained/test_enformer_convert.py",
    "training/test_embedded.py",
    "pretrained/test_enformer_commands.py",
    "analysis/test_attribution_gradient.py",
    "analysis/test_attribution_run.py",
    "models/test_enformer.py",
    "training/test_transfer.py",
)
# Tracing makes many objects that live on: in steps of 700 the collector takes 5% of the time.
GC_THRESHOLDS = (20_000, 20, 20)
CHROMS = {"chr1": 60_000, "chr2": 40_000, "chr3": 24_000}


def pytest_configure(config):
    """Keep the order of files below when each is of one process (`--dist loadfile`)."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    if hasattr(config, "workerinput") or config.getoption("dist", "no") == "no":
        gc.disable()  # until all is imported


def pytest_collection_modifyitems(items):
    """Put the longest files first, and look for garbage among later objects only."""
    places = {Path(__file__).parent / name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(places)))
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def write_fasta(path: Path, chroms: dict[str, str]) -> None:
    with open(path, "w") as handle:
        for name, sequence in chroms.items():
            handle.write(f">{name}\n")
            for low in range(0, len(sequence), 60):
                handle.write(sequence[low : low + 60] + "\n")


def _write_bigwig(path: Path, values: dict[str, np.ndarray]) -> None:
    """Write per-base values; NaN is left uncovered."""
    import pyBigWig

    bw = pyBigWig.open(str(path), "w")
    bw.addHeader([(name, len(v)) for name, v in values.items()])
    for name, v in values.items():
        at = np.flatnonzero(~np.isnan(v))
        bw.addEntries(
            [name] * len(at),
            at.tolist(),
            ends=(at + 1).tolist(),
            values=v[at].astype(float).tolist(),
        )
    bw.close()


@pytest.fixture(scope="session")
def genome_values():
    """Sequences and three tracks' values of the shared genome, as they were written."""
    rng = np.random.default_rng(7)
    sequences, tracks = {}, [{} for _ in range(3)]
    for name, length in CHROMS.items():
        letters = rng.choice(list("ACGTacgtN"), length, p=[0.12] * 8 + [0.04])
        letters[1000:1300] = "N"
        letters[5000] = "R"
        sequences[name] = "".join(letters)
        for number, track in enumerate(tracks):
            smooth = np.repeat(rng.gamma(0.5, 4 * (number + 1), length // 8), 8)
            values = np.round(smooth, 3).astype(np.float32)
            if number == 1:
                values[2000:2700] = np.nan
                values[length // 2 : length // 2 + 90] = np.nan
            track[name] = values
    return sequences, tracks


@pytest.fixture(scope="session")
def genome_folder(tmp_path_factory, genome_values):
    """Folder with genome.fa, t0–t2.bw, targets.txt, blacklist.bed, gaps.bed, umap.bed."""
    sequences, tracks = genome_values
    folder = tmp_path_factory.mktemp("genome")
    write_fasta(folder / "genome.fa", sequences)
    for number, track in enumerate(tracks):
        _write_bigwig(folder / f"t{number}.bw", track)
    (folder / "targets.txt").write_text(
        "\tidentifier\tfile\tclip\tclip_soft\tscale\tsum_stat\tdescription\n"
        "0\tT0\tt0.bw\t384\t200\t1\tsum\tfirst\n"
        "1\tT1\tt1.bw\t64\t32\t2\tmean\tsecond\n"
        "2\tT2\tt2.bw\t768\t384\t0.5\tsum_sqrt\tthird\n"
    )
    (folder / "blacklist.bed").write_text("chr1\t3100\t3300\nchr2\t9990\t10600\n")
    (folder / "gaps.bed").write_text("chr1\t30000\t31000\n")
    (folder / "umap.bed").write_text("chr1\t8000\t9500\nchr3\t100\t130\n")
    return folder


@pytest.fixture
def write_bigwig():
    """Return the function (path, values by chromosome) that writes a bigWig."""
    return _write_bigwig


@pytest.fixture
def run_script():
    """Return a function that runs a script of scripts/ and returns the finished process."""

    def run(name: str, *args, check: bool = True, timeout: float = 300):
        environment = os.environ | {"PYTHONPATH": str(SCRIPTS.parent), "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(
            [sys.executable, str(SCRIPTS / name), *map(str, args)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    return run


@contextlib.contextmanager
def _as_started(argv: list[str]):
    """Let a command find its arguments, and logging not yet set up, as in its own process."""
    root = logging.getLogger()
    kept = sys.argv, root.handlers[:], root.level
    sys.argv, root.handlers[:] = argv, []
    root.setLevel(logging.WARNING)
    try:
        yield
    finally:
        sys.argv, root.handlers[:] = kept[:2]
        root.setLevel(kept[2])


@pytest.fixture
def run_main(capsys):
    """Return a function as `run_script`'s that runs the script's main in this process.

    It spares the start of Python and TensorFlow, 3 s. Every script has a test by `run_script` too.
    """

    def run(name: str, *args, check: bool = True):
        argv = [str(SCRIPTS / name), *map(str, args)]
        capsys.readouterr()
        with _as_started(argv):
            try:
                status = runpy.run_path(argv[0])["main"](argv[1:])
            except SystemExit as stop:  # of the parser
                status = stop.code
        out, err = capsys.readouterr()
        if check:
            assert status == 0, err
        return subprocess.CompletedProcess(argv, status, out, err)

    return run


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of real data and fixtures, named by TFEPI_TEST_DATA; skip without it."""
    folder = os.environ.get("TFEPI_TEST_DATA")
    if not folder:
        pytest.skip("TFEPI_TEST_DATA is not set: it names a folder with data/ and fixtures/")
    return Path(folder).resolve()


@pytest.fixture(scope="session")
def small_data(tmp_path_factory, genome_folder):
    """A built data folder: 256-bp windows, 32-bp bins, three tracks, train/valid/test."""
    from tfrecords_tools.build import build
    from tfrecords_tools.build_options import BuildOptions
    from tfrecords_tools.plan import make_plan

    out = tmp_path_factory.mktemp("small") / "data"
    options = BuildOptions(
        seq_length=256,
        bin_width=32,
        crop=64,
        stride_train=128,
        stride_test=128,
        valid="chr2",
        test="chr3",
        records_per_shard=100,
    )
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    build(plan, out, quiet=True)
    return out


@pytest.fixture(scope="session")
def cell_tables(genome_folder):
    """targets.txt of cells a, b and c with marks K and M (c has no M), and tracks.txt of theirs."""
    targets, tracks = genome_folder / "cell_targets.txt", genome_folder / "cell_tracks.txt"
    rows = [
        ("t0", "a", "K"),
        ("t1", "a", "M"),
        ("t1", "b", "K"),
        ("t2", "b", "M"),
        ("t2", "c", "K"),
    ]
    lines = ["\tidentifier\tfile\tsum_stat\tcell\tmark\tthreshold\tnan\n"]
    for number, (track, cell, mark) in enumerate(rows):
        lines.append(f"{number}\t{cell}_{mark}\t{track}.bw\tmean\t{cell}\t{mark}\t2\tkeep\n")
    targets.write_text("".join(lines))
    lines = ["\tidentifier\tfile\tcell\tassay\n"]
    for number, (track, cell) in enumerate((("t2", "a"), ("t0", "b"), ("t1", "c"))):
        lines.append(f"{number}\tacc_{cell}\t{track}.bw\t{cell}\tDNase\n")
    tracks.write_text("".join(lines))
    return targets, tracks


@pytest.fixture(scope="session")
def build_cells(genome_folder, cell_tables):
    """Return a function that builds the data of `cell_tables`: 256 bp, 32-bp bins, 8-bp tracks."""
    from tfrecords_tools.build import build
    from tfrecords_tools.build_options import BuildOptions
    from tfrecords_tools.data import Data
    from tfrecords_tools.plan import make_plan

    def make(out, targets=cell_tables[0], **changes) -> Data:
        options = {
            "seq_length": 256,
            "bin_width": 32,
            "stride_train": 256,
            "stride_test": 256,
            "valid": "chr2",
            "test": "chr3",
            "records_per_shard": 64,
            "tracks": str(cell_tables[1]),
            "track_width": 8,
            "track_context": 128,
        }
        plan = make_plan(genome_folder / "genome.fa", targets, BuildOptions(**(options | changes)))
        build(plan, out, quiet=True)
        return Data.open(out)

    return make


@pytest.fixture(scope="session")
def cell_data(tmp_path_factory, build_cells):
    """The data of `cell_tables`, as `build_cells` makes it."""
    return build_cells(tmp_path_factory.mktemp("cells") / "data")


@pytest.fixture
def write_records(tmp_path):
    """Return a function that writes a data folder of a few random records and returns it, opened.

    It takes the records by label, the windows' starts (by default side by side), the targets,
    lengths in bp, what `change` does to each record's features and the values of each.
    """
    from tfrecords_tools.data import Data
    from tfrecords_tools.data_writer import DataWriter
    from tfrecords_tools.intervals import Interval
    from tfrecords_tools.records import sequence_features
    from tfrecords_tools.targets import Target
    from tfrecords_tools.windows import Windowing

    pair = (
        Target(0, "plus", sum_stat="sum_sqrt", clip=40.0, clip_soft=20.0, scale=0.5, strand_pair=1),
        Target(
            1, "minus", sum_stat="sum_sqrt", clip=40.0, clip_soft=20.0, scale=0.5, strand_pair=0
        ),
        Target(2, "dnase", sum_stat="mean", clip=32.0, clip_soft=8.0, scale=2.0, strand_pair=2),
        Target(3, "top", sum_stat="max", strand_pair=3),
    )

    def write(
        counts=None,
        name="data",
        starts=None,
        targets=pair,
        seq_length=512,
        crop=64,
        width=16,
        encoding="index",
        most=4,
        change=lambda features, row: features,
        values=None,
    ) -> Data:
        counts = counts or {"train": 9, "valid": 3}
        rng = np.random.default_rng(5)
        windowing = Windowing(seq_length, crop, width)
        length, shape = windowing.window_length, (windowing.target_length, len(targets))
        folder = tmp_path / name
        folder.mkdir()
        row = 0
        with DataWriter(folder, windowing, targets, encoding, most) as writer:
            for label, count in counts.items():
                for _ in range(count):
                    start = crop + row * length if starts is None else starts[row]
                    window = Interval("chr1", start, start + length, label)
                    y = np.where(rng.random(shape) < 0.4, 0, rng.gamma(0.5, 9, shape))
                    y = np.minimum(y, 30).astype(np.float16) if values is None else values(row)
                    indices = rng.integers(0, 5, seq_length, dtype=np.uint8)
                    features = {"sequence": np.eye(5, 4, dtype=np.uint8)[indices].tobytes()}
                    if encoding != "onehot":
                        features = sequence_features(indices, encoding)
                    writer.write(label, window, change(features | {"target": y.tobytes()}, row))
                    row += 1
            writer.finish({"made_by": "test", "options": {}, "inputs": {}, "source": {}})
        return Data.open(folder)

    return write


@pytest.fixture
def write_snvs(genome_folder):
    """Return a function that writes a VCF with an SNV every so many bp of the shared genome."""
    from tfrecords_tools.genome import Genome, decode

    def write(path: Path, step: int) -> None:
        with Genome(genome_folder / "genome.fa") as genome:
            lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={c}>" for c in genome.chroms)]
            lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
            for chrom, length in genome.chroms.items():
                for position in range(200, length, step):
                    ref = decode(genome.indices(chrom, position, position + 1))
                    if ref != "N":
                        alt = "ACGT"[("ACGT".index(ref) + 1) % 4]
                        lines.append(f"{chrom}\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t.")
        path.write_text("\n".join(lines) + "\n")

    return write


class DaskCluster:
    """A Dask scheduler and its workers, each a process, on this machine."""

    def __init__(self, folder: Path, **environment: str):
        self._folder = folder
        self._environment = environment
        self._logs = 0
        self.address_file = folder / "scheduler.json"
        options = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
        self.scheduler = self._start(["scheduler", *options, "--scheduler-file", self.address_file])
        self.workers: list[subprocess.Popen] = []
        until = time.monotonic() + 30
        while not self.address_file.exists():
            assert time.monotonic() < until, (folder / "0.log").read_text()
            time.sleep(0.05)
        self.address = json.loads(self.address_file.read_text())["address"]

    def _start(self, arguments, before=(), **environment) -> subprocess.Popen:
        environment = self._environment | environment
        paths = [environment.pop("PYTHONPATH", ""), str(SCRIPTS.parent)]
        log = open(self._folder / f"{self._logs}.log", "wb")  # noqa: SIM115 the process's own
        self._logs += 1
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "dask", *map(str, arguments)],
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "TF_CPP_MIN_LOG_LEVEL": "3"}
            | environment,
            cwd=self._folder,
            stdout=log,
            stderr=log,
        )
        log.close()
        return process

    def add_worker(self, threads: int = 1, before=(), **environment) -> subprocess.Popen:
        """Start a worker that nothing starts again; return its process."""
        options = ["--host", "127.0.0.1", "--nthreads", threads, "--no-nanny", "--no-dashboard"]
        arguments = ["worker", self.address, *options, "--local-directory", self._folder]
        self.workers.append(self._start(arguments, before, **environment))
        return self.workers[-1]

    def await_workers(self, count: int) -> None:
        """Wait until so many workers are there."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            until = time.monotonic() + 60
            while len(client.nthreads()) != count:
                assert time.monotonic() < until, f"{len(client.nthreads())} workers, not {count}"
                time.sleep(0.05)

    def close(self) -> None:
        """End every process."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture
def start_dask(tmp_path):
    """Return a function that starts a scheduler on this machine, with environment variables."""
    pytest.importorskip("distributed", reason="Dask (extra `cluster`) is not installed")
    started = []

    def start(**environment: str) -> DaskCluster:
        folder = tmp_path / f"dask{len(started)}"
        folder.mkdir()
        started.append(DaskCluster(folder, **environment))
        return started[-1]

    yield start
    for cluster in started:
        cluster.close()


@pytest.fixture
def dask_cluster(start_dask):
    """A scheduler on this machine, to which workers can be added."""
    return start_dask()
