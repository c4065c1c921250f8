import json
from pathlib import Path

import h5py
import numpy as np
import pyBigWig
import pytest

from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.genome import Genome, encode
from tfrecords_tools.targets import Target

SCRIPT = "tfepi_predict.py"


@pytest.fixture(scope="module")
def model(write_model) -> Path:
    """A run folder with an untrained model of 256 bp, four 32-bp bins in the middle."""
    return write_model(32, crop=2, normalise=True)


@pytest.fixture
def bed(tmp_path) -> Path:
    path = tmp_path / "in.bed"
    path.write_text("chr1\t500\t700\tone\nchr3\t23990\t24000\nchr1\t590\t640\n")
    return path


@pytest.fixture
def arguments(model, bed, genome_folder, tmp_path):
    return [
        *(model / "params.json", model, bed),
        *("-f", genome_folder / "genome.fa", "-o", tmp_path / "out"),
    ]


def test_a_bed_a_stretch_and_a_layer(run_script, here, arguments, model, genome_folder, tmp_path):
    done = run_script(SCRIPT, *arguments, "--rc", "--shifts", "1,0", "-b", "all", "-s", "-q")
    assert done.stdout == f"wrote {tmp_path / 'out'}\n"
    with h5py.File(tmp_path / "out" / "predict.h5") as file:
        assert file["preds"].shape == (3, 2)
        assert file["start"][()].tolist() == [536, 23931, 551]
        assert np.isfinite(file["preds"][()]).all()
        assert file["target_labels"][()].tolist() == [b"first", b"t1"]
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"bed", "fasta", "model", "spec"} <= set(record["inputs"])
    assert (record["outcome"], record["windows"]) == ("finished", 3)

    genome = genome_folder / "genome.fa"
    place = ("-f", genome, "--chroms", "chr3", "-b", "t1", "-g", tmp_path / "sizes")
    (tmp_path / "sizes").write_text("chr3\t24000\n")
    more = [*arguments[:2], *place, "-o", tmp_path / "whole", "--no_h5", "-q"]
    assert here(SCRIPT, *more)[0] == 0
    assert [p.name for p in (tmp_path / "whole" / "bigwig").iterdir()] == ["t1.bw"]
    from tfepi.predictors import load_predictor

    with Genome(genome) as opened:
        sequence = opened.indices("chr3", 1280 - 64, 1280 + 192)[None]
    wanted = load_predictor(model).predict({"sequence": sequence})["main"][0, :, 1]
    with pyBigWig.open(str(tmp_path / "whole" / "bigwig" / "t1.bw")) as file:
        assert file.chroms() == {"chr3": 24000}
        assert file.header()["nBasesCovered"] == 24000
        found = [v for *_, v in file.intervals("chr3", 1280, 1280 + 128)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)

    more = [*arguments[:-1], tmp_path / "layer", "-e", "0", "-q"]
    assert here(SCRIPT, *more)[0] == 0
    with h5py.File(tmp_path / "layer" / "predict.h5") as file:
        assert file["preds"].shape == (3, 8, 8)
        assert file["start"][0] == 600 - 128


def test_overlapping_windows_of_an_ensemble(
    here, arguments, write_model, genome_folder, tmp_path, genome_values
):
    """Two models with a value per base, one chromosome shorter than their window."""
    sequences, _ = genome_values
    chroms = {"a": sequences["chr3"][:700], "b": sequences["chr1"][:200]}
    genome = tmp_path / "genome.fa"
    genome.write_text("".join(f">{n}\n{s}\n" for n, s in chroms.items()))
    from tfepi.predictors import load_keras, load_predictor

    models = [write_model(1), write_model(1)]
    second = load_keras(models[1])
    for weight in second.weights:
        weight.assign(weight * 1.5)
    second.save(models[1] / "model_best.keras")
    place = ["-f", genome, "--phases", "2", "--edge", "20", "-b", "t1", "--no_h5", "-q"]
    params = models[0] / "params.json"
    out = tmp_path / "out"
    together = ",".join(map(str, models))
    status, output, _ = here(SCRIPT, params, together, *place, "-o", out, "--batch_size", "3")
    assert (status, output) == (0, f"wrote {out}\n")
    total = {name: np.zeros(len(text)) for name, text in chroms.items()}
    for model in models:
        predictor = load_predictor(model)
        for name, text in chroms.items():
            values, seen = np.zeros(len(text)), np.zeros(len(text))
            last = max(0, len(text) - 256)
            for start in sorted({min(s, last) for s in range(0, len(text), 128)}):
                codes = encode((text + "N" * 256)[start : start + 256])[None]
                stop = min(256, len(text) - start)
                kept = slice(20 if start else 0, stop if start == last else 236)
                window = predictor.predict({"sequence": codes})["main"][0, kept, 1]
                values[start : start + 256][kept] += window
                seen[start : start + 256][kept] += 1
            total[name] += values / seen / len(models)
    with pyBigWig.open(str(out / "bigwig" / "t1.bw")) as file:
        assert file.chroms() == {"a": 700, "b": 200}
        for name, wanted in total.items():
            found = file.values(name, 0, len(wanted), numpy=True)
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
    inputs = json.loads((out / "manifest.json").read_text())["inputs"]
    assert list(inputs) == ["fasta", "model1", "spec1", "model2", "spec2"]
    more = ["-o", tmp_path / "layer", "-e", "0"]
    status, _, lines = here(SCRIPT, params, together, *place[:-4], *more)
    assert status == 2
    assert lines[-1].startswith("error: layers can be read of one Keras model only")


def test_a_conditioned_model_in_a_cell(here, genome_folder, genome_values, tmp_path):
    """It gives twice the cell's accessibility and the difference from the average."""
    import keras

    from tfepi.spec import Head, ModelSpec

    inputs = {"sequence": keras.Input((256, 4), name="sequence")}
    inputs["tracks"] = keras.Input((256, 2), name="tracks")
    joined = keras.layers.Concatenate()([inputs["sequence"], inputs["tracks"]])
    main = keras.layers.Dense(1, use_bias=False, name="main")
    model = keras.Model(inputs, {"main": main(joined)})
    main.kernel.assign([[0], [0], [0], [0], [2], [1]])
    folder = tmp_path / "run"
    folder.mkdir()
    model.save(folder / "model_best.keras")
    conditioning = Conditioning(
        ("a", "b"), ("m",), reference_mode="delta", track_width=1, track_length=256
    )
    shapes = {"sequence": (256, 4), "tracks": (256, 2)}
    head = Head("main", (Target(0, "m", mark="m"),))
    spec = ModelSpec("tiny", shapes, 1, 0, (head,), conditioning=conditioning)
    spec.write(folder / "model.json")
    (folder / "params.json").write_text(json.dumps({"model": {"name": "tiny"}}))
    table = tmp_path / "tracks.txt"
    rows = [f"{n}\t{c}\t{genome_folder / f't{n}.bw'}\t{c}\n" for n, c in enumerate("abc")]
    table.write_text("\tidentifier\tfile\tcell\n" + "".join(rows))
    out = tmp_path / "out"
    options = ["--chroms", "chr3", "--phases", "2", "--edge", "30", "-b", "all", "--no_h5", "-q"]
    arguments = [folder / "params.json", folder, "-f", genome_folder / "genome.fa", "-o", out]
    status, *_ = here(SCRIPT, *arguments, *options, "--cell", "c", "--tracks", table)
    assert status == 0
    # Tracks are read as records hold them, in float16.
    a, b, own = (t["chr3"].astype(np.float16).astype(np.float64) for t in genome_values[1])
    mean = np.nanmean([a, b], axis=0)
    wanted = np.where(np.isnan(own), 0, 3 * own - mean)
    with pyBigWig.open(str(out / "bigwig" / "t0.bw")) as file:
        found = file.values("chr3", 0, len(own), numpy=True)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
    plan = json.loads((out / "manifest.json").read_text())
    assert {"tracks", "track a", "track b", "track c"} <= set(plan["inputs"])
    assert plan["facts"]["targets"][0]["cell"] == "c"
    status, _, lines = here(SCRIPT, *arguments, *options, "--resume")
    assert (status, len(lines)) == (2, 1)
    assert "the model takes tracks of a cell type: name one with --cell" in lines[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--phases": "2"}, "--phases and --edge are for windows along the genome, not around"),
        ({"-l": "100"}, "site length is 100 bp: want a multiple of the bin width of 32 bp"),
        ({"--shifts": "a"}, "shifts 'a'"),
        ({"--head": "body"}, "head 'body' is not one of the model's heads: main"),
        ({"--chroms": "chr1"}, "are asked for at once"),
        ({"-b": "t2"}, "unknown target 't2'"),
        ({"--untransform": "new"}, "unknown untransform style 'new'"),
        ({"--batch_size": "0"}, "batch_size is 0"),
        ({"params": {"name": "tiny", "seq_length": 1344}}, "seq_length is 1344 in params.json"),
        ({"bed": "chr1\t5\tx\n"}, "line 1 is no BED interval"),
        ({"bed": "chr1\t5\t60001\n"}, "ends past the end of chr1"),
        ({"bed": "1\t5\t7\n"}, "differ by the 'chr' prefix"),
        ({"model": "none"}, "model none does not exist"),
        ({"model": "none,none"}, "models none,none name one more than once: name each once"),
    ],
)
def test_bad_input_is_one_line_before_tensorflow(refused, arguments, bed, change, message):
    refused(SCRIPT, arguments, change, message, {"bed": bed})


def test_bad_phases_and_ensembles_are_one_line(here, model, write_model, genome_folder, tmp_path):
    other = write_model(32)
    options = ("-f", genome_folder / "genome.fa", "-o", tmp_path / "out")
    for given, more, message in (
        (
            model,
            ("--edge", 5),
            "edge is 32 bp (whole bins): 1 phases of windows",
        ),
        (model, ("--phases", 5), "phases are 5: want 1 to 4, the bins of a window"),
        (model, ("--phases", 2, "-s"), "--sum is of windows side by side"),
        (f"{model},{other}", (), f"models {model} and {other} differ in their crop, 64 and 0"),
    ):
        status, _, lines = here(SCRIPT, model / "params.json", given, *options, *more)
        assert (status, len(lines)) == (2, 1)
        assert message in lines[0]
    assert not (tmp_path / "out").exists()
