import numpy as np
import pytest
from bed_reader import to_bed

from tfepi.methylation import clumping
from tfepi.methylation.genotypes import Genotypes, centre, standardised
from tfrecords_tools.errors import InputFileError


def write_plink(prefix, dosages, chrom, position, ids=None, a1="A", a2="G", people="p"):
    count, snps = dosages.shape
    properties = {
        "fid": [people] * count,
        "iid": [f"{people}{i}" for i in range(count)],
        "chromosome": chrom,
        "bp_position": position,
        "sid": [f"rs{i}" for i in range(snps)] if ids is None else ids,
        "allele_1": [a1] * snps if isinstance(a1, str) else a1,
        "allele_2": [a2] * snps if isinstance(a2, str) else a2,
    }
    to_bed(f"{prefix}.bed", dosages, properties=properties, num_threads=1)
    return prefix


@pytest.fixture
def cohort(tmp_path):
    """60 people, 700 SNPs in LD with those before them, some missing."""
    rng = np.random.default_rng(1)
    walk = np.cumsum(rng.normal(size=(60, 2, 700)) * 0.5, axis=-1)
    dosages = (walk > walk.mean(axis=(0, 1))).sum(axis=1).astype("float32")
    dosages[rng.random(dosages.shape) < 0.02] = np.nan
    position = np.sort(rng.choice(9000, 700, replace=False))
    write_plink(tmp_path / "cohort", dosages, ["1"] * 700, position)
    return Genotypes(tmp_path / "cohort"), dosages, position


def imputed(dosages):
    return np.where(np.isnan(dosages), np.nanmean(dosages, axis=0), dosages).astype(float)


def test_dosages_in_any_order(cohort):
    genotypes, dosages, position = cohort
    assert len(genotypes) == 60
    assert genotypes.snps["pos"].tolist() == position.tolist()
    assert genotypes.people.iloc[3].tolist() == ["p", "p3"]
    people, columns = np.array([5, 2]), np.array([30, 4, 11])
    np.testing.assert_array_equal(
        genotypes.dosages(columns, people), dosages[np.ix_(people, columns)]
    )


def test_blocks_cover_all(cohort, monkeypatch):
    genotypes, dosages, _ = cohort
    monkeypatch.setattr("tfepi.methylation.genotypes.BLOCK_BYTES", 60 * 4 * 8)
    columns = np.arange(0, 700, 7)
    found = list(genotypes.blocks(columns))
    assert [part.stop - part.start for part, _ in found] == [8] * 12 + [4]
    np.testing.assert_array_equal(np.concatenate([b for _, b in found], axis=1), dosages[:, ::7])


def test_standardised_products_are_correlations(cohort):
    _, dosages, _ = cohort
    some = dosages[:, :20].copy()
    some[:, 3] = 2
    some[4, 3] = some[:, 5] = np.nan
    found = standardised(some)
    centred, mean = centre(some)
    np.testing.assert_array_equal(centred[np.isnan(some)], 0)
    assert mean[3] == 2
    assert not found[:, [3, 5]].any()
    rest = [i for i in range(20) if i not in (3, 5)]
    slow = np.corrcoef(imputed(some[:, rest]), rowvar=False)
    np.testing.assert_allclose((found.T @ found)[np.ix_(rest, rest)], slow, atol=2e-6)


@pytest.mark.parametrize("people", [None, np.arange(5, 60, 2)])
def test_pairs_against_all_pairs(cohort, people):
    genotypes, dosages, position = cohort
    window, bound = 800, 0.3
    found = clumping.find_pairs(genotypes, np.arange(700), position, window, bound, people)
    rows = dosages if people is None else dosages[people]
    r2 = np.corrcoef(imputed(rows), rowvar=False) ** 2
    near = np.abs(position[:, None] - position) <= window
    pairs = {(a, b) for a, b in zip(*np.nonzero(near & (r2 >= bound)), strict=True) if a < b}
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == pairs
    assert len(found.first) == len(pairs)
    np.testing.assert_allclose(found.r2, r2[found.first, found.second], atol=1e-5)
    stricter = found.above(0.6123)
    assert len(stricter.r2) == (r2[found.first, found.second] >= 0.6123).sum()


def slow_clump(r2, position, rank, window, bound):
    kept, gone = [], set(np.flatnonzero(np.isnan(rank)).tolist())
    for one in np.argsort(rank, kind="stable"):
        if one in gone:
            continue
        kept.append(one)
        for other in range(len(rank)):
            if abs(position[one] - position[other]) <= window and r2[one, other] >= bound:
                gone.add(other)
    return np.isin(np.arange(len(rank)), kept)


def test_clump_against_slow(cohort):
    genotypes, dosages, position = cohort
    rng = np.random.default_rng(3)
    rank = rng.random(700)
    rank[rng.random(700) < 0.1] = np.nan
    rank[10:14] = 0.5
    pairs = clumping.find_pairs(genotypes, np.arange(700), position, 500, 0.2)
    r2 = np.corrcoef(imputed(dosages), rowvar=False) ** 2
    for bound in (0.2, 0.5):
        kept = clumping.clump(pairs.above(bound), rank)
        np.testing.assert_array_equal(kept, slow_clump(r2, position, rank, 500, bound))
    assert 20 < kept.sum() < 600
    # what a bound on the rank keeps is part of what a looser one does
    few = clumping.clump(pairs, np.where(rank < 0.1, rank, np.nan))
    np.testing.assert_array_equal(few, clumping.clump(pairs, rank) & (rank < 0.1))


@pytest.mark.parametrize(
    ("suffix", "change", "message"),
    [
        ("bim", lambda b: b.replace(b"\t17\t", b"\tx\t", 1), "line 2 has position 'x'"),
        ("bim", lambda b: b"", "is empty"),
        ("bim", lambda b: b.replace(b"\tA", b"", 1), "line 1 has 5 columns, want 6"),
        ("bim", lambda b: b[: b.rindex(b"\t")], "line 2 has fewer than 6 columns"),
        ("bim", lambda b: b + b"1 rs 0 5 A G extra\n", "is no table of 6 columns"),
        ("fam", lambda b: b + b[: b.index(b"\n") + 1], "line 6 names f 0 again"),
        ("fam", lambda b: b[: b.index(b"\n") + 1] * 0 + b"f 0 0 0 0 0\n", "has 7 bytes, want 5"),
        ("bed", lambda b: b"PK" + b[2:], "is no PLINK 1 .bed file"),
        ("bed", lambda b: b[:2] + b"\0" + b[3:], "is in the order of people"),
        ("bed", lambda b: b[:-1], "has 6 bytes, want 7 for 5 people in the .fam and 2 SNPs"),
    ],
)
def test_damaged_files(tmp_path, suffix, change, message):
    dosages = np.array([[0, 1, 2, 1, 0], [1, 1, 0, 2, 0]], "float32").T
    write_plink(tmp_path / "c", dosages, ["1", "1"], [9, 17], people="f")
    fam = tmp_path / "c.fam"
    fam.write_text("".join(f"f {i} 0 0 0 0\n" for i in range(5)))
    path = tmp_path / f"c.{suffix}"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(InputFileError, match=message.replace(".", r"\.")):
        Genotypes(tmp_path / "c")


def test_missing_file(tmp_path):
    with pytest.raises(InputFileError, match=r"PLINK \.bed file .*none\.bed does not exist"):
        Genotypes(tmp_path / "none")
