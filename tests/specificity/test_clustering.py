"""Method and number of clusters by silhouette; what clusters are called."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from tfepi.specificity.cluster_names import Rule, named
from tfepi.specificity.clustering import Search, cluster, numbers_of
from tfepi.specificity.profiles import tau
from tfrecords_tools.errors import ConfigError

CELLS = ("A/1", "B", "C", "D", "E", "F")


def blobs(sizes, seed=0, noise=0.05):
    """Peaks around corners of a cube: kinds 0, 1, …, each open in the cell type of its number."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(len(sizes)), sizes)
    centre = np.eye(len(sizes), 6) * 0.9 + 0.05
    return np.clip(centre[of] + rng.normal(0, noise, (len(of), 6)), 0, 1), of


def plain_silhouette(x, labels):
    """Rousseeuw's definition, peak by peak."""
    scores = []
    for i in range(len(x)):
        distance = np.linalg.norm(x - x[i], axis=1)
        own = labels == labels[i]
        if own.sum() == 1:
            scores.append(0.0)
            continue
        a = distance[own].sum() / (own.sum() - 1)
        b = min(distance[labels == other].mean() for other in set(labels) - {labels[i]})
        scores.append((b - a) / max(a, b))
    return np.mean(scores)


@pytest.mark.parametrize("method", ["kmeans", "ward", "mixture"])
def test_planted_clusters_and_their_number_are_found(method):
    x, of = blobs([60, 40, 30, 50])
    found = cluster(x, Search((method,), (3, 4, 5), seed=3))
    assert (found.chosen.method, found.chosen.k) == (method, 4)
    assert adjusted_rand_score(of, found.of) > 0.97
    assert found.chosen.silhouette == pytest.approx(plain_silhouette(x, found.of))
    assert [c.k for c in found.candidates] == [3, 4, 5]
    assert found.chosen.silhouette == max(c.silhouette for c in found.candidates)


def test_ward_is_the_agglomeration_of_scikit_learn():
    x, _ = blobs([40, 30, 50], seed=4, noise=0.4)
    found = cluster(x, Search(("ward",), (4,)))
    expected = AgglomerativeClustering(4, linkage="ward").fit_predict(x)
    assert adjusted_rand_score(expected, found.of) == 1


@pytest.mark.parametrize("method", ["kmeans", "ward", "mixture"])
def test_peaks_beyond_the_sample_join_what_they_resemble(method):
    x, of = blobs([300, 200, 300])
    found = cluster(x, Search((method,), (3,), sample=90))
    assert found.sampled == 90
    assert adjusted_rand_score(of, found.of) > 0.97


def test_the_same_seed_gives_the_same_clusters():
    x, _ = blobs([40, 40, 40], noise=0.3)
    first, again = (cluster(x, Search(numbers=(3, 4), sample=60, seed=9)) for _ in range(2))
    assert first.of.tolist() == again.of.tolist()
    assert first.candidates == again.candidates


def test_profiles_that_make_no_clusters():
    with pytest.raises(ConfigError, match="1 different profiles make no 3 clusters"):
        cluster(np.ones((20, 3)), Search())
    with pytest.raises(ConfigError, match="unknown method 'kmean'"):
        Search(("kmean",))
    with pytest.raises(ConfigError, match="each 2 or more"):
        Search(numbers=(1, 2))
    with pytest.raises(ConfigError, match="sample is 5"):
        Search(sample=5)


def test_numbers_of_clusters():
    assert numbers_of(None, 2) == tuple(range(3, 9))
    assert numbers_of(None, 10)[-1] == 20
    assert numbers_of(None, 99)[-1] == 40
    assert numbers_of("11", 3) == (11,)
    assert numbers_of("3-5", 3) == (3, 4, 5)
    assert numbers_of("3,9", 3) == (3, 9)
    for text in ("x", "1", "5-3", "3-x", ""):
        with pytest.raises(ConfigError, match="k is "):
            numbers_of(text, 3)


def names_of(means, sizes, rule=None):
    """Name clusters of peaks that all have their cluster's profile."""
    share = np.repeat(np.asarray(means, float), sizes, axis=0)
    of = np.repeat(np.arange(len(sizes)), sizes)
    return named(of, share, 2 * share, CELLS, rule)


def test_names_say_where_clusters_are_open():
    flat = [0.9, 0.8, 0.7, 0.9, 1, 0.6]
    means = [
        [0.1, 1, 0.1, 0, 0, 0],
        flat,
        [1, 0, 0.8, 0, 0, 0],
        [0.2, 1, 0.3, 0, 0, 0],
        [1, 1, 1, 1, 0.2, 0.9],
        [0, 1, 1, 0.9, 0.8, 0],
    ]
    of, found, joined = names_of(means, [3, 4, 2, 5, 2, 2])
    assert joined == 1
    names = [c.name for c in found]
    assert names == ["B.cluster2", "ubiquitous", "A_1+C", "B", "broad", "broad.cluster2"]
    assert found[1].cell_types == CELLS
    assert found[2].cell_types == ("A/1", "C")
    assert found[1].tau == pytest.approx(tau(flat))
    assert [c.peaks for c in found] == [3, 4, 2, 5, 2, 2]
    np.testing.assert_allclose(found[2].logged, 2 * np.array(means[2]))
    assert of.tolist() == np.repeat(np.arange(6), [3, 4, 2, 5, 2, 2]).tolist()


def test_flat_clusters_are_one():
    first, second = [1, 0.9, 0.8, 0.8, 0.8, 0.8], [0.5, 0.6, 0.9, 1, 0.9, 0.9]
    of, found, joined = names_of(
        [[1, 0, 0, 0, 0, 0], first, [0, 1, 0, 0, 0, 0], second], [1, 2, 1, 2]
    )
    assert joined == 2
    assert [c.name for c in found] == ["A_1", "ubiquitous", "B"]
    assert of.tolist() == [0, 1, 1, 2, 1, 1]
    np.testing.assert_allclose(found[1].profile, np.mean([first, second], axis=0))


def test_no_cluster_need_be_ubiquitous():
    nearly = [1, 1, 1, 1, 1, 0.2]  # flat, but closed in one cell type
    _, found, joined = names_of([[1, 0, 0, 0, 0, 0], nearly], [2, 2])
    assert joined == 0
    assert [c.name for c in found] == ["A_1", "broad"]
    _, found, joined = names_of([[1, 0, 0, 0, 0, 0], nearly], [2, 2], Rule(open=0.2))
    assert joined == 1
    with pytest.raises(ConfigError, match="flat is 2"):
        Rule(flat=2)


def test_a_cell_type_called_as_a_group_is():
    share = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]])
    _, found, _ = named(np.arange(3), share, share, ("ubiquitous", "Specific", "mean"))
    assert [c.name for c in found] == ["ubiquitous.cluster2", "Specific.cluster2", "mean.cluster2"]


def test_long_names_are_cut():
    share = np.array([[1.0] * 5 + [0] * 6])
    _, found, _ = named(np.zeros(1, int), share, share, [f"T{i}" for i in range(11)])
    assert found[0].name == "T0+T1+T2+2_more"
