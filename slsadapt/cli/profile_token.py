"""``slsadapt profile-token``: sign the token that has one request profiled."""

from __future__ import annotations

import os

import click

from ..errors import OptionError
from ..middleware.profile import sign_profile

__all__ = ["profile_token"]


@click.command()
@click.argument("method")
@click.argument("path")
@click.option(
    "--valid", "valid_s", default=300, show_default=True, help="Seconds that the token holds."
)
def profile_token(method: str, path: str, valid_s: int) -> None:
    """Print a token for a function that was wrapped with profile="pyinstrument".

    METHOD and PATH are the request's; PATH as the application sees it, below its stage or base
    path. The key is the function's, in SLSADAPT_PROFILE_KEY.

    \b
    Example:
      curl -H "X-Profile: $(slsadapt profile-token GET /report)" https://example.com/report
    """  # noqa: D301 - click reads the octet \b
    if not path.startswith("/"):
        raise click.UsageError(f"PATH must begin with /, got {path!r}")
    try:
        token = sign_profile(os.environ.get("SLSADAPT_PROFILE_KEY", ""), method, path, valid_s)
    except OptionError as error:
        raise click.UsageError(str(error)) from None
    click.echo(token)
