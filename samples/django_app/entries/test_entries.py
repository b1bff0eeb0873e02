"""Test the guestbook with Django's own test client; nothing here knows about clouds."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, SimpleTestCase, TestCase, override_settings
from django.urls import reverse

from .models import Entry


class PageTests(TestCase):
    """Show the entries, and sign."""

    entry: Entry

    @classmethod
    def setUpTestData(cls) -> None:
        cls.entry = Entry.objects.create(name="Ada", message="Hello\nworld")

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.media = Path(folder.name)
        settings = override_settings(MEDIA_ROOT=folder.name)
        settings.enable()
        self.addCleanup(settings.disable)

    def test_the_first_page_lists_the_entries(self) -> None:
        page = self.client.get("/")
        self.assertTemplateUsed(page, "entries/home.html")
        assert page.context["entries"] == [self.entry]
        self.assertContains(page, "<p>Hello<br>world</p>", html=True)

    def test_an_empty_guestbook_asks_to_sign(self) -> None:
        Entry.objects.all().delete()
        self.assertContains(self.client.get("/"), "Be the first.")

    def test_who_signs_is_thanked(self) -> None:
        page = self.client.post("/sign/", {"name": "李雷", "message": "你好"}, follow=True)
        self.assertRedirects(page, "/")
        self.assertContains(page, "Thank you for signing.")
        self.assertContains(page, "李雷")
        assert Entry.objects.count() == 2

    def test_a_form_that_lacks_something_says_so(self) -> None:
        page = self.client.post("/sign/", {"name": "", "message": "Hello"})
        assert page.status_code == 200
        self.assertFormError(page.context["form"], "name", "This field is required.")
        assert Entry.objects.count() == 1

    def test_an_attachment_comes_back_octet_by_octet(self) -> None:
        content = bytes(range(256))
        file = SimpleUploadedFile("octets.bin", content)
        self.client.post("/sign/", {"name": "Ada", "message": "See there", "attachment": file})
        entry = Entry.objects.latest("pk")
        assert (self.media / "octets.bin").read_bytes() == content
        download = self.client.get(reverse("attachment", args=[entry.pk]))
        assert b"".join(download) == content
        assert download.headers["Content-Disposition"] == 'attachment; filename="octets.bin"'

    def test_an_entry_without_attachment_has_none_to_download(self) -> None:
        assert self.client.get(f"/attachments/{self.entry.pk}/").status_code == 404

    def test_a_form_from_elsewhere_is_refused(self) -> None:
        strict = Client(enforce_csrf_checks=True)
        sent = {"name": "Eve", "message": "Hello"}
        assert strict.post("/sign/", sent).status_code == 403
        sent["csrfmiddlewaretoken"] = strict.get("/sign/").context["csrf_token"]
        self.assertRedirects(strict.post("/sign/", sent), "/")


class LoginTests(TestCase):
    """Log in, and moderate."""

    user: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.user = User.objects.create_superuser("grace", password="hopper")

    def test_who_logs_in_is_greeted(self) -> None:
        page = self.client.post("/login/", {"username": "grace", "password": "hopper"}, follow=True)
        self.assertRedirects(page, "/")
        self.assertContains(page, "Log out grace")
        assert page.wsgi_request.user == self.user

    def test_a_wrong_password_is_refused(self) -> None:
        page = self.client.post("/login/", {"username": "grace", "password": "wrong"})
        self.assertContains(page, "Please enter a correct username and password.")

    def test_who_logs_out_is_gone(self) -> None:
        self.client.force_login(self.user)
        self.assertContains(self.client.get("/"), "Log out grace")
        self.assertRedirects(self.client.post("/logout/"), "/")
        self.assertNotContains(self.client.get("/"), "grace")

    def test_the_form_knows_who_signs(self) -> None:
        self.client.force_login(self.user)
        form = self.client.get("/sign/").context["form"]
        assert form["name"].value() == "grace"

    def test_staff_delete_an_entry(self) -> None:
        entry = Entry.objects.create(name="Mallory", message="Buy this")
        self.client.force_login(self.user)
        page = self.client.post(
            reverse("admin:entries_entry_delete", args=[entry.pk]), {"post": "yes"}
        )
        self.assertRedirects(page, "/admin/entries/entry/")
        assert not Entry.objects.exists()

    def test_the_admin_is_for_staff_alone(self) -> None:
        self.assertRedirects(self.client.get("/admin/"), "/admin/login/?next=/admin/")


class StaticTests(SimpleTestCase):
    """Serve what needs no database."""

    def test_the_stylesheet_is_served(self) -> None:
        sheet = self.client.get("/static/entries/style.css")
        assert sheet.headers["Content-Type"] == "text/css"
        assert b"body" in b"".join(sheet)

    def test_what_is_not_there_is_not_found(self) -> None:
        assert self.client.get("/nowhere/").status_code == 404
