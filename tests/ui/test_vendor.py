"""What is other people's work is exactly what was taken over; the static files can be collected."""

import hashlib
import subprocess
from pathlib import Path

from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

STATIC = Path(__file__).parents[2] / "backups/static/backups"
VENDOR = STATIC / "vendor"


def test_vendored_files_are_the_ones_on_the_list():
    listed = dict(line.split("  ./")[::-1] for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    found = {
        str(file.relative_to(VENDOR)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in VENDOR.rglob("*")
        if file.is_file() and file.name != "SHA256SUMS"
    }

    assert found == listed


def test_every_vendored_thing_has_its_licence_beside_it():
    assert {str(file.relative_to(VENDOR)) for file in VENDOR.rglob("*LICENSE*")} == {
        "htmx-LICENSE.txt",
        "icons-LICENSE.txt",
        "inter/LICENSE.txt",
    }


def test_static_files_collect_with_hashed_names_and_the_style_sheet_finds_its_fonts(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }

    call_command("collectstatic", interactive=False, verbosity=0)

    sheet = next(tmp_path.glob("backups/console.*.css")).read_text()
    fonts = {file.name for file in tmp_path.glob("backups/vendor/inter/*.woff2") if file.name.count(".") == 2}
    assert len(fonts) == 2
    assert all(f"vendor/inter/{font}" in sheet for font in fonts)


def test_nothing_of_ours_is_heavier_than_its_budget():
    """The page budget: style 14 KB, scripts 22 KB, icons 5 KB, all packed."""

    def packed(*files: str) -> int:
        contents = b"".join((STATIC / file).read_bytes() for file in files)
        return len(subprocess.run(["gzip", "-9c"], input=contents, capture_output=True, check=True).stdout)

    assert packed("console.css") <= 14 * 1024
    assert packed("console.js", "vendor/htmx-2.0.11.min.js") <= 22 * 1024
    assert packed("vendor/icons.svg") <= 5 * 1024


def test_the_finders_see_only_our_static_files():
    paths = {path for finder in get_finders() for path, _ in finder.list([])}

    assert "backups/console.css" in paths
    assert not {path for path in paths if path.startswith("admin/")}
