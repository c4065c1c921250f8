"""Queries that choose targets of a table: words, and values of its columns, joined by & and |.

    CAGE: & liver
    (DNASE: | ATAC:) & !embryo & tissue!=blood
    mark=H3K27ac & description~"K562|GM12878"

A term is text that identifier or description holds, `column=value` (the whole value; nothing is an
empty one) or `column~regex` (found anywhere in the value), or the opposite of either, `column!=`
and `column!~`. `!` before a term or a parenthesis turns it round, `&` binds more closely than `|`.
Capitals never matter. What stands between double quotes is text and nothing else. Parentheses
within a term belong to it.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.targets import Target, is_numbered

COLUMNS = tuple(f.name for f in fields(Target))
_NUMBERS = ("index", "clip", "clip_soft", "scale", "strand_pair", "threshold")
_COLUMN = re.compile(r"(\w*)\s*(!?)([=~])\s*")
_DEEPEST = 50  # parentheses within parentheses
_SHOWN = 5
_SIGNS = {"not": "!", "and": "&", "or": "|"}
_WORD = re.compile(r"(?:^|(?<=\s))(?:not|and|or)(?=\s)", re.IGNORECASE)
_NAMELESS = "give a targets table (-t) to the command that made them"
_Test = Callable[[Target], bool]


def query_targets(
    targets: Sequence[Target], query: str, where: str = "", nameless: str = _NAMELESS
) -> tuple[int, ...]:
    """Return the positions of the targets that a query matches, ascending.

    Args:
        targets: of a table or of a model's head.
        query: see above.
        where: they are, for messages ("the model's head 'human'").
        nameless: what to do if they came without a table, so that they have numbers only.

    Raises:
        ConfigError: a query that cannot be read, an unknown column, or no target that matches.
    """
    parser = _Parser(query)
    test = parser.whole()
    found = tuple(i for i, target in enumerate(targets) if test(target))
    if not found:
        raise ConfigError(_nothing(targets, query, where, parser.terms, nameless))
    return found


@dataclass(frozen=True)
class _Term:
    """A term of a query.

    Attributes:
        text: as it was written.
        column: that it asks about, or None.
        test: whether a target matches.
    """

    text: str
    column: str | None
    test: _Test


class _Parser:
    """Reads a query from left to right; `terms` are those read so far."""

    def __init__(self, query: str):
        self._query, self._at, self._depth = query, 0, 0
        self.terms: list[_Term] = []

    def whole(self) -> _Test:
        test = self._either()
        if self._at < len(self._query):
            raise self._wrong(f"has {self._query[self._at]!r}", "join terms by & or |")
        return test

    def _either(self) -> _Test:
        tests = [self._both()]
        while self._skip("|"):
            tests.append(self._both())
        return lambda target: any(test(target) for test in tests)

    def _both(self) -> _Test:
        tests = [self._single()]
        while self._skip("&"):
            tests.append(self._single())
        return lambda target: all(test(target) for test in tests)

    def _single(self) -> _Test:
        negated = False
        while self._skip("!"):
            negated = not negated
        test = self._group() if self._skip("(") else self._term()
        return (lambda target: not test(target)) if negated else test

    def _group(self) -> _Test:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._wrong(f"has more than {_DEEPEST} parentheses in one another", "use fewer")
        test = self._either()
        if not self._skip(")"):
            raise self._wrong("has a parenthesis that is not closed", "add )")
        self._depth -= 1
        return test

    def _skip(self, sign: str) -> bool:
        """Pass over spaces and, if it comes next, a sign."""
        rest = self._query[self._at :]
        self._at += len(rest) - len(rest.lstrip())
        found = self._query[self._at : self._at + 1] == sign
        self._at += found
        return found

    def _term(self) -> _Test:
        """Read a term, to the next & | or ) that is in no quotes or parentheses of its own."""
        start, depth, quoted = self._at, 0, False
        while self._at < len(self._query):
            letter = self._query[self._at]
            if letter == '"':
                quoted = not quoted
            elif not quoted:
                if not depth and letter in "&|)":
                    break
                depth += (letter == "(") - (letter == ")")
            self._at += 1
        written = self._query[start : self._at].strip()
        if quoted:
            raise self._wrong("has a quotation mark without a second one", 'close it with "')
        if depth:
            raise self._wrong("has a parenthesis that is not closed", "add ), or put it in quotes")
        if not written:
            self._at = start
            raise self._wrong("lacks a term", "give text, or column=value")
        self.terms.append(self._read(written))
        return self.terms[-1].test

    def _read(self, written: str) -> _Term:
        found = _COLUMN.match(written)
        if found is None:
            text = written.replace('"', "").casefold()
            return _Term(
                written,
                None,
                lambda t: text in t.identifier.casefold() or text in t.description.casefold(),
            )
        column, negated, sign = found.groups()
        if column not in COLUMNS:
            raise unknown("column", column, COLUMNS, f"in query {_shown(self._query)}")
        value = written[found.end() :].replace('"', "")
        test = self._equal(column, value) if sign == "=" else self._regex(column, value)
        return _Term(written, column, (lambda t: not test(t)) if negated else test)

    def _regex(self, column: str, value: str) -> _Test:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # [[ means itself
                pattern = re.compile(value, re.IGNORECASE)
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(
                f"query {_shown(self._query)} has {_shown(value)}, which is no regular expression "
                f"({error}): put a backslash before signs that are meant as text"
            ) from None
        return lambda target: pattern.search(_text(target, column)) is not None

    def _equal(self, column: str, value: str) -> _Test:
        if column not in _NUMBERS or not value:
            wanted = value.casefold()
            return lambda target: _text(target, column).casefold() == wanted
        try:
            number = float(value)
        except ValueError:
            raise ConfigError(
                f"query {_shown(self._query)} compares {column} with {value!r}: want a number"
            ) from None
        return lambda target: getattr(target, column) == number

    def _wrong(self, what: str, advice: str) -> ConfigError:
        inside = self._at < len(self._query)
        place = f"at character {self._at + 1}" if inside else "at its end"
        return ConfigError(f"query {_shown(self._query)} {what} {place}: {advice}")


def _text(target: Target, column: str) -> str:
    value = getattr(target, column)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _nothing(
    targets: Sequence[Target], query: str, where: str, terms: list[_Term], nameless: str
) -> str:
    """Return the message for a query that matches nothing: which term, and what there is."""
    count = f"{len(targets)} target{'' if len(targets) == 1 else 's'}"
    said = f"query {_shown(query)} matches none of the {count}{f' of {where}' if where else ''}"
    if all(map(is_numbered, targets)):
        return f"{said}: they came without a targets table, so they have no names; {nameless}"
    for term in terms:
        if not any(map(term.test, targets)):
            said += f", {_shown(term.text)} by itself none" if len(terms) > 1 else ""
            if term.column is None and (word := _word(term.text)):
                return (
                    f"{said}: {word!r} is looked for as text; write {_SIGNS[word.lower()]} for it, "
                    "as in '!CAGE: & (liver | brain)'"
                )
            if term.column is not None:
                values = dict.fromkeys(filter(None, (_text(t, term.column) for t in targets)))
                return f"{said}: {term.column} is {_some(list(values)) or 'empty in all of them'}"
            break
    # One of each kind, since neighbours in a table are mostly of one kind.
    kinds: dict[str, str] = {}
    for target in targets:
        label = target.description or target.identifier
        kinds.setdefault(label.partition(":")[0], label)
    some = list(kinds.values()) if len(kinds) > 1 else [t.description for t in targets]
    return f"{said}: descriptions are like {_some(some)}; ask for a part of one"


def _word(text: str) -> str | None:
    """Return the first word of a term that other languages have for a sign, in no quotes."""
    found = None if '"' in text else _WORD.search(text)
    return found and found[0]


def _shown(text: str, most: int = 80) -> str:
    return repr(text if len(text) <= most else f"{text[: most - 1]}…")


def _some(values: list[str]) -> str:
    shown = ", ".join(_shown(v, 40) for v in values[:_SHOWN])
    return shown + (f", … ({len(values)} in all)" if len(values) > _SHOWN else "")
