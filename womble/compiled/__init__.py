"""Compiled loops, arrays only. They release the interpreter lock: draws run on all cores."""
