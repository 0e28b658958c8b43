"""The annotations beside a minidump: what Breakpad and Crashpad clients say in plain form fields.

Breakpad's own sender knows `prod` and `ver`; Crashpad adds what the program registers (`ptype`,
`plat`, `osarch`, …); Socorro's clients may put all of them as one JSON object into `extra`. Known
names are kept as they are; of all others only the number, since a client may annotate its user's
address. `guid` names an installation, so it is not kept either.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from crashes.intake.client_ids import report_id_of
from crashes.intake.client_text import decode_object, moment_of, number_of, text_of
from crashes.intake.report import App, Payload, Report, Software
from crashes.stack import CrashKind, PayloadFormat

MAX_ANNOTATIONS = 1000
_MAX_VALUE = 300
_PRODUCT = ("prod", "product", "_productName", "ProductName")
_VERSION = ("ver", "version", "_version", "Version")
_BUILD_FINGERPRINT = ("android_build_fp", "build_fingerprint", "Android_Fingerprint")
_KEPT = frozenset(
    {
        *_PRODUCT, *_VERSION, *_BUILD_FINGERPRINT, "Android_Manufacturer", "Android_Version",
        "BuildID", "ProcessType", "ReleaseChannel", "abi", "android_build_id", "board", "channel",
        "chip", "device", "exec_name", "gpu-driver", "gpu-gl-vendor", "hardware_class", "image_type",
        "lsb-release", "model", "module", "num-threads", "os", "os_version", "osarch", "osver",
        "package", "plat", "platform", "process_type", "ptype", "resource", "sdk", "sig",
        "target_sdk", "total-memory", "upload_var_channel", "v8-version", "variant",
    }
)  # fmt: skip
_IDS = ("uuid", "crash_id", "report_id")


def annotations_in(extra: bytes) -> dict[str, str] | None:
    """The annotations in a JSON object whose values are texts or numbers; None if it is none."""
    document = decode_object(extra)
    if document is None:
        return None
    return {name: text_of(value, limit=_MAX_VALUE) for name, value in document.items()}


def report_of_annotations(
    annotations: Mapping[str, str],
    *,
    report_id: UUID,
    payload_format: PayloadFormat,
    client: str = "breakpad",
) -> Report:
    """The report of one minidump. An id among the annotations goes before `report_id`."""
    product = _first(annotations, _PRODUCT, limit=200)
    return Report(
        report_id=next(filter(None, map(report_id_of, map(annotations.get, _IDS))), report_id),
        kind=CrashKind.NATIVE_CRASH,
        occurred_at=moment_of(number_of(annotations.get("CrashTime"))),
        process=_first(annotations, ("exec_name", *_PRODUCT), limit=200),
        software=Software(
            build_fingerprint=_first(annotations, _BUILD_FINGERPRINT, limit=200),
            os_version=_first(annotations, ("osver", "os_version", "Android_Version"), limit=40),
            os_build=_first(annotations, ("android_build_id",), limit=100),
        ),
        app=App(
            package=_first(annotations, ("package",), limit=200) or product,
            version_name=_first(annotations, _VERSION, limit=100),
        ),
        payload=Payload(format=payload_format),
        annotations=kept_annotations(annotations) | {"client": client},
    )


def kept_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """Those with a known name, and how many there were beside them."""
    kept = {
        name: text
        for name in sorted(_KEPT & annotations.keys())
        if (text := text_of(annotations[name], limit=_MAX_VALUE))
    }
    dropped = len(annotations.keys() - _KEPT)
    return kept | {"annotations_dropped": str(dropped)} if dropped else kept


def model_of_annotations(annotations: Mapping[str, str]) -> str:
    """The phone's model, empty when it is not said."""
    return _first(annotations, ("model", "hardware_class"), limit=100)


def _first(annotations: Mapping[str, str], names: Iterable[str], *, limit: int) -> str:
    texts = (text_of(annotations.get(name), limit=limit) for name in names)
    return next(filter(None, texts), "")
