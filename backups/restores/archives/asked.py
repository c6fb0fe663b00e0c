"""What a person asks for, as a value: the options of a plan."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from backups.archives.cybersift_restore import matcher, parent_of, printable


class RedisMode:
    """What becomes of a database that has keys.

    ``merge``: each key of the archive overwrites the one of its name, no other is removed. ``replace``: the archive's
    keys are loaded into an empty database, proven, and exchanged with the live one at one stroke. ``spare``: they are
    only loaded into an empty database.
    """

    MERGE, REPLACE, SPARE = "merge", "replace", "spare"


REDIS_MODES = {
    RedisMode.MERGE: "Overwrite key by key, and leave the others",
    RedisMode.REPLACE: "Replace all of the database",
    RedisMode.SPARE: "Load into an empty database only",
}


@dataclass(frozen=True)
class Database:
    """One database of the Redis data called ``name`` in the archive. ``server`` is the key of the console's Redis
    server, ``pattern`` says which keys (all where it is empty)."""

    name: str
    number: int
    server: int
    mode: str = RedisMode.MERGE
    pattern: str = ""


@dataclass(frozen=True)
class Asked:
    """``folders`` are names of sources in the archive. ``only`` are patterns of paths in the archive, without
    ``files/``; ``skip`` are such paths that were taken out in the plan, with all that is below them. ``to`` is an
    absolute folder that is empty or missing; without it everything goes to where it came from, and ``remove`` says
    whether files go away that the archive does not have. ``by_hash``: content is compared, not size and time.
    ``identity`` is the name of a file with the key of an encrypted archive. ``token``, 16 hexadecimal digits, is in
    the names of what the restore makes.
    """

    token: str
    folders: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()
    to: str = ""
    remove: bool = False
    by_hash: bool = False
    redis: tuple[Database, ...] = ()
    identity: str = ""

    def as_options(self) -> dict:
        """JSON, for a row."""
        lists = {"folders": list(self.folders), "only": list(self.only), "skip": sorted(self.skip)}
        return asdict(self) | lists | {"redis": [asdict(each) for each in self.redis]}

    @classmethod
    def of(cls, options: Mapping) -> "Asked":
        """From ``as_options``."""
        lists = {name: tuple(options[name]) for name in ("folders", "only")}
        redis = tuple(Database(**each) for each in options["redis"])
        return cls(**{**options, **lists, "skip": frozenset(options["skip"]), "redis": redis})

    @property
    def takes_all(self) -> bool:
        """Whether each folder is asked for as a whole."""
        return not self.only and not self.skip

    def chosen(self) -> Callable[[str], bool]:
        """Whether a path in the archive, without ``files/``, is asked for."""
        matches = matcher(self.only)
        return (lambda shown: matches(shown) and not self._is_taken_out(printable(shown))) if self.skip else matches

    def takes_out_of(self, folder: str) -> bool:
        """Whether something below this path was taken out."""
        return any(path.startswith(f"{folder}/") for path in self.skip)

    def _is_taken_out(self, path: str) -> bool:
        while path:
            if path in self.skip:
                return True
            path = parent_of(path)
        return False

    def target_of(self, name: str, source: str) -> str:
        """Where a folder goes that lay at ``source``."""
        return str(PurePosixPath(self.to) / name) if self.to else source
