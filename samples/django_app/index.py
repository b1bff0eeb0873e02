"""The function: point the cloud at ``index.main_handler``."""

import os

from guestbook.wsgi import application

from slsadapt import wrap
from slsadapt.timing import log_timing, server_timing

main_handler = wrap(
    application,
    timing=[log_timing, server_timing],
    # Half a second before the time limit the log shows what hangs.
    deadline=0.5,
    # For requests with a token of ``slsadapt profile-token``.
    profile="pyinstrument" if "SLSADAPT_PROFILE_KEY" in os.environ else None,
)
