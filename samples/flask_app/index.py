"""The function: point the cloud at ``index.main_handler``."""

import os

from app import app

from slsadapt import wrap
from slsadapt.logs import setup_logging
from slsadapt.timing import log_timing, server_timing

# Each line carries the request's ID and the function's name.
setup_logging()
main_handler = wrap(
    app,
    timing=[log_timing, server_timing],
    # Half a second before the time limit the log shows what hangs.
    deadline=0.5,
    # For requests with a token of ``slsadapt profile-token``.
    profile="pyinstrument" if "SLSADAPT_PROFILE_KEY" in os.environ else None,
)
