"""Battery statistics become details, whatever version wrote them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crashes.formats.batterystats import parse
from crashes.formats.errors import MalformedPayload
from crashes.formats.registry import parse_payload, sniff
from crashes.stack import Crash, CrashKind, PayloadFormat, from_json, to_json
from tests.unit.formats.fixtures import Sample, samples
from tests.unit.formats.mutations import mutated

CHECKIN = b"""9,0,i,vers,36,200,UP1A.1,UP1A.2
9,0,i,uid,10001,com.example.mail
9,0,i,uid,10001,com.example.mail.plugin
9,hsp,1,10001,"*alarm*"
9,h,0:RESET:TIME:1700000000000
9,h,0,Bl=80,Bs=d,Bt=250,+r
9,h,1500,Bl=79,-r
9,h,-500:TIME:1700000600000
9,0,l,bt,N/A,60000,30000,70000,40000,1700000000000,50000,20000,4500
9,0,l,dc,1,2,1,0,44
9,0,l,m,1000,0,5,6,7,8,9,10,11,12
9,0,l,gn,100,200,300,400
9,0,l,pws,4500,52.5,1,27
9,0,l,br,1,2,3,4,5
9,0,l,sgt,5,4,3,2,1
9,10001,l,pwi,uid,12.5,0,0,0
9,0,l,pwi,scrn,30.25,0,0,0
9,0,l,kwl,"a, "quoted" lock",5021,33,-1,-1
9,0,l,kwl,"idle",0,0,-1,-1
9,0,l,wr,"57:pm,8994",16909,46
9,10001,l,wl,*sync*/mail,0,f,0,0,0,0,700,p,3,0,6,6,0,bp,0,0,0,0,0,w,0,0,0,0
9,10001,l,awl,701,0
9,10001,l,wua,*walarm*:com.example.SYNC,7
9,10001,l,jb,"com.example/.Job",352,2,0,0
9,10001,l,sy,"com.example/sync",20,1,0,0
9,10001,l,nt,1,2,3,4,0,0,0,0
9,10001,u,awl,999999,0
9,10001,l,jb,"broken"
9,10001,l,awl,many
9,0,l,brandnew,1,2,3
"""


def test_every_kind_of_row_has_its_place():
    details = parse(CHECKIN).details

    mail = {"uid": 10001, "packages": ["com.example.mail", "com.example.mail.plugin"]}
    assert details["battery"] == {
        "realtime_ms": 60000,
        "uptime_ms": 30000,
        "total_realtime_ms": 70000,
        "total_uptime_ms": 40000,
        "start_clock_ms": 1700000000000,
        "screen_off_realtime_ms": 50000,
        "screen_off_uptime_ms": 20000,
        "estimated_capacity_mah": 4500,
    }
    assert details["power"] == {
        "capacity_mah": 4500,
        "computed_mah": 52.5,
        "least_drained_mah": 1,
        "most_drained_mah": 27,
    }
    assert details["power_use"] == [
        {"label": "scrn", "mah": 30.25},
        {"label": "uid", "mah": 12.5, **mail},
    ]
    assert details["kernel_wake_locks"] == [
        {"name": 'a, "quoted" lock', "time_ms": 5021, "count": 33}
    ]
    assert details["wakeup_reasons"] == [{"name": "57:pm,8994", "time_ms": 16909, "count": 46}]
    assert details["wake_locks"] == [{"name": "*sync*/mail", "time_ms": 700, "count": 3, **mail}]
    assert details["partial_wake_time"] == [{"time_ms": 701, **mail}]
    assert details["wakeup_alarms"] == [{"name": "*walarm*:com.example.SYNC", "count": 7, **mail}]
    assert details["jobs"] == [{"name": "com.example/.Job", "time_ms": 352, "count": 2, **mail}]
    assert details["syncs"] == [{"name": "com.example/sync", "time_ms": 20, "count": 1, **mail}]
    assert details["network"] == {
        "mobile_rx_bytes": 100,
        "mobile_tx_bytes": 200,
        "wifi_rx_bytes": 300,
        "wifi_tx_bytes": 400,
    }
    assert (details["brightness_ms"], details["signal_ms"]) == ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
    assert details["rows_unread"] == 2


def test_the_history_is_counted_and_its_ends_are_told():
    details = parse(CHECKIN).details

    assert details["history_records"] == 4
    assert details["history_seconds"] == 1.0
    assert (details["first_time_ms"], details["last_time_ms"]) == (1700000000000, 1700000600000)
    assert (details["first_battery_level"], details["last_battery_level"]) == (80, 79)


def test_statistics_are_no_crash():
    crash = parse(CHECKIN)

    assert (crash.kind, crash.reason, crash.threads) == (CrashKind.ERROR, None, ())
    assert from_json(to_json(crash)) == crash


def test_only_the_largest_rows_of_a_list_are_kept_in_order():
    rows = "\n".join(f'9,0,l,kwl,"lock{at}",{at},1' for at in range(100))

    locks = parse(rows.encode()).details["kernel_wake_locks"]

    assert isinstance(locks, list)
    assert len(locks) == 32
    assert locks[0] == {"name": "lock99", "time_ms": 99, "count": 1}


@pytest.mark.parametrize("number", ["nan", "inf", "9" * 30, "1e999", "", "-"])
def test_a_number_that_is_none_leaves_its_row_out(number: str):
    details = parse(f"9,0,l,pwi,cell,{number}\n9,0,l,awl,{number}.5".encode()).details

    assert "rows_unread" in details
    json.dumps(details, allow_nan=False)


def test_a_text_without_rows_is_refused():
    with pytest.raises(MalformedPayload) as caught:
        parse(b"9 out of 10\n8,0,x,bt,1\n4,0,l,bt,1")

    assert caught.value.code == "not_batterystats"


@pytest.mark.parametrize("sample", samples("batterystats"))
def test_a_sample_is_read_as_the_manifest_says(sample: Sample):
    crash = parse_payload(PayloadFormat.BATTERYSTATS, sample.payload)

    assert {name: crash.details[name] for name in sample.expect} == sample.expect
    assert sniff(sample.payload) is PayloadFormat.BATTERYSTATS


def outcome_of(payload: bytes) -> Crash | str:
    """The statistics, or the code of the refusal."""
    try:
        return parse(payload)
    except MalformedPayload as problem:
        return problem.code


@given(payload=st.binary(max_size=1024))
def test_any_bytes_are_statistics_or_malformed(payload: bytes):
    outcome = outcome_of(b"9,0,l," + payload)

    assert isinstance(outcome, Crash) or outcome == "not_batterystats"


@given(payload=mutated([CHECKIN]))
def test_damaged_statistics_are_statistics_or_malformed(payload: bytes):
    outcome = outcome_of(payload)

    if isinstance(outcome, Crash):
        json.dumps(outcome.details, allow_nan=False)
    else:
        assert outcome == "not_batterystats"


def test_before_android_4_4_the_first_column_is_the_version():
    payload = b"5,0,i,uid,10023,com.example.app\n5,0,l,bt,0,100000,50000,200000,90000\n" + (
        b"5,10023,l,wl,lock,0,f,0,2000,p,3,0,w,0\n"
    )
    assert sniff(payload) is PayloadFormat.BATTERYSTATS

    details = parse_payload(PayloadFormat.BATTERYSTATS, payload).details

    assert details["checkin_version"] == 5
    assert details["wake_locks"] == [
        {"name": "lock", "time_ms": 2000, "count": 3, "uid": 10023, "packages": ["com.example.app"]}
    ]
