from .predictions import BlackBox as BlackBox, OutOfTime as OutOfTime, prefixes as prefixes, states as states
