from .commands import main as main, process as process
