"""The Python in the docs and the README runs, page by page from top to bottom; the JSON is JSON.

A page's blocks are one program, in a folder that has what the pages speak of: `genome.fa`, `data`,
`run`, `in.vcf`, and what the commands of `BEFORE` make of these.
"""

import ast
import importlib
import importlib.util
import json
import os
import runpy
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfepi.params import find_params, parse_params
from tfrecords_tools.files import read_json

PAGES = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("fenced_blocks.py"))))
WITH_PYTHON = [page for page in PAGES.PAGES if PAGES.blocks(page, "python")]

NOT_RUN = {
    "docs/guides/serving.md": "asks a server; tests/serving/client asks the same of real ones",
    "docs/models_borzoi.md": "needs the published weights; tests/pretrained reads files like them",
    "docs/models_enformer.md": "needs the published weights, and a model of 250 M parameters",
    "docs/params.md": "tests/scripts/test_own_model.py runs these, and the commands after them",
}
SCORES = "tfepi_variants.py params.json run in.vcf -f genome.fa -o scores --stats SAD -q"
# What a page tells to be done before its Python.
BEFORE = {
    "docs/genes.md": [
        "tfepi_genes.py params.json run genes.bed -f genome.fa -o genes --neighbours 0 -q"
    ],
    "docs/guides/comparing_models.md": [
        "tfepi_train.py basset_small data -o run1 --epochs 1 -q",
        "cp -r run1 run2",
    ],
    "docs/guides/qtl_connectivity.md": [
        "tfepi_qtl.py connect mono=links.txt -g genome.fa.fai -o qtl -q --columns chrom=chrom,"
        "pos=pos,target_chrom=to,target_start=start,target_end=end,fdr=fdr"
    ],
    "docs/methylation_variants.md": [
        "tfepi_simulate.py --methylation --length 400000 --variants 40 -o cpgs -q",
        "tfepi_data.py --kind methylation -o cpg_data -l 2001 -v chr4 -t chr3 cpgs/genome.fa "
        "cpgs/wgbs/samples.txt -q",
        "tfepi_train.py cpgs.json cpg_data -o run --overwrite -q",
        "tfepi_methylation.py variants -f cpgs/genome.fa run cpgs/variants.vcf -o mrv -q",
    ],
    "docs/migrating_from_basenji.md": ["tfepi_convert.py params.json run model_best.h5 -q"],
    "docs/transfer.md": ["tfepi_train.py lora.json data -o out --restore run --epochs 1 -q"],
    "docs/variant_calibration.md": [
        "tfepi_calibrate.py sample -f genome.fa -n 60 -o random.vcf -q",
        "tfepi_variants.py params.json run random.vcf -f genome.fa -o random --stats SAD -q",
        SCORES,
        "tfepi_calibrate.py scores scores --background random -o calibrated --null -q",
    ],
    "docs/variant_summaries.md": [
        SCORES,
        "tfepi_summaries.py scores -o summaries --components 2 -q",
    ],
    "docs/variants.md": [SCORES],
}
# What stands for the reader's own values.
GIVEN = {
    "docs/guides/receptive_field.md": """
from tfepi.models import leopard_unet
predictor = leopard_unet(input_length=1024, filters=2, depth=2, outputs=1)
function = lambda codes: codes.sum(axis=-1, keepdims=True)
""",
    "docs/models_interact.md": """
import numpy as np
from tfepi.models import interact
model = interact(input_length=201, kernels=4, hidden=8, layers=1, attention_heads=2)
windows = np.zeros((2, 201, 4), "float32")
""",
    "docs/normalize.md": """
import numpy as np
sorted_sample, sorted_reference = np.arange(50.0), np.arange(50.0) ** 2
values = np.array([3.0, 7.5])
""",
}
MODEL = {
    "train": {"optimizer": "adam", "learning_rate": 0.002, "loss": "poisson"},
    "model": {
        "seq_length": 768,
        "activation": "gelu",
        "norm_type": "batch",
        "trunk": [
            {"name": "conv_dna", "filters": 16, "kernel_size": 17, "pool_size": 6},
            {"name": "conv_tower", "filters_init": 16, "filters_mult": 1, "kernel_size": 5}
            | {"pool_size": 2, "repeat": 3},
            {"name": "transformer", "key_size": 4, "heads": 2},
            {"name": "dense_block", "flatten": True, "units": 16},
        ],
        "head": {"name": "final", "units": 3, "activation": "softplus"},
    },
}


def run(folder, line):
    """Run a command in a folder."""
    script, *words = shlex.split(line)
    ours = [sys.executable, str(PAGES.ROOT / "scripts" / script)]
    done = subprocess.run(
        [*(ours if script.startswith("tfepi_") else [script]), *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PAGES.ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{line}\n{done.stderr}"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """A folder with a simulated genome, data of it and a model that was trained for one epoch."""
    folder = tmp_path_factory.mktemp("workshop")
    run(folder, "tfepi_simulate.py -o . --length 600000 --variants 60 -q")
    shutil.copy(folder / "variants.vcf", folder / "in.vcf")
    lines = (folder / "cell1_peaks.bed").read_text().splitlines()
    chrom, start, *_ = lines[0].split("\t")
    (folder / "regions.bed").write_text(f"{chrom}\t{start}\t{int(start) + 500}\n")
    (folder / "genes.bed").write_text(f"{chrom}\t{start}\t{int(start) + 900}\tgene\t0\t+\n")
    (folder / "params.json").write_text(json.dumps(MODEL))
    transfer = {"transfer": {"mode": "adapter", "adapter": "lora_conv"}}
    (folder / "lora.json").write_text(json.dumps(MODEL | transfer))
    preset = read_json(find_params("interact_small_pretrain"), "params file")
    preset["train"] |= {"train_epochs_max": 1, "steps_per_epoch": 4, "warmup_steps": 2}
    (folder / "cpgs.json").write_text(json.dumps(preset))
    (folder / "tracks.txt").write_text(
        "\tidentifier\tfile\tcell\tassay\n"
        "0\tliver\tcell1.bw\tliver\tATAC\n1\tmonocyte\tcell2.bw\tmonocyte\tATAC\n"
    )
    (folder / "links.txt").write_text(
        "chrom\tpos\tto\tstart\tend\tfdr\nchr1\t5000\tchr1\t30000\t31000\t0.001\n"
    )
    table = (folder / "targets.txt").read_text().replace("cell1\t", "DNASE\t", 1)
    (folder / "targets.txt").write_text(table)
    windows = "-l 768 -w 192 -c 288 --stride 384 --stride_test 384 -v chr4 -t chr5"
    run(folder, f"tfepi_data.py genome.fa targets.txt -o data {windows} -q")
    run(folder, "tfepi_train.py params.json data -o run --epochs 1 -q")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in WITH_PYTHON if page not in NOT_RUN])
def test_python_of_a_page_runs(page, workshop, tmp_path, monkeypatch):
    from tfepi.startup import import_tensorflow

    folder = tmp_path / "here"
    shutil.copytree(workshop, folder)
    for line in BEFORE.get(page, ()):
        run(folder, line)
    import_tensorflow()
    monkeypatch.chdir(folder)
    names = {}
    exec(GIVEN.get(page, ""), names)
    for block in PAGES.blocks(page, "python"):
        lines = "\n" * (block.line - 1) + block.text  # so that an error names the page's line
        exec(compile(lines, page, "exec"), names)


def test_what_is_not_run_is_there():
    assert set(NOT_RUN) | set(BEFORE) | set(GIVEN) <= set(WITH_PYTHON)


def is_there(module, name: str) -> bool:
    """Tell whether a module has a name, or a package such a module."""
    return (
        hasattr(module, name) or importlib.util.find_spec(f"{module.__name__}.{name}") is not None
    )


def test_what_python_blocks_import_is_there():
    wrong = []
    for page in WITH_PYTHON:
        for block in PAGES.blocks(page, "python"):
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith(("tfepi", "tfrec")):
                    module = importlib.import_module(node.module)
                    names = [alias.name for alias in node.names]
                    wrong += [f"{block}: {n}" for n in names if not is_there(module, n)]
    assert not wrong, "\n".join(wrong)


def test_json_blocks_are_json():
    for page in PAGES.PAGES:
        for block in PAGES.blocks(page, "json"):
            value = json.loads(block.text)
            if isinstance(value, dict) and "model" in value:
                parse_params(value, str(block))
