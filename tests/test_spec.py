import json
from dataclasses import replace

import numpy as np
import pytest

from tfepi.spec import AveragedPredictor, CallablePredictor, Head, ModelSpec, shift_sequence
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target


@pytest.fixture
def spec():
    targets = (Target(0, "a+", strand_pair=1), Target(1, "a-", strand_pair=0), Target(2, "b"))
    return ModelSpec("toy", {"sequence": (24, 4)}, 4, 2, (Head("output", targets),), "hash")


def test_the_spec_survives_its_file(spec, tmp_path):
    spec.write(tmp_path / "model.json")
    assert ModelSpec.read(tmp_path / "model.json") == spec
    assert spec.target_length == 5
    assert spec.head().strand_order == (1, 0, 2)
    with pytest.raises(ConfigError, match="heads: output; leave --head out"):
        spec.head("other")
    several = replace(spec, heads=(*spec.heads, Head("mouse", ())))
    assert several.head("1") is several.head("mouse")
    with pytest.raises(ConfigError, match=r"'other' .* heads: output, mouse; name one"):
        several.head("other")


@pytest.mark.parametrize(
    ("change", "message"), [({"format": "x"}, "format 'x'"), ({"heads": [{}]}, "damaged")]
)
def test_other_files_are_refused(spec, tmp_path, change, message):
    (tmp_path / "m.json").write_text(json.dumps(spec.to_json() | change))
    with pytest.raises(InputFileError, match=message):
        ModelSpec.read(tmp_path / "m.json")


def predictions(x):
    """A function of one-hot codes that tells strands, positions and bases apart."""
    core = x[:, 2:-2].reshape(len(x), 5, 4, 4)
    weight = np.arange(1, 17).reshape(4, 4)
    value = (core * weight).sum(axis=(2, 3))
    return np.stack([value, value**2, np.sqrt(value)], axis=2)


@pytest.mark.parametrize("shift", [-3, 0, 2])
@pytest.mark.parametrize("rc", [False, True])
def test_shifts_of_indices_and_one_hot_agree(shift, rc):
    indices = np.random.default_rng(0).integers(0, 5, (3, 24), dtype=np.uint8)
    moved = shift_sequence(indices, shift, rc)
    np.testing.assert_array_equal(one_hot(moved), shift_sequence(one_hot(indices), shift, rc))
    forward = shift_sequence(indices, shift)
    if shift > 0:
        assert (forward[:, :shift] == 4).all()
        np.testing.assert_array_equal(forward[:, shift:], indices[:, :-shift])


def test_averages_over_strands_and_shifts(spec):
    indices = np.random.default_rng(1).integers(0, 5, (3, 24), dtype=np.uint8)
    plain = CallablePredictor(predictions, spec)
    averaged = AveragedPredictor(plain, rc=True, shifts=(0, 1, -2))
    want = np.zeros((3, 5, 3))
    for shift in (0, 1, -2):
        forward = predictions(one_hot(shift_sequence(indices, shift)))
        reverse = predictions(one_hot(shift_sequence(indices, shift, True)))
        want += forward + reverse[:, ::-1][:, :, [1, 0, 2]]
    got = averaged.predict({"sequence": indices})["output"]
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, want / 6, rtol=1e-5)
    with pytest.raises(ConfigError, match="shifts is empty"):
        AveragedPredictor(plain, shifts=())


def test_the_kind_is_a_part_of_the_contract(spec, tmp_path):
    assert spec.kind == "coverage"
    other = replace(spec, extra={"kind": "methylation"})
    other.write(tmp_path / "model.json")
    assert ModelSpec.read(tmp_path / "model.json").kind == "methylation"


def test_the_other_strand_of_a_cpg_has_its_other_c_in_the_middle():
    """The C of both strands is read at the middle, what lies around it from either side."""
    length, middle = 9, 4
    head = Head("output", (Target(0, "s"),), "beta")
    spec = ModelSpec(
        "toy", {"sequence": (length, 4)}, 1, middle, (head,), extra={"kind": "methylation"}
    )
    seen = []

    def function(x):
        seen.append(np.where(x.any(axis=2), x.argmax(axis=2), 4))
        return x[:, middle : middle + 1, 1:2] + 2 * x[:, middle + 1 : middle + 2, 2:3]

    indices = np.array([[0, 0, 2, 3, 1, 2, 1, 1, 4]], np.uint8)  # AAGT CG CCN
    predictor = AveragedPredictor(CallablePredictor(function, spec), rc=True)
    got = predictor.predict({"sequence": indices})["output"]
    np.testing.assert_array_equal(seen[0], indices)
    # NGGCGACTT moved right by one: the T that is the forward strand's first A falls out.
    np.testing.assert_array_equal(seen[1], [[4, 4, 2, 2, 1, 2, 0, 1, 3]])
    np.testing.assert_array_equal(got, [[[3.0]]])
    with pytest.raises(ConfigError, match="the C of a CpG has to stay in the middle"):
        AveragedPredictor(CallablePredictor(function, spec), shifts=(0, 1))
