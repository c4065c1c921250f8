from pathlib import Path

import numpy as np
import pytest

from tfrecords_tools.signal_files import Blocks, SignalFiles, WorkFolders, signal_file


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("folders", [1, 3])
def test_bins_of_any_windows(tmp_path, count, folders):
    """Against one array of all tracks, cut into the files as the jobs write them."""
    rng = np.random.default_rng(count)
    windows, bins, first, first_job, jobs = 23, 4, 2, 3, 3 + 2 * count
    every = rng.normal(size=(2, windows, bins)).astype(np.float16)
    edges = tuple(windows * b // count for b in range(count + 1))
    blocks = Blocks(rng.permutation(windows), edges)
    places = WorkFolders(tuple(tmp_path / str(n) for n in range(folders)))
    for track in range(2):
        for block in range(count):
            folder = places.of(first_job + track * count + block, jobs)
            path = signal_file(folder, first + track, block)
            path.parent.mkdir(parents=True, exist_ok=True)
            rows, ranks = blocks.rows(block), blocks.ranks(block)
            content = np.empty((len(rows), bins), np.float16)
            content[ranks] = every[track, rows]
            content.tofile(path)
            np.testing.assert_array_equal(content, every[track, np.sort(rows)])
    files = SignalFiles.of(places, blocks, range(first, first + 2), first_job, jobs, bins)
    for some in (np.arange(windows), rng.permutation(windows)[:9], np.array([22, 0])):
        for track in range(2):
            np.testing.assert_array_equal(files.over(some).read(track), every[track, some])


def test_each_folder_has_neighbouring_jobs():
    places = WorkFolders((Path("a"), Path("b"), Path("c")))
    assert "".join(str(places.of(n, 7)) for n in range(7)) == "aabbccc"
