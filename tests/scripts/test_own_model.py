"""A Keras model of one's own through the commands, by the recipe in docs/params.md."""

import logging
import re
import runpy
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfrecords_tools.genome import Genome

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def recipe():
    """The Python blocks of the section: the model, the layer, the script that imports it."""
    text = (ROOT / "docs" / "params.md").read_text()
    section = text.split("## A Keras model of your own\n")[1]
    return re.findall(r"```python\n(.*?)```", section, re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch, genome_folder, recipe):
    """A folder with what the recipe needs, and in run/ its model, random weights."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    monkeypatch.chdir(tmp_path)
    shutil.copy(genome_folder / "targets.txt", tmp_path)
    keras.utils.set_random_seed(3)
    exec(recipe[0], {})
    with Genome(genome_folder / "genome.fa") as genome:
        places = np.arange(10_000, 40_000, 301)
        bases = [int(genome.indices("chr1", p, p + 1)[0]) for p in places]
    lines = [
        f"chr1\t{place + 1}\t.\t{'ACGT'[base]}\t{'ACGT'[(base + 1) % 4]}\t.\t.\t."
        for place, base in zip(places.tolist(), bases, strict=True)
        if base < 4
    ]
    header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "in.vcf").write_text(header + "\n".join(lines) + "\n")
    (tmp_path / "regions.bed").write_text("chr1\t20000\t20100\n")
    return tmp_path


def arguments(genome_folder, out, incremental="on"):
    genome = ("-f", genome_folder / "genome.fa", "--rc", "--stats", "SAD,D2")
    return ("run/params.json", "run", "in.vcf", *genome, "--incremental", incremental, "-o", out)


def assert_same_scores(one, other):
    with h5py.File(Path(one) / "scores.h5") as a, h5py.File(Path(other) / "scores.h5") as b:
        for name in ("SAD", "D2"):
            scale = np.abs(b[name][()]).max()
            assert scale > 0
            np.testing.assert_allclose(a[name][()], b[name][()], atol=2e-5 * scale)
        assert [t.decode() for t in a["target_ids"]] == ["T0", "T1", "T2"]


def test_a_model_of_keras_layers(here, folder, genome_folder, caplog):
    caplog.set_level(logging.INFO)
    status, _, errors = here("tfepi_variants.py", *arguments(genome_folder, "on"))
    assert status == 0, errors
    assert "compared with whole predictions" in caplog.text
    assert here("tfepi_variants.py", *arguments(genome_folder, "off", "off"))[0] == 0
    assert_same_scores("on", "off")
    of_model = ("run/params.json", "run", "regions.bed", "-f", genome_folder / "genome.fa", "-q")
    for script, *more in (("tfepi_ism.py", "-l", 8, "--no_plots"), ("tfepi_predict.py",)):
        status, _, errors = here(script, *of_model, *more, "-o", script)
        assert status == 0, errors


def test_a_layer_of_ones_own(here, folder, genome_folder, recipe, monkeypatch, caplog):
    import keras

    caplog.set_level(logging.INFO)

    _, layer, script = recipe
    (folder / "my_layers.py").write_text(layer)
    (folder / "with_my_layers.py").write_text(script)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PATH", f"{ROOT / 'scripts'}:{Path(sys.executable).parent}")
    keras_objects = keras.saving.get_custom_objects()

    import my_layers

    inner = keras.saving.load_model("run/model_best.keras")
    sequence = keras.Input((1024, 4), name="sequence")
    x = keras.layers.ZeroPadding1D(1)(inner({"sequence": sequence})["output"])
    whole = keras.Model({"sequence": sequence}, {"output": my_layers.Neighbours()(x)})
    whole.save("run/model_best.keras")
    del sys.modules["my_layers"], keras_objects["mine>Neighbours"]
    status, _, errors = here("tfepi_variants.py", *arguments(genome_folder, "not"))
    assert status == 2
    assert "it has the layer 'Neighbours', which is not known here" in errors[-1]
    for incremental in ("on", "off"):
        command = arguments(genome_folder, incremental, incremental)
        monkeypatch.setattr(sys, "argv", ["x", "tfepi_variants.py", *map(str, command)])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path("with_my_layers.py", run_name="__main__")
        assert ended.value.code == 0, caplog.text
        assert ("compared with whole predictions" in caplog.text) == (incremental == "on")
        caplog.clear()
    assert_same_scores("on", "off")
    monkeypatch.delitem(sys.modules, "my_layers")
