"""What CyberSift learns, as files: weights, hyperparameters and a NiFi flow, below one folder.

The same contents every time; what is there is left alone, so that a person may change it and see what a backup makes
of that.
"""

import gzip
import json
import random
from pathlib import Path

from deploy.sandbox.packages import Say

MB = 1 << 20
MODELS = {"detector-v14": (24, 9), "ueba-v6": (12, 6), "phishing-bert": (8, 3), "dns-tunnel": (3, 2)}
"""Name -> megabytes of weights, and how many files they are cut into."""
PARAMS = 600


def grow(root: Path, say: Say) -> Path:
    """Make the folder, where it is not whole yet; returns it."""
    done = root / ".whole"
    if not done.is_file():
        say("Growing a tree of weights, hyperparameters and a NiFi flow")
        _models(root / "models")
        _params(root / "params")
        _nifi(root / "nifi")
        done.touch()
    return root


def _models(folder: Path) -> None:
    for name, (megabytes, parts) in MODELS.items():
        own, grown = folder / name, random.Random(name)  # noqa: S311 weights of a play, not secrets
        own.mkdir(parents=True, exist_ok=True)
        for part in range(parts):
            _write(own / f"weights-{part:02}-of-{parts:02}.safetensors", _weights(grown, megabytes * MB // parts))
        _write(own / "config.json", json.dumps({"name": name, "layers": parts * 4}, indent=2).encode())
        (own / "cache").mkdir(exist_ok=True)
        _write(own / "cache/last.tmp", b"rebuilt at every start")
    current = folder / "current"
    if not current.is_symlink():
        current.symlink_to("detector-v14")


def _weights(grown: random.Random, length: int) -> bytes:
    """Half of it noise, as mantissas are, half of it nearly constant, as exponents are."""
    noise = grown.randbytes(length // 2)
    woven = bytearray(b"\x3f") * (2 * len(noise))
    woven[::2] = noise
    return bytes(woven)


def _params(folder: Path) -> None:
    grown = random.Random("params")  # noqa: S311 numbers of a play, not secrets
    for number in range(PARAMS):
        own = folder / f"team-{number % 12:02}"
        own.mkdir(parents=True, exist_ok=True)
        values = {"learning_rate": grown.random(), "depth": grown.randrange(3, 12), "seed": number}
        _write(own / f"run-{number:04}.json", json.dumps(values, indent=2).encode())


def _nifi(folder: Path) -> None:
    (folder / "conf").mkdir(parents=True, exist_ok=True)
    processors = [{"identifier": f"p-{number}", "type": "PutElasticsearchRecord"} for number in range(200)]
    flow = json.dumps({"encodingVersion": {"majorVersion": 2}, "rootGroup": {"processors": processors}}).encode()
    _write(folder / "conf/flow.json.gz", gzip.compress(flow, mtime=0))
    _write(folder / "conf/nifi.properties", b"nifi.web.https.port=8443\n")
    (folder / "state/local").mkdir(parents=True, exist_ok=True)
    _write(folder / "state/local/journal", b"state\n")


def _write(file: Path, content: bytes) -> None:
    if not file.is_file():
        part = file.with_name(f".{file.name}.part")
        part.write_bytes(content)
        part.replace(file)
