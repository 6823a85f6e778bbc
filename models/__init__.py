"""The generative stories: functions that return a `pymc.Model`, one story a file."""

from .finite import finite_mixture

__all__ = ["finite_mixture"]
