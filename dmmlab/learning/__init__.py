"""Gradient descent: batches, losses, objectives, one training loop, and those who call it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
