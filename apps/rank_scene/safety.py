"""What a server that takes strangers' photos adds to Gradio: a body cap, headers, and nothing left on disk."""

import contextlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterable
from pathlib import Path

MAX_BODY = 200 * 2**20
QUOTA = 4 * 2**30  # of all uploads that lie on the disk at a time
SHELTER = "votes"  # of the folder: the stores of open classes, which the janitor leaves alone
KEEP_SECONDS = 600


def private_folder() -> Path:
    """A folder for uploads that only this user can read; set before gradio is imported, removed at exit."""
    folder = Path(tempfile.mkdtemp(prefix="pqa-lab-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    return folder


class Guard:
    """ASGI middleware: refuses a body that is too large or does not say its size, and uploads to a full disk; adds
    protective headers."""

    def __init__(self, app, folder: Path, max_body: int = MAX_BODY, quota: int = QUOTA):
        self.app, self.folder, self.max_body, self.quota = app, folder, max_body, quota

    async def __call__(self, scope, receive, send):
        if scope["type"] == "http" and scope["method"] in ("POST", "PUT", "PATCH"):
            length = dict(scope["headers"]).get(b"content-length")
            if length is None or not length.isdigit() or int(length) > self.max_body:
                return await refuse(send, 413, b"Too much at once: at most 200 MB.")
            if scope["path"].endswith("/upload") and size_of(self.folder) + int(length) > self.quota:
                return await refuse(send, 503, b"Busy: too many photos are being judged. Try again in ten minutes.")

        async def with_headers(message):
            if message["type"] == "http.response.start":
                extra = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
                message["headers"] = [*message.get("headers", []), *extra]
            await send(message)

        await self.app(scope, receive, with_headers)


async def refuse(send, status: int, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def size_of(folder: Path) -> int:
    total = 0
    for parent, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):  # just removed
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def remove(paths: Iterable[str], folder: Path) -> None:
    """Delete files that lie in the folder, and nothing else."""
    for path in paths:
        real = Path(path).resolve()
        if real.is_relative_to(folder.resolve()):
            real.unlink(missing_ok=True)


def sweep(folder: Path, age: float) -> None:
    """Remove files older than ``age`` seconds and the folders that this leaves empty."""
    now = time.time()
    for parent, _, files in os.walk(folder, topdown=False):
        if Path(parent).name == SHELTER:
            continue
        for name in files:
            path = os.path.join(parent, name)
            with contextlib.suppress(OSError):  # another sweep or gradio itself was faster
                if now - os.stat(path).st_ctime > age:
                    os.remove(path)
        if parent != str(folder):
            with contextlib.suppress(OSError):  # not empty
                os.rmdir(parent)


def keep_clean(folder: Path, also, every: float = 60, age: float = KEEP_SECONDS) -> None:
    """Sweep the folder now and then, and call ``also`` (what else expires)."""

    def run() -> None:
        while folder.exists():
            time.sleep(every)
            sweep(folder, age)
            also()

    threading.Thread(target=run, daemon=True, name="janitor").start()


def run_until_stopped(stop, folder: Path) -> None:
    """Wait for Ctrl-C or SIGTERM (what containers send), then close the server and remove every upload."""
    done = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: done.set())
    while not done.wait(1):
        pass
    shutil.rmtree(folder, ignore_errors=True)
    stop()
    shutil.rmtree(folder, ignore_errors=True)
