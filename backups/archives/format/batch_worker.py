"""A helper process: ``python -m backups.archives.format.batch_worker <descriptor of the root> <codec> fast|pure``."""

import sys

from .batches import serve

if __name__ == "__main__":
    serve(sys.argv[1:])
