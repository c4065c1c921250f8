import errno

import h5py
import numpy as np
import pytest

from tfepi.variants import disk, hdf5


def failing(after):
    """A raw file that takes so many bytes, then says that the disk is full."""

    class Failing:
        def __init__(self, path, mode, buffering):
            self.file = open(path, mode, buffering=buffering)  # noqa: SIM115
            self.seek, self.tell, self.close = self.file.seek, self.file.tell, self.file.close
            self.read, self.readinto = self.file.read, self.file.readinto
            self.truncate = self.file.truncate

        def write(self, data):
            if self.file.tell() + len(data) > after:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self.file.write(data)

    return Failing


def write(path):
    with hdf5.written_hdf5(path) as (file, check):
        for number in range(20):
            file[f"d{number}"] = np.arange(1000.0)
        check()


def test_written_is_whole(tmp_path):
    write(tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5") as file:
        assert len(file) == 20
        assert np.array_equal(file["d19"][()], np.arange(1000.0))


@pytest.mark.parametrize("after", [0, 5000, 100_000, 160_000])
def test_full_disk_while_hdf5_writes(tmp_path, monkeypatch, capfd, after):
    monkeypatch.setattr(hdf5, "open", failing(after), raising=False)
    with pytest.raises(OSError, match="No space left") as caught:
        write(tmp_path / "x.h5")
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(tmp_path / "x.h5")
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().err == ""


def raised(error, path):
    with pytest.raises(OSError, match=r".") as caught, disk.full_disk(path):
        raise error
    return caught.value


def test_full_disk_by_text_or_by_free_space(tmp_path, monkeypatch):
    path = tmp_path / "x"
    told = OSError("Error writing bytes to file. Detail: No space left on device")
    assert raised(told, path).errno == errno.ENOSPC
    silent = OSError("Error closing BGZFile object")
    assert raised(silent, path) is silent

    class Usage:
        free = 10

    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: Usage)
    assert raised(silent, path).errno == errno.ENOSPC
    assert raised(OSError(errno.EACCES, "no"), path).errno == errno.EACCES
