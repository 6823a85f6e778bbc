"""What a piece measured, as tables: to Markdown, to JSON and back, and one run beside another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Table:
    """Rows of measurements; ``keys`` are the columns that say which row it is."""

    name: str
    keys: tuple[str, ...]
    rows: list[dict]
    note: str = ""

    @classmethod
    def from_dict(cls, parts: dict) -> Table:
        """The table that `as_dict` wrote."""
        return cls(parts["name"], tuple(parts["keys"]), parts["rows"], parts["note"])

    def as_dict(self) -> dict:
        """Plain values, for JSON."""
        return asdict(self)

    @property
    def columns(self) -> list[str]:
        """Every column that any row has, in order of appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def markdown(self) -> str:
        """A heading, the note and the rows."""
        columns = self.columns
        lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
        lines += [f"| {' | '.join(cell(row.get(c)) for c in columns)} |" for row in self.rows]
        return "\n".join([f"### {self.name}", "", *([self.note, ""] if self.note else []), *lines, ""])


def cell(value) -> str:
    """One value, short: three digits, or one after the point where there are more before it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def changes(old: list[Table], new: list[Table]) -> Iterator[dict]:
    """Each number that both runs have, and new over old."""
    before = {(t.name, _key(t, row)): row for t in old for row in t.rows}
    for table in new:
        for row in table.rows:
            then = before.get((table.name, _key(table, row)), {})
            for name, value in row.items():
                was = then.get(name)
                if name not in table.keys and _is_number(value) and _is_number(was) and was:
                    where = ", ".join(f"{k}={cell(row.get(k))}" for k in table.keys)
                    yield {"table": table.name, "row": where, "column": name,
                           "old": was, "new": value, "new / old": value / was}  # fmt: skip


def _key(table: Table, row: dict) -> tuple:
    return tuple(row.get(k) for k in table.keys)


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
