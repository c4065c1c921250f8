"""Numbers of things in messages."""


def number_of(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count and what is counted: "1 track", "2 tracks", "1 match", "0 matches".

    Args:
        count: how many.
        noun: of one.
        plural: of several, where it is not the noun with "s" (with "es" after "ch").
    """
    if count != 1:
        noun = plural or noun + ("es" if noun.endswith("ch") else "s")
    return f"{count} {noun}"
