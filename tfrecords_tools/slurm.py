"""Scripts that run a command in shards as a SLURM array, and merge when all are done.

A script is submitted with `bash job.sh`, which calls sbatch on the script itself: once for the
array (twice for a command that runs in two passes), once for the merge, each after the one before
has succeeded. In the jobs the same script does its task, or the merge.
"""

import argparse
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfrecords_tools.errors import ConfigError, UnfinishedError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.remote import without_secrets

PASSES = {
    ("tfepi_data.py",): 2,  # the second writes records, when all tracks are read
    ("tfepi_methylation.py", "variants"): 1,
    ("tfepi_serve_client.py",): 1,
    ("tfepi_variants.py",): 1,
}
"""Commands with --shard → how often every shard is run."""

DIRECTIVES = ("time", "mem", "cpus_per_task", "partition", "account", "gres", "qos", "constraint")
_OURS = ("--shard", "--merge", "--resume", "--restart", "--overwrite", "--dry_run", "--dry-run")
_ELSEWHERE = ("--cluster", "--st", "--split_test")

_SCRIPT = """\
#!/bin/bash
# Submit with: bash {name}
# {shown} in {count} shards, then merged.
{directives}
set -euo pipefail

command=({command})

case "${{1:-submit}}" in
submit)
    script=${{BASH_SOURCE[0]:-}}
    if [[ ! -f $script ]]; then
        echo "error: sbatch takes a file: save this script as one, then run bash on it" >&2
        exit 2
    fi
    mkdir -p -- {logs}
    array=(--array=1-{count} {log_array})
    for pass in {passes}; do
        id=$(sbatch --parsable "${{array[@]}}" "$script" task)
        id=${{id%%;*}}
        echo "pass $pass of {last}: job $id"
        after=(--dependency="afterok:$id" --kill-on-invalid-dep=yes)
        array+=("${{after[@]}}")
    done
    id=$(sbatch --parsable {merge} "${{after[@]}}" "$script" merge)
    echo "merge: job ${{id%%;*}}"
    ;;
task)
    exec "${{command[@]}}" --shard "$SLURM_ARRAY_TASK_ID/{count}" --resume
    ;;
merge)
    exec "${{command[@]}}" --merge --resume
    ;;
*)
    echo "error: $1 is none of submit, task, merge" >&2
    exit 2
    ;;
esac
"""


@dataclass(frozen=True)
class ArrayJob:
    """A command to run in shards.

    Attributes:
        command: its words, beginning with one of `PASSES`.
        count: how many shards.
        directives: SLURM's options by name (`DIRECTIVES`), for every task and for the merge.
        name: of the jobs.
        logs: folder of the logs.
        merge: directives that are others for the merge ("time", "mem").

    Raises:
        ConfigError: a command without --shard, one that has an option which the script sets, or
            what may be a secret; fewer than one shard; directives of more than a word.
    """

    command: tuple[str, ...]
    count: int
    directives: dict[str, str]
    name: str = "tfepi"
    logs: str = "logs"
    merge: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if self.count < 1:
            raise ConfigError(f"N is {self.count}: want at least 1 shard")
        of_merge = {f"merge_{name}": value for name, value in self.merge.items()}
        for name, value in (self.directives | of_merge).items():
            if not re.fullmatch(r"[\w.,:%+=|&()\[\]*/-]+", value):
                raise ConfigError(f"--{name} is {value!r}: want one word, as sbatch takes it")
        if not re.fullmatch(r"[\w.-]+", self.name):
            raise ConfigError(f"--name is {self.name!r}: want letters, digits, _, . and - only")
        words = [w.partition("=")[0] for w in self.command]
        for word in words:
            if word in _OURS:
                raise ConfigError(
                    f"the command has {word}, which the script sets in each job: leave it out"
                )
            if word in _ELSEWHERE:
                raise ConfigError(
                    f"the command has {word}, which shards do not take: leave it out, or run the "
                    "command by itself"
                )
        if self.program == ("tfepi_data.py",) and _kind(self.command) == "methylation":
            raise ConfigError(
                "tfepi_data.py --kind methylation has no --shard: run it by itself with -p or "
                "--cluster"
            )
        if without_secrets(self.command) != list(self.command):
            raise ConfigError(
                "the command has a URL with a ?, which may be a secret, and the script would show "
                "it: download the file, or name it by s3:// or gs:// with credentials"
            )
        if not self.logs or not self.logs.isprintable():
            raise ConfigError(f"--logs is {self.logs!r}: want a folder")

    @property
    def program(self) -> tuple[str, ...]:
        """The command, and its subcommand if it has some, as in `PASSES`."""
        for known in PASSES:
            words = self.command[: len(known)]
            if tuple(word.rpartition("/")[2] for word in words) == known:
                return known
        names = ", ".join(" ".join(known) for known in PASSES)
        if not self.command:
            raise ConfigError(f"no command is given: give one of {names}, after --")
        shown = shlex.join(self.command[:2])
        raise ConfigError(f"{shown} has no --shard: give one of {names}, after --")

    def script(self, file: str = "job.sh") -> str:
        """Return the script.

        Args:
            file: what it will be called, for its first lines.
        """
        passes = PASSES[self.program]
        lines = [f"#SBATCH --job-name={self.name}"]
        lines += [f"#SBATCH --{k.replace('_', '-')}={v}" for k, v in self.directives.items()]
        of_merge = [f"--{name}={shlex.quote(value)}" for name, value in self.merge.items()]
        logs = shlex.quote(self.logs)
        where = self.logs.replace("%", "%%") + "/" + self.name
        return _SCRIPT.format(
            name=_commented(shlex.quote(file)),
            shown=_commented(" ".join(self.program)),
            count=self.count,
            directives="\n".join(lines),
            command=shlex.join(self.command),
            logs=logs,
            passes=" ".join(str(n + 1) for n in range(passes)),
            last=passes,
            log_array="--output=" + shlex.quote(f"{where}_%A_%a.log"),
            merge=" ".join(["--output=" + shlex.quote(f"{where}_%j_merge.log"), *of_merge]),
        )


def _kind(command: Sequence[str]) -> str | None:
    """Return what tfepi_data.py's --kind is given in a command."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--kind")
    try:
        return parser.parse_known_args(command)[0].kind
    except argparse.ArgumentError as error:
        raise ConfigError(f"of the command: {error}") from None


def _commented(text: str) -> str:
    return " ".join(text.split())


def add_array(subparsers) -> None:
    """Add the subcommand `array`."""
    p = subparsers.add_parser(
        "array",
        help="a command with --shard as an array of N tasks, then its --merge",
        description="Print a script that runs a command in N shards and merges them. Submit it "
        f"with bash. Commands: {', '.join(map(' '.join, PASSES))}.",
        usage="%(prog)s N [options] -- tfepi_variants.py …",
    )
    p.add_argument("count", type=int, metavar="N", help="shards")
    p.add_argument("-o", dest="out", metavar="FILE", help="script [standard output]")
    p.add_argument("--overwrite", action="store_true", help="replace the script")
    p.add_argument("--name", default="tfepi", help="of the jobs [%(default)s]")
    p.add_argument("--logs", default="logs", metavar="DIR", help="[%(default)s]")
    s = p.add_argument_group("of each task and of the merge, as sbatch takes them")
    s.add_argument("--time", metavar="H:MM:SS")
    s.add_argument("--mem", metavar="SIZE")
    s.add_argument("--cpus", dest="cpus_per_task", metavar="N")
    for name in ("partition", "account", "gres", "qos", "constraint"):
        s.add_argument(f"--{name}", metavar=name.upper())
    s.add_argument("--merge_time", metavar="H:MM:SS", help="of the merge [--time]")
    s.add_argument("--merge_mem", metavar="SIZE", help="of the merge [--mem]")
    p.set_defaults(script=array_script)


def array_script(args: argparse.Namespace) -> str:
    """Return the script of `array`.

    Raises:
        ConfigError: as `ArrayJob`.
    """
    asked = {name: getattr(args, name) for name in DIRECTIVES}
    directives = {name: value for name, value in asked.items() if value is not None}
    merge = {name: getattr(args, f"merge_{name}") for name in ("time", "mem")}
    merge = {name: value for name, value in merge.items() if value is not None}
    job = ArrayJob(tuple(args.command), args.count, directives, args.name, args.logs, merge)
    return job.script(args.out or "job.sh")


def write_script(text: str, path: str, overwrite: bool) -> None:
    """Write a script that can be run.

    Raises:
        ConfigError: its folder is not there.
        UnfinishedError: the file is there, and overwrite was not asked for.
    """
    folder = Path(path).parent
    if not folder.is_dir():
        raise ConfigError(f"script {path}: folder {folder} does not exist, make it first")
    if Path(path).exists() and not overwrite:
        raise UnfinishedError(f"script {path} is there: use --overwrite, or name another file")
    with atomic_path(path) as part:
        part.write_text(text)
        part.chmod(0o755)


def split_command(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what is before the first "--" and what is after it."""
    if "--" not in argv:
        return list(argv), []
    at = list(argv).index("--")
    return list(argv[:at]), list(argv[at + 1 :])
