"""The function: point the cloud at ``index.main_handler``."""

from guestbook.wsgi import application

from slsadapt import wrap

main_handler = wrap(application)
