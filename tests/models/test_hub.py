"""The hub, played by a server on this machine; every case runs in a process of its own settings."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from huggingface_hub import constants

from clipeval.errors import ModelError
from clipeval.models import load_model
from clipeval.models.hub import fetch_config
from clipeval.records import ModelSpec

NOWHERE = "http://127.0.0.1:9"
COMMIT = "0" * 39 + "1"
LOAD = """
import json, sys
from clipeval.errors import ClipEvalError
from clipeval.models import load_model
from clipeval.records import ModelSpec

answers = {}
for text in sys.argv[1:]:
    fields = json.loads(text)
    spec = ModelSpec(id=fields["name"], **fields)
    try:
        model = load_model(spec)
        answers[spec.id] = {
            "weights": model.record.weights_sha256,
            "quick_gelu": model.record.quick_gelu,
            "spec": model.record.spec,
            "random": model.record.random_weights,
        }
    except ClipEvalError as error:
        answers[spec.id] = {"error": str(error)}
print(json.dumps(answers))
"""


class Hub(BaseHTTPRequestHandler):
    """Answers /ORG/REPO/resolve/REVISION/FILE as the hub does, for the folders in `repos`."""

    repos: ClassVar[dict[str, Path | None]] = {}

    def do_HEAD(self):
        self.respond(with_body=False)

    def do_GET(self):
        self.respond(with_body=True)

    def respond(self, *, with_body):
        parts = self.path.split("?")[0].strip("/").split("/")
        repo, file = "/".join(parts[:2]), "/".join(parts[4:])
        if parts[2:3] != ["resolve"] or repo not in self.repos:
            return self.refuse(404, "RepoNotFound")
        if self.repos[repo] is None:
            return self.refuse(403, "GatedRepo")
        path = self.repos[repo] / file
        if not path.is_file():
            return self.refuse(404, "EntryNotFound")
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{sha256(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content)
        return None

    def refuse(self, status, code):
        self.send_response(status)
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def hub_model(repo, **changes):
    return {"kind": "hf-hub", "name": repo, **changes}


def load_all(*specs, home, **environment):
    """Load each spec in one process that has its own cache; returns id -> what came of it."""
    settings = {"HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "HF_HUB_ETAG_TIMEOUT": "2"}
    inherited = {
        k: v for k, v in os.environ.items() if "proxy" not in k.lower() and k != "HF_TOKEN"
    }
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *map(json.dumps, specs)],
        env={**inherited, **settings, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("hub-cache")


@pytest.fixture(scope="module")
def unreachable(tmp_path_factory):
    """What comes of loading from a hub that does not answer; its client tries for a while."""
    fresh = tmp_path_factory.mktemp("fresh-cache")
    with ThreadPoolExecutor(1) as executor:
        yield executor.submit(
            load_all, hub_model("org/never-fetched"), home=fresh, HF_ENDPOINT=NOWHERE
        )


@pytest.fixture(scope="module")
def online(folders, home, tmp_path_factory, unreachable):
    """What came of loading every repository while the hub was there."""
    empty = tmp_path_factory.mktemp("no-weights")
    config = (folders["vit"].path / "open_clip_config.json").read_text(encoding="utf-8")
    (empty / "open_clip_config.json").write_text(config, encoding="utf-8")
    other = tmp_path_factory.mktemp("other-library")
    Hub.repos = {
        "org/vit": folders["vit"].path,
        "org/resnet": folders["resnet"].path,
        "org/no-weights": empty,
        "org/not-clip": other,
        "org/gated": None,
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        names = [*Hub.repos, "org/gone", "org/bad..name"]
        yield load_all(
            *map(hub_model, names),
            {"kind": "pretrained", "name": "ViT-B-32", "pretrained": "openai"},
            home=home,
            HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}",
        )
    finally:
        server.shutdown()
        server.server_close()


class TestOnline:
    def test_repository_is_loaded_as_the_folder_is(self, online, vit):
        same = load_model(ModelSpec(id="vit", kind="local-dir", name=str(vit.path)))
        expected = {
            "weights": same.record.weights_sha256,
            "quick_gelu": False,
            "spec": "hf-hub:org/vit",
            "random": False,
        }
        assert online["org/vit"] == expected

    def test_activation_is_that_of_the_repositorys_config(self, online):
        assert online["org/resnet"]["quick_gelu"] is True

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            ("org/no-weights", "has no weights: expected open_clip_model.safetensors or"),
            (
                "org/not-clip",
                "has no config: expected open_clip_config.json; is it an open_clip model?",
            ),
            ("org/gated", "hub repository 'org/gated' asks for permission"),
            ("org/gone", "hub repository 'org/gone' does not exist, or is private"),
            ("org/bad..name", "cannot be the name of a hub repository"),
            ("ViT-B-32", "hub repository 'timm/vit_base_patch32_clip_224.openai' does not exist"),
        ],
    )
    def test_what_cannot_be_had_is_one_error_never_random_weights(self, online, name, what):
        assert what in online[name]["error"]


class TestWithoutTheHub:
    def test_offline_loads_what_is_in_the_cache_and_names_what_is_not(self, online, home):
        found = load_all(
            hub_model("org/vit"),
            hub_model("org/never-fetched"),
            {"kind": "pretrained", "name": "ViT-B-32", "pretrained": "laion2b_s34b_b79k"},
            home=home,
            HF_HUB_OFFLINE="1",
        )
        assert found["org/vit"] == online["org/vit"]
        missing = found["org/never-fetched"]["error"]
        assert "the config of hub repository 'org/never-fetched' (open_clip_config.json)" in missing
        assert "HF_HUB_OFFLINE is set" in missing
        assert f"{home}" in missing
        assert "local-dir:PATH" in missing
        tag = found["ViT-B-32"]["error"]
        assert "the weights of hub repository 'laion/CLIP-ViT-B-32-laion2B-s34B-b79K'" in tag

    def test_unreachable_hub_is_named(self, unreachable):
        message = unreachable.result()["org/never-fetched"]["error"]
        assert f"{NOWHERE} cannot be reached" in message
        assert "local-dir:PATH" in message

    @pytest.mark.parametrize("endpoint", [NOWHERE, "http://hub.invalid"])
    def test_network_that_is_not_there_is_found_out_at_once_and_quietly(
        self, endpoint, tmp_path, monkeypatch, caplog, capfd
    ):
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setattr(constants, "ENDPOINT", endpoint)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
        logger = logging.getLogger("huggingface_hub")
        level, start = logger.level, time.perf_counter()
        with pytest.raises(ModelError, match=f"{endpoint} cannot be reached"):
            fetch_config("org/never-fetched")
        assert time.perf_counter() - start < 5
        assert capfd.readouterr() == ("", "")
        assert caplog.records == []
        assert logger.level == level
