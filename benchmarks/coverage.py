"""Do 95 % intervals cover the truth in 95 % of samples? Maximum likelihood, bootstrap and posterior, simulated.

`coverage.jsonl` beside the other results keeps each cell as it ends, so that a run that was stopped goes on where it
was: delete it to begin anew.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import bayesgmm as bg
from bayesgmm.draws.affinity import as_draws, gains, match
from bayesgmm.draws.mixtures import MixtureDraws
from bayesgmm.fit.degenerate import DegenerateFit
from bayesgmm.fit.parameters import parameter_vector
from bayesgmm.priors import Conjugate
from benchmarks.machine import cores
from benchmarks.tables import Table

TITLE = "Coverage of 95 % intervals"
REPLICATIONS, REPLICATES, SWEEPS, WARM_UP = 1000, 200, 2000, 500
# Samples of Wald intervals alone, where they ought to cover: an error of one in a hundred can be told from chance.
MANY = 4000
SIZES, FEATURES, SEPARATIONS = (30, 100, 500), (1, 2), (5.0, 2.0)
# Prior shrinkages κ₀ of the cells whose truth is drawn from the prior: components mostly apart, and mostly overlapping.
SHRINKAGES = (0.05, 1.0)
ESTIMANDS = ("overall mean", "overall variance", "density", "weights[0]", "means[0, 0]", "covariances[0, 0, 0]")
OF_COMPONENTS = ESTIMANDS[3:]
KEPT = Path(__file__).parent / "results" / "coverage.jsonl"
# Seconds after which no further cell begins.
SECONDS = float(os.environ.get("COVERAGE_SECONDS", "inf"))
_NEW_ROWS = 500


def cells() -> list[tuple]:
    """(what the truth is, N, D, separation or κ₀) of every cell."""
    fixed = [("fixed", n, d, s) for s in SEPARATIONS for d in FEATURES for n in SIZES]
    drawn = [("prior", n, d, s) for s in SHRINKAGES for d in FEATURES for n in SIZES]
    return fixed + drawn + [("wald", max(SIZES), d, max(SEPARATIONS)) for d in FEATURES]


def samples(cell: tuple) -> int:
    """How many samples a cell takes."""
    return MANY if cell[0] == "wald" else REPLICATIONS


def estimands(weights, means, covariances) -> np.ndarray:
    """Values (…, 6) of mixtures: three that no labels change, and three of component 0."""
    mean = np.einsum("...k,...kd->...d", weights, means)
    apart = means - mean[..., None, :]
    variance = np.einsum("...k,...k->...", weights, covariances[..., 0, 0] + apart[..., 0] ** 2)
    quadratic = np.einsum("...ki,...ki->...k", means, np.linalg.solve(covariances, means[..., None])[..., 0])
    log_norm = -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariances)[1])
    density = (weights * np.exp(log_norm)).sum(axis=-1)  # at 0, where component 0 is
    parts = mean[..., 0], variance, density, weights[..., 0], means[..., 0, 0], covariances[..., 0, 0, 0]
    return np.stack(parts, axis=-1)


def one(cell: tuple, seed: int) -> dict[str, object]:
    """A sample: whether the interval of each method covers each estimand, its width, and the scores of new rows."""
    kind, n, d, _ = cell
    rng = np.random.default_rng([seed, cells().index(cell)])
    truth, prior = _truth(cell, rng)
    x, new = truth.sample(n, seed=rng)[0], truth.sample(_NEW_ROWS, seed=rng)[0]
    found = {"truth": float(truth.log_prob(new).mean())}
    values = estimands(truth.weights, truth.means, truth.covariances)
    if kind != "prior":
        found |= _by_likelihood(x, new, truth, values, seed, refits=REPLICATES if kind == "fixed" else 0)
        prior = bg.scale_prior("conjugate", x, 2)
    if kind == "wald":
        return found
    return found | _by_posterior(x, new, truth, values, prior, seed)


def _truth(cell: tuple, rng):
    """The mixture that a cell's rows come from, and the prior it was drawn from."""
    kind, _, d, s = cell
    if kind != "prior":
        means = np.zeros((2, d))
        means[1, 0] = s
        return bg.Mixture([0.4, 0.6], means, np.tile(np.eye(d), (2, 1, 1))), None
    prior = Conjugate(np.zeros(d), s, d + 4.0, (d + 4.0) * np.eye(d), concentration=2.0)
    drawn = [part[0] for part in prior.draw(1, 2, seed=rng)]
    return bg.Mixture(drawn[0] / drawn[0].sum(), *drawn[1:]), prior


def _by_likelihood(x, new, truth, values, seed, refits: int) -> dict:
    """Wald intervals of the maximum-likelihood estimate, and of its refits, if there are to be any."""
    try:
        fit = bg.fit_mle(x, 2, starts=5 if refits else {"kmeans++": 2}, seed=seed, progress=False)
    except DegenerateFit:
        return {"failed": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        errors = bg.standard_errors(fit, x)
    order = match(fit.mixture, truth)[0]
    at = parameter_vector(fit.mixture.weights, fit.mixture.means, fit.mixture.covariances)
    slopes = _slopes(at, 2, x.shape[1], order)
    estimate = _of_vector(at, 2, x.shape[1], order)
    se = np.sqrt(np.einsum("ij,jk,ik->i", slopes, errors.covariance, slopes))
    wald = np.array([estimate - 1.96 * se, estimate + 1.96 * se])
    found = {"failed": False, "matched": _is_matched(fit.mixture, truth), "doubted": any(errors.doubts),
             "wald": _judged(wald, values), "mle score": float(fit.mixture.log_prob(new).mean())}  # fmt: skip
    if refits:
        found["bootstrap"] = _judged(_refitted(fit, x, order, refits, seed), values)
    return found


def _refitted(fit, x, order, replicates: int, seed: int) -> np.ndarray:
    """Percentiles (2, 6) of refits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        refits = bg.bootstrap(fit, x, replicates=replicates, seed=seed, progress=False)
    each = estimands(refits.weights[:, order], refits.means[:, order], refits.covariances[:, order])
    return np.quantile(each, [0.025, 0.975], axis=0)


def _by_posterior(x, new, truth, values, prior, seed) -> dict:
    """Equal-tailed intervals of the posterior, by sweeps of the Gibbs sampler; its scores are those of E[p]."""
    draws = _swept(x, prior, seed)
    pivot = draws.mixture(int(draws.log_prob(x).sum(axis=1).argmax()))
    draws = draws.permute(match(draws, pivot))
    draws = draws.permute(match(draws.mean(), truth)[0])
    each = estimands(draws.weights, draws.means, draws.covariances)
    density = np.exp(draws.take(slice(None, None, 4)).log_prob(new)).mean(axis=0)
    return {"posterior": _judged(np.quantile(each, [0.025, 0.975], axis=0), values),
            "posterior matched": _is_matched(draws.mean(), truth),
            "posterior score": float(np.log(density).mean())}  # fmt: skip


@cache
def _form(d: int):
    """The native density of the conjugate story in D features; only its rows and constants change."""
    from bayesgmm.engines.density import density_of
    from bayesgmm.models import finite_mixture

    rows = np.random.default_rng(0).normal(size=(20, d))
    return density_of(finite_mixture(rows, 2, prior="conjugate"))


def _swept(x, prior, seed) -> MixtureDraws:
    from bayesgmm.engines.density.native import Density
    from bayesgmm.engines.sweeps import sweep

    known = _form(x.shape[1])
    scaled = prior.with_constants(2)
    density, key = Density(known.form, scaled, known.layout, x), np.array([seed, 1], np.uint64)
    points = sweep(density, np.zeros(density.size), key, 0, WARM_UP + SWEEPS).points[WARM_UP:]
    parts = density.variables(points)
    names = tuple(f"x{j}" for j in range(x.shape[1]))
    return MixtureDraws(*(parts[name] for name in ("weights", "means", "covariances")), names)


def _is_matched(mixture, truth) -> bool:
    """Whether each component is most like another one of the truth's."""
    return len(set(gains(as_draws(mixture), truth)[0].argmax(axis=1).tolist())) == 2


def _judged(bounds: np.ndarray, values: np.ndarray) -> list[list[float]]:
    """Whether the bounds (2, 6) hold the values, and how far apart they are."""
    covers = (bounds[0] <= values) & (values <= bounds[1])
    return [np.where(np.isfinite(bounds).all(axis=0), covers, np.nan).tolist(), (bounds[1] - bounds[0]).tolist()]


def _of_vector(vector, k: int, d: int, order) -> np.ndarray:
    from bayesgmm.fit.parameters import shaped

    weights, means, covariances = shaped(vector, k, d)
    return estimands(weights[order], means[order], covariances[order])


def _slopes(at: np.ndarray, k: int, d: int, order) -> np.ndarray:
    """Central differences (6, P) of the estimands by the parameters."""
    steps = 1e-6 * np.maximum(1.0, np.abs(at))
    moved = [(_of_vector(at + h * e, k, d, order) - _of_vector(at - h * e, k, d, order)) / (2 * h)
             for h, e in zip(steps, np.eye(len(at)))]  # fmt: skip
    return np.array(moved).T


def measure(quick: bool = False) -> list[Table]:
    """Every cell, as many samples at a time as there are cores; quick: two cells of five samples."""
    if quick:
        return _tables([_row(cell, 5) for cell in (cells()[0], cells()[-1])])
    kept, until = _kept(), time.time() + SECONDS
    left = [(cell, samples(cell), until) for cell in reversed(cells())
            if cell not in kept or kept[cell]["samples"] < samples(cell)]  # fmt: skip
    with ProcessPoolExecutor(cores(), mp_context=get_context("spawn")) as pool, KEPT.open("a") as file:
        for done in as_completed([pool.submit(_row, *arguments) for arguments in left]):
            if row := done.result():
                print(json.dumps(row), file=file, flush=True)
    kept = _kept()
    return _tables([kept[cell] for cell in cells() if cell in kept])


def _kept() -> dict[tuple, dict]:
    rows = map(json.loads, KEPT.read_text().splitlines()) if KEPT.exists() else ()
    return {tuple(row["cell"]): row for row in rows}


def _row(cell: tuple, replications: int, until: float = np.inf) -> dict | None:
    """One cell, unless it is too late to begin."""
    if time.time() > until:
        return None
    bg.kernel.set_threads(1)
    runs = [one(cell, seed) for seed in range(replications)]
    row = {"cell": cell, "samples": len(runs)}
    if cell[0] != "wald":
        row |= {"posterior": _summary(runs, "posterior", "posterior matched"),
                "posterior unmatched": 1 - _mean([r["posterior matched"] for r in runs]),
                "posterior loss": _losses(runs, "posterior score")}  # fmt: skip
    if cell[0] != "prior":
        done = [r for r in runs if not r["failed"]]
        row |= {"failed": 1 - len(done) / len(runs), "unmatched": 1 - _mean([r["matched"] for r in done]),
                "doubted": _mean([r["doubted"] for r in done]), "loss": _losses(done, "mle score")}  # fmt: skip
        methods = ("wald", "bootstrap") if cell[0] == "fixed" else ("wald",)
        row |= {method: _summary(done, method, "matched") for method in methods}
    return row


def _summary(runs, method: str, matched: str) -> dict[str, list]:
    """Coverage, its Monte Carlo error, and the median width of every estimand; of components, where these matched."""
    found = {}
    for i, name in enumerate(ESTIMANDS):
        some = [r[method] for r in runs if r[matched] or name not in OF_COMPONENTS]
        covers = np.array([judged[0][i] for judged in some], dtype=float)
        covers = covers[np.isfinite(covers)]
        share = covers.mean() if len(covers) else np.nan
        width = np.nanmedian([judged[1][i] for judged in some]) if some else np.nan
        found[name] = [share, float(np.sqrt(share * (1 - share) / max(1, len(covers)))), float(width)]
    return found


def _losses(runs, score: str) -> list[float]:
    """Mean of log p_true(x̃) − log p̂(x̃) over new rows, in nats, and its Monte Carlo error."""
    off = np.array([r["truth"] - r[score] for r in runs])
    return [float(off.mean()), float(off.std(ddof=1) / np.sqrt(len(off)))]


def _mean(values) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _tables(rows: list[dict]) -> list[Table]:
    note = (f"K = 2, weights 0.4 and 0.6, unit covariances, means so many standard deviations apart; {REPLICATIONS} "
            "samples a cell. "
            f"Wald: MLE ± 1.96 standard errors (delta method). Bootstrap: percentiles of {REPLICATES} nonparametric "
            "refits. Posterior: equal-tailed, under the default prior. Shares of samples in which the "
            "interval holds the truth, ± Monte Carlo error, and its median width; of component 0, the samples in which "
            "components could be matched to the truth's.")  # fmt: skip
    methods = ("wald", "bootstrap", "posterior")
    fixed = [line for row in rows if row["cell"][0] == "fixed" for line in _lines(row, methods)]
    drawn = [line for row in rows if row["cell"][0] == "prior" for line in _lines(row, ("posterior",))]
    many = [line for row in rows if row["cell"][0] == "wald" for line in _lines(row, ("wald",))]
    lost = [_loss(row) for row in rows if row["cell"][0] != "wald"]
    keys = ("N", "D", "separation", "estimand")
    found = [Table("A truth, many samples", keys, fixed, note),
             Table("Truths drawn from the prior", ("N", "D", "kappa_0", "estimand"), drawn,
                   "K = 2; parameters from the conjugate prior, whose posterior must cover at its rate."),
             Table("The first again, Wald intervals alone", keys, many, f"{MANY} samples a cell."),
             Table("What predictions lose", ("truth", "N", "D", "separation or kappa_0"), lost,
                   "Mean of log p(x) − log p̂(x) over new rows, nats: of the MLE, and of the posterior predictive "
                   "density; and samples without an MLE, with components that match no truth, or with a warning.")]
    return [table for table in found if table.rows]


def _lines(row: dict, methods) -> list[dict]:
    kind, n, d, s = row["cell"]
    lines = []
    for name in ESTIMANDS:
        line = {"N": n, "D": d, "separation" if kind == "fixed" else "kappa_0": s, "estimand": name}
        for method in methods:
            share, error, width = row[method][name]
            line |= {method: f"{share:.3f} ± {error:.3f}", f"{method} width": width}
        lines.append(line)
    return lines


def _loss(row: dict) -> dict:
    kind, n, d, s = row["cell"]
    line = {"truth": kind, "N": n, "D": d, "separation or kappa_0": s}
    for name, key in (("MLE", "loss"), ("posterior", "posterior loss")):
        line[name] = "{:.4f} ± {:.4f}".format(*row[key]) if key in row else ""
    return line | {name: row.get(name) for name in ("failed", "unmatched", "posterior unmatched", "doubted")}
