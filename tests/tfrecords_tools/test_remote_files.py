"""What a URL stands for: a file and its index, tables and their tracks, models, folders."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pysam
import pytest

from tfepi.model_paths import spec_path
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing_folder, read_json
from tfrecords_tools.genome import Genome
from tfrecords_tools.plan import make_plan
from tfrecords_tools.preflight import preflight
from tfrecords_tools.remote import named, place
from tfrecords_tools.remote_cache import recorded
from tfrecords_tools.remote_files import fetch
from tfrecords_tools.targets import Target, read_targets, resolve, write_targets
from tfrecords_tools.tracks import open_track

_OPTIONS = BuildOptions(
    seq_length=256, bin_width=32, stride_train=256, stride_test=256, valid="chr2", test="chr3"
)


def names_in(folder) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bgzip"])
def test_a_genome_comes_with_its_index(bucket, genome_folder, written, tmp_path, packed):
    fasta = tmp_path / ("genome.fa.gz" if packed else "genome.fa")
    if packed:
        pysam.tabix_compress(str(genome_folder / "genome.fa"), str(fasta))
    else:
        shutil.copy(genome_folder / "genome.fa", fasta)
    pysam.faidx(str(fasta))
    url = bucket.upload(tmp_path, "genomes") + f"/{fasta.name}"
    with Genome(url) as remote, Genome(fasta) as local:
        assert remote.chroms == local.chroms
        at = ("chr2", 1000, 3000)
        np.testing.assert_array_equal(remote.indices(*at), local.indices(*at))
        beside = names_in(remote.path.parent)
    assert beside == {fasta.name, f"{fasta.name}.fai"} | (
        {f"{fasta.name}.gzi"} if packed else set()
    )
    index = place(f"{url}.fai")
    assert index.read_bytes() == (tmp_path / f"{fasta.name}.fai").read_bytes()
    before = written(index)
    Genome(url).close()
    assert written(index) == before


_READ_GENOME = (
    "import logging, sys; logging.basicConfig(level=logging.INFO); "
    "from tfrecords_tools.genome import Genome; Genome(sys.argv[1])"
)


def test_an_index_is_used_although_it_is_copied_sooner_by_two_commands_at_once(
    bucket, tmp_path, monkeypatch
):
    (tmp_path / "g.fa").write_text(">chr1\n" + ("ACGT" * 15 + "\n") * 400_000)
    pysam.faidx(str(tmp_path / "g.fa"))
    for name in ("g.fa.fai", "g.fa"):
        bucket.put(name, (tmp_path / name).read_bytes())
    url = bucket.url("g.fa")
    jobs = [
        subprocess.Popen([sys.executable, "-c", _READ_GENOME, url], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [job.communicate(timeout=120)[1].decode() for job in jobs]
    assert [job.returncode for job in jobs] == [0, 0], said
    assert "indexing" not in "".join(said)
    assert recorded(place(f"{url}.fai"))


def test_an_index_that_is_not_there_is_made_in_the_cache_and_kept(bucket, genome_folder, written):
    url = bucket.put("genome.fa", (genome_folder / "genome.fa").read_bytes())
    Genome(url).close()
    made = written(place(f"{url}.fai"))
    Genome(url).close()
    assert written(place(f"{url}.fai")) == made


def test_tracks_of_every_kind_and_tables_are_read(bucket, genome_folder, tmp_path):
    import h5py

    with h5py.File(tmp_path / "a.w5", "w") as file:
        file["chr1"] = np.arange(60_000, dtype=np.float32)
    (tmp_path / "a.bed").write_text("chr1\t10\t20\n")
    shutil.copy(genome_folder / "t0.bw", tmp_path)
    bucket.upload(tmp_path, "tracks")
    for name in ("a.w5", "a.bed", "t0.bw"):
        remote, local = open_track(bucket.url(f"tracks/{name}")), open_track(tmp_path / name)
        values = [track.values("chr1", 5, 50) for track in (remote, local)]
        np.testing.assert_array_equal(*values)
        remote.close()
        local.close()
    table = bucket.put("targets.txt", (genome_folder / "targets.txt").read_bytes())
    assert read_targets(table) == read_targets(genome_folder / "targets.txt")
    assert read_json(bucket.put("params.json", b'{"model": {}}')) == {"model": {}}


def test_a_table_names_tracks_beside_it_and_elsewhere(bucket, genome_folder, tmp_path):
    for name in ("t0.bw", "t1.bw"):
        bucket.put(f"lab/{name}", (genome_folder / name).read_bytes())
    peaks = bucket.put("peaks.bed", b"chr1\t1\t5\n")
    text = f"\tidentifier\tfile\tpeaks\n0\tA\tt0.bw\t{peaks}\n1\tB\t{bucket.url('lab/t1.bw')}\t\n"
    table = bucket.put("lab/targets.txt", text.encode())
    found = resolve(read_targets(table), table)
    assert [t.file for t in found] == [str(place(bucket.url(f"lab/t{n}.bw"))) for n in (0, 1)]
    assert all(Path(t.file).exists() for t in found)
    assert place(peaks).exists()
    local = tmp_path / "targets.txt"
    local.write_text(text.replace("\tt0.bw", f"\t{bucket.url('lab/t0.bw')}"))
    assert resolve(read_targets(local), local) == found
    write_targets(local, found)  # the URLs, not where their copies lie
    assert [t.file for t in read_targets(local)] == [bucket.url(f"lab/t{n}.bw") for n in (0, 1)]


def test_a_table_that_lies_in_a_bucket_names_nothing_outside(bucket):
    for name in ("../../etc/x.bw", "a//b.bw"):
        table = bucket.put("lab/targets.txt", b"")
        with pytest.raises(InputFileError, match="between its slashes"):
            resolve((Target(0, "a", name),), table)


def test_a_missing_track_is_one_line(bucket):
    table = bucket.put("targets.txt", b"\tidentifier\tfile\n0\tA\tno.bw\n")
    with pytest.raises(InputFileError, match=r"no\.bw does not exist on its server"):
        resolve(read_targets(table), table)


def test_a_plan_and_its_check_of_remote_inputs_are_those_of_local_ones(bucket, genome_folder):
    root = bucket.upload(genome_folder, "genome")
    given = (f"{root}/genome.fa", f"{root}/targets.txt", _OPTIONS)
    plan = make_plan(*given)
    local = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", _OPTIONS)
    assert plan.windows == local.windows
    told = plan.fingerprint()["inputs"]
    assert {named(v["path"]) for v in told.values()} == {
        f"{root}/{name}" for name in ("genome.fa", "t0.bw", "t1.bw", "t2.bw")
    }
    by_label = {k: v["sha256"] for k, v in local.fingerprint()["inputs"].items()}
    assert {k: v["sha256"] for k, v in told.items()} == by_label
    assert not [p for p in preflight(*given).problems if p.level == "error"]


def test_a_folder_is_all_that_is_not_hidden(bucket, cache):
    for name in ("saved_model.pb", "variables/variables.index", ".hidden", "x/.y/z"):
        bucket.put(f"exported/{name}", name.encode())
    folder = existing_folder(bucket.url("exported/"))
    assert names_in(folder) == {"saved_model.pb", "variables/variables.index"}
    bucket.delete("exported/variables/variables.index")
    bucket.put("exported/saved_model.pb", b"new")
    (folder / "made_here").write_text("")
    assert names_in(existing_folder(bucket.url("exported"))) == {"saved_model.pb", "made_here"}
    assert (folder / "saved_model.pb").read_bytes() == b"new"
    listing = next((cache / "copies").glob("*.listing"))
    assert json.loads(listing.read_text())["format"] == "tfepi-listing"


def test_of_a_run_folder_the_best_model_and_its_tables_are_copied(bucket):
    names = ("model_best.keras", "model.json", "metrics.jsonl", "params.json", "run.json")
    for name in (*names, "model_check.keras", "tensorboard/events", "checkpoints/1.h5"):
        bucket.put(f"run/{name}", name.encode())
    assert names_in(existing_folder(bucket.url("run"))) == set(names)


def test_a_model_file_comes_with_its_contract(bucket):
    bucket.put("run/model.json", b"{}")
    fetch([bucket.put("run/model_best.keras", b"x")])
    assert place(bucket.url("run/model.json")).read_bytes() == b"{}"


def test_the_beginning_of_names_stands_for_all_of_them(bucket):
    for name in ("ref.bed", "ref.bim", "ref.fam", "reference.txt", "ref.1/x"):
        bucket.put(f"plink/{name}", b"x")
    fetch([bucket.url("plink/ref")])
    assert names_in(place(bucket.url("plink"))) == {"ref.bed", "ref.bim", "ref.fam"}


def test_nothing_is_one_line(bucket, cache):
    for url in (bucket.url("no/folder"), bucket.url("no"), "s3://no-such-bucket-here/x"):
        for find in (existing_folder, lambda u: fetch([u])):
            with pytest.raises(InputFileError, match="does not exist on its server"):
                find(url)
    bucket.put("a.bw", b"")
    with pytest.raises(InputFileError, match="does not exist"):
        existing_folder(bucket.url("a.bw"))


def test_a_bucket_or_a_folder_above_the_one_meant_is_not_copied(bucket, cache):
    for key in ("lab/run/run.json", "lab/genome.fa", "lab/a/b.bw", "run.json"):
        bucket.put(key, b"{}")
    for find in (existing_folder, lambda u: fetch([u])):
        for url in (f"s3://{bucket.name}", f"s3://{bucket.name}/", "https://127.0.0.1"):
            with pytest.raises(InputFileError, match=r"is all of a bucket or host: name a folder"):
                find(url)
        with pytest.raises(InputFileError, match=r"lab is no folder of .*holds a, genome.fa, run:"):
            find(bucket.url("lab"))
    assert not cache.exists()
    assert names_in(existing_folder(bucket.url("lab/run"))) == {"run.json"}


def test_a_model_is_found_by_its_url_from_python(bucket):
    for name in ("model_best.keras", "model.json"):
        bucket.put(f"run/{name}", b"{}")
    for url in (bucket.url("run"), bucket.url("run/model_best.keras")):
        assert spec_path(url) == place(bucket.url("run/model.json"))


_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
_READ_ALL = """
import sys
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import existing
from tfrecords_tools.genome import Genome
data = Data.open(sys.argv[1])
assert len(list(data.records("valid")))
Genome(sys.argv[2]).close()
try:
    existing(sys.argv[3])
except ConfigError as error:
    print(error)
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-rm", "true"], capture_output=True, check=False).returncode != 0,
    reason="mounts cannot be made here",
)
def test_what_is_current_is_used_from_a_cache_that_cannot_be_written(
    bucket, cache, small_data, genome_folder
):
    data = bucket.upload(small_data, "data")
    genome = bucket.put("genome.fa", (genome_folder / "genome.fa").read_bytes())
    Data.open(data).shards("valid")
    Genome(genome).close()
    other = bucket.put("other.bw", b"1")
    program = (sys.executable, "-c", _READ_ALL, data, genome, other)
    words = ("unshare", "-rm", "sh", "-c", _READ_ONLY, str(cache), *program)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        f"the cache {cache} cannot be written (Read-only file system): name another with "
        "TFEPI_CACHE_DIR\n"
    )


@pytest.mark.parametrize("key", ["data/../../../../x", "data//x", "data/a/./b"])
def test_names_in_a_bucket_write_nothing_outside_of_the_cache(bucket, cache, tmp_path, key):
    bucket.put(key, b"x")
    bucket.put("data/run.json", b"{}")
    before = names_in(tmp_path)
    with pytest.raises(InputFileError):
        fetch([bucket.url("data")])
    assert names_in(tmp_path) == before


def test_a_command_reads_urls_wherever_paths_stand(
    bucket, small_data, genome_folder, run_script, cache
):
    root = bucket.upload(genome_folder, "genome")
    inputs = (f"{root}/genome.fa", f"{root}/targets.txt", "-b", f"{root}/blacklist.bed")
    windows = ("-l", 256, "-w", 32, "--stride", 256, "-v", "chr2", "-t", "chr3")
    out = small_data.parent / f"built-{bucket.name}"
    run_script("tfepi_data.py", "-q", *inputs, *windows, "-o", out)
    local = small_data.parent / f"local-{bucket.name}"
    here = [str(word).replace(root, str(genome_folder)) for word in inputs]
    run_script("tfepi_data.py", "-q", *here, *windows, "-o", local)
    shards = sorted(p.name for p in (local / "tfrecords").iterdir())
    assert shards == sorted(p.name for p in (out / "tfrecords").iterdir())
    for name in shards:
        assert (out / "tfrecords" / name).read_bytes() == (local / "tfrecords" / name).read_bytes()
    record = json.loads((out / "run.json").read_text())
    assert record["command"][2] == f"{root}/genome.fa"
    assert json.loads((out / "manifest.json").read_text())["options"]["blacklist"] == inputs[3]
    for path in out.rglob("*.json"):
        assert str(cache) not in path.read_text()
    done = run_script("tfepi_data.py", *inputs, *windows, "-o", out, "--resume")
    assert "wrote" in done.stdout
    paths = {v["path"] for v in record["inputs"].values()}
    assert paths == {
        f"{root}/{n}" for n in ("genome.fa", "t0.bw", "t1.bw", "t2.bw", "blacklist.bed")
    }
    done = run_script("tfepi_data.py", f"{root}/no.fa", *inputs[1:], "-o", "x", check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {root}/no.fa does not exist on its server")
    address = "https://127.0.0.1:9"
    words = ("-q", *here, *windows, "-o", "x", "--cluster", address)
    done = run_script("tfepi_data.py", *words, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: --cluster is '{address}', want")
    words = ("-q", *inputs[:2], *windows, "--read", "0.01")
    done = run_script("tfepi_check.py", *words, check=False)
    assert f"chromosome of {root}/genome.fa" in done.stdout
    assert str(cache) not in done.stdout + done.stderr
