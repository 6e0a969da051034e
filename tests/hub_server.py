"""A hub on this machine: the part of the Hugging Face hub's protocol that downloads use, over a folder."""

import hashlib
import json
import re
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".bin", ".parquet")  # these the hub keeps elsewhere and redirects to
API = re.compile(r"/api/(?P<kind>models|datasets)/(?P<id>[^/]+/[^/]+)/(?P<verb>revision|tree|paths-info)/(?P<revision>[^/]+)/?(?P<path>.*)")
NEWEST = re.compile(r"/api/(?P<kind>models|datasets)/(?P<id>[^/]+/[^/]+)")
FILE = re.compile(r"/(?P<kind>datasets/)?(?P<id>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")


class HubServer(ThreadingHTTPServer):
    """Serves ``root/{models,datasets}/{owner}/{name}/{commit}/``.

    ``cuts`` tells how many more times a file's download breaks off after half of its bytes; ``requests`` counts what was
    asked for, and ``ranges`` has the first byte of each answer that did not begin at the first one.
    """

    daemon_threads = True

    def __init__(self, root: Path):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.root, self.cuts, self.requests, self.ranges = root, Counter(), Counter(), []
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.elsewhere = f"http://localhost:{self.server_port}"  # as the hub, which redirects to another host

    def asked(self, name: str) -> int:
        """Return how many requests were for a file of this name."""
        return sum(count for path, count in self.requests.items() if path.endswith(f"/{name}"))


@contextmanager
def serve(root: Path):
    """Yield a running HubServer."""
    with HubServer(root) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests[path] += 1
        if cdn := re.fullmatch(r"/cdn/(.+)", path):
            self._content(self.server.root / cdn[1])
        elif api := API.fullmatch(path):
            self._api(**api.groupdict())
        elif newest := NEWEST.fullmatch(path):
            self._newest(**newest.groupdict())
        elif file := FILE.fullmatch(path):
            self._resolve(**file.groupdict())
        else:
            self._send(404, {})

    do_HEAD = do_POST = do_GET

    def _api(self, *, kind: str, id: str, verb: str, revision: str, path: str) -> None:
        body = parse_qs(self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode())
        folder = self._repository(kind, id, revision)
        if folder is None:
            return
        below = folder / path
        if verb == "revision":
            files = [{"rfilename": str(file.relative_to(folder))} for file in sorted(folder.rglob("*")) if file.is_file()]
            self._json({"id": id, "sha": revision, "private": False, "tags": [], "downloads": 0, "likes": 0, "siblings": files})
        elif verb == "paths-info":
            self._json([_entry(folder, folder / name) for name in body.get("paths", []) if (folder / name).exists()])
        elif not below.is_dir():
            self._missing("EntryNotFound", f"{path} does not exist on {revision}")
        else:
            recursive = parse_qs(urlsplit(self.path).query).get("recursive", ["false"])[0].lower() in ("true", "1")
            self._json([_entry(folder, entry) for entry in sorted(below.rglob("*") if recursive else below.iterdir())])

    def _newest(self, *, kind: str, id: str) -> None:
        """Answer as `_api` does for the last commit by name, which stands for the newest one."""
        commits = sorted(folder.name for folder in (self.server.root / kind / id).glob("*"))
        self._api(kind=kind, id=id, verb="revision", revision=commits[-1] if commits else "none", path="")

    def _resolve(self, *, kind: str | None, id: str, revision: str, path: str) -> None:
        folder = self._repository("datasets" if kind else "models", id, revision)
        if folder is None:
            return
        file, commit = folder / path, {"X-Repo-Commit": revision}
        if not file.is_file():
            self._missing("EntryNotFound", "Entry not found", commit)
        elif file.suffix in LARGE:
            linked = {"X-Linked-Etag": f'"{_sha256(file)}"', "X-Linked-Size": str(file.stat().st_size)}
            self._send(302, commit | linked | {"Location": f"{self.server.elsewhere}/cdn/{file.relative_to(self.server.root)}"})
        else:
            self._content(file, commit)

    def _repository(self, kind: str, id: str, revision: str) -> Path | None:
        """Return the folder of a revision; without one the request is answered as the hub does."""
        folder = self.server.root / kind / id
        if not folder.is_dir():
            return self._missing("RepoNotFound", "Repository not found")
        if not (folder / revision).is_dir():
            return self._missing("RevisionNotFound", f"Invalid rev id: {revision}")
        return folder / revision

    def _content(self, file: Path, headers: dict | None = None) -> None:
        content, status = file.read_bytes(), 200
        headers = {"ETag": f'"{_sha1(content)}"', "Accept-Ranges": "bytes"} | (headers or {})
        if wanted := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or ""):
            start, end = int(wanted[1]), int(wanted[2] or len(content) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
            content, status = content[start : end + 1], 206
            self.server.ranges.append(start)
        cut = self.command == "GET" and self.server.cuts[file.name] > 0
        self.server.cuts[file.name] -= cut
        self._send(status, headers, content, sent=len(content) // 2 if cut else len(content))

    def _json(self, value) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def _missing(self, code: str, message: str, headers: dict | None = None) -> None:
        self._send(404, {"X-Error-Code": code, "X-Error-Message": message} | (headers or {}))

    def _send(self, status: int, headers: dict, content: bytes = b"", sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:sent])
        self.close_connection = self.close_connection or sent not in (None, len(content))

    def log_message(self, *_) -> None:
        pass


def _entry(folder: Path, entry: Path) -> dict:
    path = str(entry.relative_to(folder))
    if entry.is_dir():
        return {"type": "directory", "oid": _sha1(path.encode()), "size": 0, "path": path}
    facts = {"type": "file", "oid": _sha1(entry.read_bytes()), "size": entry.stat().st_size, "path": path}
    if entry.suffix in LARGE:
        facts["lfs"] = {"oid": _sha256(entry), "size": facts["size"], "pointerSize": 134}
    return facts


def _sha1(content: bytes) -> str:
    """Return what git calls a file of this content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
