"""Show the guestbook and let visitors sign it."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from slsadapt import logs
from slsadapt.timing import span

from .forms import EntryForm
from .models import Entry

logger = logging.getLogger(__name__)


def home(request: HttpRequest) -> HttpResponse:
    """List the entries."""
    with span("db"):
        entries = list(Entry.objects.all())
    return render(request, "entries/home.html", {"entries": entries})


def sign(request: HttpRequest) -> HttpResponse:
    """Show the form; create an entry from a valid one."""
    form = EntryForm(
        request.POST or None, request.FILES or None, initial={"name": request.user.get_username()}
    )
    if form.is_valid():
        with span("db"):
            entry = form.save()
        logs.bind(user=request.user.get_username() or "visitor")
        logger.info("entry %d was signed", entry.pk)
        messages.success(request, "Thank you for signing.")
        return redirect("home")
    return render(request, "entries/sign.html", {"form": form})


def attachment(request: HttpRequest, pk: int) -> FileResponse:
    """Send an entry's file."""
    entry = get_object_or_404(Entry.objects.exclude(attachment=""), pk=pk)
    # Always a download: a visitor's HTML must not run as a page of ours.
    return FileResponse(entry.attachment.open(), as_attachment=True)
