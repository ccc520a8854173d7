from . import (
    bench as bench,
    compiler as compiler,
    core as core,
    drawing as drawing,
    explorers as explorers,
    journal as journal,
    june2022 as june2022,
    learning as learning,
    machines as machines,
    problems as problems,
    proofs as proofs,
    pruning as pruning,
    runs as runs,
    search as search,
    sources as sources,
    transitions as transitions,
)
from .compiler import compile_machine as compile_machine, compile_rewriting as compile_rewriting
from .core import (
    ACCUM as ACCUM,
    COMPARE as COMPARE,
    CONST_1 as CONST_1,
    DOT as DOT,
    ID as ID,
    INITIAL_STATE as INITIAL_STATE,
    NORM as NORM,
    PRODUCT as PRODUCT,
    Inbox as Inbox,
    LabError as LabError,
    Link as Link,
    Machine as Machine,
    NeuronType as NeuronType,
    Stream as Stream,
    answers as answers,
    array_type as array_type,
    characters as characters,
    constant as constant,
    down as down,
    from_array as from_array,
    run as run,
    spaced as spaced,
    step as step,
    symbols as symbols,
    to_array as to_array,
    up as up,
    values as values,
    vvalues as vvalues,
)
from .drawing import (
    draw as draw,
    equations as equations,
    flow_table as flow_table,
    journal_style as journal_style,
    plot_answers as plot_answers,
    pretty as pretty,
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
    make_batch as make_batch,
    squared_error as squared_error,
    train as train,
)
from .machines import (
    canonical as canonical,
    feedforward as feedforward,
    handcrafted as handcrafted,
    imitation_error as imitation_error,
    published as published,
    recurrent as recurrent,
    same as same,
)
from .problems import (
    PROBLEMS as PROBLEMS,
    STREAMING_TASKS as STREAMING_TASKS,
    TREE_PROBLEMS as TREE_PROBLEMS,
    Automaton as Automaton,
    Problem as Problem,
)
from .proofs import verify as verify
from .pruning import Settings as Settings, Task as Task
from .search import repair as repair, synthesize as synthesize
from .sources import Command as Command, Examples as Examples
