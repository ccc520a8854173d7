from .animations import Animation as Animation, animate as animate
from .bundles import bundle as bundle, circuit_or_bundle as circuit_or_bundle
from .circuits import circuit as circuit, graph as graph, idle_neurons as idle_neurons
from .drawing_machines import draw as draw
from .graphviz_drawing import Drawing as Drawing, DrawingError as DrawingError
from .machine_pairs import partners as partners, side_by_side as side_by_side
from .package_picture import package_floors as package_floors
from .plots import (
    journal_style as journal_style,
    plot_answers as plot_answers,
    plot_matrix as plot_matrix,
    save_figure as save_figure,
    save_matrix as save_matrix,
)
from .programs import equations as equations, program as program
from .python_programs import python_program as python_program
from .vvalue_text import (
    as_lines as as_lines,
    as_sum as as_sum,
    as_table as as_table,
    as_tree as as_tree,
    flow_table as flow_table,
    pretty as pretty,
    show as show,
)
