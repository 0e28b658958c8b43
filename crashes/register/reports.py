"""The tables of `crashes`."""

from crashes.register.terms import (
    COUNTED,
    CRASH,
    CRASH_FACT,
    DAY,
    EMPLOYED,
    FOR_GOOD,
    ID,
    INNER,
    MET,
    MOMENT,
    OF_USE,
    PHONE,
    PLACE,
    RAW,
    SENT,
    SHARED,
    STAFF,
    SUM,
    SYMBOLS,
    THREE_DAYS,
    UNSEEN,
    YEAR,
    kept,
    told,
)
from crashes.register.words import NO_PERSON, Path, Reach, Table

_WITH_REPORT = Path(
    Reach.CASCADE,
    "crashes.Report",
    unexported="working state, made from the report, which is in the archive",
)

OF_DEVICES = (
    Table(
        "crashes.Report",
        "what one phone sent about one occurrence, without the content",
        YEAR,
        Path(Reach.DELETED, "reports", export="reports.jsonl"),
        (
            kept("id program_id parser_version attempts", INNER),
            kept("spool_file spool_offset spool_length leased_until lease_id", INNER),
            kept("failure_code native_frames named_frames is_counted_only evidence_of", INNER),
            kept("variant", CRASH_FACT),
            kept("failure_detail", CRASH),
            kept("device_id", ID),
            told("report_id state kind issue", CRASH_FACT),
            told("received_at occurred_at", MOMENT),
            told("model os_version os_build", PHONE),
            told("process package version_name version_code", CRASH),
            told("mcc mnc", PLACE),
        ),
    ),
    Table(
        "crashes.ReportContent",
        "envelope, crash, decision of grouping, and the payload as the phone sent it, scrubbed",
        YEAR,
        Path(Reach.DELETED, "report_contents", export="reports.jsonl"),
        (
            kept("report raw_format raw_bytes scrubber_version is_sealed", INNER),
            told("envelope crash grouping", CRASH),
            kept("document", CRASH),
            kept("raw raw_blob", RAW),
        ),
    ),
    Table(
        "crashes.Attachment",
        "files that followed their report; of their names only the kind",
        YEAR,
        Path(Reach.DELETED, "attachments", export="attachments/"),
        (
            kept("id program_id received_bytes state created_at", INNER),
            kept("scrubber_version is_sealed", INNER),
            kept("device_id", ID),
            kept("report_id sha256 size_bytes format name_kind is_payload", CRASH_FACT),
            kept("blob", RAW),
        ),
    ),
    Table(
        "crashes.OccurrenceMark",
        "what tells that two reports are of one occurrence",
        YEAR,
        Path(
            Reach.DELETED,
            "occurrence_marks",
            unexported="made from the report, which is in the archive",
        ),
        (
            kept("report source rank message_key", INNER),
            kept("device_id", ID),
            kept("kind pid tid", CRASH_FACT),
            kept("process cause", CRASH),
            kept("occurred_at dumped_at", MOMENT),
        ),
    ),
    Table(
        "crashes.IssueDevice",
        "which phones met which issue, so that each is counted once",
        YEAR,
        Path(
            Reach.DELETED,
            "issue_devices",
            unexported="the issue of each report is in the archive",
        ),
        (
            kept("id", INNER),
            kept("issue first_seen_at day day_reports", MET),
            kept("device_id", ID),
        ),
    ),
    Table(
        "crashes.BatchAnswer",
        "what a phone was answered, for when it asks again",
        THREE_DAYS,
        Path(
            Reach.DELETED,
            "batch_answers",
            unexported="numbers of reports that are in the archive; gone after 72 hours",
        ),
        (
            kept("id program_id created_at", INNER),
            kept("device_id", ID),
            kept("key answer", SENT),
        ),
    ),
    Table(
        "crashes.WaitingReport",
        "reports that would gain from a debug file",
        YEAR,
        _WITH_REPORT,
        (kept("id key quality", INNER), kept("report", UNSEEN)),
    ),
    Table(
        "crashes.ReportPin",
        "reports that people have put into an issue by hand",
        YEAR,
        _WITH_REPORT,
        (kept("id decision issue", INNER), kept("report", UNSEEN)),
    ),
)

OF_ISSUES = (
    Table(
        "crashes.Issue",
        "reports that share a cause, and their counts",
        COUNTED,
        NO_PERSON,
        (
            kept("id program_id kind state merged_into leads_on", INNER),
            kept("signature package first_os_build last_os_build", SUM),
            kept("first_seen_at last_seen_at report_count device_count", SUM),
            kept("resolution resolved_at resolved_in_build resolved_in_version", INNER),
            kept("resolved_in_version_code regressed_at regressed_in", INNER),
            kept("muted_until muted_until_count muted_until_daily", INNER),
            kept("assignee", STAFF),
        ),
    ),
    Table(
        "crashes.IssueTally",
        "reports of an issue by day, model, build, version and country",
        YEAR,
        NO_PERSON,
        (
            kept("id", INNER),
            kept("issue day model os_build version_name mcc reports", SUM),
        ),
    ),
    Table(
        "crashes.IssueMove",
        "how many reports went from one issue to another",
        COUNTED,
        NO_PERSON,
        (kept("id old_issue new_issue reports", INNER),),
    ),
    Table(
        "crashes.IssueRedirect",
        "where an issue that is no more went",
        COUNTED,
        NO_PERSON,
        (kept("old_id issue", INNER),),
    ),
    Table(
        "crashes.TriageEvent",
        "what somebody did to an issue",
        COUNTED,
        NO_PERSON,
        (
            kept("id issue kind at action_id before after undone_at", INNER),
            kept("by by_name text", STAFF),
        ),
    ),
    Table(
        "crashes.BuildSeen",
        "which builds of a model there are, and since when",
        FOR_GOOD,
        NO_PERSON,
        (kept("id program_id model os_build first_seen_at", SUM),),
    ),
    Table(
        "crashes.VersionSeen",
        "which versions of an app there are, and since when",
        FOR_GOOD,
        NO_PERSON,
        (kept("id program_id package version_code version_name first_seen_at", SUM),),
    ),
    Table(
        "crashes.GroupingDecision",
        "what people merged, split and moved",
        COUNTED,
        NO_PERSON,
        (
            kept("id program_id kind issue other reports details at undone_at", INNER),
            kept("query by by_name undone_by_name", STAFF),
        ),
    ),
    Table(
        "crashes.GroupingProposal",
        "what a replay of another way of grouping would join and split",
        FOR_GOOD,
        NO_PERSON,
        (
            kept("applied_at before changes created_at groups id", SUM),
            kept("joins left mechanism moved program_id reached", SUM),
            kept("reports since splits started_at state", SUM),
            kept("applied_by applied_by_name created_by_name", STAFF),
        ),
    ),
    Table(
        "crashes.ProgramMechanism",
        "how a program groups, and who chose it",
        FOR_GOOD,
        NO_PERSON,
        (
            kept("program_id mechanism changed_at", INNER),
            kept("changed_by_name", STAFF),
        ),
    ),
    Table(
        "crashes.ProposedStack",
        "stacks of a proposal: names of functions",
        FOR_GOOD,
        NO_PERSON,
        (kept("id proposal content decision group opened_by", SUM),),
    ),
    Table(
        "crashes.ProposedReport",
        "row numbers of reports in a proposal, gone with the report; a stack goes on under the number of the one it was first seen in",
        FOR_GOOD,
        NO_PERSON,
        (kept("id proposal report_pk opened_by", INNER),),
    ),
    Table(
        "crashes.SplitVariant",
        "stacks that a split means",
        COUNTED,
        NO_PERSON,
        (kept("id decision variant", INNER),),
    ),
    Table(
        "crashes.ApartPair",
        "issues that people keep apart",
        COUNTED,
        NO_PERSON,
        (kept("id decision one other", INNER),),
    ),
    Table(
        "crashes.StackVariant",
        "distinct stacks: names of functions, no values",
        COUNTED,
        NO_PERSON,
        (
            kept("id program_id mechanism exact_key issue created_at", INNER),
            kept("scope content decision", SUM),
        ),
    ),
    Table(
        "crashes.VariantTerm",
        "hashes of parts of stacks, for finding similar ones",
        COUNTED,
        NO_PERSON,
        (kept("id scope_hash term variant", INNER),),
    ),
    Table(
        "crashes.TermCount",
        "how often such a hash occurs",
        FOR_GOOD,
        NO_PERSON,
        (kept("id scope_hash term variants", INNER),),
    ),
    Table(
        "crashes.VariantLikeness",
        "how alike two stacks are",
        COUNTED,
        NO_PERSON,
        (kept("id variant other score is_strong", INNER),),
    ),
)

OF_RELEASES = (
    Table(
        "crashes.Release",
        "builds that are shipped to phones",
        FOR_GOOD,
        NO_PERSON,
        (kept("id program_id os_build previous first_seen discovered_at asked_at", SUM),),
    ),
    Table(
        "crashes.VerdictSnapshot",
        "what was judged of a release, from sums over phones",
        FOR_GOOD,
        NO_PERSON,
        (
            kept("id release engine_version inputs_hash made_at", INNER),
            kept("verdict reasons metrics by_model inputs", SUM),
        ),
    ),
    Table(
        "crashes.VerdictOverride",
        "what somebody decided about a release",
        FOR_GOOD,
        NO_PERSON,
        (
            kept("id release snapshot verdict at", INNER),
            kept("by by_name reason", STAFF),
        ),
    ),
)

OF_SHARING = (
    Table(
        "crashes.SharedPackage",
        "which developers of apps may see what is released of which package",
        EMPLOYED,
        Path(
            Reach.KEPT,
            "about developers of apps: an administrator removes the account",
            unexported="about developers of apps, not about owners of phones",
        ),
        (kept("id program_id package user granted_at", STAFF),),
    ),
    Table(
        "crashes.SharedWeek",
        "which weeks were released of which package, and at what cost to privacy",
        FOR_GOOD,
        NO_PERSON,
        (kept("id program_id package week released_at epsilon delta", SHARED),),
    ),
    Table(
        "crashes.SharedCount",
        "about how many phones had a crash in a week, with noise: anonymous when it is written",
        FOR_GOOD,
        NO_PERSON,
        (kept("id week issue_id signature kind version_name devices frames", SHARED),),
    ),
)

OF_FILES = (
    Table(
        "crashes.DebugFile",
        "files with symbols, uploaded by the makers of software",
        OF_USE,
        NO_PERSON,
        (
            kept("id program_id build_id kind arch name sha256 size_bytes facts", SYMBOLS),
            kept("state failure_detail symcache_version mapping_id quality has_unwind", SYMBOLS),
            kept("created_at ready_at building_until build_lease regroup_at", INNER),
            kept("regrouped_reports last_used_at table_bytes table_key", INNER),
        ),
    ),
    Table(
        "crashes.DebugFilePart",
        "which debug file holds a part of another one",
        OF_USE,
        NO_PERSON,
        (kept("id program_id name debug_file is_held", SYMBOLS),),
    ),
    Table(
        "crashes.AppMapping",
        "which mapping a version of an app was built with",
        OF_USE,
        NO_PERSON,
        (kept("id program_id package version_code debug_file", SYMBOLS),),
    ),
    Table(
        "crashes.MissingDebugFile",
        "build ids without a debug file, with a count of reports",
        FOR_GOOD,
        NO_PERSON,
        (kept("id program_id build_id arch module reports last_seen_at ask_after asks", SUM),),
    ),
    Table(
        "crashes.ClientLoss",
        "what senders threw away, counted by day",
        YEAR,
        NO_PERSON,
        (kept("id program_id client reason category day count", SUM),),
    ),
    Table(
        "crashes.RefusedPayload",
        "hashes of payloads that could not be read, with the reason",
        DAY,
        NO_PERSON,
        (
            kept("id program_id content_key parser_version", INNER),
            kept("code detail is_final times created_at", SUM),
        ),
    ),
)
