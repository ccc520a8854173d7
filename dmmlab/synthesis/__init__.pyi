from .catalogue import PROBLEMS as PROBLEMS
from .evaluation import Evaluator as Evaluator
from .idle_links import without_idle_links as without_idle_links
from .phases import PHASES as PHASES, finish as finish, fit as fit, shorten as shorten, sparsify as sparsify
from .problems import Problem as Problem, Sample as Sample, text as text
from .pruning import prune as prune, tidy as tidy
from .repairs import DAMAGES as DAMAGES, Repair as Repair, embed as embed, repair as repair
from .rounding import Verdict as Verdict, round_off as round_off, tested as tested
from .run_folder import run_into_folder as run_into_folder
from .search import Restart as Restart, Synthesis as Synthesis, synthesize as synthesize
from .settings import Settings as Settings
from .tasks import Task as Task
from .trace import Event as Event, Trace as Trace
