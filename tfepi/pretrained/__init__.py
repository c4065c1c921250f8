"""Models whose weights were made elsewhere."""


def __getattr__(name: str):
    # Keras is imported when a model is asked for, not by importing this package.
    if name == "basenji_h5":
        from tfepi.pretrained.basenji import basenji_h5

        return basenji_h5
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
