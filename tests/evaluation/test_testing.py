"""A whole test against plain computation, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import average_precision_score, r2_score, roc_auc_score

from tfepi.evaluation import matching, testing
from tfepi.evaluation.bootstrap import Bootstrap, genome_blocks, multiplicities
from tfepi.evaluation.metrics import accuracy_table, format_estimate, summary_table
from tfepi.evaluation.predictions import PredictionError, SavedPredictions
from tfepi.params import ModelParams
from tfepi.spec import CallablePredictor, Head
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import one_hot, reverse_complement
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

FEW = Bootstrap(resamples=40, rank_resamples=20, block_bp=640, seed=3)


def plain(data, predictor, label="test"):
    truth = data.values[label].astype(float)
    prediction = predictor.predict({"sequence": data.sequences[label]})["output"]
    return truth, prediction.astype(float)


def seen_pair(truth, prediction):
    seen = ~np.isnan(truth)
    return truth[seen], prediction[seen]


def test_values_and_intervals_equal_plain_resampling(tmp_path, make_data, make_predictor):
    data = make_data()
    predictor = make_predictor(data)
    request = testing.Request(bootstrap=FEW, save=True, batch_size=32)
    outcome = testing.run_test(predictor, data, tmp_path, request)
    truth, prediction = plain(data, predictor)
    blocks = genome_blocks(data.places["test"], 640)
    drawn = multiplicities(blocks.count, 40, 3)
    members = [np.flatnonzero(blocks.index == k) for k in range(blocks.count)]
    means, rho_means = np.zeros(40), np.zeros(20)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == outcome.metrics
    for t, entry in enumerate(metrics["across_positions"]["targets"]):
        y, p = seen_pair(truth[:, :, t], prediction[:, :, t])
        assert entry["identifier"] == "abc"[t]
        assert entry["observed"] == len(y)
        assert entry["missing"] == truth[:, :, t].size - len(y)
        assert entry["pearsonr"]["value"] == pytest.approx(pearsonr(y, p)[0], abs=1e-9)
        assert entry["r2"]["value"] == pytest.approx(r2_score(y, p), abs=1e-9)
        assert entry["spearmanr"]["value"] == pytest.approx(spearmanr(y, p)[0], abs=1e-9)
        assert "auroc" not in entry
        replicates, rho = [], []
        for b, row in enumerate(drawn):
            rows = np.concatenate([np.tile(members[k], row[k]) for k in range(blocks.count)])
            rows = rows.astype(int)
            y, p = seen_pair(truth[rows, :, t], prediction[rows, :, t])
            replicates.append(pearsonr(y, p)[0])
            if b < 20:
                rho.append(spearmanr(y, p)[0])
        want = np.quantile(replicates, [0.025, 0.975])
        assert entry["pearsonr"]["interval"] == pytest.approx(want, abs=1e-9)
        want = np.quantile(rho, [0.025, 0.975])
        assert entry["spearmanr"]["interval"] == pytest.approx(want, abs=1e-9)
        means += np.array(replicates) / 3
        rho_means += np.array(rho) / 3
    mean = metrics["across_positions"]["mean"]
    assert mean["pearsonr"]["targets"] == 3
    want = np.quantile(means, [0.025, 0.975])
    assert mean["pearsonr"]["interval"] == pytest.approx(want, abs=1e-9)
    want = np.quantile(rho_means, [0.025, 0.975])
    assert mean["spearmanr"]["interval"] == pytest.approx(want, abs=1e-9)
    flat = truth.reshape(-1, 3), prediction.reshape(-1, 3)
    each = []
    for y, p in zip(*flat, strict=True):
        y, p = seen_pair(y, p)
        each.append(pearsonr(y, p)[0] if len(y) > 2 and np.ptp(y) and np.ptp(p) else np.nan)
    found = metrics["across_targets"]["pearsonr"]
    assert found["value"] == pytest.approx(np.nanmean(each), abs=1e-9)
    assert found["positions"] == (~np.isnan(each)).sum()
    each = np.reshape(each, truth.shape[:2])
    want = []
    for row in drawn:
        rows = np.concatenate([np.tile(members[k], row[k]) for k in range(blocks.count)])
        want.append(np.nanmean(each[rows.astype(int)]))
    assert found["interval"] == pytest.approx(np.quantile(want, [0.025, 0.975]), abs=1e-9)
    found, want = metrics["over_all"]["pearsonr"], []
    assert found["value"] == pytest.approx(pearsonr(*seen_pair(truth, prediction))[0], abs=1e-9)
    for row in drawn:
        rows = np.concatenate([np.tile(members[k], row[k]) for k in range(blocks.count)])
        rows = rows.astype(int)
        want.append(pearsonr(*seen_pair(truth[rows], prediction[rows]))[0])
    assert found["interval"] == pytest.approx(np.quantile(want, [0.025, 0.975]), abs=1e-9)
    assert "all targets at once" in summary_table(metrics)
    saved = SavedPredictions(tmp_path)
    np.testing.assert_array_equal(saved.column(2)[1], prediction[:, :, 2])


def test_acc_txt_has_basenjis_columns(tmp_path, make_data, make_predictor):
    data = make_data()
    outcome = testing.run_test(make_predictor(data), data, tmp_path, testing.Request(bootstrap=FEW))
    lines = (tmp_path / "acc.txt").read_text().splitlines()
    assert lines[0] == "index\tpearsonr\tr2\tidentifier\tdescription"
    value = outcome.metrics["across_positions"]["targets"][1]
    want = f"11\t{value['pearsonr']['value']:.5f}\t{value['r2']['value']:.5f}\tb\tabout b"
    assert lines[2] == want
    assert len(lines) == 4


def test_binary_targets_have_auroc_and_auprc(tmp_path, make_data, make_predictor):
    data = make_data(missing=0)
    values = data.values["test"]
    values[:, :, 0] = values[:, :, 0] > np.median(values[:, :, 0])
    values[:, :, 1] = 0
    values[3:9, :, 0] = np.nan
    predictor = make_predictor(data)
    request = testing.Request(bootstrap=FEW, binary=True)
    metrics = testing.run_test(predictor, data, tmp_path, request).metrics
    entries = metrics["across_positions"]["targets"]
    truth, prediction = plain(data, predictor)
    y, p = seen_pair(truth[:, :, 0], prediction[:, :, 0])
    assert entries[0]["auroc"]["value"] == pytest.approx(roc_auc_score(y, p), abs=1e-9)
    assert entries[0]["auprc"]["value"] == pytest.approx(average_precision_score(y, p), abs=1e-9)
    low, high = entries[0]["auroc"]["interval"]
    assert low < entries[0]["auroc"]["value"] < high
    assert entries[0]["accuracy"]["value"] == pytest.approx(((p > 0.5) == y).mean(), abs=1e-9)
    assert entries[0]["sensitivity"]["value"] == pytest.approx((p[y == 1] > 0.5).mean(), abs=1e-9)
    assert entries[0]["specificity"]["value"] == pytest.approx((p[y == 0] <= 0.5).mean(), abs=1e-9)
    blocks = genome_blocks(data.places["test"], 640)
    weights = multiplicities(blocks.count, 40, 3)[:, np.repeat(blocks.index, 4)]
    y, p = truth[:, :, 0].ravel(), prediction[:, :, 0].ravel()
    specific = [((y == 0) & (p <= 0.5)) @ w / ((y == 0) @ w) for w in weights.astype(float)]
    want = np.quantile(specific, [0.025, 0.975])
    assert entries[0]["specificity"]["interval"] == pytest.approx(want, abs=1e-9)
    assert "accuracy" not in entries[2]  # not 0 or 1
    shown = summary_table(metrics | {"kind": "methylation"}).splitlines()
    assert shown[0].split() == ["target", "auroc", "accuracy", "sensitivity", "specificity"]
    assert entries[1]["auroc"] == {"value": None, "interval": None}
    assert entries[1]["pearsonr"] == {"value": None, "interval": None}
    assert "constant" in entries[1]["notes"][0]
    assert "auroc" not in entries[2]
    assert metrics["across_positions"]["mean"]["auroc"]["targets"] == 1
    lines = (tmp_path / "acc.txt").read_text().splitlines()
    assert lines[0] == "index\tauroc\tauprc\tidentifier\tdescription"
    assert lines[2] == "11\t\t\tb\tabout b"


def test_a_kill_and_a_second_run_give_the_same(tmp_path, make_data, make_predictor, monkeypatch):
    data = make_data()
    predictor = make_predictor(data)
    small = testing.PredictionParts

    def parts(*plan):
        return small(*plan, part_bytes=8 * 4 * 3 * 40)

    monkeypatch.setattr(testing, "PredictionParts", parts)
    request = testing.Request(bootstrap=FEW, save=True, batch_size=16)
    testing.run_test(predictor, data, tmp_path / "whole", request)
    asked = sum(data.asked)
    calls = []

    def dies(one_hot):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return predictor.predict({"sequence": one_hot})["output"]

    with pytest.raises(KeyboardInterrupt):
        testing.run_test(CallablePredictor(dies, predictor.spec), data, tmp_path / "cut", request)
    assert len(list((tmp_path / "cut" / "parts").glob("*.npy"))) == 1
    data.asked.clear()
    testing.run_test(predictor, data, tmp_path / "cut", request, resume=True)
    assert sum(data.asked) == asked - 40
    for name in ("acc.txt", "metrics.json", "preds.h5", "targets.h5"):
        whole, cut = ((tmp_path / d / name).read_bytes() for d in ("whole", "cut"))
        assert whole == cut, name
    other = replace(request, rc=True)
    with pytest.raises(UnfinishedError, match="rc changed"):
        testing.run_test(predictor, data, tmp_path / "cut", other, resume=True)


def test_strands_and_shifts_are_averaged(tmp_path, make_data, make_predictor):
    data = make_data(missing=0)
    spec = make_predictor(data).spec
    weights = np.random.default_rng(0).random((96, 4))

    def lopsided(x):
        value = (x * weights).reshape(len(x), 4, 24, 4).sum(axis=2)
        return value[:, :, :3]

    request = testing.Request(bootstrap=FEW, rc=True, shifts=(1, 0, -1))
    outcome = testing.run_test(CallablePredictor(lopsided, spec), data, tmp_path, request)
    total = 0
    sequence = data.sequences["test"]
    for shift in (1, 0, -1):
        moved = np.full_like(sequence, 4)
        if shift > 0:
            moved[:, shift:] = sequence[:, :-shift]
        elif shift < 0:
            moved[:, :shift] = sequence[:, -shift:]
        else:
            moved = sequence
        total = total + lopsided(one_hot(moved))
        total = total + lopsided(one_hot(reverse_complement(moved)))[:, ::-1]
    found = np.stack([outcome.predictions.column(t)[1] for t in range(3)], axis=2)
    np.testing.assert_allclose(found, total / 6, rtol=1e-5)
    assert outcome.metrics["rc"] is True
    assert outcome.metrics["shifts"] == [1, 0, -1]


def test_targets_are_chosen_and_matched_by_name(tmp_path, make_data, make_predictor):
    data = make_data()
    reversed_targets = data.targets[::-1]
    predictor = make_predictor(data, reversed_targets)
    request = testing.Request(bootstrap=FEW, targets=("c", "10"))
    outcome = testing.run_test(predictor, data, tmp_path, request)
    names = [e["identifier"] for e in outcome.metrics["across_positions"]["targets"]]
    assert names == ["c", "a"]
    assert outcome.metrics["across_targets"]["pearsonr"]["value"] is None
    assert "fewer than 3 targets" in outcome.metrics["notes"][0]
    truth, _ = outcome.predictions.column(0)
    np.testing.assert_array_equal(truth, data.values["test"][:, :, 2].astype(np.float32))
    table = tmp_path / "chosen.txt"
    table.write_text("\tidentifier\n0\tb\n")
    assert matching.chosen_targets(predictor.spec.head(), data, [str(table)]) == ((1,), (1,))
    single = make_predictor(data, data.targets[1:2])
    outcome = testing.run_test(single, data, tmp_path / "single", testing.Request(bootstrap=FEW))
    assert [e["index"] for e in outcome.metrics["across_positions"]["targets"]] == [11]


def test_few_blocks_mean_no_intervals(tmp_path, make_data, make_predictor):
    data = make_data()
    data.places["test"] = [Interval("chr1", i, i + 500_000) for i in range(130)]
    metrics = testing.run_test(make_predictor(data), data, tmp_path).metrics
    assert metrics["bootstrap"]["resamples"] == 0
    assert "in 1 blocks" in metrics["notes"][0]
    entry = metrics["across_positions"]["targets"][0]
    assert entry["pearsonr"]["interval"] is None
    assert entry["pearsonr"]["value"] > 0.5


def test_no_intervals_when_none_are_asked_for(tmp_path, make_data, make_predictor):
    data = make_data()
    request = testing.Request(bootstrap=Bootstrap(0, 0))
    metrics = testing.run_test(make_predictor(data), data, tmp_path, request).metrics
    assert metrics["notes"] == []
    assert metrics["across_positions"]["mean"]["r2"]["interval"] is None
    assert "[" not in summary_table(metrics)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"inputs": {"sequence": (128, 4)}}, "seq_length is 128 in the model and 96 in the data"),
        ({"crop": 0}, "crop is 0 in the model and 16 in the data"),
        ({"bin_width": 32}, "bin width is 32 in the model and 16 in the data"),
        ({"bin_width": 32}, "number of bins is 2 in the model and 4 in the data"),
    ],
)
def test_lengths_that_differ(tmp_path, make_data, make_predictor, change, message):
    data = make_data()
    with pytest.raises(ConfigError, match=message):
        testing.run_test(make_predictor(data, **change), data, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_numbers_of_targets_that_differ(make_data, make_predictor):
    data = make_data()
    strangers = (Target(0, "x"), Target(1, "y"))
    head = Head("output", strangers)
    spec = make_predictor(data).spec
    with pytest.raises(ConfigError, match="targets is 2 in the model and 3 in the data"):
        matching.check_sizes(spec, data, head)
    strangers += (Target(2, "z"),)
    request = testing.Request(bootstrap=FEW)
    with pytest.raises(ConfigError, match="unknown target 'x' of the model's head"):
        testing.prepare(replace(spec, heads=(Head("output", strangers),)), data, request)


def test_params_that_differ(make_data, make_predictor):
    data = make_data()
    spec = make_predictor(data).spec
    params = ModelParams("basset", {"input_length": 1344, "targets": 5, "crop": 16})
    with pytest.raises(ConfigError) as caught:
        matching.check_sizes(spec, data, spec.head(), matching.stated_sizes(params))
    line = str(caught.value)
    assert "name is toy in the model and basset in params.json" in line
    assert "seq_length is 96 in the model and 1344 in params.json" in line
    assert "number of targets is 3 in the model and 5 in params.json" in line
    assert "crop is" not in line


def test_sizes_that_params_leave_to_the_function():
    pytest.importorskip("tensorflow")
    found = matching.stated_sizes(ModelParams("basset", {"bin_width": 128}), defaults=True)
    assert found == {"name": "basset", "seq_length": 1344, "bin width": 128}
    assert matching.stated_sizes(ModelParams("other"), defaults=True) == {"name": "other"}


def test_requests_that_are_refused(tmp_path, make_data, make_predictor):
    data = make_data()
    predictor = make_predictor(data)

    def run(predictor=predictor, data=data, **request):
        request = {"bootstrap": FEW} | request
        return testing.run_test(predictor, data, tmp_path / "out", testing.Request(**request))

    with pytest.raises(ConfigError, match=r"unknown label 'tset'.*did you mean 'test'"):
        run(label="tset")
    with pytest.raises(ConfigError, match="unknown target 'd'"):
        run(targets=("d",))
    with pytest.raises(ConfigError, match="head 'human' is not one of"):
        run(head="human")
    with pytest.raises(ConfigError, match="leaves 1 block"):
        run(bootstrap=Bootstrap(block_bp=10**7))
    with pytest.raises(ConfigError, match="batch_size is 0"):
        run(batch_size=0)
    with pytest.raises(ConfigError, match="shifts is empty"):
        run(shifts=())
    inputs = {"sequence": (96, 4), "tracks": (4, 2)}
    with pytest.raises(ConfigError, match="in one cell type at a time: name one with --cell"):
        run(make_predictor(data, inputs=inputs))
    assert not (tmp_path / "out").exists()
    data.places["test"] = []
    with pytest.raises(InputFileError, match=r"'test' has 130 records, sequences\.bed lists 0"):
        run()


def test_models_that_give_no_numbers(tmp_path, make_data, make_predictor):
    data = make_data()
    spec = make_predictor(data).spec
    for name, values, message in (
        ("nan", np.nan, "predicts nan for target 'a' in window chr_test:0-64"),
        ("inf", np.inf, "predicts inf"),
    ):
        bad = CallablePredictor(lambda x, v=values: np.full((len(x), 4, 3), v), spec)
        with pytest.raises(PredictionError, match=message):
            testing.run_test(bad, data, tmp_path / name)
    bad = CallablePredictor(lambda x: np.ones((len(x), 4, 2)), spec)
    with pytest.raises(PredictionError, match=r"want .* 3 targets"):
        testing.run_test(bad, data, tmp_path / "shape")
    bad = CallablePredictor(lambda x: np.ones((len(x), 1, 3)), spec)
    with pytest.raises(PredictionError, match=r"shape \(130, 1, 3\)"):
        testing.run_test(bad, data, tmp_path / "bins")


@pytest.mark.parametrize("listed", [129, 131])
def test_records_that_are_not_as_many_as_windows(tmp_path, make_data, make_predictor, listed):
    data = make_data()
    data.places["test"] = [Interval("chr1", 64 * i, 64 * i + 64) for i in range(listed)]
    with pytest.raises(InputFileError, match=f"has 130 records, sequences.bed lists {listed}"):
        testing.run_test(make_predictor(data), data, tmp_path)


def test_shifts_are_parsed():
    assert matching.parse_shifts("1,0,-1") == (1, 0, -1)
    with pytest.raises(ConfigError, match="want whole numbers"):
        matching.parse_shifts("1,x")
    with pytest.raises(ConfigError, match="same shift twice"):
        matching.parse_shifts("1,1")


def test_files_of_a_model(tmp_path):
    with pytest.raises(InputFileError, match="does not exist"):
        matching.model_files(tmp_path / "no.keras")
    with pytest.raises(InputFileError, match="has neither"):
        matching.model_files(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert matching.model_files(tmp_path) == {"model": tmp_path / "saved_model.pb"}
    (tmp_path / "variables").mkdir()
    (tmp_path / "variables" / "variables.index").write_bytes(b"")
    assert set(matching.model_files(tmp_path)) == {"model", "variables"}
    best = tmp_path / "model_best.keras"
    best.write_bytes(b"")
    assert matching.model_files(tmp_path) == {"model": best}
    assert matching.model_files(best) == {"model": best}
    assert matching.curves_of(best) is None
    (tmp_path / "metrics.jsonl").write_text("")
    assert matching.curves_of(best) == matching.curves_of(tmp_path) == tmp_path / "metrics.jsonl"


def test_tables_for_people():
    entry = {"index": 0, "identifier": "a", "description": ""}
    entry |= {"pearsonr": {"value": 0.5, "interval": [0.4, 0.61]}}
    entry |= {"r2": {"value": None, "interval": None}}
    metrics = {"across_positions": {"targets": [entry], "mean": {}}}
    assert accuracy_table(metrics).splitlines()[1] == "0\t0.50000\t\ta\t"
    assert "0.500 [0.400, 0.610]" in summary_table(metrics)
    assert format_estimate(entry["r2"]) == format_estimate(None) == "undefined"
