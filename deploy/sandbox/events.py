"""Security events as a firewall, servers and sensors report them: the same day always has the same ones."""

import datetime as dt
import random
from collections.abc import Iterator

HOSTS = {
    "fw-edge-01": "10.20.0.1",
    "vpn-02": "10.20.0.9",
    "web-01": "10.20.4.11",
    "web-02": "10.20.4.12",
    "mail-01": "10.20.4.25",
    "db-01": "10.20.8.5",
    "dc-01": "10.20.8.10",
    "files-01": "10.20.8.21",
}
PEOPLE = ["m.borg", "a.camilleri", "j.vella", "s.farrugia", "k.zammit", "svc-backup", "svc-nifi", "root", "admin"]
OUTSIDE = (("203.0.113", "RU"), ("198.51.100", "CN"), ("192.0.2", "NL"), ("203.0.113", "BR"))
PORTS = (22, 25, 53, 80, 443, 443, 443, 3389, 5432, 9200)
PATHS = ("/", "/login", "/api/v1/alerts", "/assets/app.js", "/wp-login.php", "/.env", "/status")
RULES = ("ET SCAN Nmap probe", "Beaconing to a rare domain", "DNS tunnel suspected", "Impossible travel")
HOURS = (2, 2, 1, 1, 1, 2, 4, 8, 14, 16, 15, 14, 12, 14, 15, 14, 12, 9, 6, 5, 5, 4, 3, 3)  # an office's day


def events(day: dt.date, number: int) -> Iterator[dict]:
    """The events of one day, in the order of time."""
    dice = random.Random(day.toordinal())  # noqa: S311 events of a play, not secrets
    hours = sorted(dice.choices(range(24), HOURS, k=number))
    midnight = dt.datetime.combine(day, dt.time(), dt.UTC)
    seconds = sorted(hour * 3600 + dice.random() * 3600 for hour in hours)
    kinds = dice.choices((_connection, _sign_in, _web, _alert), (55, 20, 20, 5), k=number)
    for second, kind in zip(seconds, kinds, strict=True):
        at = midnight + dt.timedelta(seconds=second)
        yield {"@timestamp": at.isoformat(timespec="milliseconds"), **kind(dice)}


def _connection(dice: random.Random) -> dict:
    host, inside = dice.choice(list(HOSTS.items()))
    blocked = dice.random() < 0.12
    source, port = _outsider(dice), dice.choice(PORTS)
    action = "blocked" if blocked else "allowed"
    return {
        "message": f"{action} tcp {source['ip']}:{source['port']} -> {inside}:{port}",
        "event": {
            "category": "network",
            "action": action,
            "outcome": "success",
            "severity": 3 if blocked else 1,
        },
        "source": source,
        "destination": {
            "ip": inside,
            "port": port,
            "bytes": 0 if blocked else int(dice.lognormvariate(8, 2)),
        },
        "host": {"name": "fw-edge-01" if blocked else host},
    }


def _sign_in(dice: random.Random) -> dict:
    failed, user, host = dice.random() < 0.3, dice.choice(PEOPLE), dice.choice(list(HOSTS))
    source = _outsider(dice) if failed else _insider(dice)
    word = "Failed" if failed else "Accepted"
    outcome = "failure" if failed else "success"
    return {
        "message": f"{word} password for {user} from {source['ip']} port {source['port']} ssh2",
        "event": {
            "category": "authentication",
            "action": "sign-in",
            "outcome": outcome,
            "severity": 1 + 3 * failed,
        },
        "source": source,
        "host": {"name": host},
        "user": {"name": user},
    }


def _web(dice: random.Random) -> dict:
    path = dice.choice(PATHS)
    code = 404 if path in ("/wp-login.php", "/.env") else dice.choice((200, 200, 200, 304, 500))
    source, host = _outsider(dice), dice.choice(("web-01", "web-02"))
    outcome = "success" if code < 400 else "failure"
    return {
        "message": f'"GET {path} HTTP/1.1" {code}',
        "event": {"category": "web", "action": "request", "outcome": outcome, "severity": 1 + (code >= 400)},
        "source": source,
        "destination": {"ip": HOSTS[host], "port": 443, "bytes": int(dice.lognormvariate(7, 1.5))},
        "host": {"name": host},
    }


def _alert(dice: random.Random) -> dict:
    rule, host, score = dice.choice(RULES), dice.choice(list(HOSTS)), round(dice.betavariate(5, 2), 4)
    return {
        "message": f"{rule} on {host} (anomaly score {score})",
        "event": {"category": "intrusion_detection", "action": "alert", "outcome": "unknown", "severity": 7},
        "source": _insider(dice),
        "destination": {k: v for k, v in _outsider(dice).items() if k != "geo"},
        "host": {"name": host},
        "rule": {"name": rule},
        "anomaly": {"score": score},
    }


def _outsider(dice: random.Random) -> dict:
    network, country = dice.choice(OUTSIDE)
    ip = f"{network}.{dice.randint(1, 254)}"
    return {"ip": ip, "port": dice.randint(1024, 65535), "geo": {"country": country}}


def _insider(dice: random.Random) -> dict:
    return {"ip": f"10.20.{dice.randint(16, 19)}.{dice.randint(2, 250)}", "port": dice.randint(1024, 65535)}
