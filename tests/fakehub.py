"""A Hugging Face Hub on the loopback: the few endpoints that timm, transformers, datasets and uploads really use.

    with fake_hub(folder) as url:            # folder/{models|datasets}/<org>/<name>/<files>
        subprocess.run([...], env={**os.environ, "HF_ENDPOINT": url, "HF_HUB_OFFLINE": "0", ...})

Clients read ``HF_ENDPOINT`` when they are imported, hence the subprocess. Uploads need ``HF_HUB_DISABLE_XET=1``.
``hub_environment`` gives both, and a cache of its own.
"""

import base64
import hashlib
import json
import os
import re
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KINDS = {"model": "models", "dataset": "datasets"}


class Hub(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, root: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.root = root.resolve()
        self.uploads: dict[str, bytes] = {}  # sha256 -> file, until a commit names it
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@contextmanager
def fake_hub(root: str | os.PathLike) -> Iterator[str]:
    """Serve ``root`` and yield the endpoint's address."""
    hub = Hub(Path(root))
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        yield hub.url
    finally:
        hub.shutdown()
        hub.server_close()


def hub_environment(url: str, cache: str | os.PathLike) -> dict[str, str]:
    """Environment for a subprocess whose hub is ``url`` and whose cache is the folder ``cache``."""
    ours = {"HF_ENDPOINT": url, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    return {**os.environ, **ours, "HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": "hf_loopback", "NO_PROXY": "127.0.0.1"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def do_GET(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        path, query = urllib.parse.unquote(url.path), urllib.parse.parse_qs(url.query)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {path}")
        for pattern, answer in ROUTES:
            if match := re.fullmatch(pattern, path):
                return answer(self, match, query, body)
        return self.missing("EntryNotFound")

    do_HEAD = do_POST = do_PUT = do_GET

    def log_message(self, *args) -> None:
        pass

    def send(self, body: bytes, headers: dict | None = None, status: int = 200, kind: str = "application/json"):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def json(self, answer: dict | list) -> None:
        self.send(json.dumps(answer).encode())

    def missing(self, code: str, headers: dict | None = None) -> None:
        self.send(b"{}", {"X-Error-Code": code, "X-Error-Message": "not here", **(headers or {})}, 404)

    def repository(self, kind: str, name: str) -> Path | None:
        folder = self.server.root / kind / name
        return folder if folder.is_dir() else None


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def revision(folder: Path) -> str:
    """A commit hash that changes with the files."""
    digest = hashlib.sha1()
    for path in files(folder):
        digest.update(f"{path.relative_to(folder)} {path.stat().st_size} {path.stat().st_mtime_ns}\n".encode())
    return digest.hexdigest()


def entry(folder: Path, path: Path) -> dict:
    name = path.relative_to(folder).as_posix()
    if path.is_dir():
        return {"type": "directory", "oid": "0" * 40, "size": 0, "path": name}
    content = path.read_bytes()
    lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return {"type": "file", "oid": hashlib.sha1(content).hexdigest(), "size": len(content), "path": name, "lfs": lfs}


def download(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    folder = self.repository("datasets" if match["kind"] else "models", match["name"])
    if folder is None:
        return self.missing("RepoNotFound")
    headers = {"X-Repo-Commit": revision(folder), "Accept-Ranges": "bytes"}
    path = (folder / match["path"]).resolve()
    if folder not in path.parents or not path.is_file():
        return self.missing("EntryNotFound", headers)
    content = path.read_bytes()
    headers["ETag"] = f'"{hashlib.sha256(content).hexdigest()}"'
    span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
    if span is None:
        return self.send(content, headers, kind="application/octet-stream")
    first, last = int(span[1]), min(int(span[2] or len(content) - 1), len(content) - 1)
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return self.send(content[first : last + 1], headers, 206, "application/octet-stream")


def describe(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    folder = self.repository(match["kind"], match["name"])
    if folder is None:
        return self.missing("RepoNotFound")
    siblings = [{"rfilename": path.relative_to(folder).as_posix()} for path in files(folder)]
    facts = {"_id": "0" * 24, "id": match["name"], "modelId": match["name"], "sha": revision(folder), "tags": []}
    state = {"private": False, "gated": False, "disabled": False, "downloads": 0, "likes": 0}
    date = "2026-01-01T00:00:00.000Z"
    return self.json({**facts, **state, "siblings": siblings, "createdAt": date, "lastModified": date})


def tree(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    folder = self.repository(match["kind"], match["name"])
    if folder is None:
        return self.missing("RepoNotFound")
    top = folder / (match["path"] or "")
    if not top.is_dir():
        return self.missing("EntryNotFound")
    recursive = query.get("recursive", ["false"])[0].lower() == "true"
    return self.json([entry(folder, path) for path in sorted(top.rglob("*") if recursive else top.iterdir())])


def some_paths(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    folder = self.repository(match["kind"], match["name"])
    if folder is None:
        return self.missing("RepoNotFound")
    asked = json.loads(body)["paths"] if body[:1] == b"{" else urllib.parse.parse_qs(body.decode())["paths"]
    return self.json([entry(folder, folder / path) for path in asked if (folder / path).exists()])


def create(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    asked = json.loads(body)
    kind, name = KINDS[asked.get("type") or "model"], f"{asked.get('organization') or 'local'}/{asked['name']}"
    (self.server.root / kind / name).mkdir(parents=True, exist_ok=True)
    return self.json({"url": f"{self.server.url}/{'datasets/' if kind == 'datasets' else ''}{name}", "name": name})


def before_upload(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    def mode(path: str) -> str:
        return "lfs" if path.endswith((".safetensors", ".parquet")) else "regular"

    asked = json.loads(body)["files"]
    return self.json(
        {"files": [{"path": f["path"], "uploadMode": mode(f["path"]), "shouldIgnore": False} for f in asked]}
    )


def where_to_upload(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    objects = [
        {**o, "actions": {"upload": {"href": f"{self.server.url}/_upload/{o['oid']}"}}}
        for o in json.loads(body)["objects"]
    ]
    return self.json({"transfer": "basic", "objects": objects})


def upload(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    self.server.uploads[match["oid"]] = body
    return self.json({})


def commit(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    folder = self.server.root / match["kind"] / match["name"]
    for line in map(json.loads, body.splitlines()):
        value = line["value"]
        if line["key"] in ("file", "lfsFile"):
            path = folder / value["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            lfs = line["key"] == "lfsFile"
            path.write_bytes(self.server.uploads[value["oid"]] if lfs else base64.b64decode(value["content"]))
        elif line["key"] == "deletedFile":
            (folder / value["path"]).unlink(missing_ok=True)
    return self.json({"commitUrl": f"{self.server.url}/{match['name']}", "commitOid": revision(folder)})


def who_am_i(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    token = {"type": "access_token", "accessToken": {"role": "write", "displayName": "loopback"}}
    return self.json({"type": "user", "name": "local", "fullname": "local", "orgs": [], "auth": token})


def valid(self: Handler, match: re.Match, query: dict, body: bytes) -> None:
    return self.json({"errors": [], "warnings": []})


API = r"/api/(?P<kind>models|datasets)/(?P<name>[^/]+/[^/]+)"
ROUTES = [
    (r"/(?P<kind>datasets/)?(?P<name>[^/]+/[^/]+)/resolve/[^/]+/(?P<path>.+)", download),
    (API + r"(/revision/[^/]+)?", describe),
    (API + r"/tree/[^/]+(/(?P<path>.*))?", tree),
    (API + r"/paths-info/[^/]+", some_paths),
    (API + r"/preupload/[^/]+", before_upload),
    (API + r"/commit/[^/]+", commit),
    (r"/(datasets/)?[^/]+/[^/]+\.git/info/lfs/objects/batch", where_to_upload),
    (r"/_upload/(?P<oid>[0-9a-f]{64})", upload),
    (r"/api/repos/create", create),
    (r"/api/whoami-v2", who_am_i),
    (r"/api/validate-yaml", valid),
]
