"""The function: a FastAPI application of one view, as people begin."""

from fastapi import FastAPI
from pydantic import BaseModel

from slsadapt import wrap


class Greeting(BaseModel):
    """What the view answers."""

    hello: str


app = FastAPI()


@app.get("/")
async def hello() -> Greeting:
    """Greet."""
    return Greeting(hello="world")


main_handler = wrap(app)
