"""What went wrong, in words that name no file: whoever sees a run reads them."""

from backups.archives import cybersift_restore as reader

DAMAGED = "The archive is damaged. Verify it, to know where."


def plain(error: Exception) -> str:
    """One sentence. What it leaves out is for the detail of a run."""
    if isinstance(error, reader.Damaged):
        return DAMAGED
    return f"{getattr(error, 'strerror', None) or error}".rstrip(".") + "."
