from .batches import (
    Batch as Batch,
    imitation_batch as imitation_batch,
    make_batch as make_batch,
    sum_over_strings as sum_over_strings,
)
from .evolution_strategies import EvolutionStrategy as EvolutionStrategy, on_all as on_all
from .losses import REGULARIZERS as REGULARIZERS, l1 as l1, l2 as l2, row_sum as row_sum, squared_error as squared_error
from .objectives import HardConcreteGates as HardConcreteGates, Imitation as Imitation
from .proximal import proximal_l1 as proximal_l1
from .self_modification import SelfModification as SelfModification
from .session import TrainingSession as TrainingSession, replay_schedule as replay_schedule
from .training import (
    NotFinite as NotFinite,
    TrainingError as TrainingError,
    TrainingResult as TrainingResult,
    descent_for as descent_for,
    train as train,
)
from .training_loop import (
    DescentState as DescentState,
    GradientDescent as GradientDescent,
    Schedule as Schedule,
    clip_to_norm as clip_to_norm,
    constantly as constantly,
)
