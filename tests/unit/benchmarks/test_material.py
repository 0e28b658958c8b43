"""What the benchmarks work on is what it claims to be. Nothing is timed."""

import gc
import json
import socket
import threading
from dataclasses import replace

import pytest

from crashes.formats.registry import parse_payload
from crashes.grouping.engine import Grouper
from crashes.grouping.records import prepare_record
from crashes.intake.report import decode_report, payload_bytes
from crashes.management.benchmarks.corpus import LARGEST_BYTES, SMALLEST_BYTES, make_corpus
from crashes.management.benchmarks.load import request_bytes, send_all
from crashes.management.benchmarks.mappings import retrace_text, write_mapping, write_stack
from crashes.management.benchmarks.payloads import WITHOUT_FRAMES, payloads_by_format, scan
from crashes.management.benchmarks.stacks import make_stack, prepare_stack
from crashes.stack import PayloadFormat
from crashes.symbolication.retrace.retracer import Retracer


@pytest.fixture(scope="module")
def corpus():
    return make_corpus(150, devices=60)


def test_the_corpus_has_the_sizes_and_the_long_tail_it_promises(corpus):
    sizes = [len(report.payload) for report in corpus.reports]
    bugs = {report.bug_key for report in corpus.reports}

    assert len(corpus.reports) == 150
    assert min(sizes) >= SMALLEST_BYTES
    assert max(sizes) <= LARGEST_BYTES
    assert len(bugs) >= 25


def test_the_corpus_is_the_same_every_time(corpus):
    again = make_corpus(150, devices=60)

    assert [item.payload for item in again.reports] == [item.payload for item in corpus.reports]


def test_every_report_of_the_corpus_is_accepted_and_parsed(corpus):
    for report in corpus.reports:
        body = report.body("6a6ad2b0-1111-4000-8000-000000000000")

        decoded = decode_report(body)

        assert str(decoded.report_id) == "6a6ad2b0-1111-4000-8000-000000000000"
        assert payload_bytes(decoded.payload) == report.payload
        assert parse_payload(report.format, report.payload).crashing_thread is not None


def test_payloads_of_every_format_can_be_parsed(corpus):
    found = payloads_by_format(corpus, 3)

    for name, payloads in found.items():
        crash = parse_payload(PayloadFormat(name), payloads[0])
        assert crash.threads or name in {"batterystats", "bugreport"}, name
    deep = parse_payload(PayloadFormat.MINIDUMP, found["minidump"][0])
    log = parse_payload(PayloadFormat.MICRODUMP, found["microdump"][0])
    core = parse_payload(PayloadFormat.CORE, found["core"][0])
    report = parse_payload(PayloadFormat.BUGREPORT, found["bugreport"][0])
    battery = parse_payload(PayloadFormat.BATTERYSTATS, found["batterystats"][0])
    assert [len(crash.threads[0].frames) for crash in (deep, log, core)] == [41] * 3
    assert len(deep.modules) == len(log.modules) == len(core.modules) == 120
    assert all(frame.build_id for frame in core.threads[0].frames)
    assert report.exception_type
    assert battery.details
    assert {"kernel_log", "acra_json", "sentry_event", "java_stacktrace"} <= set(found)


def test_the_script_of_the_peer_finds_frames(corpus):
    for name, payloads in payloads_by_format(corpus, 2).items():
        if name not in WITHOUT_FRAMES:
            assert scan(name, payloads[0]) > 0, name


def test_equal_stacks_fall_together_and_other_groups_stay_apart():
    grouper = Grouper()
    first = [grouper.assign(str(n), prepare_record(make_stack(n))).group for n in range(60)]

    again = [grouper.assign(f"x{n}", prepare_record(make_stack(n))).group for n in range(60)]

    assert again == first
    assert len(set(first)) >= 57


def test_the_mapping_can_be_retraced(tmp_path):
    write_mapping(tmp_path / "mapping.txt", 30)

    answer = Retracer(tmp_path / "mapping.txt").retrace_frame("a.a", "a", 2)

    assert answer.alternatives[0][-1].function == "com.example.part0.Screen0.onEvent0"


def test_the_stack_is_of_the_mapping(tmp_path, capsys):
    write_mapping(tmp_path / "mapping.txt", 30)
    write_stack(tmp_path / "stack.txt", 30, 40)

    try:
        retrace_text(str(tmp_path / "mapping.txt"), str(tmp_path / "stack.txt"))
    finally:
        gc.enable()

    first, *frames = capsys.readouterr().out.splitlines()
    assert first == "java.lang.IllegalStateException: sample"
    assert len(frames) > 40  # with the inlined ones
    assert all(line.startswith("    at com.example.part") for line in frames)


def test_the_client_sends_every_request_once_and_counts_answers():
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=_serve, args=(server, seen, 2))
        thread.start()
        requests = [request_bytes("/x", f"body {n}".encode(), port=port) for n in range(20)]

        answers = send_all(requests, port=port, connections=2)

        thread.join(timeout=10)
    assert sorted(seen) == sorted(f"body {n}" for n in range(20))
    assert answers.statuses == {202: 20}
    assert len(answers.latencies) == 20
    assert json.loads(answers.last_body) == {}


def _serve(server, seen, connections):
    def talk(client):
        with client, client.makefile("rb") as stream:
            while head := stream.readline():
                length = 0
                while (line := stream.readline()) != b"\r\n":
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                assert head.startswith(b"POST /x ")
                seen.append(stream.read(length).decode())
                client.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}")

    threads = []
    for _ in range(connections):
        threads.append(threading.Thread(target=talk, args=(server.accept()[0],)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def test_a_stack_that_is_prepared_in_short_is_what_preparing_its_record_gives():
    said = set()
    for number in range(300):
        item = prepare_record(make_stack(number))
        short = prepare_stack(number)
        said.add(item.words)

        assert replace(short, signature=item.signature, explanation=item.explanation) == item
    assert len(said) > 10
