"""Scripts for SLURM, run by bash with a stand-in for sbatch: not a test of SLURM itself."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.slurm import PASSES, ArrayJob

SCRIPTS = Path(__file__).parents[2] / "scripts"
# Runs a job at once, as SLURM would run it later, unless one that it depends on has failed.
STUB = """#!/bin/bash
set -u
echo "sbatch $*" >> "$STUB_LOG"
array=() need=
while [[ $1 == --* ]]; do
    case $1 in
    --array=*) range=${1#--array=}; array=($(seq "${range%-*}" "${range#*-}")) ;;
    --dependency=afterok:*) need=${1#--dependency=afterok:} ;;
    esac
    shift
done
id=$(($(ls "$STUB_JOBS" | wc -l) + 1))
ok=1
if [[ -n $need && $(cat "$STUB_JOBS/$need") != 1 ]]; then
    ok=never
elif [[ ${#array[@]} -gt 0 ]]; then
    for task in "${array[@]}"; do
        SLURM_ARRAY_TASK_ID=$task bash "$@" >> "$STUB_LOG" 2>&1 || ok=0
    done
else
    bash "$@" >> "$STUB_LOG" 2>&1 || ok=0
fi
echo $ok > "$STUB_JOBS/$id"
echo "$id;cluster"
"""


@pytest.fixture
def submit(tmp_path):
    """Return a function that submits a script to the stand-in: what became of each job, a log."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "jobs").mkdir()
    (tmp_path / "bin" / "sbatch").write_text(STUB)
    (tmp_path / "bin" / "sbatch").chmod(0o755)
    log = tmp_path / "log"

    def run(script, folder) -> tuple[list[str], str]:
        path = os.pathsep.join([str(tmp_path / "bin"), str(SCRIPTS), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", script],
            cwd=folder,
            env=os.environ
            | {"PATH": path, "STUB_LOG": str(log), "STUB_JOBS": str(tmp_path / "jobs")}
            | {"PYTHONPATH": str(SCRIPTS.parent)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        jobs = sorted((tmp_path / "jobs").iterdir(), key=lambda p: int(p.name))
        return [job.read_text().strip() for job in jobs], log.read_text()

    return run


def content(folder):
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


def test_the_commands_are_those_with_shards():
    """As many as modules that add the option; --help of each names it."""
    root = SCRIPTS.parent
    modules = [p for name in ("tfepi", "tfrecords_tools") for p in (root / name).rglob("*.py")]
    adds = [p.stem for p in modules if 'add_argument("--shard"' in p.read_text()]
    assert len(adds) == len(PASSES)
    for words in PASSES:
        command = [SCRIPTS / words[0], *words[1:], "--help"]
        environment = os.environ | {"PYTHONPATH": str(root)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert "--shard i/n" in done.stdout


def test_a_build_by_its_array_with_a_stand_in_for_sbatch(
    genome_folder, tmp_path, run_script, submit
):
    options = ["-l", 256, "-w", 32, "-r", 100, "-v", "chr2", "-t", "chr3", "-q"]
    inputs = [genome_folder / "genome.fa", genome_folder / "targets.txt"]
    run_script("tfepi_data.py", *options, "-o", tmp_path / "one", *inputs)
    work = tmp_path / "it's $HOME; here"
    work.mkdir()
    command = ["tfepi_data.py", *options, "-o", "my 'data' $x", *inputs]
    sizes = ["--time", "1:00:00", "--mem", "4G", "--cpus", "2", "--gres", "gpu:a100:1"]
    sizes += ["--merge_mem", "8G"]
    asked = ["array", 3, "-o", work / "job.sh", *sizes, "--", *command]
    told = run_script("tfepi_slurm.py", *asked).stdout
    assert shlex.split(told.partition("submit with: ")[2]) == ["bash", str(work / "job.sh")]
    subprocess.run(["bash", "-n", work / "job.sh"], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", work / "job.sh"], check=True)
    jobs, log = submit("job.sh", work)
    assert jobs == ["1", "1", "1"], log
    assert content(work / "my 'data' $x") == content(tmp_path / "one")
    calls = [line for line in log.splitlines() if line.startswith("sbatch")]
    array = "sbatch --parsable --array=1-3 --output=logs/tfepi_%A_%a.log"
    assert calls == [
        f"{array} job.sh task",
        f"{array} --dependency=afterok:1 --kill-on-invalid-dep=yes job.sh task",
        "sbatch --parsable --output=logs/tfepi_%j_merge.log --mem=8G --dependency=afterok:2 "
        "--kill-on-invalid-dep=yes job.sh merge",
    ]
    lines = (work / "job.sh").read_text().splitlines()
    directives = [line for line in lines if line.startswith("#SBATCH")]
    assert directives == [
        "#SBATCH --job-name=tfepi",
        "#SBATCH --time=1:00:00",
        "#SBATCH --mem=4G",
        "#SBATCH --cpus-per-task=2",
        "#SBATCH --gres=gpu:a100:1",
    ]
    jobs, log = submit("job.sh", work)  # again: nothing is left to do
    assert jobs == ["1"] * 6, log
    assert log.count("is complete already") == 6
    assert content(work / "my 'data' $x") == content(tmp_path / "one")


def test_a_first_pass_that_was_cut_short_and_again(genome_folder, tmp_path, run_script, submit):
    """A task of it has read its tracks, the other has not: both go on."""
    options = ["-l", 256, "-w", 32, "-r", 100, "-v", "chr2", "-t", "chr3"]
    inputs = [genome_folder / "genome.fa", genome_folder / "targets.txt"]
    command = [*map(str, ["tfepi_data.py", *options, "-o", tmp_path / "d", *inputs])]
    run_script(*command, "--shard", "1/2")
    (tmp_path / "job.sh").write_text(ArrayJob(tuple(command), 2, {}).script())
    jobs, log = submit("job.sh", tmp_path)
    assert jobs == ["1", "1", "1"], log
    assert "its records not written; when all shards have read theirs (not yet: 2/2)" in log


def test_a_script_from_standard_input_is_not_submitted(tmp_path):
    script = ArrayJob(("tfepi_data.py", "g", "t"), 2, {}).script()
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, cwd=tmp_path)
    message = "error: sbatch takes a file: save this script as one, then run bash on it\n"
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (2, message, [])


def test_no_merge_after_a_task_that_failed(tmp_path, submit):
    script = ArrayJob(("tfepi_data.py", "-o", "d", "absent.fa", "absent.txt"), 2, {}).script()
    (tmp_path / "job.sh").write_text(script)
    jobs, log = submit("job.sh", tmp_path)
    assert jobs == ["0", "never", "never"]
    assert log.count("absent.txt does not exist") == 2


@pytest.mark.parametrize("word", ["a b", "$(touch x)", "'", '"', "`id`", "a\nb", "*", "ä", "-x;y"])
def test_words_arrive_as_they_were_given(tmp_path, word):
    script = ArrayJob(("tfepi_variants.py", "-o", word), 1, {}).script()
    shown = re.search(r"^command=(\(.*?\))\n\ncase", script, re.M | re.S)[1]
    printed = subprocess.run(
        ["bash", "-c", f"command={shown}; printf '%s\\0' \"${{command[@]}}\""],
        capture_output=True,
        cwd=tmp_path,
        check=True,
    )
    assert printed.stdout.decode().split("\0")[:-1] == ["tfepi_variants.py", "-o", word]
    assert shlex.split(shown[1:-1]) == ["tfepi_variants.py", "-o", word]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "count", "message"),
    [
        ("", 2, "no command is given: give one of tfepi_data.py"),
        ("tfepi_train.py x", 2, "tfepi_train.py x has no --shard"),
        ("tfepi_methylation.py merge", 2, "tfepi_methylation.py merge has no --shard"),
        ("tfepi_data.py g t", 0, "N is 0: want at least 1"),
        ("tfepi_data.py g t --resume", 2, "the command has --resume, which the script sets"),
        ("tfepi_data.py g t --shard=1/2", 2, "the command has --shard, which the script sets"),
        ("tfepi_data.py g t --cluster=tcp://h:1", 2, "has --cluster, which shards do not take"),
        ("tfepi_data.py --kind methylation g t", 2, "--kind methylation has no --shard"),
        ("tfepi_data.py --kind=methylation g t", 2, "--kind methylation has no --shard"),
        ("tfepi_data.py g t --kind", 2, "argument --kind: expected one argument"),
        ("tfepi_data.py https://h/g.fa?key=1 t", 2, "the command has a URL with a ?, which may be"),
    ],
)
def test_what_is_refused(command, count, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        ArrayJob(tuple(command.split()), count, {}).script()


def test_a_folder_that_is_called_as_a_kind(tmp_path):
    ArrayJob(("tfepi_data.py", "-o", "methylation", "g", "t"), 2, {}).script()


def test_logs_lie_in_a_folder():
    with pytest.raises(ConfigError, match="--logs is '': want a folder"):
        ArrayJob(("tfepi_data.py", "g", "t"), 2, {}, logs="")


@pytest.mark.parametrize("value", ["", "1 G", "4G\n#SBATCH --uid=0", "$(id)"])
def test_directives_are_one_word(value):
    with pytest.raises(ConfigError, match=r"--mem is .*: want one word"):
        ArrayJob(("tfepi_data.py", "g", "t"), 2, {"mem": value})
    with pytest.raises(ConfigError, match=r"--merge_mem is .*: want one word"):
        ArrayJob(("tfepi_data.py", "g", "t"), 2, {}, merge={"mem": value})
    with pytest.raises(ConfigError, match=r"--name is .*: want letters"):
        ArrayJob(("tfepi_data.py", "g", "t"), 2, {}, name=value)


def test_the_script_is_printed_or_written_once(run_script, tmp_path):
    command = ["array", 2, "--", "tfepi_variants.py", "-o", "d"]
    printed = run_script("tfepi_slurm.py", *command).stdout
    path = tmp_path / "s.sh"
    asked = ["array", 2, "-o", path, *command[2:]]
    run_script("tfepi_slurm.py", *asked)
    assert path.read_text() == printed.replace("bash job.sh", f"bash {path}")
    assert os.access(path, os.X_OK)
    again = run_script("tfepi_slurm.py", *asked, check=False)
    assert (again.returncode, "is there: use --overwrite" in again.stderr) == (2, True)
    run_script("tfepi_slurm.py", "array", 2, "--overwrite", "-o", path, *command[2:])
    nowhere = ["array", 2, "-o", tmp_path / "no" / "job.sh", *command[2:]]
    done = run_script("tfepi_slurm.py", *nowhere, check=False)
    message = f"folder {tmp_path / 'no'} does not exist, make it first"
    assert (done.returncode, message in done.stderr) == (2, True)
