"""`fit_classifier`: a mixture for each class, chosen by BIC or by cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from bayesgmm.classify.assessment import Assessment
from bayesgmm.classify.classifier import MODELS, Classifier, log_likelihoods, log_posterior, proper_exponent
from bayesgmm.classify.held_out import folds_of, scored
from bayesgmm.classify.labelled import Labelled
from bayesgmm.classify.sweep import OWN, Found, Gaussians, Mixtures, mixtures_of
from bayesgmm.data import DataError
from bayesgmm.families import FAMILIES, UNIVARIATE, family, univariate
from bayesgmm.selection.select import numbers_of
from bayesgmm.selection.workers import ticking

_NUMBERS, _CI_PROB = range(1, 6), 0.95


def fit_classifier(x, labels, *, n_components=_NUMBERS, covariance_types="all", model="mixtures", criterion="bic",
                   groups=None, prior=None, class_prior="frequencies", exponent=1.0, folds=5, starts=10,
                   missing="raise", seed=None, progress=True) -> Classifier:  # fmt: skip
    """Fit a mixture to each class, and choose how many components of which family.

    Parameters
    ----------
    x : array, frame or file (N, D)
        Rows in data units.
    labels : array_like (N,)
        The class of each row, by name or number.
    n_components : int, iterable of int, or mapping
        The numbers K to try, for all classes or as ``{class: numbers}``.
    covariance_types : "all", str or iterable of str
        Families to try, as in `bayesgmm.select`. Only "full", "tied", "diag" and "spherical" can be sampled
        (`sample_classifier`).
    model : {"mixtures", "gaussians"}
        "mixtures": a mixture a class, each with covariances of its own (MclustDA). "gaussians": one Gaussian a class,
        all covariances of one family (EDDA): "EEE" is linear discriminant analysis, "VVV" the quadratic one.
    criterion : {"bic", "cv"}
        "bic" chooses for each class on its own; of "gaussians", one family for all. "cv" chooses one number and family
        for all classes: those with the highest log score, log P(true class), of groups left out.
    groups : array_like (N,), optional
        Which rows belong to one object, as the frames of an utterance do, by name. It has one label, it is never split
        between folds, and its rows' log-likelihoods add up.
    prior : str or Prior, optional
        Maximise each class's posterior density instead, as in `fit_mle`: fits to few rows do not collapse. For
        "mixtures" alone.
    class_prior : {"frequencies", "equal"}, array_like (C,) or mapping
        P(class): shares of the groups, 1/C, or numbers in the order of the sorted names, or by name.
    exponent : float or "cv"
        The β of `Classifier`. "cv": that with the highest log score of groups left out, at most 1.
    folds : int
        For cross-validation. Each class is dealt out evenly.
    starts : int, str or mapping
        As in `fit_mle`.
    missing : {"raise", "marginalise"}
        As in `fit_mle`; of rows to be classified, too. For "mixtures" alone.
    seed : int, optional
        For folds and starts: the same seed gives the same classifier.
    progress : bool
        Show a bar on a terminal.

    Returns
    -------
    Classifier
        ``.predict_proba``, ``.predict``, ``.assess``; ``.chosen`` and ``.tried`` say what was chosen from what.

    Raises
    ------
    DataError, ValueError
        If the data or an argument cannot be used: a class with too few rows, a group with two labels, more folds than
        a class has groups. The message says where and what to do.
    DegenerateFit
        If every fit of a class collapses.

    Warns
    -----
    UserWarning
        If interrupted (Ctrl-C) in cross-validation, which keeps the folds that are finished.

    Notes
    -----
    BIC counts rows: where those of a group resemble each other it takes them for more than they are, and chooses too
    many components. Cross-validation over groups does not. A mixture of "tied" covariances has one covariance within a
    class; classes share nothing but for "gaussians".

    References
    ----------
    Hastie & Tibshirani (1996); Fraley & Raftery (2002) for MclustDA; Bensmail & Celeux (1996) for EDDA; Bissiri, Holmes
    & Walker (2016) and Grünwald (2012) on exponents.

    Examples
    --------
    >>> import bayesgmm as bg
    >>> penguins = bg.load_dataset("penguins")
    >>> x = penguins[["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]]
    >>> found = fit_classifier(x[::2], penguins["species"][::2], n_components=[1, 2], covariance_types=["tied"], seed=0,
    ...                        progress=False)
    >>> found.chosen["n_components"].to_dict()
    {'Adelie': 1, 'Chinstrap': 1, 'Gentoo': 1}
    >>> print(found.assess(x[1::2], penguins["species"][1::2]))  # doctest: +ELLIPSIS
    166 of 171 right: accuracy 0.971 ...
    """
    _check(model=(model, MODELS), criterion=(criterion, ("bic", "cv")))
    known = Labelled.of(x, labels, groups, missing=missing)
    known.check()
    seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    options = {"prior": prior, "starts": starts, "missing": missing, "seed": seed}
    sweep = _sweep(known, model, n_components, covariance_types, criterion, options)
    p, beta = _class_prior(known, class_prior), exponent if exponent == "cv" else proper_exponent(exponent)
    if criterion == "bic":
        found, choice, tried = _by_bic(known, sweep, progress)
        parts = {"exponent": beta}
        if beta == "cv":
            again = sweep.only(choice).own if model == "mixtures" else _alone(sweep, choice)
            parts, _ = _cross_validated(known, again, folds, seed, p, beta, progress)
    else:
        parts, tried = _cross_validated(known, sweep.fitted, folds, seed, p, beta, progress)
        best = tried.iloc[0]
        choice = [(int(best["n_components"]), str(best["covariance_type"]))] * len(known.classes)
        again = sweep.only(choice).own if model == "mixtures" else _alone(sweep, choice)
        found = _only(again(known, _no_tick))
    fits = dict(zip(known.classes, found)) if model == "mixtures" else {}
    return Classifier(known.classes, dict(zip(known.classes, mixtures_of(found))), p, fits=fits, model=model,
                      criterion=criterion, chosen=_chosen(known, choice, p), tried=tried, missing=missing,
                      **parts)  # fmt: skip


def _by_bic(known: Labelled, sweep, progress: bool):
    """Fits or mixtures, (K, family) of each class, and the table of all."""
    import pandas as pd

    n = len(known.classes)
    if isinstance(sweep, Gaussians):
        with ticking(len(sweep.families), "families", progress) as tick:
            found = sweep.fitted(known, tick)
        tried = sweep.criteria(known, found)
        key = 1, str(tried["covariance_type"].iloc[0])
        return found.each[key], [key] * n, tried
    with ticking(n, "classes", progress) as tick:
        each = sweep.selections(known, tick)
    best = [s.ranking.iloc[0] for s in each]
    choice = [(int(row["n_components"]), str(row["covariance_type"])) for row in best]
    tried = pd.concat({name: s.ranking for name, s in zip(known.classes, each)}, names=["class", "rank"])
    return [s.best for s in each], choice, tried


def _cross_validated(known: Labelled, fitted: Callable, folds, seed: int, class_prior, exponent, progress: bool):
    """The exponent, and what the best of the candidates says of groups held out; and the table of all."""
    fold = folds_of(known, folds, np.random.default_rng(seed))
    held, seen = _held_out(known, fitted, fold, progress)
    tried = scored(held, known, class_prior, exponent, seen)
    best = tried.iloc[0]
    key, beta = (int(best["n_components"]), str(best["covariance_type"])), float(best["exponent"])
    judged = _judged(known, log_posterior(held[key][seen], class_prior, beta), seen)
    return {"exponent": beta, "held_out": judged, "incomplete": not seen.all()}, tried


def _held_out(known: Labelled, fitted: Callable, fold: np.ndarray, progress: bool):
    """Σ_t log p(x_t | c) (G, C) of each candidate, by fits without the group's fold; and which groups (G,) have it."""
    seen, n, each = np.zeros(len(fold), dtype=bool), int(fold.max()) + 1, []
    try:
        with ticking(n * len(known.classes), "fits", progress) as tick:
            for f in range(n):
                found = fitted(known, tick, fold != f)
                rows = known.rows.take(fold == f)
                sums = {key: log_likelihoods(rows, mixtures_of(some)) for key, some in found.each.items()}
                each.append((fold == f, sums, found.note))
                seen |= fold == f
    except KeyboardInterrupt:
        if not each:
            raise KeyboardInterrupt("no fold was finished, so there is nothing to keep") from None
        warnings.warn(f"interrupted: {len(each)} of {n} folds were finished, and choose", stacklevel=4)
    shared = [key for key in each[0][1] if all(key in sums for _, sums, _ in each)]
    if not shared:
        note = next((note for *_, note in each if note), "there is none that all classes have")
        raise DataError(f"not one candidate came through in every class and fold; {note}. Ask for fewer components, or "
                        "give a prior")  # fmt: skip
    held = {key: np.full((len(fold), len(known.classes)), np.nan) for key in shared}
    for out, sums, _ in each:
        for key in shared:
            held[key][out] = sums[key]
    return held, seen


def _judged(known: Labelled, log_proba: np.ndarray, seen: np.ndarray) -> Assessment:
    """What was said of the groups that were seen, beside their classes."""
    import pandas as pd

    names, index = pd.Index(known.classes, name="class"), known.rows.index[seen]
    labels = pd.Series([known.classes[c] for c in known.of_group[seen]], index, name="label")
    return Assessment(pd.DataFrame(log_proba, index, names), labels, _CI_PROB)


def _alone(sweep: Gaussians, choice) -> Callable:
    """The fits of the one family that was chosen, as `Mixtures.own` has them."""
    one = Gaussians(tuple(kind for kind in sweep.families if kind.code == choice[0][1]))

    def fitted(known: Labelled, tick: Callable, keep=None) -> Found:
        found = one.fitted(known, tick, keep)
        return Found(dict(zip([OWN], found.each.values())), found.note)

    return fitted


def _only(found: Found):
    if not found.each:
        raise DataError(f"the chosen candidate could not be fitted to all rows: {found.note}")
    return next(iter(found.each.values()))


def _no_tick() -> None:
    """Nothing is shown for one fit a class."""


def _sweep(known: Labelled, model: str, n_components, covariance_types, criterion: str, options: dict):
    one = known.rows.table.n_features == 1
    if isinstance(covariance_types, str) and covariance_types == "all":
        families = UNIVARIATE if one else FAMILIES
    else:
        alone = isinstance(covariance_types, str) or not isinstance(covariance_types, Iterable)
        names = [covariance_types] if alone else covariance_types
        families = tuple(univariate(n) if one else family(n, known.rows.table.n_features) for n in names)
    if model == "gaussians":
        if options["prior"] is not None or options["missing"] != "raise":
            raise DataError("model='gaussians' takes neither a prior nor missing cells: use model='mixtures' with "
                            "n_components=1, or leave them out")  # fmt: skip
        return Gaussians(families)
    codes = [kind.code for kind in families]
    return Mixtures(tuple((numbers, codes) for numbers in _numbers(known, n_components, criterion)), options)


def _numbers(known: Labelled, n_components, criterion: str) -> list[list[int]]:
    """The numbers of components to try, a list a class."""
    if not isinstance(n_components, Mapping):
        return [numbers_of(n_components)] * len(known.classes)
    if criterion == "cv":
        raise DataError("criterion='cv' tries the same numbers of components in all classes: give n_components as a "
                        "number or a list of them, or choose by criterion='bic'")  # fmt: skip
    odd = {*known.classes} ^ {*n_components}
    if odd:
        raise DataError(f"n_components must have a key for every class and no other; look at {sorted(odd, key=str)}")
    return [numbers_of(n_components[name]) for name in known.classes]


def _class_prior(known: Labelled, class_prior) -> np.ndarray:
    n = len(known.classes)
    if isinstance(class_prior, str):
        _check(class_prior=(class_prior, ("frequencies", "equal")))
        counts = known.numbers if class_prior == "frequencies" else np.ones(n)
        return counts / counts.sum()
    if isinstance(class_prior, Mapping):
        class_prior = [class_prior.get(name, np.nan) for name in known.classes]
    try:
        p = np.asarray(class_prior, dtype=float)
    except (TypeError, ValueError):
        p = np.zeros(0)
    if p.shape != (n,) or not (p > 0).all() or abs(p.sum() - 1) > 1e-6:
        raise DataError(f"class_prior must have a probability above 0 for each of the {n} classes, with a sum of 1, or "
                        "be 'frequencies' or 'equal'")  # fmt: skip
    return p / p.sum()


def _chosen(known: Labelled, choice, class_prior):
    import pandas as pd

    rows = {"n_components": [k for k, _ in choice], "covariance_type": [code for _, code in choice],
            "n_rows": np.bincount(known.of_row), "n_groups": known.numbers, "class_prior": class_prior}  # fmt: skip
    return pd.DataFrame(rows, pd.Index(known.classes, name="class"))


def _check(**asked) -> None:
    for name, (value, allowed) in asked.items():
        if not isinstance(value, str) or value not in allowed:
            raise DataError(f"{name} must be one of {', '.join(map(repr, allowed))}, not {value!r}")
