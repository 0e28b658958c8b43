"""The words of the register: what a stored thing is, what it is for, how long, who reads it."""

from dataclasses import dataclass
from enum import StrEnum


class Category(StrEnum):
    """What kind of data."""

    IDENTITY = "device identity"
    CONSENT = "consent"
    CRASH = "crash content"
    USE = "use of apps"
    BATTERY = "battery"
    LOCATION = "country and operator (MCC, MNC)"
    STAFF = "people who work here"
    TECHNICAL = "technical"


class Purpose(StrEnum):
    """What it is for. The first two are what owners are asked about."""

    DEVELOPMENT = "development"
    PERSONALISATION = "personalisation"
    OPERATION = "operation"


class Basis(StrEnum):
    """Why it may be processed."""

    CONSENT = "consent, Art. 6(1)(a) GDPR"
    DUTY = "legal obligation, Art. 6(1)(c) GDPR"
    INTEREST = "legitimate interest, Art. 6(1)(f) GDPR"
    NONE = "no personal data"


class Scrub(StrEnum):
    """What happens to texts before they are kept."""

    RULES = "scrubbed"
    KEYED = "keyed hash"
    RANDOM = "random, made here"
    TYPED = "numbers, times and words of fixed lists"
    HOUSE = "written by staff or made by the platform"


@dataclass(frozen=True, slots=True)
class Retention:
    """How long. `days` is None where no number of days is what ends it."""

    text: str
    days: float | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a stored thing. `readers` are roles; `device` and `nobody` stand for themselves."""

    category: Category
    purposes: frozenset[Purpose]
    basis: Basis
    readers: tuple[str, ...]
    scrub: Scrub


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields of a table with the same terms. `told` says that the owner's export has them by name."""

    names: tuple[str, ...]
    terms: Terms
    told: bool = False


class Reach(StrEnum):
    """How an erasure reaches the rows of one device."""

    DELETED = "deleted and counted"
    REMOVED = "deleted"
    CASCADE = "goes with"
    FORGETS = "stays, the device is taken out"
    KEPT = "stays"
    NO_PERSON = "about no person"


@dataclass(frozen=True, slots=True)
class Path:
    """How erasure and export get from a person to the rows of a table.

    `erasure_of` is the store of the receipt (DELETED), the table it goes with (CASCADE), or when or
    why. `export` is the file of the archive; without one, `unexported` says why.
    """

    reach: Reach
    erasure_of: str = ""
    export: str = ""
    unexported: str = ""


NO_PERSON = Path(Reach.NO_PERSON, unexported="about no person")


@dataclass(frozen=True, slots=True)
class Table:
    """A table by its model's label, with all of its fields."""

    model: str
    holds: str
    retention: Retention
    path: Path
    fields: tuple[Fields, ...]

    @property
    def field_names(self) -> list[str]:
        """All fields that are registered."""
        return [name for group in self.fields for name in group.names]


@dataclass(frozen=True, slots=True)
class Place:
    """Something beside the database: a kind of file, or a family of keys in Redis.

    `pattern` is a regular expression for the whole name, relative to the data folder for files.
    """

    name: str
    pattern: str
    holds: str
    terms: Terms
    retention: Retention
    erased: str


@dataclass(frozen=True, slots=True)
class Log:
    """A logger and the values its lines may hold, as the source writes them; the rest is constant.

    `traceback` stands for the trace of an exception.
    """

    logger: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric and its labels."""

    name: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Register:
    """Everything that is stored, and how."""

    tables: tuple[Table, ...]
    files: tuple[Place, ...]
    redis_keys: tuple[Place, ...]
    logs: tuple[Log, ...]
    metrics: tuple[Metric, ...]
