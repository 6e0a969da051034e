"""Serve the delivered model: POST /predict with {"inputs": ["a fine film"]}, GET /health.

    python server.py --port 8000

Inputs that wait together run as one batch, where settings.json has a batch_size above 1: batches of a model in dynamic INT8 would
change its answers, so that it runs one input at a time.
"""

import argparse
import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from predict import Predictor
from pydantic import BaseModel, Field

WINDOW_SECONDS = 0.005  # so long the first input of a batch waits for others, where others came with the batch before
MOST = 256  # inputs of a request


class Inputs(BaseModel):
    """The body of a request: texts, lists of two texts, or questions with their contexts."""

    inputs: list = Field(min_length=1, max_length=MOST)


class Predictions(BaseModel):
    """The answer to a request: a prediction for each input, in their order."""

    predictions: list[dict]


class Batches:
    """Runs the inputs of all requests in one thread, those that wait together in one batch."""

    def __init__(self, predictor: Predictor):
        self.predictor, self.size = predictor, predictor.settings["batch_size"]
        self.waiting: asyncio.Queue = asyncio.Queue()
        self.pool = ThreadPoolExecutor(1)

    async def predict(self, each) -> dict:
        """Return the prediction of an input."""
        answer = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((each, answer))
        return await answer

    async def run(self) -> None:
        """Predict batch by batch, for ever."""
        count = 1
        while True:
            batch = await self._next(WINDOW_SECONDS if count > 1 else 0)
            count = len(batch)
            await self._answer([pair for pair in batch if not pair[1].cancelled()])

    async def _next(self, window: float) -> list[tuple]:
        """Return the inputs of a batch: the first to come, all that wait, and those that come within the window."""
        batch = [await self.waiting.get()]
        deadline = time.monotonic() + window
        while len(batch) < self.size:
            try:
                batch.append(self.waiting.get_nowait())
            except asyncio.QueueEmpty:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                try:
                    batch.append(await asyncio.wait_for(self.waiting.get(), left))
                except TimeoutError:
                    break
        return batch

    async def _answer(self, batch: list[tuple]) -> None:
        loop = asyncio.get_running_loop()
        try:
            predictions = await loop.run_in_executor(self.pool, self.predictor, [each for each, _ in batch])
        except Exception as error:  # one that no input should cause: each of the requests gets it as its error 500
            predictions = [error] * len(batch)
        for (_, answer), prediction in zip(batch, predictions, strict=True):
            if not answer.cancelled():
                (answer.set_exception if isinstance(prediction, Exception) else answer.set_result)(prediction)


@asynccontextmanager
async def lifespan(app: FastAPI):
    """Load the model before the first request."""
    app.state.batches = Batches(Predictor(Path(__file__).resolve().parent))
    running = asyncio.create_task(app.state.batches.run())
    yield
    running.cancel()


app = FastAPI(title="Predictions of a delivered model", lifespan=lifespan)


@app.post("/predict")
async def predict(body: Inputs, request: Request) -> Predictions:
    """Return a prediction for each input; status 422 where one is no input of the task."""
    batches: Batches = request.app.state.batches
    for each in body.inputs:
        try:
            batches.predictor.task.check(each)
        except ValueError as error:
            raise HTTPException(status_code=422, detail=str(error)) from error
    return Predictions(predictions=await asyncio.gather(*map(batches.predict, body.inputs)))


@app.get("/health")
async def health(request: Request) -> dict:
    """Return that the model is loaded, and which it is."""
    settings = request.app.state.batches.predictor.settings
    return {"status": "ok"} | {name: settings[name] for name in ("experiment", "variant", "task", "batch_size")}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve the delivered model.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    uvicorn.run(app, host=options.host, port=options.port, log_level="warning", access_log=False)
