"""The same build and the same scoring with processes of this machine and with a local Dask cluster.

Usage: cluster.py DATA RUN OUT [REPEATS]
DATA holds yeast/ (as of yeast.sh) and human/ (windows.fa.gz, dnase/*.bw); RUN is yeast.sh's model.
Needs the extra `cluster`. Prints a table: wall seconds, and CPU-seconds of all processes that took
part; the smallest of the repeats, which alternate. Ends with an error where results differ.
"""

import contextlib
import filecmp
import os
import sys
from pathlib import Path

import psutil

from tfepi.benchmark.measure import measure

WORKERS = 2


@contextlib.contextmanager
def cluster(folder: Path, threads: int | None):
    """Yield the address and the processes of a scheduler and two workers, once they are ready."""
    from distributed import Client

    environment = os.environ | ({"TF_NUM_INTRAOP_THREADS": str(threads)} if threads else {})
    log = open(folder / "dask.log", "ab")  # noqa: SIM115
    address = "tcp://127.0.0.1:28786"

    def start(*words):
        command = [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1", "--no-dashboard"]
        return psutil.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)

    found = [start("scheduler", "--port", "28786", "--no-show")]
    found += [start("worker", address, "--nthreads", "1", "--no-nanny") for _ in range(WORKERS)]
    try:
        with Client(address, timeout=30, set_as_default=False) as client:
            client.wait_for_workers(WORKERS, timeout=30)
        yield address, found
    finally:
        for process in found:
            process.kill()
            process.wait()
        log.close()


def cpu(processes) -> float:
    times = [p.cpu_times() for p in processes]
    return sum(t.user + t.system for t in times)


def measured(command, out: Path, processes=()) -> tuple[float, float]:
    """Return wall and CPU seconds of a command that writes to `out`, and of other processes."""
    others = cpu(processes)
    words = [*map(str, command), "-q", "-o", str(out)]
    used = measure(words, out.with_suffix(".log"), out.parent, dict(os.environ))
    if used.status:
        raise SystemExit(out.with_suffix(".log.err").read_text())
    return used.wall_s, used.cpu_s + cpu(processes) - others


def check_same(one: Path, other: Path) -> None:
    for path in filter(Path.is_file, one.rglob("*")):
        twin = other / path.relative_to(one)
        if path.name != "run.json" and not filecmp.cmp(path, twin, shallow=False):
            raise SystemExit(f"{path} and {twin} differ")


def commands(data: Path, run: Path, out: Path):
    """Yield (name, command, its option for two processes or none)."""
    yeast, human = data / "yeast", data / "human"
    tracks = {
        "yeast": sorted(yeast.glob("atac_*.bw")),
        "human": sorted((human / "dnase").glob("*")),
    }
    for name, files in tracks.items():
        rows = [f"{n}\t{file.stem}\t{file}\tmean" for n, file in enumerate(files)]
        (out / f"{name}.txt").write_text("\n".join(["\tidentifier\tfile\tsum_stat", *rows, ""]))
    roman = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X"]
    chroms = ["--chroms", ",".join(f"chr{n}" for n in roman), "-v", "chrIX", "-t", "chrX"]
    sizes = ["-l", 768, "-w", 192, "-c", 288, "--stride", 24, "--stride_test", 192, "-r", 4096]
    genome = yeast / "sacCer3.fa.gz"
    build = ["tfepi_data.py", *chroms, *sizes, genome, out / "yeast.txt"]
    yield "build, yeast, 768 bp, 2 tracks", build, ["-p", "2"]
    sizes = ["-l", 16384, "-w", 128, "--stride", 512, "-v", "0.2", "-t", "0.2", "-r", 64]
    build = ["tfepi_data.py", *sizes, human / "windows.fa.gz", out / "human.txt"]
    yield "build, human, 16,384 bp, 10 tracks", build, ["-p", "2"]
    score = ["tfepi_variants.py", "--rc", "--stats", "SAD,logSAD", "--chunk_records", 256]
    inputs = ["-f", genome, "basset_small", run, yeast / "by_rm_snvs.vcf"]
    yield "scores, yeast, BY/RM SNVs", [*score, *inputs], []


def main(data: str, run: str, out: str, repeats: str = "3") -> None:
    folder = Path(out).resolve()
    folder.mkdir(parents=True)
    rows = []
    for name, command, processes in commands(Path(data).resolve(), Path(run).resolve(), folder):
        ways = {f"{name}: one machine": None, f"{name}: {WORKERS} workers": 0}
        if not processes:
            ways[f"{name}: {WORKERS} workers, TF_NUM_INTRAOP_THREADS=1 for each"] = 1
        best: dict[str, list] = {}
        for repeat in range(int(repeats)):
            for number, (way, threads) in enumerate(ways.items()):
                to = folder / f"{len(rows)}-{repeat}-{number}"
                if threads is None:
                    found = measured([*command, *processes], to)
                else:
                    with cluster(folder, threads) as (address, running):
                        found = measured([*command, "--cluster", address], to, running)
                    check_same(folder / f"{len(rows)}-{repeat}-0", to)
                best.setdefault(way, []).append(found)
        rows += [(way, *map(min, zip(*found, strict=True))) for way, found in best.items()]
    print("| what | wall s | CPU-s |\n|---|---|---|")
    for way, wall, spent in rows:
        print(f"| {way} | {wall:.1f} | {spent:.1f} |")


if __name__ == "__main__":
    main(*sys.argv[1:])
