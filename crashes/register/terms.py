"""The terms that occur, so that tables say them in a word."""

from crashes.register.words import Basis, Category, Fields, Purpose, Retention, Scrub, Terms

READERS = ("viewer", "triager", "release_manager", "privacy_officer", "admin")
RAW_READERS = ("triager", "privacy_officer")
NOBODY = ("nobody",)

_DEVELOPMENT = frozenset({Purpose.DEVELOPMENT})
_BOTH = frozenset({Purpose.DEVELOPMENT, Purpose.PERSONALISATION})
_OPERATION = frozenset({Purpose.OPERATION})

ID = Terms(Category.IDENTITY, _BOTH, Basis.CONSENT, READERS, Scrub.RANDOM)
LOOKUP = Terms(Category.IDENTITY, _BOTH, Basis.CONSENT, NOBODY, Scrub.KEYED)
CREDENTIAL = Terms(Category.IDENTITY, _OPERATION, Basis.CONSENT, NOBODY, Scrub.KEYED)
PHONE = Terms(Category.IDENTITY, _BOTH, Basis.CONSENT, READERS, Scrub.RULES)
MOMENT = Terms(Category.IDENTITY, _BOTH, Basis.CONSENT, READERS, Scrub.TYPED)
CONSENT = Terms(
    Category.CONSENT, _OPERATION, Basis.DUTY, ("privacy_officer", "device"), Scrub.RULES
)
CRASH = Terms(Category.CRASH, _DEVELOPMENT, Basis.CONSENT, READERS, Scrub.RULES)
CRASH_FACT = Terms(Category.CRASH, _DEVELOPMENT, Basis.CONSENT, READERS, Scrub.TYPED)
MET = Terms(Category.CRASH, _BOTH, Basis.CONSENT, READERS, Scrub.TYPED)
RAW = Terms(Category.CRASH, _DEVELOPMENT, Basis.CONSENT, RAW_READERS, Scrub.RULES)
PLACE = Terms(Category.LOCATION, _DEVELOPMENT, Basis.CONSENT, READERS, Scrub.TYPED)
USE = Terms(Category.USE, _DEVELOPMENT, Basis.CONSENT, ("device",), Scrub.RULES)
ADVICE = Terms(
    Category.CRASH, frozenset({Purpose.PERSONALISATION}), Basis.CONSENT, ("device",), Scrub.TYPED
)
SHARED = Terms(Category.CRASH, _DEVELOPMENT, Basis.NONE, ("developer_partner",), Scrub.RULES)
SENT = Terms(Category.CRASH, _DEVELOPMENT, Basis.CONSENT, NOBODY, Scrub.RULES)
UNSEEN = Terms(Category.CRASH, _DEVELOPMENT, Basis.CONSENT, NOBODY, Scrub.RANDOM)
SUM = Terms(Category.CRASH, _DEVELOPMENT, Basis.NONE, READERS, Scrub.RULES)
SYMBOLS = Terms(Category.TECHNICAL, _DEVELOPMENT, Basis.NONE, READERS, Scrub.HOUSE)
RECEIPT = Terms(
    Category.TECHNICAL, _OPERATION, Basis.DUTY, ("device", "privacy_officer"), Scrub.TYPED
)
STAFF = Terms(Category.STAFF, _OPERATION, Basis.INTEREST, READERS, Scrub.HOUSE)
PASSWORD = Terms(Category.STAFF, _OPERATION, Basis.INTEREST, NOBODY, Scrub.KEYED)
AUDIT = Terms(Category.STAFF, _OPERATION, Basis.DUTY, ("privacy_officer", "admin"), Scrub.HOUSE)
ROLE = Terms(Category.STAFF, _OPERATION, Basis.INTEREST, ("admin",), Scrub.HOUSE)
INNER = Terms(Category.TECHNICAL, _OPERATION, Basis.NONE, NOBODY, Scrub.TYPED)
SECRET = Terms(Category.TECHNICAL, _OPERATION, Basis.NONE, NOBODY, Scrub.RANDOM)

YEAR = Retention("twelve months from the moment it tells of, less a week", 358)
ENROLLED = Retention("as long as the phone is enrolled")
TWO_YEARS = Retention("twenty-four months", 730)
LATE = Retention("thirteen months, in which a phone may still send what it kept", 396)
THREE_DAYS = Retention("72 hours", 3)
DAY = Retention("24 hours", 1)
MINUTES = Retention("until a worker has taken it, as a rule seconds")
COUNTED = Retention("as long as there are reports of it, or people have worked on it")
OF_USE = Retention("until it has been of no use for a year (UXP_SYMBOLS_KEEP_DAYS)", 365)
FOR_GOOD = Retention("for good: it names nobody")
EMPLOYED = Retention("as long as the person works here")
SIGNED_IN = Retention("twelve hours; rows are cleared daily", 0.5)
INSTALLED = Retention("as long as the installation")


def told(names: str, terms: Terms) -> Fields:
    """Fields that an owner's export has under their names."""
    return Fields(tuple(names.split()), terms, told=True)


def kept(names: str, terms: Terms) -> Fields:
    """Fields that an owner's export has not, or not under their names."""
    return Fields(tuple(names.split()), terms)
