from .array_operations import Answers as Answers, Blocks as Blocks, Carry as Carry, Inputs as Inputs, Matrices as Matrices
from .chunk_runner import ChunkRunner as ChunkRunner
from .chunks import Chunks as Chunks, cut_up as cut_up, join_up as join_up
from .compilation import compile_machine as compile_machine
from .compiled import Compiled as Compiled
from .layout import Layout as Layout, LayoutError as LayoutError
from .rewriting import CompiledRewriting as CompiledRewriting, compile_rewriting as compile_rewriting
from .type_checks import TypeMisbehaves as TypeMisbehaves
from .weights import (
    Weights as Weights,
    count_links as count_links,
    flatten as flatten,
    is_finite as is_finite,
    masked as masked,
    support as support,
    unflatten as unflatten,
)
