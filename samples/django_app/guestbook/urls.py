"""Route the guestbook, login, the admin and static files."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.contrib.staticfiles.views import serve
from django.urls import include, path

urlpatterns = [
    path("", include("entries.urls")),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
    # The function serves its own static files, straight from the applications' folders.
    # "insecure" allows that with DEBUG off; for real traffic put them on a CDN instead.
    path("static/<path:path>", serve, {"insecure": True}),
]
