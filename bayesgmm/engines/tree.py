"""Draws as a DataTree that says what was observed and how it was made."""

from __future__ import annotations

# What samplers record that a reader of the draws can use; the rest is nutpie's own bookkeeping.
_KEPT = ("lp", "logp", "depth", "diverging", "energy", "energy_error", "maxdepth_reached", "mean_tree_accept",
         "mode",          "n_steps", "step_size", "step_size_bar")  # fmt: skip


def dressed(tree, model, **made):
    """Add to draws what was observed and how they were made: engine, library, density, seed."""
    import xarray as xr

    import bayesgmm
    from bayesgmm.ppl.declaration import declaration
    from bayesgmm.ppl.observed import observed_mixture
    from bayesgmm.ppl.parts import is_open, observed_rows

    observed = observed_rows(model) if is_open(model) else observed_mixture(model)
    dims = ("obs", "feature") if observed.x.ndim == 2 else ("obs",)
    coords = {name: range(size) for name, size in zip(dims, observed.x.shape)}
    for name, positions in coords.items():  # the coords of a model may speak of other data than it has now
        known = model.coords.get(name)
        coords[name] = list(known if known is not None and len(known) == len(positions) else positions)
    tree["observed_data"] = xr.DataTree(xr.Dataset({"x": (dims, observed.x)}, coords=coords))
    stats = tree["sample_stats"].to_dataset()
    tree["sample_stats"] = xr.DataTree(stats[[name for name in _KEPT if name in stats]])
    known = declaration(model)
    tree["constant_data"] = xr.DataTree(_constants(known.prior if known else None, observed))
    tree.attrs.update(
        bayesgmm_version=bayesgmm.__version__,
        prior=str(known.prior) if known else "as the model declares it",
        covariance_type=known.family.alias if known else "as the model declares it",
        **made,
    )
    return tree


def _constants(prior, observed):
    import xarray as xr

    found = {} if observed.case_weights is None else {"case_weights": ("obs", observed.case_weights)}
    if prior is not None:
        found |= {f"prior_{name}": value for name, value in prior.constants.items()}
    return xr.Dataset(found)
