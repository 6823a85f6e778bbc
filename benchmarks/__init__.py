"""Speed and memory, side by side with peers in one run: ``make bench`` (``python -m benchmarks``).

A piece is a module with a ``TITLE`` and ``measure(quick) -> list[Table]``, which prints nothing:

``machine``    what the machine itself can do: the bounds beside which the others stand
``passes``     one EM pass: sizes with a floor, precision, covariance families
``growth``     one EM pass as N, D, K and the number of threads grow
``fits``       a whole fit from one start to the same log-likelihood
``starts``     a tree of rows, and which kinds of start find the highest maxima
``gradients``  value and gradient in PyTensor beside stock PyMC
``memory``     peak extra memory of a fit
``start``      from ``import bayesgmm`` to the printed fit, in a fresh process
``imports``    call by call, what is waited for, and the heavy packages that each loads
``sampling``   NUTS alone, beside Stan's recorded seconds, and how a gradient grows
``engines``    NUTS, Gibbs, and numpyro's NUTS, under every prior: effective draws a CPU second; a long run's wait
``own``        a story of a user's own: until its first draw, and with other data
``posterior``  the main job beside stock PyMC
``relabelling``  matching labels, by method: seconds and peak memory
``partitions``  partitions of least expected loss, by loss, rows and draws: seconds and peak memory
``selection``  whole sweeps over numbers of components and families: seconds, and heights, beside mclust's
``factors``    passes where covariances are of low rank: how seconds grow with features and factors
``subspaces``  factors on wine and breast cancer data, beside full covariances, mclust and pgmm: ten minutes; by name
``seeds``      fifty seeds a case: do chains agree? Half an hour, and only by name
``calibration``  simulation-based calibration of engines, priors and families: hours, and only by name
``coverage``   whether 95 % intervals cover: MLE, bootstrap and posterior, in simulation: an hour, and only by name
``unknown``    samplers for an unknown number of components: speed, growth, and recorded probabilities; by name
"""
