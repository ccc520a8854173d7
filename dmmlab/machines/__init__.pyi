from .attention_machines import INDUCTION_DELAY as INDUCTION_DELAY, induction_head as induction_head
from .canonical_form import canonical as canonical
from .detectors import (
    ImitationError as ImitationError,
    handcrafted as handcrafted,
    imitation_error as imitation_error,
    published as published,
)
from .isomorphism import equivalent as equivalent, same as same
from .networks import (
    LAYER as LAYER,
    RECURRENT as RECURRENT,
    SOURCES as SOURCES,
    Network as Network,
    NetworkError as NetworkError,
    feedforward as feedforward,
    recurrent as recurrent,
)
from .rewriting_machines import (
    MATRIX as MATRIX,
    Rewriting as Rewriting,
    click as click,
    copying as copying,
    doubling as doubling,
    editing as editing,
    event_list as event_list,
    growing as growing,
    learner as learner,
    wave as wave,
)
from .simplifications import (
    merged as merged,
    rounded as rounded,
    shortcuts as shortcuts,
    without_small_links as without_small_links,
)
from .superfluid_machines import functions as functions, plain as plain, superfluid as superfluid
