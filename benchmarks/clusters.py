"""Clusters beside classes that are known: K₊, the VI partition, and the mixture that mclust selects."""

from __future__ import annotations

import pandas as pd

import bayesgmm as bg
from benchmarks.mclust import HERE
from benchmarks.tables import Table

TITLE = "Clusters beside known classes"
CLASSES = {"penguins": "species", "wine": "class", "banknote": "Status"}
MOST = 9


def _data(name: str) -> tuple[pd.DataFrame, pd.Series]:
    frame = bg.load_dataset(name) if name == "penguins" else pd.read_csv(HERE / f"{name}.csv")
    return frame.drop(columns=[CLASSES[name], "sex"], errors="ignore"), frame[CLASSES[name]]


def _row(name: str, quick: bool) -> dict:
    x, truth = _data(name)
    options = {"draws": 50, "tune": 50, "thin": 1} if quick else {"draws": 10_000}
    found = bg.how_many(x, [2, 3] if quick else range(1, MOST + 1), covariance_types="EEE" if quick else "all",
                        loo=False, seed=1, progress=False, **options)  # fmt: skip
    k, best, partition = found.table.loc["K₊, mfm"], found.selection.best, found.partitions["mfm"]
    return {"data": name, "classes": truth.nunique(), "mode of K₊": int(k["number"]), "p": float(k["probability"]),
            "R-hat of K₊": float(k["r_hat"]), "VI clusters": partition.n_clusters,
            "ARI of VI": bg.adjusted_rand_index(partition, truth),
            "BIC selects": f"{best.covariance_type}, {best.n_components}",
            "its ARI": bg.adjusted_rand_index(best.mixture.predict(x.to_numpy(dtype=float)), truth),
            "ARI, merged": bg.adjusted_rand_index(found.selection.merging.labels(), truth)}  # fmt: skip


def measure(quick: bool) -> list[Table]:
    """The tables of this piece."""
    note = (
        "Finite mixtures of a number that is not known, full covariances, hierarchical prior; BIC over the fourteen "
        "families and 1 … 9 components. ARI is the adjusted Rand index with the classes, which no method saw. Where "
        "R-hat is above 1.05 the chains do not agree on K₊."
    )
    return [Table(TITLE, ("data",), [_row(name, quick) for name in CLASSES], note)]
