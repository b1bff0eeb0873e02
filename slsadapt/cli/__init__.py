"""The ``slsadapt`` command, one module a subcommand."""

from __future__ import annotations

import sys
from importlib import import_module

__all__ = ["main"]


def main() -> None:
    """Run the command and exit: 0, 1 where the application failed, 2 where it was misused."""
    try:
        for name in ("click", "rich"):
            import_module(name)
    except ModuleNotFoundError:
        sys.stderr.write("the slsadapt command needs its extra: pip install 'slsadapt[cli]'\n")
        sys.exit(2)
    import click

    from .. import __version__
    from .bench import bench
    from .dialects import dialects
    from .doctor import doctor
    from .events import events
    from .invoke import invoke
    from .package import package
    from .profile_token import profile_token
    from .replay import replay
    from .serve import serve
    from .trigger import trigger

    @click.group(context_settings={"help_option_names": ["-h", "--help"]})
    @click.version_option(__version__, "-V", "--version", message="%(prog)s %(version)s")
    def slsadapt() -> None:
        """Run a Flask, Django, FastAPI or any WSGI or ASGI application as a cloud function.

        \b
        Run a cloud for it on this machine, with a gateway and real instances:
          slsadapt serve shop:app
        \b
        Answer one event of a gateway, as the cloud would:
          slsadapt invoke shop:app event.json
        \b
        Make such an event of a request, or look at recorded ones:
          slsadapt events new aws_http GET / | slsadapt invoke shop:app -
        \b
        Send recorded events again, and see what is answered otherwise:
          slsadapt replay cassettes/ --app shop:app
        \b
        Measure cold and warm starts, and see what makes them slow:
          slsadapt bench all shop:app event.json --html shop.html
        \b
        Build a package that starts fast, and look for what would slow it:
          slsadapt package . --for lambda-py3.13 --verify
          slsadapt doctor .
        \b
        See which gateways it reads, and what each of them loses:
          slsadapt dialects
        \b
        Profile one request of a deployed function:
          curl -H "X-Profile: $(slsadapt profile-token GET /report)" https://example.com/report
        """  # noqa: D301 - click reads the octet \b

    slsadapt.add_command(serve)
    slsadapt.add_command(trigger)
    slsadapt.add_command(invoke)
    slsadapt.add_command(events)
    slsadapt.add_command(replay)
    slsadapt.add_command(bench)
    slsadapt.add_command(package)
    slsadapt.add_command(doctor)
    slsadapt.add_command(dialects)
    slsadapt.add_command(profile_token)
    slsadapt(prog_name="slsadapt")
