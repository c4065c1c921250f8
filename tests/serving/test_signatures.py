"""Loaded signatures against the package's own predictions and scores, and what they refuse."""

import json
import re

import h5py
import keras
import numpy as np
import pytest

from tfepi.predictors import KerasPredictor, load_predictor
from tfepi.serving.export import export, export_model
from tfepi.serving.options import ExportOptions
from tfepi.spec import AveragedPredictor, Head, ModelSpec
from tfepi.startup import import_tensorflow
from tfepi.variants.options import Scoring
from tfepi.variants.scores import NAMES, score
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import sha256
from tfrecords_tools.genome import decode, encode, one_hot
from tfrecords_tools.targets import Target

tf = import_tensorflow()
LENGTH, CENTER, STATS = 64, (31 - 8) // 8, NAMES


def ask(signatures, name, **inputs):
    got = signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
    return {k: v.numpy() for k, v in got.items()}


def own(attentive):
    return AveragedPredictor(KerasPredictor(*attentive, batch_size=32), rc=True)


def test_every_form_of_a_sequence_gives_the_same(attentive, served):
    indices = np.random.default_rng(0).integers(0, 5, (3, LENGTH), dtype=np.uint8)
    want = own(attentive).predict({"sequence": indices})
    letters = [decode(row) for row in indices]
    letters[1] = letters[1].lower().replace("n", "r")
    letters[2] = letters[2].replace("N", "y")
    for name, sequence in (
        ("serving_default", one_hot(indices)),
        ("predict", one_hot(indices)),
        ("predict_indices", indices),
        ("predict_dna", letters),
    ):
        got = ask(served[1], name, sequence=sequence)
        assert set(got) == {"a", "b"}
        for head, value in want.items():
            assert got[head].shape == (3, 6, len(want[head][0, 0]))
            np.testing.assert_allclose(got[head], value, rtol=1e-5, atol=1e-7)
    assert not np.allclose(want["a"][..., 0], want["a"][..., 1])  # strand pairs are swapped


def test_iupac_letters_are_coded_as_those_of_a_genome(served):
    letters = "RYSWKMBDHVNryswkmbdhvn"
    text = ("ACGT" * LENGTH)[: LENGTH - len(letters)] + letters
    got = ask(served[1], "predict_dna", sequence=[text])
    want = ask(served[1], "predict_indices", sequence=encode(text)[None])
    np.testing.assert_array_equal(got["a"], want["a"])


def test_scores_of_pairs_are_those_of_their_predictions(attentive, served):
    pair = np.random.default_rng(1).integers(0, 5, (2, 4, LENGTH), dtype=np.uint8)
    ref, alt = (own(attentive).predict({"sequence": x}) for x in pair)
    got = ask(
        served[1],
        "score_variants",
        **{name: [decode(row) for row in x] for name, x in zip(("ref", "alt"), pair, strict=True)},
    )
    assert set(got) == {f"{head}/{stat}" for head in ("a", "b") for stat in STATS}
    for head in ("a", "b"):
        for stat, value in score(STATS, ref[head], alt[head], CENTER).items():
            np.testing.assert_allclose(got[f"{head}/{stat}"], value, rtol=1e-4, atol=1e-6)


def genome_and_variants(folder, margin):
    """A FASTA, a VCF with every kind of variant, up to the ends, and a request of the same."""
    rng = np.random.default_rng(2)
    bases = rng.choice(list("ACGT"), 400)
    bases[200:204] = "N"
    text = "".join(bases)
    (folder / "genome.fa").write_text(f">chrA\n{text}\n")
    rows, lines = {"window": [], "offset": [], "ref": [], "alt": []}, []
    padded = "N" * margin + text + "N" * margin
    for position in (0, 1, 12, 40, 77, 120, 160, 195, 230, 290, 330, 350, 370, 390, 398, 399):
        for size, other in ((1, 1), (3, 3), (1, 4), (4, 1), (2, 9), (30, 2), (6, 4), (1, 40)):
            ref = text[position : position + size]
            if len(ref) < size or "N" in ref:
                continue
            alt = decode(rng.integers(0, 4, other, dtype=np.uint8))
            lines.append(f"chrA\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t.\n")
            low = position
            rows["window"].append(padded[low : low + 2 * margin])
            rows["offset"].append(margin)
            rows["ref"].append(ref)
            rows["alt"].append(alt)
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (folder / "in.vcf").write_text(head + "".join(lines))
    return rows


@pytest.fixture(scope="module")
def vcf(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vcf")
    return folder, genome_and_variants(folder, 96)


def test_scores_of_alleles_are_those_of_the_variants_command(attentive, served, vcf, tmp_path):
    folder, rows = vcf
    assert len(rows["ref"]) > 100
    got = ask(served[1], "score_alleles", **rows)
    for head in ("a", "b"):
        scoring = Scoring(stats=STATS, rc=True, head=head, incremental="off")
        score_vcf(
            lambda: KerasPredictor(*attentive, batch_size=64),
            attentive[1],
            folder / "in.vcf",
            folder / "genome.fa",
            tmp_path / head,
            scoring,
            formats=("h5",),
            quiet=True,
        )
        with h5py.File(tmp_path / head / "scores.h5") as file:
            for stat in STATS:
                want = file[stat][()]
                value = got[f"{head}/{stat}"]
                assert value.shape == want.shape
                assert np.abs(value - want).max() <= 1e-5 * max(1, np.abs(want).max()), stat
                assert want.any(), stat


TEXT = "ACGT" * (LENGTH // 4)
KNOWN = "(both from 0): want A, C, G, T, N or another IUPAC letter of DNA"
BAD = [
    ("predict_dna", [TEXT, TEXT[1:]], "sequence of row 1 (from 0) has 63 letters: want 64"),
    ("predict_dna", ["A" * 10_000_000], "has 10000000 letters: want 64"),
    (
        "predict_dna",
        [TEXT, TEXT[:5] + "-" + TEXT[6:]],
        f"row 1 has byte 0x2d at position 5 {KNOWN}",
    ),
    ("predict_dna", [TEXT.replace("T", "U")], "sequence of row 0 has U at position 3"),
    ("predict_dna", [b"\xff" + TEXT[1:].encode()], "byte 0xff at position 0"),
    ("predict_dna", [TEXT[:-1] + "\0"], "byte 0x00 at position 63"),
    ("predict_dna", np.array([], "S1"), "the batch is empty: want at least one row"),
    ("predict", np.zeros((0, 64, 4), np.float32), "the batch is empty"),
    ("predict", np.zeros((1, 63, 4), np.float32), "Shape of tensor sequence [1,63,4] is not"),
    ("predict_indices", np.zeros((1, 65), np.uint8), "Shape of tensor sequence [1,65] is not"),
    ("predict_indices", np.full((1, 64), 5, np.uint8), "has the base index 5 at position 0"),
]


def refused(signatures, name, message, **inputs):
    with pytest.raises(tf.errors.InvalidArgumentError, match=re.escape(message)):
        ask(signatures, name, **inputs)


@pytest.mark.parametrize(("name", "sequence", "message"), BAD)
def test_bad_sequences_are_refused(served, name, sequence, message):
    refused(served[1], name, message, sequence=sequence)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sequence_of_no_numbers_is_refused(served, value):
    sequence = np.zeros((2, LENGTH, 4), np.float32)
    sequence[1, 7, 2] = value
    refused(served[1], "predict", "row 1 is no finite number at position 7 ", sequence=sequence)


def test_bad_pairs_and_rows_are_refused(served):
    several = "input alt has 1 rows: want as many as ref, 2"
    refused(served[1], "score_variants", several, ref=[TEXT, TEXT], alt=[TEXT])
    refused(
        served[1], "score_variants", "alt of row 0 (from 0) has 9 l", ref=[TEXT], alt=[TEXT[:9]]
    )
    refused(served[1], "describe", "asked of 200 rows: want at most 128", row=[0] * 200)


def test_bad_alleles_are_refused(served, vcf):
    rows = {k: v[:2] for k, v in vcf[1].items()}
    other = rows | {"ref": [rows["ref"][0], "TTT"]}
    refused(served[1], "score_alleles", "ref of row 1 (from 0) is TTT, window has ", **other)
    other = rows | {"alt": ["A" * 10_000_000, "A"]}
    refused(served[1], "score_alleles", "alt of row 0 (from 0) has 10000000 letters", **other)
    longer = [w + "-" * 10_000_000 for w in rows["window"]]  # only what is needed is looked at
    got = ask(served[1], "score_alleles", **rows | {"window": longer})
    assert got["a/SAD"].shape == (2, 2)


def test_metadata_describes_the_model(served):
    folder, signatures = served
    texts = ask(signatures, "describe", row=[7, 7, 7])["metadata"]
    assert len(set(texts)) == 1
    about = json.loads(texts[0])
    assert about == json.loads((folder / "assets.extra" / "metadata.json").read_text())
    assert (about["format"], about["format_version"]) == ("tfepi-served-model", 1)
    assert set(about["signatures"]) == set(signatures)
    assert (about["seq_length"], about["bin_width"], about["crop"]) == (64, 8, 8)
    assert (about["target_length"], about["variant_index"]) == (6, 31)
    assert (about["rc"], about["indel_align"], about["stats"]) == (True, "stitch", list(STATS))
    assert (about["licence"], about["data_sha256"]) == ("CC0-1.0", "d" * 64)
    assert about["model_sha256"] == sha256(folder.parent / "model.keras")
    assert about["outputs"]["b/logSAD"] == {"head": "b", "stat": "logSAD"}
    assert about["heads"][1]["targets"][2] == {"identifier": "b2", "description": "track 2"}
    assert (about["batch_size"], about["inputs"], about["notes"]) == (None, {}, [])
    saved = load_predictor(folder)
    assert saved.spec.extra == {"rc_averaged": True}


def conditioned(inputs):
    """A model of 8 bins that reads accessibility beside the sequence, scaled by a cell's state."""
    keras.utils.set_random_seed(2)
    given = {name: keras.Input(shape, name=name) for name, shape in inputs.items()}
    x = keras.layers.Conv1D(3, 5, padding="same")(given["sequence"])
    x = keras.layers.MaxPooling1D(8)(x)
    tracks = keras.layers.MaxPooling1D(2)(given["tracks"])
    x = keras.layers.Concatenate()([x, keras.layers.Conv1D(2, 3, padding="same")(tracks)])
    state = keras.layers.Reshape((1, 5))(keras.layers.Dense(5)(given["cell_state"]))
    x = keras.layers.Multiply()([x, state])
    return keras.Model(given, keras.layers.Dense(1, activation="softplus")(x))


def test_a_conditioned_model_scores_with_its_inputs(tmp_path):
    inputs = {"sequence": (LENGTH, 4), "tracks": (16, 2), "cell_state": (3,)}
    model = conditioned(inputs)
    heads = (Head("output", (Target(0, "K", mark="K"),)),)
    spec = ModelSpec("conditioned", inputs, 8, 0, heads)
    source = tmp_path / "model.keras"
    model.save(source)
    spec.write(tmp_path / "model.json")
    options = ExportOptions(stats=("SAD", "REF"), rc=True, indel_align="left")
    export(source, tmp_path / "saved", options=options)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    rng = np.random.default_rng(1)
    pair = rng.integers(0, 5, (2, 3, LENGTH), dtype=np.uint8)
    further = {n: rng.random((3, *s), np.float32) for n, s in inputs.items() if n != "sequence"}
    predictor = AveragedPredictor(KerasPredictor(model, spec, 3), rc=True)
    ref, alt = (predictor.predict({"sequence": x} | further)["output"] for x in pair)
    texts = [[decode(row) for row in x] for x in pair]
    got = ask(loaded.signatures, "score_variants", ref=texts[0], alt=texts[1], **further)
    np.testing.assert_allclose(got["REF"], ref, atol=1e-6)
    np.testing.assert_allclose(got["SAD"], (alt - ref).sum(1), atol=1e-5)
    # The same variant as an allele: its sequence is the window with one letter changed.
    alleles = {"window": texts[0], "offset": [31] * 3, "ref": [], "alt": []}
    for row in pair[0]:
        row[31] %= 4
        alleles["ref"].append("ACGT"[row[31]])
        alleles["alt"].append("ACGT"[(row[31] + 1) % 4])
    alleles["window"] = [decode(row) for row in pair[0]]
    changed = pair[0].copy()
    changed[:, 31] = (changed[:, 31] + 1) % 4
    ref, alt = (predictor.predict({"sequence": x} | further)["output"] for x in (pair[0], changed))
    got = ask(loaded.signatures, "score_alleles", **alleles, **further)
    np.testing.assert_allclose(got["SAD"], (alt - ref).sum(1), atol=1e-5)
    further["tracks"][2, 3, 1] = np.nan
    missing = "tracks of row 2 is no finite number at position 3 "
    refused(loaded.signatures, "predict_dna", missing, sequence=texts[0], **further)
    saved = load_predictor(tmp_path / "saved", batch_size=4)
    further["tracks"][2, 3, 1] = 0.5
    five = {n: np.concatenate([v, v[:2]]) for n, v in ({"sequence": pair[0]} | further).items()}
    want = predictor.predict(five)["output"]
    np.testing.assert_allclose(saved.predict(five)["output"], want, atol=1e-6)


def test_a_model_of_methylation_is_predicted_on_both_strands_only(tmp_path, caplog):
    keras.utils.set_random_seed(4)
    sequence = keras.Input((8, 4), name="sequence")
    x = keras.layers.Conv1D(3, 3, activation="relu")(sequence)
    x = keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(x))
    model = keras.Model({"sequence": sequence}, keras.layers.Reshape((1, 1))(x))
    heads = (Head("output", (Target(0, "brain"),), units="beta"),)
    spec = ModelSpec("small", {"sequence": (8, 4)}, 8, 0, heads, extra={"kind": "methylation"})
    source = tmp_path / "model.keras"
    source.touch()
    export_model(model, spec, tmp_path / "saved", source, options=ExportOptions(rc=True))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    assert not [name for name in loaded.signatures if name.startswith("score")]
    about = json.loads(ask(loaded.signatures, "describe", row=[0])["metadata"][0])
    assert (about["stats"], about["outputs"], about["variant_index"]) == (None, None, None)
    assert "methylation of one CpG" in about["notes"][0] in caplog.text
    indices = np.random.default_rng(0).integers(0, 5, (3, 8), dtype=np.uint8)
    want = AveragedPredictor(KerasPredictor(model, spec), rc=True).predict({"sequence": indices})
    got = ask(loaded.signatures, "predict_indices", sequence=indices)
    np.testing.assert_allclose(got["output"], want["output"], atol=1e-6)
    options = ExportOptions(stats=("SAD",))
    with pytest.raises(ConfigError, match="methylation of one CpG: score variants with"):
        export_model(model, spec, tmp_path / "other", source, options=options)


def test_one_head_some_of_its_targets_and_one_batch(attentive, tmp_path):
    model, spec = attentive
    source = tmp_path / "model.keras"
    source.touch()
    chosen = (Target(0, "b2", description="chosen"), Target(1, "b0"))
    options = ExportOptions(stats=("SAD", "ALT"), head="b", targets=chosen, batch_size=4)
    export_model(model, spec, tmp_path / "saved", source, options=options)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    pair = np.random.default_rng(1).integers(0, 5, (2, 4, LENGTH), dtype=np.uint8)
    ref, alt = (KerasPredictor(model, spec).predict({"sequence": x})["b"] for x in pair)
    texts = [[decode(row) for row in x] for x in pair]
    got = ask(loaded.signatures, "score_variants", ref=texts[0], alt=texts[1])
    np.testing.assert_allclose(got["SAD"], (alt - ref).sum(1)[:, [2, 0]], atol=1e-5)
    assert got["ALT"].shape == (4, 6, 2)
    assert ask(loaded.signatures, "predict_dna", sequence=texts[0])["b"].shape == (4, 6, 3)
    about = json.loads(ask(loaded.signatures, "describe", row=[0])["metadata"][0])
    assert [t["identifier"] for t in about["heads"][0]["scored"]] == ["b2", "b0"]
    assert list(about["outputs"]) == ["SAD", "ALT"]
    assert about["batch_size"] == 4
    refused(loaded.signatures, "predict_dna", "Shape of tensor sequence [3]", sequence=texts[0][:3])
    saved = load_predictor(tmp_path / "saved", batch_size=64)
    assert saved.spec.head().name == "b"
    want = KerasPredictor(model, spec).predict({"sequence": pair.reshape(8, -1)[:6]})["b"]
    got = saved.predict({"sequence": pair.reshape(8, -1)[:6]})["b"]
    np.testing.assert_allclose(got, want, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stats": ("SAF",)}, "SAF"),
        ({"stats": ()}, "no statistic is named"),
        ({"indel_align": "right"}, "right"),
        ({"batch_size": 0}, "batch_size is 0: want 1 or more"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ExportOptions(**options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ExportOptions(head="c"), "'c' is not one of the model's heads"),
        (ExportOptions(targets=(Target(0, "b0"),)), "the model has the heads a, b: name one"),
    ],
)
def test_options_of_another_model_are_refused(attentive, tmp_path, options, message):
    source = tmp_path / "model.keras"
    source.touch()
    with pytest.raises(ConfigError, match=message):
        export_model(*attentive, tmp_path / "saved", source, options=options)
    assert not (tmp_path / "saved").exists()
