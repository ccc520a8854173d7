"""Machines of sums: neurons and links for functions that are sums of few neurons.

Each threshold, each product and each linear part becomes a neuron. It reads the state as a linear
combination of such neurons. So the loop takes one cycle, and an answer is due two cycles after its
item. An answer that is a conjunction of thresholds takes two more cycles; features of items with
keys take one more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from ..core.machine import Machine, customary_links
from ..core.network_matrix import matrix_of
from ..core.neuron_type import NeuronType, Port
from ..core.neurons import ACCUM, COMPARE, PRODUCT, TIMER, answering
from ..problems.problems import Problem
from .exact_fits import Affine, Hinge, Product, Sum
from .observed_transitions import Feature

_SUM, _COMPARE = replace(ACCUM, feedback=()), COMPARE  # an accumulator without feedback, and a comparison
Term = Hinge | Product | Affine
_KINDS = {Hinge: (_COMPARE, "true"), Product: (PRODUCT, "dict"), Affine: (_SUM, "dict")}  # neuron type, and output


class MachineOfSums:
    """Builds neurons for sums: an accumulator for each linear part, a comparison for each hinge.

    All of them read (state, item); the state is a sum of their own outputs. A neuron that reads
    only the state sees the state after the previous item.
    """

    def __init__(self, problem: Problem, state: Sequence[Sum], features: Sequence[Feature]):
        self.problem, self.state = problem, state
        self.terms: dict[tuple[Term, bool], str] = {}  # (term, whether it is late) -> neuron
        self.links: dict[tuple[Port, Port], Fraction] = {}
        self.neurons: dict[str, NeuronType] = {}
        self.features = features
        self.lag = int(any(feature.kind is not None for feature in self.features))  # cycles to compute a feature
        self.feature_neurons: dict[int, str] = {}
        self.ones: dict[int, str] = {}  # delay in cycles -> neuron with a constant 1
        for each in state:
            self._outputs(each)
        for term in list(self.terms):
            self._feed(*term)

    def answer(self, name: str, function: Sum, is_late: bool = False, scale: Fraction = Fraction(1)) -> int:
        """Links an answer to a function of (state, item), and returns its delay in cycles.

        If ``is_late``, it is a function of the state after the item. The answer is the function
        divided by ``scale``.
        """
        before = list(self.terms)
        for port, weight in self._outputs(function, is_late):
            self._link(("output", name), port, weight / scale)
        for term in [term for term in self.terms if term not in before]:
            self._feed(*term)
        return self.lag + (3 if is_late else 2)

    def answer_by_conjunctions(
        self, name: str, conjunctions: Mapping[int, Sequence[Hinge]], scale: Fraction = Fraction(1)
    ) -> int:
        """Links an answer to neurons, one per conjunction of thresholds; returns its delay."""
        for value, hinges in conjunctions.items():
            both = self._neuron(_COMPARE)
            self._link((both, "dict-1"), self._one(0), Fraction(1 - len(hinges)))
            for hinge in hinges:
                for above, sign in ((0, 1), (1, -1)):
                    term = Hinge(hinge.direction, hinge.threshold + above), True
                    is_new = term not in self.terms
                    self._link((both, "dict-1"), self._port(*term), Fraction(sign))
                    if is_new:
                        self._feed(*term)
            self._link(("output", name), (both, "true"), Fraction(value) / scale)
        return self.lag + 4

    def machine(self) -> Machine:
        """Returns the machine without neurons that reach no answer; all that read a stream stay."""
        sources = self.problem.sources
        neurons = {"timer": TIMER, **sources, **self.neurons, "output": answering(tuple(self.problem.answers))}
        soft = matrix_of((*to, *source, float(weight)) for (to, source), weight in self.links.items() if weight)
        return Machine(neurons, soft, customary_links(neurons)).live(self.problem.inputs)

    def _outputs(self, function: Sum, is_late: bool = False) -> list[tuple[Port, Fraction]]:
        """Returns outputs and weights whose weighted sum is the function of (state, item)."""
        terms: list[tuple[Term, Fraction]] = [*function.hinges.items(), *function.products.items()]
        if any(function.linear) or function.constant:
            terms.append((Affine(function.linear, function.constant), Fraction(1)))
        return [(self._port(term, is_late), weight) for term, weight in terms]

    def _port(self, term: Term, is_late: bool) -> Port:
        kind, output = _KINDS[type(term)]
        if (term, is_late) not in self.terms:
            self.terms[term, is_late] = self._neuron(kind)
        return self.terms[term, is_late], output

    def _neuron(self, kind: NeuronType) -> str:
        name = f"{kind.name}-{1 + sum(each is kind for each in self.neurons.values())}"
        self.neurons[name] = kind
        return name

    def _feed(self, term: Term, is_late: bool) -> None:
        """Links the arguments of a term to its neuron.

        The constant of a late term starts a cycle later, like the first item: before that,
        everything is zero.
        """
        neuron = self.terms[term, is_late]
        if isinstance(term, Product):
            for field, direction in zip(PRODUCT.inputs, (term.one, term.other), strict=True):
                self._combine((neuron, field), direction)
        elif isinstance(term, Hinge):
            self._combine((neuron, "dict-1"), term.direction, Fraction(-term.threshold), is_late)
        else:
            self._combine((neuron, "dict-2"), term.linear, term.constant, is_late)

    def _combine(
        self, to: Port, coefficients: Sequence[int | Fraction], constant: Fraction = Fraction(0), is_late: bool = False
    ) -> None:
        """Links a linear combination of (state, item), and a constant, to an input."""
        for component, coefficient in zip(self.state, coefficients, strict=False):
            for port, weight in self._outputs(component):
                self._link(to, port, coefficient * weight)
        for i, coefficient in enumerate(coefficients[len(self.state) :]):
            if coefficient:
                self._link(to, self._feature(i), coefficient * self.features[i].unit)
        if constant:
            self._link(to, self._one(self.lag + is_late), constant)

    def _feature(self, i: int) -> Port:
        """Returns the output that emits a feature of the items."""
        _, kind, source, constant, threshold, _ = self.features[i]
        item = source, "char"
        if kind is None and not self.lag:
            return item
        if i not in self.feature_neurons:
            name = self.feature_neurons[i] = self._neuron(kind or _SUM)
            self._link((name, (kind or _SUM).inputs[0 if kind else 1]), item, Fraction(1))
            if threshold is not None:
                self._link((name, "dict-1"), self._one(0), Fraction(-threshold))
            elif constant and kind:
                self._link((name, kind.inputs[1]), (constant, "char"), Fraction(1))
        return self.feature_neurons[i], (kind or _SUM).outputs[0]

    def _one(self, late: int) -> Port:
        """Returns a constant 1 that starts ``late`` cycles later, like the terms it is added to."""
        if not late:
            return "const_1", "const_1"
        if late not in self.ones:
            before = self._one(late - 1)
            self.ones[late] = self._neuron(_SUM)
            self._link((self.ones[late], "dict-2"), before, Fraction(1))
        return self.ones[late], "dict"

    def _link(self, to: Port, source: Port, weight: Fraction) -> None:
        self.links[to, source] = self.links.get((to, source), Fraction(0)) + weight
