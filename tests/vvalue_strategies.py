"""Random V-values for hypothesis: mixed depth, scalars beside subtrees, every form of zero."""

from hypothesis import strategies as st

from dmmlab.core.vvalues import NUMBER

# Small binary fractions: sums and products are exact, so the laws hold to the last bit.
numbers = st.integers(-64, 64).map(lambda n: n / 8)
keys = st.sampled_from(["a", "b", "c", "word", "/", "."])


def _nested(inner):
    branches = st.dictionaries(keys, inner, max_size=3)
    return st.builds(lambda tree, scalar: tree | ({} if scalar is None else {NUMBER: scalar}), branches, st.none() | numbers)


vvalues = st.recursive(numbers, _nested, max_leaves=12)
