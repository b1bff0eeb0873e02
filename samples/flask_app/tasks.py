"""Work that nobody waits for, in a Celery worker: ``celery --app tasks worker``."""

from __future__ import annotations

import logging
import os

from celery import Celery

from slsadapt.logs.celery import install

logger = logging.getLogger(__name__)
queue = Celery("tasks", broker=os.environ.get("CELERY_BROKER_URL", "memory://localhost"))
# Without a broker a task runs where it is called, which does for a demonstration.
queue.conf.task_always_eager = "CELERY_BROKER_URL" not in os.environ
# The request's ID and what the view bound come along.
install(queue)


@queue.task  # type: ignore[untyped-decorator]
def send_mail(to: str) -> None:
    """Pretend to send a mail."""
    logger.info("sent a mail to %s", to)
