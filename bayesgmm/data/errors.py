"""What can be wrong with data, said in one sentence."""

from __future__ import annotations

__all__ = ["ColumnError", "DataError"]


class DataError(ValueError):
    """Data that cannot be used: one sentence with what is wrong, where, and what to do.

    Examples
    --------
    >>> from bayesgmm.data import as_table
    >>> try:
    ...     as_table([[1.0, float("nan")], [2.0, 3.0]])
    ... except DataError as error:
    ...     print(error)
    x has NaN in row 1 (of 2, counted from 1), column 'x1'; fill or drop missing cells, ...
    """


class ColumnError(DataError):
    """Columns that cannot be used where others can.

    The sentence ends with the ``features=`` to pass in Python; a caller with another spelling of that
    option, as the command line has, builds its own sentence from the parts.

    Parameters
    ----------
    problem : str
        What is wrong with which column.
    usable : sequence of str
        The columns that could be used, in the order of the data.

    Attributes
    ----------
    problem : str
    usable : tuple of str

    Examples
    --------
    >>> print(ColumnError("iris.csv: column 'species' holds text", ["length", "width"]))
    iris.csv: column 'species' holds text; choose columns with features=('length', 'width')
    >>> print(ColumnError("x: column 'x0' is constant (3.0)", []))
    x: column 'x0' is constant (3.0); and no usable column is left
    """

    def __init__(self, problem: str, usable) -> None:
        self.problem = problem
        self.usable = tuple(usable)
        super().__init__(f"{problem}; {self.advice('features={}'.format)}")

    def advice(self, spell) -> str:
        """What to do, with the option spelt by ``spell(usable)``."""
        return f"choose columns with {spell(self.usable)}" if self.usable else "and no usable column is left"
