import json
import re

import keras
import numpy as np
import pandas as pd
import pytest

from tfepi.analysis.meme import CountedMotif
from tfepi.layers import activation as activation_layer
from tfepi.methylation import motif_arguments, motif_run, motif_windows, motifs
from tfepi.methylation.cpg_places import Place, read_places
from tfepi.methylation.filters import first_layer
from tfepi.report.motif_figures import motif_page
from tfepi.spec import Head, ModelSpec
from tfrecords_tools import command
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import Genome, one_hot
from tfrecords_tools.targets import Target

LENGTH, WIDTH, PAD, FILTERS = 41, 5, 2, 5
WORD = "GATCA"


def toy_model(norm=False, targets=2, length=LENGTH, bins=1):
    """Filter 0 looks for GATCA, 2 never fires, 3 is constant; filter 0 lowers the output."""
    inputs = keras.Input((length, 4), name="sequence")
    x = keras.layers.ZeroPadding1D(PAD, name="pad")(inputs)
    own = None if norm else "relu"
    conv = keras.layers.Conv1D(FILTERS, WIDTH, activation=own, name="conv1")
    x = conv(x)
    if norm:
        x = keras.layers.BatchNormalization(name="norm1")(x)
        x = activation_layer("relu", "relu1")(x)
    x = keras.layers.GlobalMaxPooling1D(name="pool", keepdims=True)(x)
    x = keras.layers.UpSampling1D(bins, name="bins")(x)
    head = keras.layers.Dense(targets, activation="sigmoid", name="head")
    model = keras.Model({"sequence": inputs}, head(x))
    rng = np.random.default_rng(8)
    kernel = rng.normal(size=(WIDTH, 4, FILTERS)).astype("float32")
    kernel[:, :, 0] = -1
    kernel[np.arange(WIDTH), ["ACGT".index(b) for b in WORD], 0] = 1
    kernel[:, :, 2] = -1
    kernel[:, :, 3] = 0
    conv.set_weights([kernel, np.array([0, 0.1, 0, 0.5, 0.2], "float32")])
    if norm:
        weights = [rng.uniform(0.5, 1.5, FILTERS), rng.normal(size=FILTERS) / 4]
        weights += [rng.normal(size=FILTERS) / 4, rng.uniform(0.5, 2, FILTERS)]
        model.get_layer("norm1").set_weights([w.astype("float32") for w in weights])
    dense = np.zeros((FILTERS, targets), "float32")
    dense[0] = np.linspace(-1, -0.5, targets)
    dense[1] = 0.3
    head.set_weights([dense, np.full(targets, 0.2, "float32")])
    return model


def toy_spec(model, kind="methylation", bins=1, crop=None):
    length, targets = model.inputs[0].shape[1], model.output.shape[-1]
    found = tuple(Target(i, f"T{i}") for i in range(targets))
    crop = length // 2 if crop is None else crop
    width = (length - 2 * crop) // bins
    extra = {"kind": kind} if kind == "methylation" else {}
    inputs = {"sequence": (length, 4)}
    return ModelSpec("toy", inputs, width, crop, (Head("main", found),), extra=extra)


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(2)
    found = rng.integers(0, 4, (60, LENGTH)).astype(np.uint8)
    for row in range(0, 60, 3):
        start = rng.integers(0, LENGTH - WIDTH)
        found[row, start : start + WIDTH] = ["ACGT".index(b) for b in WORD]
    found[5, 10:13] = 4
    found[7] = 4
    return found


def slow_activations(model, sequences):
    """Activations by a plain loop, of whole k-mers: {(window, start): [filters]}."""
    kernel, bias = model.get_layer("conv1").get_weights()
    gamma, beta, mean, variance = 1, 0, 0, 1 - 1e-3
    if "norm1" in {layer.name for layer in model.layers}:
        gamma, beta, mean, variance = model.get_layer("norm1").get_weights()
    found = {}
    for row, sequence in enumerate(one_hot(sequences)):
        for start in range(LENGTH - WIDTH + 1):
            part = sequence[start : start + WIDTH]
            if part.sum() == WIDTH:
                value = (part[:, :, None] * kernel).sum(axis=(0, 1)) + bias
                value = (value - mean) / np.sqrt(variance + 1e-3) * gamma + beta
                found[row, start] = np.maximum(value, 0)
    return found


def slow_motifs(model, sequences, share=0.5):
    """Maxima, counts of letters and windows with sites, by a plain loop."""
    activations = slow_activations(model, sequences)
    maxima = np.max(list(activations.values()), axis=0)
    counts, windows = np.zeros((FILTERS, WIDTH, 4), int), [set() for _ in range(FILTERS)]
    for (row, start), values in activations.items():
        for kernel in range(FILTERS):
            if maxima[kernel] > 0 and values[kernel] >= np.float32(share * maxima[kernel]):
                windows[kernel].add(row)
                for place in range(WIDTH):
                    counts[kernel, place, sequences[row, start + place]] += 1
    return maxima, counts, np.array([len(w) for w in windows])


class Windows:
    def __init__(self, sequences, values=None):
        self.sequences, self.values, self.read = sequences, values, 0

    def __len__(self):
        return len(self.sequences)

    def batches(self, size):
        for low in range(0, len(self.sequences), size):
            self.read += 1
            values = None if self.values is None else self.values[low : low + size]
            yield self.sequences[low : low + size], values


def find(model, windows, out, spec=None, **changes):
    spec = spec or toy_spec(model)
    names = [t.identifier for t in spec.heads[0].targets]
    options = motif_run.MotifOptions(**({"batch_size": 16} | changes.pop("options", {})))
    arguments = {"files": {}, "facts": {}, "head": "main", "quiet": True}
    arguments |= {"tasks": list(range(len(names))), "names": names}
    arguments |= changes
    return motif_run.find_motifs(lambda: model, spec, windows, out, options, **arguments)


@pytest.fixture(scope="module")
def measured():
    rng = np.random.default_rng(0)
    found = rng.random((60, 2)).astype("float32")
    found[rng.random((60, 2)) < 0.2] = np.nan
    return found


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory, model, sequences, measured):
    """Folder and result of a run with the plain model."""
    out = tmp_path_factory.mktemp("plain") / "out"
    return out, find(model, Windows(sequences, measured), out)


@pytest.mark.parametrize("norm", [False, True])
def test_motifs_against_a_loop(tmp_path, plain_run, model, sequences, measured, norm):
    out, found = plain_run
    if norm:
        model, out = toy_model(norm), tmp_path / "out"
        found = find(model, Windows(sequences, measured), out)
    maxima, counts, windows = slow_motifs(model, sequences)
    table = pd.read_csv(out / "motifs.tsv", sep="\t")
    np.testing.assert_allclose(table["maximum"], maxima, rtol=1e-5)
    for motif, expected in zip(found.motifs, counts, strict=True):
        np.testing.assert_array_equal(motif.counts, expected)
    assert table["sites"].tolist() == counts[:, 0].sum(axis=1).tolist()
    assert table["windows"].tolist() == windows.tolist()
    np.testing.assert_allclose(table["threshold"], maxima / 2, rtol=1e-5)

    highest = np.zeros((60, FILTERS))
    for (row, _), values in slow_activations(model, sequences).items():
        highest[row] = np.maximum(highest[row], values)
    predicted = model.predict({"sequence": one_hot(sequences)}, verbose=0)[:, 0]
    known = ~np.isnan(measured)
    for kernel in (0, 1, 4):
        r = [np.corrcoef(highest[:, kernel], predicted[:, t])[0, 1] for t in range(2)]
        assert [table[f"T{t}_r"][kernel] for t in range(2)] == pytest.approx(r, abs=1e-4)
        assert table["r_predicted"][kernel] == pytest.approx(np.mean(r), abs=1e-4)
        r = [
            np.corrcoef(highest[known[:, t], kernel], measured[known[:, t], t])[0, 1]
            for t in range(2)
        ]
        assert table["r_measured"][kernel] == pytest.approx(np.mean(r), abs=1e-4)
    if not norm:
        assert table["consensus"][0] == WORD
        assert table["effect"].tolist()[:1] == ["protects"]
        assert table["sites"][2] == 0
        assert np.isnan(table["information"][2])
        assert "conv1_2" not in (out / "motifs.meme").read_text()
        assert np.isnan(table["r_predicted"][2])  # a constant correlates with nothing


def parsed_meme(text):
    """A MEME minimal file by its published grammar: background, {name: (w, nsites, rows)}."""
    lines = text.splitlines()
    assert lines[0] == "MEME version 4"
    assert "ALPHABET= ACGT" in lines
    assert "strands: +" in lines
    at = lines.index("Background letter frequencies")
    cells = lines[at + 1].split()
    background = dict(zip(cells[::2], map(float, cells[1::2]), strict=True))
    motifs, number = {}, at + 2
    while number < len(lines):
        if not lines[number].startswith("MOTIF "):
            assert not lines[number]
            number += 1
            continue
        name = lines[number].split()[1]
        pattern = r"letter-probability matrix: alength= (\d+) w= (\d+) nsites= (\d+) E= (\S+)"
        letters, width, sites, _ = re.fullmatch(pattern, lines[number + 1]).groups()
        assert letters == "4"
        rows = [list(map(float, x.split())) for x in lines[number + 2 : number + 2 + int(width)]]
        motifs[name] = (int(width), int(sites), np.array(rows))
        number += 2 + int(width)
    return background, motifs


def test_meme_file(plain_run, model, sequences):
    background, found = parsed_meme((plain_run[0] / "motifs.meme").read_text())
    letters = np.bincount(sequences.ravel(), minlength=5)[:4]
    assert list(background.values()) == pytest.approx(letters / letters.sum(), abs=1e-6)
    assert list(background) == list("ACGT")
    _, counts, _ = slow_motifs(model, sequences)
    assert list(found) == ["conv1_0", "conv1_1", "conv1_3", "conv1_4"]
    for name, (width, sites, rows) in found.items():
        expected = counts[int(name[-1])]
        assert (width, sites) == (WIDTH, expected[0].sum())
        np.testing.assert_allclose(rows, expected / sites, atol=1e-6)
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=3e-6)


def test_share_of_the_maximum(model, sequences):
    layer = first_layer(model)
    activations = np.zeros((60, layer.positions, FILTERS))
    for (row, start), values in slow_activations(model, sequences).items():
        activations[row, start + PAD] = values
    maxima, counts, windows = slow_motifs(model, sequences, 1.0)
    batches = Windows(sequences).batches(60)
    found = motifs.count_sites(batches, lambda _: activations, layer, maxima, 1.0)
    np.testing.assert_array_equal(found.letters[[0, 1, 4]], counts[[0, 1, 4]])
    assert found.windows.tolist() == windows.tolist()
    assert motifs.counted(layer, found)[0].consensus == WORD


def test_resumed_run_reads_only_what_is_missing(
    tmp_path, plain_run, model, sequences, measured, monkeypatch, caplog
):
    whole = plain_run[0]

    def stops(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(motif_run, "count_sites", stops)
    windows = Windows(sequences, measured)
    with pytest.raises(KeyboardInterrupt):
        find(model, windows, tmp_path / "out")
    monkeypatch.undo()
    with pytest.raises(UnfinishedError, match="has results"):
        find(model, windows, tmp_path / "out")
    windows.read = 0
    find(model, windows, tmp_path / "out", resume=True)
    assert windows.read == 4  # 60 windows by 16, once
    find(model, windows, tmp_path / "out", resume=True)
    assert windows.read == 4
    for name in ("motifs.tsv", "motifs.meme"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / name).read_bytes()
    with pytest.raises(UnfinishedError, match="share changed"):
        find(model, windows, tmp_path / "out", options={"share": 0.7}, resume=True)
    assert "1 of 5 filters of conv1 never fire in 60 windows: 2" in caplog.text


def test_a_damaged_part(tmp_path, model, sequences, monkeypatch):
    def stops(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(motif_run, "count_sites", stops)
    with pytest.raises(KeyboardInterrupt):
        find(model, Windows(sequences), tmp_path / "out")
    monkeypatch.undo()
    [part] = (tmp_path / "out" / "parts").iterdir()
    part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(InputFileError, match=rf"{part.name} is missing or damaged"):
        find(model, Windows(sequences), tmp_path / "out", resume=True)


def conv_model(before=(), stride=1, padding="valid", **more):
    inputs = keras.Input((20, 4), name="sequence")
    x = inputs
    for layer in before:
        x = layer(x)
    conv = keras.layers.Conv1D(2, 4, strides=stride, padding=padding, name="first", **more)
    x = keras.layers.GlobalMaxPooling1D(name="pool")(conv(x))
    return keras.Model({"sequence": inputs}, x)


@pytest.mark.parametrize(
    ("before", "stride", "padding", "starts"),
    [
        ([], 1, "valid", range(17)),
        ([], 1, "same", range(-1, 19)),
        ([], 3, "same", range(-1, 18, 3)),
        ([], 1, "causal", range(-3, 17)),
        ([keras.layers.ZeroPadding1D((5, 1))], 2, "valid", range(-5, 18, 2)),
        ([activation_layer("gelu")], 1, "valid", range(17)),
    ],
)
def test_where_filters_look(before, stride, padding, starts):
    model = conv_model(before, stride, padding)
    layer = first_layer(model)
    assert layer.starts.tolist() == list(starts)
    # against the layer itself: of one base, only positions whose k-mer holds it change
    sequence = np.zeros((2, 20, 4), "float32")
    sequence[1, 7, 2] = 1
    run = keras.Model(model.inputs, layer.output)
    changed = np.abs(np.diff(run.predict(sequence, verbose=0), axis=0)[0]).sum(axis=-1) > 0
    assert changed.tolist() == [s <= 7 < s + 4 for s in starts]


def test_first_layers_that_are_none():
    inputs = keras.Input((20, 4), name="sequence")
    dense = keras.layers.Dense(3, name="mix")(inputs)
    late = keras.layers.Conv1D(2, 3, name="late")(dense)
    model = keras.Model({"sequence": inputs}, late)
    with pytest.raises(ConfigError, match=r"no convolution of the sequence .* mix \(Dense\)"):
        first_layer(model)
    two = [keras.layers.Conv1D(2, k, padding="same", name=f"c{k}")(inputs) for k in (3, 5)]
    model = keras.Model({"sequence": inputs}, keras.layers.Concatenate(name="join")(two))
    with pytest.raises(ConfigError, match="c3, c5 all look at the sequence: name one with --layer"):
        first_layer(model)
    assert first_layer(model, "c5").width == 5
    with pytest.raises(ConfigError, match="unknown convolution of the sequence 'c7'"):
        first_layer(model, "c7")
    with pytest.raises(ConfigError, match=r"filters of first have gaps \(dilation 2\)"):
        first_layer(conv_model(dilation_rate=2))


def test_correlations_in_batches():
    rng = np.random.default_rng(3)
    x, y = 1000 + rng.normal(size=(50, 3)), rng.normal(size=(50, 2)) * 1e-3 + 7
    x[:, 2] = 5
    y[3, 0] = np.nan
    sums = motifs.Correlations(3, 2)
    for low in range(0, 50, 7):
        sums.add(x[low : low + 7], y[low : low + 7])
    known = ~np.isnan(y[:, 0])
    assert sums.r[0, 0] == pytest.approx(np.corrcoef(x[known, 0], y[known, 0])[0, 1], abs=1e-9)
    assert sums.r[1, 1] == pytest.approx(np.corrcoef(x[:, 1], y[:, 1])[0, 1], abs=1e-9)
    assert np.isnan(sums.r[2]).all()
    assert np.isnan(motifs.Correlations(1, 1).r).all()


def test_effects_and_choice_of_windows():
    r = np.array([0.5, -0.5, 0.02, np.nan])
    assert motifs.effects(r, 100, True) == ["exposes", "protects", "unclear", "unclear"]
    assert motifs.effects(r, 100, False) == ["raises", "lowers", "unclear", "unclear"]
    assert motifs.evenly(5, 9).tolist() == motifs.evenly(5, None).tolist() == [0, 1, 2, 3, 4]
    assert motifs.evenly(10, 4).tolist() == [0, 2, 5, 7]
    assert list(motifs.chosen("abcdefghij", np.array([0, 2, 9]))) == ["a", "c", "j"]
    assert list(motifs.chosen("abc", np.array([], int))) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"share": 0}, "share is 0: want a number above 0"),
        ({"windows": 0}, "windows is 0: want at least 1"),
        ({"batch_size": 0}, "batch_size is 0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ConfigError, match=message):
        motif_run.MotifOptions(**options)


def test_figure(model):
    motif = CountedMotif("conv1_0", "", np.eye(5, 4, dtype=int) * 3 + 1)
    figure = motif_page([motif, motif], ["5 sites", "r = 0.2"])
    shown = [a for a in figure.axes if a.axison]
    assert [a.get_title() for a in shown] == ["conv1_0\n5 sites", "conv1_0\nr = 0.2"]
    assert len(shown[0].patches) > 0
    with pytest.raises(ConfigError, match="no motifs"):
        motif_page([], [])


GENOME = "TTACGTNNCGATTAGGGACATTACCAGGATACAGTTTACCCGATTCAGGACTTAAACGCCCA"


@pytest.fixture
def fasta(tmp_path):
    (tmp_path / "g.fa").write_text(f">c1\n{GENOME}\n")
    return tmp_path / "g.fa"


@pytest.fixture
def run_folder(tmp_path, model):
    """A run folder as training leaves it."""
    folder = tmp_path / "run"
    folder.mkdir()
    model.save(folder / "model_best.keras")
    toy_spec(model).write(folder / "model.json")
    return folder


def work(*texts):
    parser = command.Parser()
    motif_arguments.add(parser.add_subparsers(parser_class=command.Parser))
    args = parser.parse_args(["motifs", *map(str, texts)])
    args.work(args)


def test_command_on_sites(tmp_path, fasta, run_folder, capsys):
    starts = [m.start() for m in re.finditer("CG", GENOME)]
    bed = tmp_path / "cpgs.bed"
    bed.write_text("".join(f"c1\t{s}\t{s + 2}\n" for s in starts))
    out = tmp_path / "out"
    work(run_folder, "-f", fasta, "--sites", bed, "-o", out, "-q", "-t", "T1")
    printed = capsys.readouterr().out
    assert "of 5 filters have a motif" in printed
    assert f"wrote {out}" in printed
    record = json.loads((out / "run.json").read_text())
    assert {"model", "spec", "fasta", "sites"} == set(record["inputs"])
    assert record["windows"] == len(starts) == 4
    with Genome(fasta) as genome:
        sequences = np.stack([genome.indices("c1", s - 20, s + 21) for s in starts])
    _, counts, _ = slow_motifs(toy_model(), sequences)
    table = pd.read_csv(out / "motifs.tsv", sep="\t")
    assert table["sites"].tolist() == counts[:, 0].sum(axis=1).tolist()
    assert "T1_r" not in table
    assert len(list((out / "figures").glob("motifs_*.png"))) == 1
    work(
        run_folder,
        "-f",
        fasta,
        "--sites",
        bed,
        "-o",
        tmp_path / "few",
        "-q",
        "--windows",
        "2",
        "--figures",
        "0",
    )
    assert json.loads((tmp_path / "few" / "run.json").read_text())["windows"] == 2
    assert not (tmp_path / "few" / "figures").exists()


def test_command_on_data_of_another_kind(tmp_path, small_data, capsys):
    """Coverage by bins, and windows with what was measured."""
    from tfrecords_tools.data import Data

    data = Data.open(small_data)
    model = toy_model(targets=3, length=256, bins=data.target_length)
    spec = toy_spec(model, "coverage", data.target_length, data.crop_bp)
    folder = tmp_path / "run"
    folder.mkdir()
    model.save(folder / "model_best.keras")
    spec.write(folder / "model.json")
    out = tmp_path / "out"
    more = ["--windows", "30", "--figures", "0", "-q", "-t", "T2,T0"]
    work(folder, small_data, "--label", "valid", "-o", out, *more)
    table = pd.read_csv(out / "motifs.tsv", sep="\t")
    assert set(table["effect"]) <= {"raises", "lowers", "unclear"}
    records = list(data.records("valid"))
    numbers = motifs.evenly(len(records), 30)
    sequences = np.stack([records[i][0] for i in numbers])
    measured = np.nanmean(np.stack([records[i][1] for i in numbers]).astype(float), axis=1)
    kernel, bias = model.get_layer("conv1").get_weights()
    codes = one_hot(sequences)
    views = np.lib.stride_tricks.sliding_window_view(codes, WIDTH, axis=1)
    seen = views.sum(axis=(2, 3)) == WIDTH
    values = np.maximum(np.einsum("npcw,wcf->npf", views, kernel) + bias, 0) * seen[..., None]
    highest = values.max(axis=1)
    np.testing.assert_allclose(table["maximum"], highest.max(axis=0), rtol=1e-5)
    r = [np.corrcoef(highest[:, 1], measured[:, t])[0, 1] for t in (2, 0)]
    assert table["r_measured"][1] == pytest.approx(np.mean(r), abs=1e-4)
    assert "T2_r" in table
    with pytest.raises(ConfigError, match="unknown label 'tests' of the data: did you mean 'test'"):
        work(folder, small_data, "--label", "tests", "-o", tmp_path / "x")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "want a data folder, or -f genome.fa with --sites"),
        (["-f", "g.fa"], "want a data folder, or -f genome.fa with --sites"),
        (["data", "-f", "g.fa", "--sites", "x"], "want a data folder, or -f genome.fa"),
        (["-f", "g.fa", "--sites", "x.bed"], "x.bed does not exist"),
        (["-f", "g.fa", "--sites", "empty.bed"], "BED empty.bed has no intervals"),
        (["-f", "g.fa", "--sites", "no.bed"], r"interval 1 \(c1:4-5\) is no CpG: .* GT there"),
        (["-f", "g.fa", "--sites", "no.bed", "-t", "T7"], "unknown target 'T7' of the model"),
        (["-f", "g.fa", "--sites", "no.bed", "--head", "x"], "head 'x' is not one of"),
    ],
)
def test_bad_arguments(tmp_path, fasta, run_folder, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.bed").write_text("# nothing\n")
    (tmp_path / "no.bed").write_text("c1\t4\t5\n")
    with pytest.raises((ConfigError, InputFileError), match=message):
        work(run_folder, *arguments, "-o", "out", "-q")
    assert not (tmp_path / "out").exists()


def test_h5_and_further_inputs(tmp_path, model, sequences):
    with pytest.raises(ConfigError, match=r"x\.h5 is an \.h5 file"):
        work("x.h5", "data", "-o", tmp_path / "out")
    spec = ModelSpec(
        "two", {"sequence": (LENGTH, 4), "tracks": (4, 2)}, 1, 20, toy_spec(model).heads
    )
    with pytest.raises(ConfigError, match="takes sequence and tracks: want one of the sequence"):
        find(model, Windows(sequences), tmp_path / "out", spec)


def test_sites_of_other_models_beyond_the_chromosome(tmp_path, fasta, model):
    bed = tmp_path / "x.bed"
    bed.write_text("c1\t50\t90\n")
    with pytest.raises(InputFileError, match=r"ends past the end of c1 \(62 bp"):
        motif_windows.SiteWindows(fasta, bed, toy_spec(model, "coverage"), None)
    bed.write_text("c1\t4\t7\n")
    windows = motif_windows.SiteWindows(fasta, bed, toy_spec(model, "coverage"), None)
    (batch,) = [b for b, _ in windows.batches(4)]
    assert batch[0, 20] == "ACGT".index(GENOME[5])


def test_places(fasta, tmp_path):
    with Genome(fasta) as genome:
        assert read_places("c1:4,c1:9", genome) == [Place("c1", 3), Place("c1", 8)]
        assert str(Place("c1", 3)) == "c1:4"
        bed = tmp_path / "c.bed"
        bed.write_text("c1\t3\t5\tone\n")
        assert read_places(bed, genome) == [Place("c1", 3, "one")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("c1:3", r"c1:3 is no CpG: .* has AC there; a CpG begins 1 bp later: count the C from 1"),
        ("c1:5", "c1:5 is no CpG: .* has GT there; a CpG begins 1 bp earlier: name its C on the"),
        ("c1:20", "c1:20 is no CpG: .* nor is there a CpG 1 bp before or after"),
        ("c1:8", "c1:8 is no CpG: .* has NC there; a CpG begins 1 bp later"),
        ("c1:63", r"c1:63 lies beyond the end of c1 \(62 bp"),
        ("c2:5", "has no chromosome 'c2'"),
        ("c1:0", "CpG 'c1:0' is no place: want chr:pos with the position of the C counted from 1"),
        ("c1", "CpG 'c1' is no place"),
        ("none.bed", "CpG 'none.bed' is no place: .* or the path of a BED"),
    ],
)
def test_places_that_are_no_cpgs(fasta, text, message):
    with Genome(fasta) as genome, pytest.raises((ConfigError, InputFileError), match=message):
        read_places(text, genome)
