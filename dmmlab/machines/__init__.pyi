from .canonical_form import above as above, canonical as canonical, merged as merged, rounded as rounded, shortcuts as shortcuts
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
