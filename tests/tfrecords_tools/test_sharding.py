import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.sharding import SHARDS, Shard, check_split, find_shards, owner


@given(total=st.integers(0, 200), count=st.integers(1, 30))
def test_shards_are_all_parts_once_and_even(total, count):
    shards = Shard(1, count).all()
    shares = [shard.own(range(total)) for shard in shards]
    assert [n for share in shares for n in share] == list(range(total))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for place, share in enumerate(shares):
        assert all(owner(piece, total, count) == place for piece in share)


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0", "a/3", "1", "1/3/5", "-1/3"])
def test_bad_shards(text):
    with pytest.raises(ConfigError, match=r"shard is .*want i/n with 1 <= i <= n"):
        Shard.parse(text)


def test_shard_folder():
    assert Shard.parse("2/16").folder == "2-of-16"
    assert str(Shard(2, 16)) == "2/16"


def test_shards_of_a_folder(tmp_path):
    with pytest.raises(InputFileError, match="has no shards: build with --shard i/n first"):
        find_shards(tmp_path, "build")
    for name in ("3-of-3", "1-of-3", "x-of-y", "0-of-3"):
        (tmp_path / SHARDS / name).mkdir(parents=True)
    with pytest.raises(InputFileError, match="lacks shard 2 of 3: run it"):
        find_shards(tmp_path, "build")
    (tmp_path / SHARDS / "2-of-3").mkdir()
    assert find_shards(tmp_path, "build") == Shard(1, 3).all()
    check_split(tmp_path, Shard(2, 3))
    with pytest.raises(UnfinishedError, match=r"as 1/3, than shard 1/2: use i/3, or name another"):
        check_split(tmp_path, Shard(1, 2))
    (tmp_path / SHARDS / "1-of-2").mkdir()
    with pytest.raises(InputFileError, match=r"different splits, of \[2, 3\]"):
        find_shards(tmp_path, "build")
