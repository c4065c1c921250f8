"""Clients at once on a server that is killed and started again, against scores here.

    python docs/benchmarks/serving_load.py SAVED_MODEL RUN FASTA VCF OUT [--kind grpc] [--clients 8]
        [--seconds 60] [--kill]

The server is one of tests/serving/client: "grpc", or "kserve" in the environment that
scripts/test_serving.sh makes (TFEPI_SERVING_PYTHON names its Python). RUN is the run folder that
SAVED_MODEL was exported from. Every client is a process that scores the VCF over and over
(`score_served_vcf`), each time into a new folder, whose scores are compared row by row with those
of `score_vcf` here. With --kill the server gets SIGKILL in the middle and is started again. Rates
here are taken before and after, with the model loaded and no client at work. OUT/load.json has the
figures; the status is 1 if a score was lost, doubled or another.
"""

import argparse
import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
HERE_S = 8.0  # of each of the two rates here


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("saved_model", "run", "fasta", "vcf", "out"):
        p.add_argument(name, type=Path)
    p.add_argument("--kind", default="grpc", help="grpc, kserve")
    p.add_argument("--clients", type=int, default=8)
    p.add_argument("--in_flight", type=int, default=2, help="requests at once of each client")
    p.add_argument("--batch_size", type=int, default=64, help="variants per request")
    p.add_argument("--seconds", type=float, default=60)
    p.add_argument("--kill", action="store_true", help="kill the server in the middle")
    p.add_argument("--client", metavar="URL", help=argparse.SUPPRESS)
    args = p.parse_args()
    if args.client:
        be_client(args)
        return
    args.out.mkdir(parents=True)
    report = load(args)
    (args.out / "load.json").write_text(json.dumps(report, indent=2) + "\n")
    for name, value in report.items():
        print(f"{name}\t{value}")
    if report["wrong_passes"]:
        raise SystemExit(1)


def load(args: argparse.Namespace) -> dict:
    """Run the clients; return the figures."""
    process = SimpleNamespace(
        **runpy.run_path(str(ROOT / "tests/serving/client/server_process.py"))
    )
    here = [rate_here(args)]
    server = process.ServerProcess(args.kind, args.saved_model, args.out / "server.log")
    server.start()
    clients, down = [], (0.0, 0.0)
    try:
        for number in range(args.clients):
            clients.append(started(args, number, server.url))
        for client in clients:
            client.stdout.readline()  # it has scored the VCF once
        began = time.time()
        for client in clients:
            client.stdin.write("go\n")
            client.stdin.flush()
        if args.kill:
            time.sleep(args.seconds / 2)
            killed = time.time()
            server.kill()
            server.start()
            down = (killed, time.time())
        found = [json.loads(client.communicate(timeout=600)[0]) for client in clients]
        took = time.time() - began
        alive = server.process.poll() is None
    finally:
        for client in clients:
            client.kill()
        server.kill()
    here.append(rate_here(args))
    return figures(args, found, took, down, here) | {"server_alive_at_the_end": alive}


def started(args: argparse.Namespace, number: int, url: str) -> subprocess.Popen:
    paths = [args.saved_model, args.run, args.fasta, args.vcf, args.out / f"client{number}"]
    options = [f"--{n}={getattr(args, n)}" for n in ("seconds", "in_flight", "batch_size")]
    with open(args.out / f"client{number}.log", "wb") as log:
        return subprocess.Popen(
            [sys.executable, __file__, *map(str, paths), "--client", url, *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )


def figures(args, found: list[dict], took: float, down: tuple[float, float], here: list) -> dict:
    """Return what is told of a run."""
    import numpy as np

    requests = [r for f in found for r in f["requests"]]  # sent, answered, rows
    first, last = min(r[0] for r in requests), max(r[1] for r in requests)
    away = down[1] - down[0]
    busy = covered([r[:2] for r in requests]) - away  # not while all clients write files
    rows = sum(r[2] for r in requests)
    quiet = [r[1] - r[0] for r in requests if r[1] < down[0] or r[0] > down[1]]
    during = [r[1] - r[0] for r in requests if not (r[1] < down[0] or r[0] > down[1])]
    here_rate = float(np.mean([h["rows_per_s"] for h in here]))
    return {
        "kind": args.kind,
        "clients": args.clients,
        "in_flight": args.in_flight,
        "batch_size": args.batch_size,
        "seconds": round(took, 1),
        "passes": sum(f["passes"] for f in found),
        "wrong_passes": sum(f["wrong"] for f in found),
        "largest_difference": max(f["largest"] for f in found),
        "rows": rows,
        "requests": len(requests),
        "repeated_requests": sum(f["repeated"] for f in found),
        "server_away_s": round(away, 1),
        "rows_per_s": round(rows / busy, 1),
        "rows_per_s_with_files": round(rows / (last - first - away), 1),
        "latency_p50_ms": round(1000 * float(np.percentile(quiet, 50)), 1),
        "latency_p99_ms": round(1000 * float(np.percentile(quiet, 99)), 1),
        "longest_wait_s": round(max(during or quiet), 1),
        "here_rows_per_s": [round(h["rows_per_s"], 1) for h in here],
        "here_p50_ms": [round(h["p50_ms"], 1) for h in here],
        "here_p99_ms": [round(h["p99_ms"], 1) for h in here],
        "ratio_to_here": round(rows / busy / here_rate, 3),
    }


def covered(spans: list) -> float:
    """Return the seconds that are in at least one span of time."""
    total, until = 0.0, 0.0
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


_RATE = """
import json, sys, time
from tfepi.startup import import_tensorflow
import_tensorflow()
from pathlib import Path
import numpy as np
from tfepi.predictors import load_predictor
from tfepi.variants import scoring
from tfepi.variants.options import Scoring
from tfepi.variants.pair_scores import PairScorer
from tfepi.variants.checks import check
from tfepi.variants.vcf import read_variants
run, fasta, vcf, out, seconds, size, saved = sys.argv[1:]
about = json.loads(Path(saved, "assets.extra/metadata.json").read_text())
asked = Scoring(stats=tuple(about["stats"]), rc=about["rc"], indel_align=about["indel_align"])
model = load_predictor(run, 64)
if not Path(out).exists():
    scoring.score_vcf(lambda: model, model.spec, vcf, fasta, out, asked, quiet=True)
what = (model.spec, vcf, fasta, asked, None, None, None)
with scoring.prepared(*what) as (genome, manifest, chosen):
    pairs, _ = check(genome, list(read_variants(vcf)), "error")
    scorer = PairScorer(genome, manifest, model, chosen)
    some = [pairs[n:n + int(size)] for n in range(0, len(pairs), int(size))]
    for group in some[:2] + some[-1:]:
        list(scorer.scores(group))  # compiles
    took, rows = [], 0
    while sum(took) < float(seconds):
        group = some[len(took) % len(some)]
        began = time.perf_counter()
        list(scorer.scores(group))
        took.append(time.perf_counter() - began)
        rows += len(group)
print(json.dumps({"rows_per_s": rows / sum(took), "p50_ms": 1000 * np.percentile(took, 50),
                  "p99_ms": 1000 * np.percentile(took, 99)}))
"""


def rate_here(args: argparse.Namespace) -> dict:
    """Return rows per second and milliseconds per group of rows, scored in a process alone."""
    given = (args.run, args.fasta, args.vcf, args.out / "here", HERE_S, args.batch_size)
    done = subprocess.run(
        [sys.executable, "-c", _RATE, *map(str, given), str(args.saved_model)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def be_client(args: argparse.Namespace) -> None:
    """Score the VCF until the time is over; print what was asked and what came."""
    from tfepi.serving.client import Client
    from tfepi.serving.client_requests import Waiting
    from tfepi.serving.client_scoring import score_served_vcf

    requests, passes, wrong, largest = [], 0, 0, 0.0
    waiting = Waiting(args.in_flight)
    with Client(args.client, "model", waiting=waiting, batch_size=args.batch_size) as client:
        one = client.requests.one

        def timed(ask, where, ended=None):
            began = time.time()
            answer = one(ask, where, ended)
            if "score_alleles" in where:
                count = len(next(iter(answer.values())))
                requests.append((began, time.time(), count))
            return answer

        out = args.out / "first"
        out.parent.mkdir(exist_ok=True)
        score_served_vcf(client, args.vcf, args.fasta, out, quiet=True)  # the server compiles
        client.requests.one = timed
        print("ready", flush=True)
        sys.stdin.readline()
        until = time.time() + args.seconds
        while time.time() < until:
            out = args.out / str(passes)
            score_served_vcf(client, args.vcf, args.fasta, out, quiet=True)
            same, apart = compared(out, args.out.parent / "here")
            passes, wrong, largest = passes + 1, wrong + (not same), max(largest, apart)
            shutil.rmtree(out)
        repeated = client.requests.repeated
    found = {"requests": requests, "passes": passes, "wrong": wrong, "largest": largest}
    print(json.dumps(found | {"repeated": repeated}))


def compared(found: Path, wanted: Path) -> tuple[bool, float]:
    """Return whether scores have the same rows and values, and the largest difference.

    A value may differ by 1e-5 of itself or of its column's largest.
    """
    import h5py
    import numpy as np

    same, largest = True, 0.0
    with h5py.File(found / "scores.h5") as ours, h5py.File(wanted / "scores.h5") as theirs:
        if set(ours) != set(theirs):
            return False, float("inf")
        for name in theirs:
            a, b = ours[name][()], theirs[name][()]
            if a.shape != b.shape:
                return False, float("inf")
            if b.dtype.kind != "f":
                same = same and bool((a == b).all())
            elif b.size:
                apart = np.abs(a - b)
                same = same and bool((apart <= 1e-5 * max(1.0, np.abs(b).max())).all())
                largest = max(largest, float(apart.max()))
    return same, largest


if __name__ == "__main__":
    main()
