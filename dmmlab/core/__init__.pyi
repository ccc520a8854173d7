from . import vvalues as vvalues
from .array_neurons import ArrayShape as ArrayShape, array_type as array_type
from .arrays_as_trees import from_array as from_array, to_array as to_array
from .doors import NotInstalled as NotInstalled
from .engine import (
    INITIAL_STATE as INITIAL_STATE,
    RunError as RunError,
    State as State,
    Streams as Streams,
    answers as answers,
    down as down,
    run as run,
    step as step,
    up as up,
)
from .errors import LabError as LabError, one_of as one_of
from .files import FileError as FileError
from .machine import (
    Link as Link,
    Machine as Machine,
    customary_links as customary_links,
)
from .network_matrix import Links as Links, MachineError as MachineError
from .neuron_type import (
    Emits as Emits,
    Formula as Formula,
    NeuronType as NeuronType,
    Scaling as Scaling,
)
from .neurons import (
    ACCUM as ACCUM,
    COMPARE as COMPARE,
    CONST_1 as CONST_1,
    DOT as DOT,
    EOS as EOS,
    ID as ID,
    INPUT as INPUT,
    NORM as NORM,
    OUTPUT as OUTPUT,
    PRODUCT as PRODUCT,
    SUPERFLUID as SUPERFLUID,
    TIMER as TIMER,
    TYPES as TYPES,
    TYPES_2022 as TYPES_2022,
    answering as answering,
    constant as constant,
    constants as constants,
)
from .signed_samples import (
    StochasticDown as StochasticDown,
    signed_sample as signed_sample,
    stochastic_combination as stochastic_combination,
)
from .streams import (
    Inbox as Inbox,
    Stream as Stream,
    StreamError as StreamError,
    characters as characters,
    spaced as spaced,
    symbols as symbols,
    values as values,
)
from .tree_neurons import (
    CONS as CONS,
    EVENTS as EVENTS,
    GATE as GATE,
    LOOKUP as LOOKUP,
    MASK as MASK,
    MIX as MIX,
    NEST as NEST,
    PAIR as PAIR,
    SELF as SELF,
    TREE_TYPES as TREE_TYPES,
    UNCONS as UNCONS,
    UPDATE as UPDATE,
)
from .vvalues import NUMBER as NUMBER, Number as Number, Path as Path, VValue as VValue, VValueError as VValueError
