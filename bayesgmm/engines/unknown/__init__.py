"""Posterior draws where the number of components is not known.

`sample` has `sample_components`, `spec` what a prior of partitions may be, `scale` the constants of a prior of
components that is free of K, `chain` where a chain stands, `tree` its draws as a DataTree. Compiled: `native`, the
loop; `telescope` and `urn`, a sweep of a finite process and of one without end; `state`, what both are made of;
`process`, what the prior says given a partition; `components`, their parameters given labels; `split`, a move of whole
clusters, `pair`, how their rows are divided, and `cluster`, how probable they are.
"""
