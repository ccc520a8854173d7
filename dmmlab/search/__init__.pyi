from .portfolio import synthesize as synthesize
from .progress import SearchState as SearchState
from .repairs import DAMAGES as DAMAGES, Repair as Repair, embed as embed, repair as repair
from .restart_files import Restart as Restart
from .superfluid_synthesis import as_plain as as_plain, synthesize_superfluid as synthesize_superfluid
from .synthesis_result import Synthesis as Synthesis
