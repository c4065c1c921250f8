import json

import h5py
import keras
import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from tfepi.methylation import attribute_arguments, attribution, attribution_run
from tfepi.methylation.attribution_files import NAME, read_attributions
from tfepi.methylation.cpg_places import Place
from tfepi.predictors import KerasPredictor
from tfepi.report.attribution_figures import attribution_figure
from tfepi.spec import AveragedPredictor, CallablePredictor, Head, ModelSpec
from tfrecords_tools import command
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import Genome, one_hot, reverse_complement
from tfrecords_tools.targets import Target

LENGTH, HALF = 31, 15
TASKS = ("brain", "blood", "saliva")
SEQUENCE = "CGTTACGGANNTACCGATTGCGCATTAGACCATGACGATACAGGATCCAGTACGTTACAGCATTACGGATATACCGTTAGCA" * 2


def toy_model():
    inputs = keras.Input((LENGTH, 4), name="sequence")
    keras.utils.set_random_seed(4)
    x = keras.layers.Conv1D(6, 4, activation="gelu", padding="same", name="conv1")(inputs)
    x = keras.layers.Dense(5, activation="tanh", name="mix")(x)
    x = keras.layers.Reshape((1, LENGTH * 5), name="flat")(x)
    out = keras.layers.Dense(len(TASKS), activation="sigmoid", name="head")(x)
    return keras.Model({"sequence": inputs}, out)


def toy_spec(**changes):
    targets = tuple(Target(i, name) for i, name in enumerate(TASKS))
    values = {"name": "toy", "inputs": {"sequence": (LENGTH, 4)}, "bin_width": 1, "crop": HALF}
    values |= {"heads": (Head("main", targets),), "extra": {"kind": "methylation"}}
    return ModelSpec(**(values | changes))


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.fixture(scope="module")
def predict(model):
    """Predictions of one-hot codes [n, length, 4]: float64 [n, tasks]."""
    function = model.__call__

    def run(codes):
        tensor = {"sequence": keras.ops.convert_to_tensor(codes.astype("float32"))}
        return keras.ops.convert_to_numpy(function(tensor, training=False))[:, 0].astype(float)

    return run


@pytest.fixture(scope="module")
def fasta(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    path.write_text(f">c1\n{SEQUENCE}\n")
    return path


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("run")
    model.save(folder / "model_best.keras")
    toy_spec().write(folder / "model.json")
    return folder


PLACES = [Place("c1", 0), Place("c1", 5, "named"), Place("c1", 96), Place("c1", 20)]


def work(*texts):
    parser = command.Parser()
    attribute_arguments.add(parser.add_subparsers(parser_class=command.Parser))
    args = parser.parse_args(["attribute", *map(str, texts)])
    args.work(args)


@pytest.fixture(scope="module")
def done(tmp_path_factory, run_folder, fasta):
    """A run of both methods on four CpGs, one at the chromosome's start and one near N."""
    folder = tmp_path_factory.mktemp("done")
    bed = folder / "cpgs.bed"
    bed.write_text("".join(f"c1\t{p.position}\t{p.position + 1}\t{p.label}\n" for p in PLACES))
    arguments = (run_folder, "-f", fasta, "--cpgs", bed, "-o", folder / "out", "-q", "-l", "21")
    work(*arguments, "--figures", "1", "--plot_task", "blood", "-t", "blood,brain")
    return folder / "out"


def window(place):
    padded = "N" * HALF + SEQUENCE + "N" * HALF
    part = padded[place.position : place.position + LENGTH]
    return np.array(["ACGTN".index(b) for b in part], np.uint8)


def test_gradients_against_finite_differences(done, predict):
    for place, cpg in zip(PLACES, read_attributions(done / NAME), strict=True):
        assert (cpg.place, cpg.tasks) == (place, ("blood", "brain"))
        codes = one_hot(window(place)[None])
        np.testing.assert_array_equal(cpg.own, codes[0] > 0)
        np.testing.assert_allclose(cpg.prediction, predict(codes)[0, [1, 0]], rtol=1e-5)
        step = 0.02
        moved = np.tile(codes, (LENGTH * 4, 1, 1)).reshape(LENGTH, 4, LENGTH, 4)
        change = np.eye(LENGTH * 4).reshape(LENGTH, 4, LENGTH, 4) * step
        up = predict((moved + change).reshape(-1, LENGTH, 4))
        down = predict((moved - change).reshape(-1, LENGTH, 4))
        slow = ((up - down) / (2 * step))[:, [1, 0]].reshape(LENGTH, 4, 2)
        np.testing.assert_allclose(cpg.gradient, slow, atol=3e-4 * np.abs(slow).max() + 2e-6)


def slow_ism(predict, sequence, first, count):
    """Changes of predictions letter by letter, [count, 4, tasks]."""
    changed = []
    for place in range(first, first + count):
        for letter in range(4):
            changed.append(sequence.copy())
            changed[-1][place] = letter
    values = predict(one_hot(np.array([sequence, *changed])))
    return (values[1:] - values[0]).reshape(count, 4, -1)


def test_mutagenesis_against_a_loop(done, predict):
    for place, cpg in zip(PLACES, read_attributions(done / NAME), strict=True):
        assert (cpg.first, cpg.middle) == (HALF - 10, HALF)
        slow = slow_ism(predict, window(place), HALF - 10, 21)[:, :, [1, 0]]
        np.testing.assert_allclose(cpg.change, slow, atol=2e-6)


def test_tables(done, predict):
    table = pd.read_csv(done / "attribution.tsv", sep="\t", keep_default_na=False)
    agreements = pd.read_csv(done / "agreement.tsv", sep="\t")
    # ten positions around the first CpG lie before the chromosome, and five around the second
    assert len(table) == 2 * (4 * 21 - 10 - 5)
    assert table["pos"].min() == 1
    for place, cpg in zip(PLACES, read_attributions(done / NAME), strict=True):
        for number, task in enumerate(("blood", "brain")):
            own = table[(table["cpg"] == place.position + 1) & (table["task"] == task)]
            own = own.set_index("distance")
            assert (own["pos"] == place.position + 1 + own.index).all()
            sequence = window(place)
            letters = ["ACGTN"[sequence[HALF + d]] for d in own.index]
            assert own["ref"].tolist() == letters
            xs, ys, says, does = [], [], [], []
            for distance, row in own.iterrows():
                index, letter = HALF + distance, sequence[HALF + distance]
                gradient = cpg.gradient[index, :, number].astype(float)
                change = cpg.change[index - cpg.first, :, number].astype(float)
                if letter == 4:
                    assert float(row["gradient_input"]) == 0
                    assert row["mutagenesis"] == "NA"
                    continue
                raw, mean = float(row["gradient_input"]), float(row["gradient_corrected"])
                assert raw == pytest.approx(gradient[letter], rel=1e-4, abs=1e-9)
                assert mean == pytest.approx(gradient[letter] - gradient.mean(), rel=1e-3, abs=1e-7)
                others = [b for b in range(4) if b != letter]
                cost = -np.mean(change[others])
                assert float(row["mutagenesis"]) == pytest.approx(cost, rel=1e-4, abs=1e-8)
                best = np.abs(change).argmax()
                assert row["largest_alt"] == "ACGT"[best]
                assert float(row["largest"]) == pytest.approx(change[best], rel=1e-4)
                if distance not in (0, 1):
                    xs.append(mean)
                    ys.append(cost)
                    says += [gradient[b] - gradient[letter] for b in others]
                    does += [change[b] for b in others]
            row = agreements[(agreements["cpg"] == place.position + 1)]
            row = row[row["task"] == task].iloc[0]
            assert row["positions"] == len(xs)
            assert row["letters_r"] == pytest.approx(np.corrcoef(xs, ys)[0, 1], abs=1e-3)
            assert row["letters_rank_r"] == pytest.approx(spearmanr(xs, ys)[0], abs=1e-3)
            assert row["changes_r"] == pytest.approx(np.corrcoef(says, does)[0, 1], abs=1e-3)
            assert row["same_sign"] == pytest.approx(np.mean(np.sign(xs) == np.sign(ys)), abs=1e-6)
            assert row["prediction"] == pytest.approx(
                predict(one_hot(sequence[None]))[0, TASKS.index(task)], rel=1e-4
            )
    assert agreements["letters_r"].max() > 0.5


def test_files_of_a_run(done):
    names = {p.name for p in done.iterdir()} - {".tfepi"}
    assert names == {
        *("attribution.h5", "attribution.tsv", "agreement.tsv", "cpgs.bed", "figures"),
        *("manifest.json", "run.json"),
    }
    assert {p.name for p in (done / "figures").iterdir()} == {"c1_1.png", "c1_1.svg"}
    with h5py.File(done / NAME) as file:
        assert (file.attrs["format"], file.attrs["format_version"]) == ("tfepi-attribution", 1)
        assert file["label"][()].tolist() == [b"", b"named", b"", b""]
        assert file["gradient"].dtype == np.float32
    record = json.loads((done / "run.json").read_text())
    assert (record["outcome"], record["cpgs"]) == ("finished", 4)
    assert set(record["inputs"]) == {"fasta", "model", "spec"}


def strands(sequence):
    """The other strand's window, whose C is in the middle."""
    other = reverse_complement(sequence)
    return np.r_[np.uint8(4), other[:-1]]


def test_gradient_of_both_strands(model, predict):
    sequence = window(PLACES[1])
    function = attribution.gradient_function(model, "main", [2], rc_step=1)
    value, gradient = function(sequence[None])
    both = (one_hot(sequence[None]), one_hot(strands(sequence)[None]))
    assert value[0, 0] == pytest.approx(np.mean([predict(c)[0, 2] for c in both]), rel=1e-5)
    plain = attribution.gradient_function(model, "main", [2])
    forward = plain(sequence[None])[1][0]
    other = plain(strands(sequence)[None])[1][0]
    back = np.concatenate([other[1:], np.zeros((1, 4, 1))])[::-1, ::-1]
    np.testing.assert_allclose(gradient[0], (forward + back) / 2, atol=1e-7)
    averaged = AveragedPredictor(KerasPredictor(model, toy_spec()), rc=True)
    expected = averaged.predict({"sequence": sequence[None]})["main"][0, 0, 2]
    assert value[0, 0] == pytest.approx(expected, rel=1e-6)
    # the C of the other strand is where the G was
    assert strands(sequence)[HALF] == 1


def test_one_method_alone(tmp_path, run_folder, fasta, capsys):
    arguments = (run_folder, "-f", fasta, "--cpgs", "c1:6,c1:97", "-q", "-t", "saliva")
    work(*arguments, "--method", "gradient", "-o", tmp_path / "g", "--figures", "1")
    found = list(read_attributions(tmp_path / "g" / NAME))
    assert [c.change for c in found] == [None, None]
    table = pd.read_csv(tmp_path / "g" / "attribution.tsv", sep="\t")
    assert len(table) == 2 * LENGTH - 10  # the window is shorter than 401 bp; ten lie before c1
    assert table["mutagenesis"].isna().all()
    assert not (tmp_path / "g" / "agreement.tsv").exists()
    assert len(list((tmp_path / "g" / "figures").iterdir())) == 2
    work(*arguments, "--method", "ism", "-l", "5", "-o", tmp_path / "i", "--figures", "0")
    found = list(read_attributions(tmp_path / "i" / NAME))
    assert found[0].gradient is None
    assert found[0].change.shape == (5, 4, 1)
    assert not (tmp_path / "i" / "figures").exists()
    assert "wrote" in capsys.readouterr().out


def attribute(model, fasta, out, options=None, **changes):
    spec = changes.pop("spec", toy_spec())
    options = options or attribution_run.AttributionOptions(length=3, batch_size=8)
    load = changes.pop("load", lambda: KerasPredictor(model, spec, 8))
    places = changes.pop("places", PLACES)
    settings = {"files": {}, "head": "main", "tasks": [0], "quiet": True} | changes
    return attribution_run.attribute(load, spec, places, fasta, out, options, **settings)


def test_resumed_run(tmp_path, model, fasta, monkeypatch):
    monkeypatch.setattr(attribution_run, "_PART", 2)
    attribute(model, fasta, tmp_path / "whole")
    real, calls = attribution_run.gradient_function, []

    def stops(*given):
        function = real(*given)

        def run(sequences):
            calls.append(len(sequences))
            if len(calls) == 2:
                raise KeyboardInterrupt
            return function(sequences)

        return run

    monkeypatch.setattr(attribution_run, "gradient_function", stops)
    with pytest.raises(KeyboardInterrupt):
        attribute(model, fasta, tmp_path / "out")
    with pytest.raises(UnfinishedError, match="has results"):
        attribute(model, fasta, tmp_path / "out")
    attribute(model, fasta, tmp_path / "out", resume=True)
    assert calls == [2, 2, 2]
    again = attribute(model, fasta, tmp_path / "out", resume=True)
    assert calls == [2, 2, 2]
    assert list(again) == ["brain"]
    for name in ("attribution.tsv", "agreement.tsv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with pytest.raises(UnfinishedError, match="cpgs changed"):
        attribute(model, fasta, tmp_path / "out", resume=True, places=PLACES[:3])


def test_agreement_leaves_out_the_cpg_and_n():
    rng = np.random.default_rng(6)
    own = np.eye(4)[rng.integers(0, 4, 12)]
    own[3] = 0
    gradient = rng.normal(size=(12, 4))
    change = attribution.guessed(gradient[:, :, None], own)[:, :, 0]
    change[[3, 5, 6]] = 99
    found = attribution.agreement(gradient, change, own, 5)
    assert found.positions == 9
    assert (found.letters, found.letters_rank, found.changes, found.same_sign) == pytest.approx(
        (1, 1, 1, 1)
    )
    flat = attribution.agreement(np.ones((12, 4)), change, own, 5)
    assert np.isnan([flat.letters, flat.changes]).all()
    none = attribution.agreement(gradient[:2], change[:2], own[:2], 0)
    assert none.positions == 0
    assert np.isnan([none.letters, none.same_sign]).all()


def test_figure_of_both_and_of_one(done):
    cpg = next(read_attributions(done / NAME))
    figure = attribution_figure(cpg, 0)
    assert [a.get_ylabel() for a in figure.axes][:2] == ["gradient × input", "mutagenesis"]
    assert "CpG c1:1, blood: predicted methylation" in figure.get_suptitle()
    assert "agree with r" in figure.axes[2].get_title("right")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"extra": {}}, "the model toy does not predict the methylation of a CpG: .* tfepi_ism"),
        ({"crop": 14}, "does not predict the methylation of a CpG"),
        (
            {"inputs": {"sequence": (LENGTH, 4), "tracks": (3, 2)}},
            "the model takes sequence and tracks of 31 bp: want the sequence alone",
        ),
        ({"inputs": {"sequence": (30, 4)}, "crop": 14, "bin_width": 2}, "of 30 bp: want"),
    ],
)
def test_models_of_something_else(spec, message):
    with pytest.raises(ConfigError, match=message):
        attribution_run.check_model(toy_spec(**spec))


def test_gradients_need_keras(tmp_path, model, fasta):
    plain = CallablePredictor(lambda x: np.zeros((len(x), 1, 3)), toy_spec())
    with pytest.raises(ConfigError, match="a SavedModel has no gradients"):
        attribute(model, fasta, tmp_path / "out", load=lambda: plain)


def test_damaged_files(tmp_path, done, model, fasta, monkeypatch):
    with pytest.raises(InputFileError, match=r"cannot read .*x\.h5"):
        next(read_attributions(tmp_path / "x.h5"))
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file.attrs["format"] = "other"
    with pytest.raises(InputFileError, match=r"y\.h5 is no tfepi-attribution file"):
        next(read_attributions(tmp_path / "y.h5"))

    def stops(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(attribution_run, "mutate", stops)
    with pytest.raises(KeyboardInterrupt):
        attribute(model, fasta, tmp_path / "out")
    monkeypatch.undo()
    part = tmp_path / "out" / "parts" / "0000000.npz"
    whole = part.read_bytes()
    for damaged in (b"no", whole[: len(whole) // 2]):
        part.write_bytes(damaged)
        with pytest.raises(InputFileError, match=r"0000000\.npz is missing or damaged"):
            attribute(model, fasta, tmp_path / "out", resume=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--cpgs", "c1:7"], "c1:7 is no CpG: .* has GG there; a CpG begins 1 bp earlier"),
        (["--cpgs", "c1:5"], "c1:5 is no CpG: .* has AC there; a CpG begins 1 bp later"),
        (["--cpgs", "bad.bed"], r"BED bad.bed interval 1 \(c1:6-7\) is no CpG"),
        (["--cpgs", "empty.bed"], "BED empty.bed has no intervals"),
        (["--method", "ism,deeplift"], "unknown method of attribution 'deeplift'"),
        (["-t", "brian"], "unknown target 'brian' of the model's head main: did you mean 'brain'"),
        (["-t", "brain", "--plot_task", "blood"], "unknown task 'blood' of --plot_task"),
        (["-l", "33"], "-l is 33 bp: want 1 to 31, the model's window"),
        (["-l", "0"], "-l is 0 bp: want 1 to 31"),
        (["--batch_size", "0"], "batch_size is 0: want at least 1"),
        (["--head", "x"], "head 'x' is not one of"),
    ],
)
def test_bad_arguments(tmp_path, run_folder, fasta, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.bed").write_text("c1\t6\t7\n")
    (tmp_path / "empty.bed").write_text("")
    given = [run_folder, "-f", fasta, "-o", "out", "-q"]
    given += [] if "--cpgs" in arguments else ["--cpgs", "c1:6"]
    with pytest.raises((ConfigError, InputFileError), match=message):
        work(*given, *arguments)
    assert not (tmp_path / "out").exists()


def test_h5(tmp_path, fasta):
    with pytest.raises(ConfigError, match=r"m\.h5 is an \.h5 file"):
        work("m.h5", "-f", fasta, "--cpgs", "c1:6", "-o", tmp_path / "out")


def test_windows_are_of_the_genome(fasta):
    with Genome(fasta) as genome:
        for place in PLACES:
            low = place.position - HALF
            found = genome.indices("c1", low, low + LENGTH)
            np.testing.assert_array_equal(found, window(place))
            assert (found[HALF], found[HALF + 1]) == (1, 2)
