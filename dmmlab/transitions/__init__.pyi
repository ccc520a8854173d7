from .observed_transitions import TransitionError as TransitionError
from .transitions import transition_machine as transition_machine
