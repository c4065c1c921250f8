"""The options of a test: of what, averaged over what, with which intervals.

Imports nothing heavy, so that `--help` answers at once.
"""


def add(p) -> None:
    """Add --label to --shifts, and --bootstrap to --block_bp."""
    p.add_argument("--label", "--split", default="test", help="windows to test on [%(default)s]")
    p.add_argument("--head", help="output of the model, where it has several: name or number")
    p.add_argument("--cell", help="of a conditioned model: the cell type, trained on or not")
    p.add_argument("-t", "--targets", nargs="+", help="identifiers, indexes or a targets table")
    p.add_argument("--query", help='only targets that match, as "CAGE: & liver"')
    p.add_argument("--rc", action="store_true", help="average with the reverse complement")
    p.add_argument("--shifts", default="0", help='bp to average over, "1,0,-1" [%(default)s]')
    p.add_argument("--bootstrap", type=int, default=1000, help="resamples; 0: none [%(default)s]")
    p.add_argument("--bootstrap_ranks", type=int, default=200, help="of rank statistics [200]")
    p.add_argument("--block_bp", type=int, help="block size [largest that gives 20 blocks]")
