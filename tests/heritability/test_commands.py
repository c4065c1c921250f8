"""commands.sh: what a shell runs of it, argument by argument."""

import subprocess
from pathlib import Path

from tfepi.heritability.ldsc_commands import LdscInputs, command_script

_RECORD = (
    '#!/bin/sh\nfor word in "$@"; do printf "%s\\t" "$word"; done >> "$CALLS"; echo >> "$CALLS"\n'
)


def run(tmp_path, script, **environment):
    """Run a script with a command that notes its arguments in LDSC's place."""
    record = tmp_path / "ldsc record"
    record.write_text(_RECORD)
    record.chmod(0o755)
    (tmp_path / "here").mkdir(exist_ok=True)
    (tmp_path / "here" / "commands.sh").write_text(script)
    calls = tmp_path / "calls"
    calls.write_text("")
    done = subprocess.run(
        ["sh", str(tmp_path / "here" / "commands.sh")],
        env={"PATH": "/usr/bin:/bin", "LDSC": str(record), "CALLS": str(calls), **environment},
        capture_output=True,
        text=True,
    )
    return done, [line.rstrip("\t").split("\t") for line in calls.read_text().splitlines()]


def options(call):
    """Return option → value of a call; a flag has the value None."""
    found, name = {}, None
    for word in call:
        if word.startswith("--"):
            name, found[word] = word, None
        else:
            found[name] = word
    return found


def test_joint(tmp_path):
    given = LdscInputs({"eGFR's": "/g/c r.gz"}, "/w/w.", "/f/f.", "/b/base.", "/s/snps")
    bims = {c: Path(f"/my ref/1000G.{c}.bim") for c in ("1", "2")}
    script = command_script(["ldsc/clusters."], bims, given, thin=True)
    done, calls = run(tmp_path, script)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here" / "results").is_dir()
    assert len(calls) == 3
    for chrom, call in zip("12", calls[:2], strict=True):
        assert options(call) == {
            "--l2": None,
            "--bfile": f"/my ref/1000G.{chrom}",
            "--ld-wind-cm": "1",
            "--annot": f"ldsc/clusters.{chrom}.annot.gz",
            "--thin-annot": None,
            "--print-snps": "/s/snps",
            "--out": f"ldsc/clusters.{chrom}",
        }
    assert options(calls[2]) == {
        "--h2": "/g/c r.gz",
        "--ref-ld-chr": "/b/base.,ldsc/clusters.",
        "--w-ld-chr": "/w/w.",
        "--overlap-annot": None,
        "--frqfile-chr": "/f/f.",
        "--print-coefficients": None,
        "--print-delete-vals": None,
        "--out": "results/eGFR's",
    }


def test_what_is_not_given_is_asked_for(tmp_path):
    script = command_script(["ldsc/c."], {"1": Path("/r/one.bim")}, LdscInputs())
    done, calls = run(tmp_path, script)
    assert done.returncode != 0
    assert "WEIGHTS: full prefix of the LD scores of regression weights" in done.stderr
    assert calls == []
    stated = {"WEIGHTS": "/w.", "FRQ": "/f.", "SUMSTATS": "/s s.gz", "TRAIT": "my trait"}
    done, calls = run(tmp_path, script, **stated)
    assert done.returncode == 0, done.stderr
    assert options(calls[0])["--bfile"] == "/r/one"
    last = options(calls[-1])
    assert (last["--h2"], last["--out"]) == ("/s s.gz", "results/my trait")
    assert last["--ref-ld-chr"] == "ldsc/c."


def test_several_sets_and_names_without_a_pattern(tmp_path):
    given = LdscInputs({"a": "/a.gz"}, "/w.", "/f.")
    bims = {"1": Path("/r/x1.bim"), "2": Path("/r/y2.bim")}
    sets = ["ldsc/c.T.", "ldsc/c.B."]
    done, calls = run(tmp_path, command_script(sets, bims, given, centimorgans=False))
    assert done.returncode == 0, done.stderr
    assert [options(c)["--bfile"] for c in calls[:4]] == ["/r/x1", "/r/y2"] * 2
    assert options(calls[3])["--out"] == "ldsc/c.B.2"
    assert options(calls[0])["--ld-wind-kb"] == "1000"
    assert [options(c)["--out"] for c in calls[4:]] == ["results/a.c.T", "results/a.c.B"]


def test_files_that_are_not_here(tmp_path):
    (tmp_path / "base").mkdir()
    for name in ("base/base.1.l2.ldscore.gz", "w[1].1.l2.ldscore.gz", "c.gz"):
        (tmp_path / name).touch()
    given = {"sumstats": {"a": f"{tmp_path}/c.gz"}, "weights": f"{tmp_path}/w[1]."}
    for baseline in ("base/base.", "base/", "base/base.@"):
        assert LdscInputs(**given, baseline=f"{tmp_path}/{baseline}").absent() == []
    both = f"{tmp_path}/base/base.,{tmp_path}/other."
    absent = {"a": "/no/a.gz", "b": str(tmp_path)}
    inputs = LdscInputs(absent, "/no/w.", "/no/f.", both, "/no/snps")
    assert inputs.absent() == [
        *(f"--baseline {both}", "--weights /no/w.", "--frq /no/f."),
        *("--sumstats a /no/a.gz", f"--sumstats b {tmp_path}", "--print_snps /no/snps"),
    ]
    assert LdscInputs().absent() == []
