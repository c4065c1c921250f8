"""What kind of published model a path is, and what is said where there is none."""

import hashlib
import subprocess
import sys

import pytest

from tfepi.pretrained import sources
from tfepi.pretrained.sources import (
    ARRAYS,
    CHECKPOINT,
    SAVED_MODEL,
    TORCH,
    absent,
    checkpoint_prefix,
    is_handle,
    published_files,
    published_kind,
    saved_model_folder,
)
from tfrecords_tools.errors import ConfigError, InputFileError

HANDLE = "https://tfhub.dev/deepmind/enformer/1"


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def weights(tmp_path):
    """A folder with one checkpoint, and its prefix."""
    prefix = tmp_path / "weights" / "enformer-fine-tuned-human-1"
    touch(*(prefix.parent / f"{prefix.name}{s}" for s in (".index", ".data-00000-of-00001")))
    return prefix.parent, prefix


def test_each_kind_is_told(weights, tmp_path):
    folder, prefix = weights
    for path in (folder, prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00001", str(prefix)):
        assert published_kind(path) == CHECKPOINT
    for name in ("a.safetensors", "pytorch_model.bin", "a.pt", "a.pth", "a.PT", "a.npz"):
        touch(tmp_path / name)
        assert published_kind(tmp_path / name) == (ARRAYS if name == "a.npz" else TORCH)
        assert published_files(tmp_path / name) == {"model": tmp_path / name}
    touch(tmp_path / "hub" / "saved_model.pb", tmp_path / "hub" / "variables" / "variables.index")
    assert published_kind(tmp_path / "hub") == SAVED_MODEL
    assert published_kind(HANDLE) == SAVED_MODEL


def test_what_is_no_published_model(tmp_path):
    touch(
        tmp_path / "ours" / "saved_model.pb",
        tmp_path / "ours" / "assets.extra" / "model.json",
        tmp_path / "run" / "model.json",
        tmp_path / "run" / "x.index",
        tmp_path / "both" / "saved_model.pb",
        tmp_path / "both" / "model_best.keras",
        tmp_path / "model.keras",
        tmp_path / "model.h5",
        tmp_path / "empty" / ".x",
    )
    for name in (
        "ours",
        "run",
        "both",
        "model.keras",
        "model.h5",
        "empty",
        "none",
        "none.pt",
        "none.npz",
    ):
        assert published_kind(tmp_path / name) is None
        assert published_kind(str(tmp_path / name)) is None


def test_handles():
    kaggle = "kaggle.com/models/deepmind/enformer/TensorFlow2/enformer/1"
    for handle in (HANDLE, f"https://www.{kaggle}", f"https://{kaggle}"):
        assert is_handle(handle)
    for text in ("enformer_1", "https://example.org/x", f"{HANDLE}"[8:], "https://tfhub.dev/"):
        assert not is_handle(text)


def test_a_checkpoint_is_named_in_several_ways(weights):
    folder, prefix = weights
    for path in (folder, prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00001"):
        assert checkpoint_prefix(path) == prefix
        assert published_files(path) == {"model": folder / f"{prefix.name}.index"}


def test_of_several_checkpoints_the_noted_one_is_taken(weights):
    folder, prefix = weights
    touch(*(folder / f"other-2{s}" for s in (".index", ".data-00000-of-00001")))
    with pytest.raises(InputFileError, match=r"has the checkpoints enf.*-1, other-2: name one, as"):
        checkpoint_prefix(folder)
    note = 'model_checkpoint_path: "/elsewhere/other-2"\nall_model_checkpoint_paths: "x"\n'
    (folder / "checkpoint").write_text(note)
    assert checkpoint_prefix(folder) == folder / "other-2"
    (folder / "checkpoint").write_text('model_checkpoint_path: "gone-3"\n')
    with pytest.raises(InputFileError, match="name one"):
        checkpoint_prefix(folder)
    assert checkpoint_prefix(prefix) == prefix


def test_a_saved_models_checkpoint_is_its_variables(tmp_path):
    variables = tmp_path / "hub" / "variables"
    touch(tmp_path / "hub" / "saved_model.pb", variables / "variables.index")
    with pytest.raises(InputFileError, match=r"has 0 of its 1 .data files beside variables.index"):
        checkpoint_prefix(tmp_path / "hub")
    touch(variables / "variables.data-00000-of-00001")
    assert checkpoint_prefix(tmp_path / "hub") == variables / "variables"
    assert published_files(tmp_path / "hub") == {
        "model": tmp_path / "hub" / "saved_model.pb",
        "variables": variables / "variables.index",
    }


def test_missing_parts_are_counted(tmp_path):
    touch(tmp_path / "w[1].index", tmp_path / "w[1].data-00001-of-00003")
    with pytest.raises(InputFileError, match=r"has 1 of its 3 .data files beside w\[1\].index: co"):
        checkpoint_prefix(tmp_path / "w[1]")


@pytest.mark.parametrize(
    ("kind", "place", "licence"),
    [
        (SAVED_MODEL, "kaggle.com/models/deepmind/enformer", "Apache-2.0"),
        (CHECKPOINT, "gs://dm-enformer/models/enformer/sonnet_weights", "Apache-2.0"),
        (TORCH, "huggingface.co/EleutherAI/enformer-official-rough", "CC-BY-4.0"),
    ],
)
def test_an_absent_model_is_said_to_be_published(tmp_path, kind, place, licence):
    line = str(absent(tmp_path / "x", kind))
    assert line.startswith(f"{kind} {tmp_path / 'x'} does not exist: check the path; ")
    assert f"{place} ({licence})" in line
    assert line.count("(") == 1
    assert f"{place} ({licence})" in str(absent(tmp_path / "x"))
    assert str(absent(tmp_path, kind)).startswith(f"{tmp_path} is no {kind}: Enformer is published")


def test_what_is_absent_is_refused(tmp_path):
    with pytest.raises(InputFileError, match=r"checkpoint .*x does not exist.*dm-enformer"):
        checkpoint_prefix(tmp_path / "x")
    with pytest.raises(InputFileError, match=r"SavedModel .*x does not exist.*kaggle.com"):
        saved_model_folder(tmp_path / "x")
    with pytest.raises(InputFileError, match=r"x does not exist.*kaggle.*dm-enformer.*Eleuther"):
        published_files(tmp_path / "x")
    with pytest.raises(InputFileError, match="is in a bucket: copy its files first, with gsutil"):
        checkpoint_prefix("gs://dm-enformer/models/enformer/sonnet_weights")


def test_a_handle_is_found_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    folder = tmp_path / hashlib.sha1(HANDLE.encode()).hexdigest()
    touch(folder / "saved_model.pb")
    assert saved_model_folder(HANDLE) == folder
    assert published_files(HANDLE) == {"model": folder / "saved_model.pb"}


def test_a_handle_that_is_not_there_needs_tensorflow_hub(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(sys.modules, "tensorflow_hub", None)
    with pytest.raises(ConfigError, match=r"enformer/1 has to be fetched with tensorflow_hub.*pip"):
        saved_model_folder(HANDLE)
    (tmp_path / "tensorflow_hub.py").write_text(
        "def resolve(handle):\n    raise OSError('no route\\nto host')\n"
    )
    monkeypatch.delitem(sys.modules, "tensorflow_hub")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=r"could not be fetched \(no route\): give an unpacked"):
        saved_model_folder(HANDLE)
    monkeypatch.delitem(sys.modules, "tensorflow_hub")
    (tmp_path / "tensorflow_hub.py").write_text("def resolve(handle):\n    return '/x/' + handle\n")
    sources_folder = saved_model_folder(HANDLE)
    assert str(sources_folder) == "/x/https:/tfhub.dev/deepmind/enformer/1"


def test_nothing_heavy_is_imported():
    code = f"import sys; sys.path.insert(0, {str(sources.__file__).rpartition('/tfepi/')[0]!r})\n"
    code += "import tfepi.pretrained.sources\n"
    code += "assert not {'tensorflow', 'keras', 'numpy', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
