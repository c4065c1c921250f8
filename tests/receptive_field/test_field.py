"""The field of one loaded model: known fields found, as files and back, in rows."""

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.receptive_field.field import Effort, field_of_model, spec_of
from tfepi.receptive_field.field_file import arrays_of, read_field, write_arrays
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.tracing import traced_once_each
from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.targets import Target

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))
BOTH = ("perturbation", "gradient")


@pytest.fixture(scope="module")
def model():
    return SMALL.local_model(64, (5, 3), pool=1)


@pytest.fixture(scope="module")
def field(model):
    return field_of_model(model, effort=Effort(BOTH, ("centre", "left"), edge=1))


def test_a_known_field_is_found_by_all_three(field):
    assert {f.measured.method for f in field.found} == set(BOTH)
    for found in field.found:
        cut = found.measured.place == "left"
        span = 5 if cut else 7  # kernels of 5 and 3; base 1 has one to its left
        assert found.reach.spans == (span,)
        assert (found.measured.spans == span).all()
        assert found.agreement.share == 1
        assert found.agreement.beyond == 0
        assert found.measured.floor == 0
    row = field.row()
    assert (row["theory_min"], row["theory_max"], row["global_from"]) == (7, 7, "")
    assert row["perturbation_centre_max"] == row["gradient_centre_mean"] == 7
    assert row["perturbation_left_max"] == 5
    assert row["gradient_centre_mass_90%"] <= 3


def test_a_predictor_says_where_its_bins_lie(model):
    def predict(codes):
        return model({"sequence": codes}).numpy()[:, 16:48].reshape(len(codes), 8, 4)

    heads = (Head("a", tuple(Target(i, f"t{i}") for i in range(4))),)
    spec = ModelSpec("m", {"sequence": (64, 4)}, 4, 16, heads)
    found = field_of_model(CallablePredictor(predict, spec), effort=Effort(("perturbation",)))
    assert (found.theory, found.head) == (None, "a")
    assert found.grid == OutputGrid(64, 8, 4, 16)
    [one] = found.found
    assert one.agreement is None
    assert one.measured.union.tolist() == [8]  # 29 to 35, in bins of 4 from 16
    assert found.row()["theory_max"] is None
    with pytest.raises(ConfigError, match="shows no layers: measure it by perturbation"):
        field_of_model(CallablePredictor(predict, spec), effort=Effort(BOTH))


def test_a_function_of_one_bin_is_scanned():
    found = field_of_model(
        lambda codes: codes[:, 10:20].sum(axis=1, keepdims=True)[..., :1],
        length=40,
        effort=Effort(("perturbation",), repeats=8),
    )
    assert found.grid == OutputGrid(40, 1, 40, 0)
    [one] = found.found
    assert one.measured.method == "scan"
    assert one.measured.union.tolist() == [10]


def test_the_first_head_is_meant_unless_one_is_named():
    model = SMALL.small_enformer()
    assert [h.name for h in spec_of(model).heads] == ["human", "mouse"]
    assert (spec_of(model).bin_width, spec_of(model).crop) == (128, 768)
    nothing = Effort(())
    assert field_of_model(model, effort=nothing).head == "human"
    assert field_of_model(model, head="mouse", effort=nothing).head == "mouse"
    predictor = CallablePredictor(lambda x: x, spec_of(model))
    with pytest.raises(ConfigError, match="head 'rat' is not one"):
        field_of_model(predictor, head="rat", effort=nothing)


def test_a_field_as_a_file_and_back(field, tmp_path):
    path = tmp_path / "field.npz"
    write_arrays(path, arrays_of(field, {"zeros": ["a"]}))
    again, facts = read_field(path)
    assert facts == {"zeros": ["a"]}
    assert (again.grid, again.theory, again.head) == (field.grid, field.theory, field.head)
    for old, new in zip(field.found, again.found, strict=True):
        assert (old.reach, old.agreement) == (new.reach, new.agreement)
        assert old.measured.summary() == new.measured.summary()
        assert (old.measured.most == new.measured.most).all()
    first = path.read_bytes()
    write_arrays(path, arrays_of(field, {"zeros": ["a"]}))
    assert path.read_bytes() == first


@pytest.mark.parametrize("content", [b"", b"no arrays", None])
def test_a_damaged_file(field, tmp_path, content):
    path = tmp_path / "field.npz"
    if content is None:
        np.savez(path, other=np.zeros(3))
    else:
        path.write_bytes(content)
    with pytest.raises(InputFileError, match="or damaged"):
        read_field(path)


def test_tensorflows_warning_of_tracings_is_passed_over(caplog):
    logger = logging.getLogger("tensorflow")
    with caplog.at_level("WARNING", logger="tensorflow"):
        for text in ("5 out of 5 calls triggered tf.function retracing", "another"):
            with traced_once_each():
                logger.warning("%s, inside", text)
            logger.warning("%s, outside", text)
    assert [r.getMessage() for r in caplog.records] == [
        "5 out of 5 calls triggered tf.function retracing, outside",
        "another, inside",
        "another, outside",
    ]
