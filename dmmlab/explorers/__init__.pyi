from .live_editor import LiveEditor as LiveEditor
from .live_run import LiveRun as LiveRun
from .pruning_explorer import PruningExplorer as PruningExplorer
from .pruning_session import PruningSession as PruningSession
from .recording import Recording as Recording
from .stream_stepper import MachineEditor as MachineEditor, StreamStepper as StreamStepper
from .synthesis_dashboard import SynthesisDashboard as SynthesisDashboard
from .training_explorer import TrainingExplorer as TrainingExplorer
