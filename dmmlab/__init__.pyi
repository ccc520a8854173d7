from . import (
    core as core,
    drawing as drawing,
    june2022 as june2022,
    learning as learning,
    machines as machines,
    problems as problems,
    pruning as pruning,
)
from .compiler import compile_machine as compile_machine
from .core import (
    Link as Link,
    Machine as Machine,
    NeuronType as NeuronType,
    answers as answers,
    array_type as array_type,
    characters as characters,
    run as run,
    values as values,
    vvalues as vvalues,
)
from .drawing import (
    draw as draw,
    journal_style as journal_style,
    program as program,
    save_figure as save_figure,
    show as show,
)
from .explorers import (
    LiveEditor as LiveEditor,
    MachineEditor as MachineEditor,
    PruningExplorer as PruningExplorer,
    PruningSession as PruningSession,
    StreamStepper as StreamStepper,
    SynthesisDashboard as SynthesisDashboard,
    TrainingExplorer as TrainingExplorer,
)
from .learning import (
    imitation_batch as imitation_batch,
    train as train,
)
from .machines import (
    feedforward as feedforward,
    handcrafted as handcrafted,
    published as published,
    recurrent as recurrent,
    same as same,
)
from .problems import (
    PROBLEMS as PROBLEMS,
    Automaton as Automaton,
    Problem as Problem,
)
from .proofs import verify as verify
from .pruning import Settings as Settings, Task as Task
from .search import synthesize as synthesize
from .sources import Command as Command, Examples as Examples
