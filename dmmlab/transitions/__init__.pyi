from .observed_transitions import TransitionError as TransitionError
from .predictions import BlackBox as BlackBox, OutOfTime as OutOfTime, prefixes as prefixes, states as states
from .transitions import transition_machine as transition_machine
