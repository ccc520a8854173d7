from .automata import Automaton as Automaton
from .catalogue import PROBLEMS as PROBLEMS, TREE_PROBLEMS as TREE_PROBLEMS
from .certificates import CertificateError as CertificateError, check_certificate as check_certificate
from .counterexamples import Counterexample as Counterexample, counterexample as counterexample
from .draws import LETTERS as LETTERS, text as text
from .evaluation import Evaluator as Evaluator, max_abs_errors as max_abs_errors
from .idle_links import without_idle_links as without_idle_links
from .observed_transitions import TransitionError as TransitionError
from .phases import PHASES as PHASES, finish as finish, fit as fit, shorten as shorten, sparsify as sparsify
from .portfolio import synthesize as synthesize
from .problem_checks import Preview as Preview, ProblemWarning as ProblemWarning, check_problem as check_problem
from .problem_files import load_problem as load_problem
from .problems import Problem as Problem
from .progress import SearchState as SearchState
from .proofs import Proof as Proof, verify as verify
from .pruning import prune as prune, tidy as tidy
from .repairs import DAMAGES as DAMAGES, Repair as Repair, embed as embed, repair as repair
from .restart_files import Restart as Restart
from .rounding import Verdict as Verdict, round_off as round_off, tested as tested
from .run_folder import compare_runs as compare_runs, run_into_folder as run_into_folder, summary as summary
from .samples import Sample as Sample
from .settings import Settings as Settings
from .streaming_benchmark import run_tasks as run_tasks
from .streaming_tasks import STREAMING_TASKS as STREAMING_TASKS
from .superfluid_synthesis import as_plain as as_plain, synthesize_superfluid as synthesize_superfluid
from .sweeps import success_rates as success_rates, sweep as sweep
from .synthesis_result import Synthesis as Synthesis
from .tasks import Task as Task
from .trace import Event as Event, Trace as Trace
from .transitions import transition_machine as transition_machine
