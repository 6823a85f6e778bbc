"""A summary table that ends with a verdict. Loads ArviZ, so it is imported where it is used and not before."""

from __future__ import annotations

import html

from arviz_stats.summary import SummaryDataFrame


class VerdictFrame(SummaryDataFrame):
    """ArviZ's table (full precision within, sensible digits on show) with the verdict as its last line.

    ``.attrs["verdict"]`` is the verdict's name and ``.attrs["verdict_text"]`` the sentence.

    Examples
    --------
    >>> table = VerdictFrame({"mean": [0.5]}, index=["weights[0]"])
    >>> table.attrs.update(verdict="sound", verdict_text="The 4 chains agree.")
    >>> table
                mean
    weights[0]   0.5
    <BLANKLINE>
    sound: The 4 chains agree.
    """

    @property
    def _constructor(self):
        return VerdictFrame

    def _verdict(self) -> str:
        return f"{self.attrs['verdict']}: {self.attrs['verdict_text']}" if "verdict" in self.attrs else ""

    def __repr__(self) -> str:
        table, verdict = super().__repr__(), self._verdict()
        return f"{table}\n\n{verdict}" if verdict else table

    def __str__(self) -> str:
        return self.__repr__()

    def _repr_html_(self) -> str:
        table, verdict = super()._repr_html_(), self._verdict()
        return f"{table}\n<p>{html.escape(verdict)}</p>" if verdict else table
