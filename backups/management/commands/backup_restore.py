"""manage.py backup_restore: archives from the command line, with the words of the script that it replaces.

backup_restore -o backup  -p /srv/archives/files.tar.gz [--profile NAME]
backup_restore -o list    -p ARCHIVE [--only PATTERN]
backup_restore -o verify  -p ARCHIVE
backup_restore -o compare -p ARCHIVE [--only PATTERN]
backup_restore -o restore -p ARCHIVE --to DIRECTORY [--redis URL] [--only PATTERN] [--dry-run]
backup_restore -o restore -p ARCHIVE --as NAME --reason WHY [--ticket NR] [--remove] [--break-glass]
"""

import re
import sys
from pathlib import Path

from django.core.management.base import BaseCommand

from backups.archives import command_line
from backups.archives.command_line import Ended
from backups.audit.origin import origin_context
from backups.restores.archives import command_line as over_live
from backups.worker.kinds import KINDS

ODD = re.compile("[\ud800-\udfff]")
"""How Python gives bytes of an argument that are not UTF-8: no database keeps them."""
EXIT = """
Exit status: 0 done; 1 failed, or the archive is damaged; 2 wrong use; 3 not possible here (no such file, no right, a
program is missing); 4 the target is not empty, or a request was filed that other people have to approve; 5 no space;
6 another one is at work there; 7 done, with warnings; 130 interrupted.
"""


class Command(BaseCommand):
    help = f"Makes, lists, verifies, compares and restores archives. {EXIT}"
    requires_system_checks = ()

    def add_arguments(self, parser) -> None:
        parser.add_argument("-o", "--operation", required=True, choices=command_line.OPERATIONS)
        parser.add_argument("-p", "--path", required=True, type=Path, help="the archive")
        parser.add_argument("--profile", help="what goes into it; not needed where there is only one profile")
        parser.add_argument("--to", type=Path, help="restore: an empty directory, or one to be made")
        parser.add_argument(
            "--redis", default="", metavar="URL", help="restore: a server without keys; REDIS_PASSWORD"
        )
        parser.add_argument("--name", default="", help="restore: which Redis data, where the archive has several")
        parser.add_argument("--tls-ca", type=Path, metavar="FILE", help="restore: the authority behind rediss://")
        parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="only paths like this")
        parser.add_argument("--identity", type=Path, help="file with the age key of an encrypted archive")
        parser.add_argument("--dry-run", action="store_true", help="restore: look, and write nothing")
        parser.add_argument("--full", action="store_true", help="compare: read all content, not size and time only")
        parser.add_argument(
            "--as", dest="person", default="", metavar="NAME", help="restore over live data: who asks for it"
        )
        parser.add_argument("--ticket", default="", help="restore over live data: stands in the request")
        parser.add_argument(
            "--remove", action="store_true", help="restore over live data: also remove what the archive does not have"
        )
        parser.add_argument(
            "--break-glass",
            action="store_true",
            help="restore over live data: start without approval; everybody is told, and it has to be reviewed",
        )
        parser.add_argument("--reason", default="", help="stands in the audit log")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args, operation: str, json: bool, **options) -> None:
        asked = {name: options[name] for name in command_line.OPTIONS + command_line.OVER_LIVE}
        work = command_line.OPERATIONS[operation]
        if operation == "restore" and options["person"]:
            work = over_live.ask
        console = command_line.Lines(sys.stdout) if json else command_line.Terminal(sys.stdout, sys.stderr)
        if any(ODD.search(str(word)) for word in sys.argv):
            console.failed("An argument is not UTF-8.", command_line.USAGE)
            sys.exit(command_line.USAGE)
        with origin_context(command=f"backup_restore {operation}"):
            try:
                code = work(console, KINDS, **asked)
            except Ended as error:
                console.failed(str(error), error.code)
                code = error.code
            except KeyboardInterrupt:
                console.failed("Interrupted.", 130)
                code = 130
        sys.exit(code)
