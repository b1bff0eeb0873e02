"""The function: point the cloud at ``index.main_handler``."""

from app import app

from slsadapt import wrap

main_handler = wrap(app)
