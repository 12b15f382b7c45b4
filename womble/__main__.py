"""python -m womble"""

from womble.cli import app

app()
