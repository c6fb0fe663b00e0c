"""Certificates of authorities: files in one folder (CA_DIR), chosen by name. A path outside is never read."""

from pathlib import Path

from django.conf import settings

from backups.gateways.elasticsearch.errors import Untrusted


def names() -> list[str]:
    """Files that may be chosen. Hidden ones and links that lead out of the folder are not shown."""
    if not settings.CA_DIR.is_dir():
        return []
    return sorted(file.name for file in settings.CA_DIR.iterdir() if _inside(file.name))


def read(name: str) -> str:
    """The certificate's text; empty for no name, which means: trust the authorities of the system."""
    if not name:
        return ""
    if not _inside(name):
        raise Untrusted(
            f"The certificate {name} is not in the folder for certificates of this worker. Put the file there, or "
            "choose another one for the cluster.",
            f"not a file in {settings.CA_DIR}",
        )
    try:
        return (settings.CA_DIR / name).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise Untrusted(
            f"The certificate {name} cannot be read. Look at the file and its rights.", str(error)
        ) from error


def is_name(name: str) -> bool:
    """Whether it is the name of a file, and nothing that leads elsewhere."""
    return Path(name).name == name and not name.startswith(".")


def _inside(name: str) -> bool:
    file = settings.CA_DIR / name
    return is_name(name) and file.is_file() and file.resolve().parent == settings.CA_DIR.resolve()
