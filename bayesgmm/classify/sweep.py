"""The fits that a classifier is chosen from: every number of components and family for each class.

A candidate is a number of components and a family's code. Both models give the same answer: the mixtures, one a class,
of every candidate that came through in all classes, and why the first of the others did not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bayesgmm.classify.labelled import Labelled
from bayesgmm.data import DataError
from bayesgmm.families import Family
from bayesgmm.fit.em import Likelihood
from bayesgmm.fit.moments import moments
from bayesgmm.fit.result import Fit
from bayesgmm.kernel import Stats, e_step
from bayesgmm.mixture import Mixture
from bayesgmm.selection import Selection, select

if TYPE_CHECKING:
    import pandas as pd

# What stands for a candidate that each class chose for itself.
OWN = (0, "")


class Found(NamedTuple):
    """Candidate → mixtures of the classes, or their fits; and a note on the first that is none."""

    each: dict[tuple[int, str], list[Mixture] | list[Fit]]
    note: str


def mixtures_of(some: list[Mixture] | list[Fit]) -> list[Mixture]:
    """The mixtures themselves."""
    return [one.mixture if isinstance(one, Fit) else one for one in some]


@dataclass(frozen=True, eq=False)
class Mixtures:
    """A mixture a class, each fitted to the rows of its class alone (Hastie & Tibshirani 1996; mclust's MclustDA).

    Attributes
    ----------
    shapes : tuple
        For each class, the numbers of components and the codes of families to try.
    options : mapping
        For `bayesgmm.select`.
    """

    shapes: tuple[tuple[list[int], list[str]], ...]
    options: Mapping

    def selections(self, known: Labelled, tick: Callable, keep=None) -> list[Selection]:
        """A selection by BIC for each class; an interrupt goes through."""
        found = []
        for code, (numbers, families) in enumerate(self.shapes):
            found.append(self._selected(known, code, numbers, families, keep))
            if found[-1].incomplete:
                raise KeyboardInterrupt(f"only {code} of {len(self.shapes)} classes were finished: nothing is kept")
            tick()
        return found

    def _selected(self, known: Labelled, code: int, numbers, families, keep) -> Selection:
        rows = known.of_class(code, keep)
        try:
            return select(rows, numbers, covariance_types=families, progress=False, **self.options)
        except ValueError as error:
            name = known.classes[code]
            raise type(error)(f"class {name!r} ({rows.n_obs} rows): {error}") from None

    def fitted(self, known: Labelled, tick: Callable, keep=None) -> Found:
        """Every candidate in all classes, from all groups or from some (G,) bool."""
        each = self.selections(known, tick, keep)
        sound = [[(row.n_components, row.covariance_type) for row in s.ranking.itertuples()] for s in each]
        shared = [key for key in sound[0] if all(key in keys for keys in sound)]
        return Found({key: [s.fits[key] for s in each] for key in shared}, _first_note(known, each))

    def own(self, known: Labelled, tick: Callable, keep=None) -> Found:
        """The best of each class as one candidate."""
        return Found({OWN: [s.best for s in self.selections(known, tick, keep)]}, "")

    def only(self, choice: list[tuple[int, str]]) -> Mixtures:
        """The same with one candidate a class."""
        return replace(self, shapes=tuple(([k], [code]) for k, code in choice))


def _first_note(known: Labelled, each: list[Selection]) -> str:
    for name, one in zip(known.classes, each):
        lost = one.table[one.table["degenerate"] | one.table["log_likelihood"].isna()]
        if len(lost):
            row = lost.iloc[0]
            return f"class {name!r}, {row['n_components']} components of {row['covariance_type']}: {row['note']}"
    return ""


@dataclass(frozen=True, eq=False)
class Gaussians:
    """One Gaussian a class, their covariances of one family across classes: EEE is linear discriminant analysis, VVV
    the quadratic one (Bensmail & Celeux 1996; mclust's EDDA).
    """

    families: tuple[Family, ...]

    def fitted(self, known: Labelled, tick: Callable, keep=None) -> Found:
        """Every family, by its M-step: labels take the place of responsibilities."""
        features = known.rows.table.features
        each = [moments(known.of_class(code, keep).values) for code in range(len(known.classes))]
        stats = Stats(*(np.concatenate([getattr(s, name) for s in each]) for name in ("counts", "means", "scatters")))
        found, note = {}, ""
        for kind in self.families:
            try:
                joint = Likelihood(kind, features).update(stats)
                found[1, kind.code] = [_component(joint, code) for code in range(len(known.classes))]
            except (np.linalg.LinAlgError, ValueError) as error:
                note = note or f"family {kind.code}: {error}"
            tick()
        return Found(found, note)

    def criteria(self, known: Labelled, found: Found) -> pd.DataFrame:
        """BIC of every family, best first: −2 Σ_n log p(x_n | its class) + p log N."""
        import pandas as pd

        n, d, n_classes = known.rows.table.n_obs, known.rows.table.n_features, len(known.classes)
        rows = []
        for kind in (kind for kind in self.families if (1, kind.code) in found.each):
            each = enumerate(found.each[1, kind.code])
            height = sum(e_step(known.of_class(code).values, m, pointwise=False)[0] for code, m in each)
            p = n_classes * d + kind.n_parameters(n_classes, d)
            rows.append({"n_components": 1, "covariance_type": kind.code, "log_likelihood": height, "n_parameters": p,
                         "bic": p * np.log(n) - 2 * height})  # fmt: skip
        if not rows:
            raise DataError(f"not one family could be fitted: {found.note}")
        return pd.DataFrame(rows).sort_values("bic", kind="stable").reset_index(drop=True)


def _component(joint: Mixture, code: int) -> Mixture:
    return Mixture.from_scale_trils([1.0], joint.means[code][None], joint.scale_trils[code][None],
                                    features=joint.features)  # fmt: skip
