from .automata import Automaton as Automaton
from .catalogue import PROBLEMS as PROBLEMS, TREE_PROBLEMS as TREE_PROBLEMS
from .items import LETTERS as LETTERS, text as text
from .previews import Preview as Preview
from .problem_checks import ProblemWarning as ProblemWarning, check_problem as check_problem
from .problem_files import load_problem as load_problem
from .problems import Problem as Problem
from .streaming_tasks import STREAMING_TASKS as STREAMING_TASKS
