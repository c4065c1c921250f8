"""What each statistic of a variant says, in words."""

_GAIN = "above 0 the model expects more signal with ALT, below 0 less"
_MEANING = {
    "SAD": "the signal that the window gains with ALT, summed over bins, in the track's unit; "
    f"{_GAIN}. It grows with the level of the region, so a list of the largest is largely one of "
    "open regions.",
    "logSED": f"log2 fold change of the window's summed signal, 1 added to both sums; {_GAIN}. "
    "1 is a doubling.",
    "logSAD": f"log2 fold changes of the bins, added up; {_GAIN}. With one bin 1 is a doubling.",
    "sqrtSAD": f"differences of square roots of the bins, added up; {_GAIN}.",
    "SAX": f"the difference in the bin that changes most, in the track's unit; {_GAIN}.",
    "D1": "absolute differences of the bins, added up; it has no direction.",
    "D2": "the length of the vector of differences; it has no direction.",
    "JS": "how much the shape of the profile changes, whatever its height, in nats; it has no "
    "direction.",
    "JSD": "the Jensen-Shannon divergence of the two profiles' shapes, at most ln 2 nats; it has "
    "no direction.",
    "REF_RATIO": "r / (r + a) in the variant's bin, less 0.5; above 0 ALT has less signal.",
}
_SAME = {"SUM": "SAD", "logSUM": "logSAD", "sqrtSUM": "sqrtSAD"}
_OF_TRANSFORMED = {"log": "log2(x + 1)", "sqrt": "square roots"}


def meaning(statistic: str) -> str:
    """Return what a statistic says, in a sentence or two that begin in lower case."""
    statistic = _SAME.get(statistic, statistic)
    if statistic in _MEANING:
        return _MEANING[statistic]
    for before, what in _OF_TRANSFORMED.items():
        if statistic.startswith(before):
            return f"of {what} of the bins: {_MEANING[statistic.removeprefix(before)]}"
    return "a difference between REF and ALT."
