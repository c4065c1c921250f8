import json

import pandas as pd
import pytest

from tfrecords_tools.genome import Genome

SCRIPT = "tfepi_compare.py"


@pytest.fixture(scope="module")
def vcf(tmp_path_factory, genome_folder):
    path = tmp_path_factory.mktemp("vcf") / "in.vcf"
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    with Genome(genome_folder / "genome.fa") as genome:
        for start in range(1500, 50_000, 997):
            base = int(genome.indices("chr1", start, start + 1)[0])
            if base < 4:
                alt = "ACGT"[(base + 1) % 4]
                lines.append(f"chr1\t{start + 1}\trs{start}\t{'ACGT'[base]}\t{alt}\t.\t.\t.")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def models(write_model):
    """Run folders of a model with one bin, and of one with six, of other weights."""
    return {"one": write_model(), "six": write_model(32, 1)}


@pytest.fixture(scope="module")
def arguments(models, vcf, genome_folder):
    named = [f"{name}={path / 'params.json'},{path}" for name, path in models.items()]
    return [*named, "--vcf", vcf, "-f", genome_folder / "genome.fa", "-q"]


@pytest.fixture(scope="module")
def bed(tmp_path_factory):
    path = tmp_path_factory.mktemp("bed") / "in.bed"
    path.write_text("".join(f"chr1\t{s}\t{s + 100}\n" for s in range(2000, 50_000, 2000)))
    return path


QUICK = ("--bootstrap", 40, "--bootstrap_ranks", 20, "--top", "5,10")


def test_everything_as_one_command(here, arguments, bed, genome_folder, tmp_path):
    out = tmp_path / "out"
    call = (*arguments, *QUICK, "-o", out, "--regions", bed, "--rc", "--field_repeats", 1)
    status, text, lines = here(SCRIPT, *call, "--observed", f"t0={genome_folder / 't0.bw'}")
    assert status == 0, lines
    assert text.split()[:4] == ["model", "input", "bins", "field"]
    assert "one, six" in text
    assert "one, observed" in text
    assert text.endswith(f"wrote {out}\n")
    assert "256 (cut by input)" in text
    names = {p.name for p in out.iterdir()} - {".tfepi"}
    assert names == {
        *("compare.json", "compare.tsv", "effect_distance.tsv", "variants.parquet"),
        *("figures", "regions", "run.json", "scores"),
    }
    assert (out / "figures" / "compare.png").exists()
    found = json.loads((out / "compare.json").read_text())
    assert [f["theory"] for f in found["fields"]] == [
        {"least": 256, "most": 256, "whole": True},
        {"least": 42, "most": 42, "whole": False},
    ]
    assert all(m["rc"] for m in found["models"])
    again = ("--observed", f"t0={genome_folder / 't0.bw'}", "--resume", "--no_figures")
    assert here(SCRIPT, *call, *again)[0] == 0
    assert json.loads((out / "compare.json").read_text()) == found
    assert "use --resume to go on, --overwrite" in here(SCRIPT, *call)[2][-1]

    # The folders of scores, and a model that is given its own.
    given = [f"{name}={out / 'scores' / name}" for name in ("one", "six")]
    some = ("-q", *QUICK, "--no_figures", "-o")
    assert here(SCRIPT, *given, *some, tmp_path / "given")[0] == 0
    again = json.loads((tmp_path / "given" / "compare.json").read_text())
    assert again["pairs"] == found["pairs"]
    own = [f"{arguments[0]},scores={out / 'scores' / 'one'}", f"{given[1]},query=first"]
    assert here(SCRIPT, *own, *some, tmp_path / "own", "--field_repeats", 0)[0] == 0
    table = pd.read_parquet(tmp_path / "own" / "variants.parquet")
    assert {"one", "six"} <= set(table.columns)
    status, _, lines = here(SCRIPT, f"{own[0]},mean", own[1], *some, tmp_path / "mean")
    assert status == 2
    assert "unknown target 't1' of the scores of model one" in lines[-1]
    wrong = f"{arguments[1]},scores={out / 'scores' / 'one'}"
    status, _, lines = here(SCRIPT, wrong, given[0], *some, tmp_path / "wrong")
    assert status == 2
    assert "were made by another model" in lines[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: None}, "1 model is named, want at least two"),
        ({0: "six=x,y"}, "two models are named 'six'"),
        ({0: "one=x"}, "model one: x is no folder"),
        ({0: "one=no.json,y"}, "no.json"),
        ({"--stat": "logSAT"}, "unknown statistic 'logSAT'"),
        ({"--top": "a"}, "--top is 'a'"),
        ({"--span": "400"}, "--span is 400 bp, and model six predicts 192: want no more"),
        ({"--block_bp": "1000000"}, "--block_bp is 1000000: the variants of"),
        ({"--bootstrap": "3"}, "bootstrap has 3 resamples"),
        ({"--targets": "t9"}, "unknown target 't9' of model one"),
        ({"--vcf": "none.vcf"}, "none.vcf does not exist"),
        ({"--observed": "x.bw"}, "--observed is of regions"),
    ],
)
def test_bad_input_is_one_line(here, arguments, tmp_path, change, message):
    [(key, value)] = change.items()
    call = [*arguments, "-o", tmp_path / "out"]
    if key == 0:
        call[:1] = [value] if value else []
    else:
        call += [key, value]
    status, text, lines = here(SCRIPT, *call)
    assert (status, text, len(lines)) == (2, "", 1)
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert not (tmp_path / "out").exists()


def test_models_without_a_common_target(here, arguments, models, tmp_path):
    call = [f"{arguments[0]},query=first", *arguments[1:], "-o", tmp_path / "out"]
    line = here(SCRIPT, *call)[2][-1]
    assert "model one is compared by the mean over chosen targets, and six has 2" in line
    assert here(SCRIPT, *call, "--targets", "t1")[2][-1].endswith("leave one out")


def test_help_at_once(run_script):
    assert "NAME=PARAMS,MODEL" in run_script(SCRIPT, "--help").stdout
