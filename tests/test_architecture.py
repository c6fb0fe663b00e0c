"""The house's own rules: the stairs, what each kind of file may touch, and who may know the queue."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "backups"

# Top first. A package imports from lower lines only; neighbours on a line do not know each other.
STAIRS = (
    ("worker", "web"),
    ("dashboard", "evidence"),
    ("restores",),
    ("retention",),
    ("snapshots", "archives"),
    ("repositories",),
    ("clusters",),
    ("approvals",),
    ("runs",),
    ("accounts",),
    ("audit",),
    ("access",),
    ("gateways", "listing", "clock", "templatetags"),
)
LINE = {package: number for number, line in enumerate(STAIRS) for package in line}
OUTSIDE = {"models", "urls", "checks", "apps", "__init__", "migrations", "management"}

FILES = sorted(file for file in APP.rglob("*.py") if "migrations" not in file.parts)


def imports(file: Path) -> Iterator[str]:
    """Full dotted names of everything that a file imports, relative ones resolved; for ``from a import b`` a.b."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def package_of(file: Path) -> str:
    """The first name below backups/: a package, or a module of the root."""
    return file.relative_to(APP).with_suffix("").parts[0]


def title(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("file", FILES, ids=title)
def test_imports_go_down_the_stairs(file):
    own = package_of(file)
    if own in OUTSIDE:
        return
    assert own in LINE, f"{own} has no place on the stairs"
    for name in imports(file):
        if not name.startswith("backups."):
            continue
        other = name.split(".")[1]
        assert other not in OUTSIDE, f"{title(file)} imports {name}"
        assert other == own or LINE[other] > LINE[own], f"{title(file)} imports {name}: up or beside"


@pytest.mark.parametrize("package", sorted(set(LINE) - {"listing", "clock"}))
def test_every_stair_is_built_and_says_what_it_is(package):
    text = (APP / package / "__init__.py").read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), f"{package} has no docstring"


def test_every_package_has_a_place_on_the_stairs():
    found = {folder.name for folder in APP.iterdir() if (folder / "__init__.py").exists()}

    assert found - OUTSIDE == set(LINE) - {"listing", "clock"}


# What a kind of file may not import: (file name, forbidden beginnings, why)
RULES = (
    ("views.py", ("backups.gateways", "django.db.transaction", "elasticsearch", "subprocess"), "views call services"),
    ("forms.py", ("backups.gateways", "backups.audit.acts", "django.db.transaction"), "forms know shape only"),
    ("services.py", ("django.http", "django.shortcuts", "elasticsearch", "subprocess"), "services know no request"),
    ("models.py", ("backups.gateways", "django.http", "subprocess", "elasticsearch"), "models know their row"),
    ("steps.py", ("time.sleep", "django.http"), "steps neither sleep nor know a request"),
    ("verdict.py", ("django.utils.timezone", "django.db", "time"), "pure modules know no clock and no database"),
)
# Only types and pure functions may come from a gateway into a service.
PURE_GATEWAY = ("datemath", "indices.IndexFacts", "patterns", "addresses", "capabilities")


@pytest.mark.parametrize(
    ("name", "forbidden", "why"), RULES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_files_touch_only_what_their_name_allows(name, forbidden, why):
    checked = [file for file in FILES if file.name == name]

    assert checked, name
    for file in checked:
        for imported in imports(file):
            assert not imported.startswith(forbidden), f"{title(file)} imports {imported}; {why}"


@pytest.mark.parametrize("file", [file for file in FILES if file.name == "services.py"], ids=title)
def test_services_take_only_pure_parts_of_gateways(file):
    for imported in imports(file):
        if imported.startswith("backups.gateways."):
            rest = imported.removeprefix("backups.gateways.elasticsearch.")
            assert rest.startswith(PURE_GATEWAY), f"{title(file)} imports {imported}"


@pytest.mark.parametrize("file", FILES, ids=title)
def test_only_doorbell_and_worker_know_the_queue(file):
    known = {"backups/runs/doorbell.py", "backups/management/commands/worker.py"}
    if package_of(file) == "worker" or title(file) in known:
        return
    assert not [name for name in imports(file) if name.startswith("django_q")]


@pytest.mark.parametrize("file", [f for f in FILES if package_of(f) == "gateways"], ids=title)
def test_gateways_are_free_of_django(file):
    known = [name for name in imports(file) if name.startswith(("django", "backups."))]

    assert [name for name in known if not name.startswith("backups.gateways")] == []


@pytest.mark.parametrize("file", sorted((APP / "archives" / "format").rglob("*.py")), ids=title)
def test_the_archive_format_is_free_of_django(file):
    """Its helper processes must start fast, and it must be of use without the console."""
    known = [name for name in imports(file) if name.startswith(("django", "backups."))]

    free = ("backups.gateways.filetree", "backups.archives.format", "backups.archives.cybersift_restore")
    assert [name for name in known if not name.startswith(free)] == []


@pytest.mark.parametrize("file", FILES, ids=title)
def test_only_acts_open_transactions_for_services(file):
    """``act()`` is the only outer atomic() of a service; inner ones are savepoints inside an act."""
    if file.name != "services.py":
        return
    text = file.read_text(encoding="utf-8")
    if "transaction.atomic()" in text:
        assert "with act(" in text, f"{title(file)} opens a transaction without an act"


def test_signals_are_received_in_apps_only():
    users = [
        title(f)
        for f in FILES
        if any(n.startswith(("django.dispatch", "django.db.models.signals")) for n in imports(f))
    ]

    assert users == ["backups/apps.py"]


def test_keys_to_other_rows_are_made_by_class():
    """The only string keys are AUTH_USER_MODEL and "self"; and no generic foreign keys."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("ForeignKey", "OneToOneField"):
                target = getattr(node.args[0], "value", None)
                assert not isinstance(target, str) or target == "self", f"{title(file)} line {node.lineno}"


def test_no_room_is_called_utils():
    names = {file.stem for file in FILES} | {file.parent.name for file in FILES}

    assert not names & {"utils", "helpers", "common", "core", "misc"}
