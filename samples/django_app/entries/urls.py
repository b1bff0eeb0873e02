"""Route the guestbook's own pages."""

from __future__ import annotations

from django.urls import path

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("sign/", views.sign, name="sign"),
    path("attachments/<int:pk>/", views.attachment, name="attachment"),
]
