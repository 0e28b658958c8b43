"""The tables of `devices`, and those of Django itself."""

from crashes.register.terms import (
    ADVICE,
    AUDIT,
    CONSENT,
    CREDENTIAL,
    EMPLOYED,
    ENROLLED,
    FOR_GOOD,
    ID,
    INNER,
    INSTALLED,
    LATE,
    LOOKUP,
    MINUTES,
    MOMENT,
    PASSWORD,
    PHONE,
    PLACE,
    RECEIPT,
    ROLE,
    SECRET,
    SIGNED_IN,
    STAFF,
    SUM,
    TWO_YEARS,
    USE,
    YEAR,
    kept,
    told,
)
from crashes.register.words import NO_PERSON, Path, Reach, Table

_STAFF = Path(
    Reach.KEPT,
    "about staff: an administrator removes the account",
    unexported="about staff, not about owners of phones",
)

FLEET = (
    Table(
        "devices.Device",
        "one enrolled phone, under a random number",
        ENROLLED,
        Path(Reach.REMOVED, "in the step that signs the receipt", export="device.json"),
        (
            kept("id program", ID),
            told("model build_fingerprint os_version os_build", PHONE),
            told("mcc mnc", PLACE),
            told("enrolled_at last_seen_at", MOMENT),
            told("policy_version allows_development allows_personalisation", CONSENT),
        ),
    ),
    Table(
        "devices.IdentityLink",
        "the keyed look-up that leads from an IMEI to a phone's number; the IMEI is not kept",
        ENROLLED,
        Path(
            Reach.REMOVED,
            "at once, in the transaction of the request",
            unexported="with the look-up value others could try identities",
        ),
        (
            kept("id epoch program_id created_at", INNER),
            kept("lookup", LOOKUP),
            kept("device_id", ID),
        ),
    ),
    Table(
        "devices.DataKey",
        "the key that what a phone sent is sealed with, wrapped; for clients without enrollment, a "
        "program's of one month",
        ENROLLED,
        Path(
            Reach.REMOVED,
            "at once, in the transaction of the request, before anything else",
            unexported="a key, without which the archive could not be made",
        ),
        (
            kept("id month master_key created_at", INNER),
            kept("holder", ID),
            kept("wrapped", SECRET),
        ),
    ),
    Table(
        "devices.DeviceToken",
        "what the phone shows when it uploads, as a hash",
        ENROLLED,
        Path(Reach.CASCADE, "devices.Device", export="device.json"),
        (
            kept("id device", ID),
            kept("token_hash", CREDENTIAL),
            kept("created_at revoked_at", MOMENT),
        ),
    ),
    Table(
        "devices.ConsentEntry",
        "the ledger of what an owner allowed and withdrew",
        ENROLLED,
        Path(Reach.CASCADE, "devices.Device", export="consent.jsonl"),
        (
            kept("id device", ID),
            told("purposes policy_version given_at recorded_at", CONSENT),
        ),
    ),
    Table(
        "devices.AdviceGiven",
        "what an owner was told: that a crash the phone had is fixed, and since when it is installed",
        YEAR,
        Path(Reach.DELETED, "advice", export="advice.jsonl"),
        (
            kept("id device program_id checked_at", INNER),
            kept("issue_id is_app version_code", ADVICE),
            told("fixed_in given_at installed_at", ADVICE),
        ),
    ),
    Table(
        "devices.VitalSample",
        "battery, counters, use of apps and installed apps of one interval",
        YEAR,
        Path(Reach.DELETED, "vital_samples", export="vitals.jsonl"),
        (
            kept("id program_id scrubber_version is_sealed", INNER),
            kept("device_id", ID),
            told("sample_id received_at interval_start interval_end", MOMENT),
            told("model os_version os_build", PHONE),
            told("mcc mnc", PLACE),
            kept("content", USE),
        ),
    ),
    Table(
        "devices.VitalCell",
        "vitals of a day, summed over phones of one model, build and country",
        YEAR,
        NO_PERSON,
        (kept("id program_id day model os_build mcc devices samples content", SUM),),
    ),
    Table(
        "devices.AppVitalCell",
        "vitals of a day, summed over phones with one version of an app",
        YEAR,
        NO_PERSON,
        (kept("id program_id day package version_code devices content", SUM),),
    ),
    Table(
        "devices.VitalMark",
        "days whose sums are to be made again",
        MINUTES,
        NO_PERSON,
        (kept("id program_id day marked_at", INNER),),
    ),
    Table(
        "devices.AgentLoss",
        "what phones sent beside reports and was not kept, counted by day",
        YEAR,
        NO_PERSON,
        (kept("id program_id reason category day count", SUM),),
    ),
    Table(
        "devices.WorkCount",
        "how many reports and samples were taken and digested since the installation began",
        FOR_GOOD,
        NO_PERSON,
        (kept("id what slot count", SUM),),
    ),
    Table(
        "devices.Erasure",
        "that an erasure was asked for and done, with its receipt",
        FOR_GOOD,
        Path(
            Reach.FORGETS,
            "device_id is emptied when the receipt is signed",
            unexported="the receipt has an address of its own, for who holds its number",
        ),
        (
            kept("id reason state requested_at finished_at receipt destroyed_keys", RECEIPT),
            kept("program_id leased_until stores", INNER),
            kept("device_id", ID),
        ),
    ),
    Table(
        "devices.AuditEntry",
        "who looked at which report or phone, or made which credential, chained; it names reports, "
        "erasures, beginnings of credentials and aliases of phones",
        TWO_YEARS,
        Path(
            Reach.KEPT,
            "about staff; from the number of an erased report, or the alias of an erased phone, nothing "
            "leads anywhere",
            unexported="about staff, not about owners of phones",
        ),
        (
            kept("number count previous hash", INNER),
            kept("at program_id by_name by_user_id action subject fields", AUDIT),
        ),
    ),
    Table(
        "devices.ErasedToken",
        "hashes of the tokens of erased phones, by which late reports are refused",
        LATE,
        Path(
            Reach.KEPT,
            "so that what comes late is refused; it leads to no phone",
            unexported="nothing leads from it to a phone",
        ),
        (kept("id erased_at", INNER), kept("token_hash", CREDENTIAL)),
    ),
    Table(
        "devices.Program",
        "the programs of this installation",
        INSTALLED,
        NO_PERSON,
        (kept("id name created_at", INNER),),
    ),
    Table(
        "devices.IngestKey",
        "the keys in firmware and apps, public by nature",
        INSTALLED,
        NO_PERSON,
        (kept("id program key label created_at revoked_at", INNER),),
    ),
    Table(
        "devices.Membership",
        "which person works on which program",
        EMPLOYED,
        _STAFF,
        (kept("id user program", ROLE),),
    ),
    Table(
        "devices.ApiToken",
        "credentials of staff and CI, as hashes",
        EMPLOYED,
        _STAFF,
        (
            kept(
                "id program user label scopes created_at expires_at last_used_at revoked_at", ROLE
            ),
            kept("prefix token_hash", PASSWORD),
        ),
    ),
)

DJANGO = (
    Table(
        "auth.User",
        "accounts of staff",
        EMPLOYED,
        _STAFF,
        (
            kept("id username", STAFF),
            kept("first_name last_name email last_login date_joined", ROLE),
            kept("is_superuser is_staff is_active", ROLE),
            kept("password", PASSWORD),
        ),
    ),
    Table(
        "auth.User_groups", "who has which role", EMPLOYED, _STAFF, (kept("id user group", ROLE),)
    ),
    Table(
        "auth.User_user_permissions",
        "unused: roles are groups",
        EMPLOYED,
        _STAFF,
        (kept("id user permission", ROLE),),
    ),
    Table("auth.Group", "the roles", INSTALLED, NO_PERSON, (kept("id name", INNER),)),
    Table(
        "auth.Group_permissions",
        "unused: scopes are in the code",
        INSTALLED,
        NO_PERSON,
        (kept("id group permission", INNER),),
    ),
    Table(
        "auth.Permission",
        "made by Django, unused",
        INSTALLED,
        NO_PERSON,
        (kept("id name content_type codename", INNER),),
    ),
    Table(
        "contenttypes.ContentType",
        "names of tables, made by Django",
        INSTALLED,
        NO_PERSON,
        (kept("id app_label model", INNER),),
    ),
    Table(
        "sessions.Session",
        "who is signed in; no address and no browser is kept",
        SIGNED_IN,
        _STAFF,
        (kept("session_key", SECRET), kept("session_data expire_date", PASSWORD)),
    ),
)
