"""Where the characters of a YAML scalar stand in its file, behind quotes, escapes and folds."""

import re
from collections.abc import Iterator

_ESCAPES = {"x": 4, "u": 6, "U": 10}  # characters that an escape takes; others take two


def place_in_block(text: str, line: int, column: int, at: tuple[int, int]) -> tuple[int, int]:
    """Return where (line, column) of a literal or folded block's text stands, all counted from 1.

    `text` is the file; `at` is where the block's indicator stands.
    """
    rows = text.splitlines()
    first = next((n for n in range(at[0], len(rows)) if rows[n].strip()), at[0])
    indent = len(rows[first]) - len(rows[first].lstrip(" ")) if first < len(rows) else 0
    if re.match(r"[>][-+0-9]*", rows[at[0] - 1][at[1] - 1 :]) is None:
        return first + line, indent + column
    # Folded: lines are joined by one space, so that a column may lie lines below.
    row, rest = first, column - 1
    while row + 1 < len(rows) and rest > (length := len(rows[row][indent:])):
        rest -= length + 1
        row += 1
    return row + 1, indent + rest + 1


def place_in_flow(text: str, line: int, column: int, at: tuple[int, int]) -> tuple[int, int]:
    """Return where (line, column) of a plain or quoted scalar's text stands, all counted from 1.

    `text` is the file; `at` is where the scalar, or its opening quote, stands.
    """
    wanted = (line, column)
    current = [1, 1]
    last = at
    for spot, letter in _letters(text, at):
        last = spot
        if (current[0], current[1]) == wanted:
            return spot
        if letter == "\n":
            current = [current[0] + 1, 1]
        else:
            current[1] += 1
    return last


def _letters(text: str, at: tuple[int, int]) -> Iterator[tuple[tuple[int, int], str]]:
    """Yield each character of the scalar with its place, then the place behind the last."""
    rows = text.splitlines()
    row, column = at[0] - 1, at[1] - 1
    quote = rows[row][column] if rows[row][column : column + 1] in {'"', "'"} else ""
    column += len(quote)
    while row < len(rows):
        source = rows[row]
        while column < len(source):
            if quote and source[column] == quote:
                if quote == "'" and source[column + 1 : column + 2] == "'":
                    yield (row + 1, column + 1), "'"
                    column += 2
                    continue
                yield (row + 1, column + 1), ""
                return
            if quote == '"' and source[column] == "\\":
                width = _ESCAPES.get(source[column + 1 : column + 2], 2)
                yield (row + 1, column + 1), "\n" if source[column + 1 : column + 2] == "n" else "?"
                column += width
                continue
            if not source[column:].strip():
                break
            yield (row + 1, column + 1), source[column]
            column += 1
        yield (row + 1, len(source.rstrip()) + 1), " "
        row += 1
        column = len(rows[row]) - len(rows[row].lstrip()) if row < len(rows) else 0
