"""How an application runs: WSGI and ASGI, and telling them apart."""
