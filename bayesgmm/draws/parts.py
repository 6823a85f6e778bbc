"""A posterior of a story with components of its own: what draws say of rows, and of each component.

Such draws hold a group ``log_joint``, x (chain, draw, obs, component): log p(x_n, z_n = k). Everything that labels,
memberships and verdicts rest on follows from it, whatever the components are. `PartDraws` answers the questions that
`MixtureDraws` answers for Gaussians; where those are asked about rows (N, D), these are asked about their positions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bayesgmm.draws.mixtures import MixtureDraws, group_of, posterior_of, read

# Numbers of one component that are looked at, variable by variable.
_MOST_NUMBERS = 60
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class PartDraws:
    """The draws of a story with components of its own, in the order of the chains; `read_any` makes them.

    Attributes
    ----------
    log_joint : ndarray (M, N, K)
    own : dict of ndarray (M, K, …)
        Variables of the components, by name.
    shared : dict of ndarray (M, …)
        The others.
    labels : dict
        The labels along a variable's axes, by name; components are numbered.
    case_weights : ndarray (N,)
    n_rows : float
        Σ case weights of all rows, of which there may be more than `log_joint` holds.
    obs : ndarray (N,)
        Labels of the rows.
    """

    log_joint: np.ndarray
    own: dict[str, np.ndarray]
    shared: dict[str, np.ndarray]
    labels: dict[str, list]
    case_weights: np.ndarray
    n_rows: float
    obs: np.ndarray
    n_chains: int = 1
    features: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.log_joint)

    @property
    def n_components(self) -> int:
        """K."""
        return self.log_joint.shape[2]

    @cached_property
    def weights(self) -> np.ndarray:
        """π (M, K) if the story has one for all rows, else the share of the rows that a draw gives each component."""
        known = self.own.get("weights")
        if known is not None and known.ndim == 2:
            return known
        counts = np.einsum("mnk,n->mk", self.responsibilities, self.case_weights)
        return counts / counts.sum(axis=1, keepdims=True)

    @cached_property
    def responsibilities(self) -> np.ndarray:
        """r (M, N, K)."""
        return np.exp(self.log_joint - np.logaddexp.reduce(self.log_joint, axis=2)[..., None])

    def log_prob(self, rows, *, responsibilities=False):
        """log p(x_n) (M, n) of rows by position, and r (M, n, K)."""
        log_prob = np.logaddexp.reduce(self.log_joint[:, rows], axis=2)
        return (log_prob, self.responsibilities[:, rows]) if responsibilities else log_prob

    @cached_property
    def described(self) -> np.ndarray:
        """What a component has of its own (M, K, P), positive variables as logarithms."""
        parts = [_on_a_line(v).reshape(*v.shape[:2], -1)[..., :_MOST_NUMBERS] for v in self.own.values()]
        if "weights" not in self.own:
            parts.append(np.log(np.maximum(self.weights, _LEAST))[..., None])
        return np.concatenate(parts, axis=2)

    @property
    def n_own(self) -> int:
        """Numbers that a component has of its own, its weight not among them."""
        return sum(v[0, 0].size for name, v in self.own.items() if name != "weights")

    def take(self, which) -> PartDraws:
        """Some of the draws, by position; which chain each is from is forgotten."""
        own, shared = ({name: v[which] for name, v in group.items()} for group in (self.own, self.shared))
        return replace(self, log_joint=self.log_joint[which], own=own, shared=shared, n_chains=1)

    def permute(self, orders: np.ndarray) -> PartDraws:
        """Every draw with its own order of components (M, K), or all with one (K,)."""
        orders = np.broadcast_to(orders, (len(self), self.n_components))
        rows = np.arange(len(self))[:, None]
        own = {name: v[rows, orders] for name, v in self.own.items()}
        return replace(self, log_joint=np.take_along_axis(self.log_joint, orders[:, None, :], axis=2), own=own)

    def gains(self, m: int) -> np.ndarray:
        """How alike components (M, K, K) are to those of draw m: Σ_n w_n √(r_nk r′_nj) / Σ_n w_n."""
        from bayesgmm.kernel import overlaps

        weights = self.case_weights[:, None] / self.case_weights.sum()
        return overlaps(np.sqrt(self.responsibilities), weights * np.sqrt(self.responsibilities[m]))

    def named(self, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Every number of variables (M, …) by name, such as ``rates[0]``, each (M,)."""
        found = {}
        for name, v in values.items():
            labels = self.labels.get(name, [range(self.n_components)])
            for place in np.ndindex(v.shape[1:]):
                which = [str(label[i]) for label, i in zip(labels, place)]
                found[f"{name}[{', '.join(which)}]" if which else name] = v[(slice(None), *place)]
        return found

    def _where(self, m: int) -> str:
        chain, draw = divmod(int(m), len(self) // self.n_chains)
        return f"chain {chain}, draw {draw}"


def is_open(draws) -> bool:
    """Whether draws are those of a story with components of its own."""
    return "log_joint" in getattr(draws, "children", ())


def read_any(draws) -> MixtureDraws | PartDraws:
    """The mixtures of a posterior of Gaussians, or the parts of one of any other components.

    Raises
    ------
    ValueError
        If the draws are neither, or a number is not finite.
    """
    return _parts(draws) if is_open(draws) else read(draws)


def _parts(draws) -> PartDraws:
    posterior, group = posterior_of(draws), group_of(draws, "log_joint")
    joint = group["x"].transpose("chain", "draw", "obs", "component").values
    n_chains, n_draws, n, k = joint.shape
    if (posterior.sizes["chain"], posterior.sizes["draw"]) != (n_chains, n_draws):
        raise ValueError("log_joint is of other draws than the posterior: leave it out, and add it anew with extend")
    own, shared, labels = {}, {}, {}
    for name, variable in posterior.data_vars.items():
        if "obs" in variable.dims:
            continue
        dims = [d for d in variable.dims if d not in ("chain", "draw", "component")]
        lead = ["component"] if "component" in variable.dims else []
        values = variable.transpose("chain", "draw", *lead, *dims).values
        (own if lead else shared)[str(name)] = values.reshape(-1, *values.shape[2:]).astype(float)
        labels[str(name)] = [*([range(k)] if lead else []), *(variable[d].values for d in dims)]
    weights = group["case_weights"].values if "case_weights" in group else np.ones(n)
    total = group.attrs.get("rows", n) * weights.mean()
    parts = PartDraws(joint.reshape(-1, n, k), own, shared, labels, weights, total, group["obs"].values, n_chains)
    _require_finite(parts)
    return parts


def _require_finite(parts: PartDraws) -> None:
    for name, values in (parts.own | parts.shared).items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name} is not finite in {parts._where(np.argwhere(~np.isfinite(values))[0][0])}")
    if np.isnan(parts.log_joint).any():
        m, n, k = np.argwhere(np.isnan(parts.log_joint))[0]
        raise ValueError(f"log p(x, z = {k}) of row {n} is not a number in {parts._where(m)}")


def _on_a_line(values: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(values, _LEAST)) if (values >= 0).all() and values.any() else values
