from .evaluation import Evaluator as Evaluator, max_abs_errors as max_abs_errors
from .phases import PHASES as PHASES, finish as finish, fit as fit, shorten as shorten, sparsify as sparsify
from .pruning import prune as prune, tidy as tidy
from .rounding import Verdict as Verdict, round_off as round_off, tested as tested
from .samples import Sample as Sample
from .settings import Settings as Settings
from .smaller_machines import without_idle_links as without_idle_links
from .tasks import Task as Task
from .trace import Event as Event, Trace as Trace
