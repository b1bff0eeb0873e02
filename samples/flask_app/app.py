"""Show, route by route, what a Flask application does as a cloud function.

Nothing here knows about clouds: ``flask --app app run`` serves the same application.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from typing import Any

from flask import (
    Flask,
    Response,
    abort,
    redirect,
    render_template,
    request,
    session,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from picture import draw_png
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from slsadapt import logs
from slsadapt.middleware.flask import RequestID
from slsadapt.timing import span

app = Flask(__name__)
# Requests have their IDs on a development server as well.
RequestID(app)
# A fallback for development. Set FLASK_SECRET_KEY where the function runs: every instance
# must sign sessions with the same key, and nobody else may know it.
app.config["SECRET_KEY"] = "for development only"
app.config.from_prefixed_env()
app.json.ensure_ascii = False  # type: ignore[attr-defined]


@app.get("/")
def hello() -> str:
    """Link to everything; ``url_for`` puts the gateway's stage in front."""
    return render_template("hello.html")


@app.get("/hello/<name>")
def greet(name: str) -> ResponseReturnValue:
    """Read a name from the path, in any script."""
    return {"hello": name}


@app.get("/query")
def query() -> ResponseReturnValue:
    """Echo the query; a key may repeat."""
    return {"query": request.args.to_dict(flat=False)}


@app.get("/form")
def show_form() -> str:
    """Show a form to echo and a file to upload."""
    return render_template("form.html")


@app.post("/form")
def echo_form() -> ResponseReturnValue:
    """Echo the form's fields."""
    return {"form": request.form.to_dict(flat=False)}


@app.post("/json")
def echo_json() -> ResponseReturnValue:
    """Echo a JSON body."""
    return {"json": read_json()}


@app.route("/segment", methods=["GET", "POST"])
def segment() -> ResponseReturnValue:
    """Split a Chinese sentence into words; the first call also pays for the dictionary."""
    fields = read_json() if request.is_json else request.values
    text = fields.get("text") if isinstance(fields, dict) else None
    if not isinstance(text, str):
        abort(400, "send the sentence as 'text'")
    started = time.perf_counter()
    with span("segment"):
        words = split_words(text)
    took_ms = (time.perf_counter() - started) * 1000
    return {"words": words, "took_ms": round(took_ms, 3)}


@app.post("/upload")
def upload() -> ResponseReturnValue:
    """Describe the file that arrived."""
    file = request.files.get("file") or abort(400, "send the file as 'file'")
    content = file.read()
    return {
        "name": file.filename,
        "content_type": file.content_type,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


@app.get("/download")
def download() -> ResponseReturnValue:
    """Send a picture; its octets survive the gateway's JSON."""
    response = Response(draw_png(), mimetype="image/png")
    response.headers.set("Content-Disposition", "attachment", filename="gradient.png")
    return response


@app.get("/cookies")
def cookies() -> ResponseReturnValue:
    """Show the cookies that came and set two."""
    response = app.json.response(cookies=request.cookies.to_dict())
    response.set_cookie("colour", "green")
    response.set_cookie("size", "large", max_age=3600, httponly=True)
    return response


@app.get("/session")
def count_visits() -> ResponseReturnValue:
    """Count visits in the signed session cookie."""
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


@app.get("/redirect")
def go_home() -> ResponseReturnValue:
    """Send the client to the first page."""
    return redirect(url_for("hello"))


@app.get("/stream")
def stream() -> ResponseReturnValue:
    """Answer piece by piece."""

    def count() -> Iterator[str]:
        for number in (3, 2, 1):
            yield f"{number}\n"
        yield f"lift-off from {request.path}\n"

    return Response(stream_with_context(count()), mimetype="text/plain")


@app.post("/mail")
def mail() -> ResponseReturnValue:
    """Hand a mail to a Celery task, whose log lines carry this request's ID."""
    # Imported here, because Celery takes its time and other routes have no use for it.
    from tasks import send_mail

    to = request.form.get("to") or abort(400, "send the address as 'to'")
    logs.bind(to=to)
    app.logger.info("a mail shall go to %s", to)
    with span("publish"):
        send_mail.delay(to)
    return {"request_id": logs.request_id()}, 202


@app.get("/slow")
def slow() -> ResponseReturnValue:
    """Take longer than the function may: the log shows this very line."""
    time.sleep(min(request.args.get("seconds", 1.0, float), 60.0))
    return {"slept": True}


@app.get("/error")
def fail() -> ResponseReturnValue:
    """Fail, to show what the client and the log see then."""
    raise RuntimeError("this route always fails")


@app.errorhandler(HTTPException)
def answer_error(error: HTTPException) -> BaseResponse:
    """Answer errors as JSON, 404 included."""
    # The exception's own response carries headers such as Allow.
    response = error.get_response()
    response.mimetype = "application/json"
    response.set_data(app.json.dumps({"error": error.name, "detail": error.description}))
    return response


def read_json() -> Any:
    """Parse the body, or answer 400 with what is wrong with it."""
    try:
        return json.loads(request.get_data())
    except ValueError as error:
        abort(400, f"the body is not JSON: {error}")


def split_words(text: str) -> list[str]:
    """Split ``text`` with jieba, which loads its dictionary at the first call."""
    # Imported here so that requests for other routes do not wait for it.
    import jieba  # type: ignore[import-untyped]

    words: list[str] = jieba.lcut(text)
    return words
