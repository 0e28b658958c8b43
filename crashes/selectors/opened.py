"""Everything that is sealed, opened: for the scan that looks whether what is kept names anybody."""

from collections.abc import Iterator

from crashes.models import Attachment, ReportContent
from crashes.packing import UnreadablePack, unpack
from crashes.selectors.contents import raw_of
from crashes.selectors.sealed import document_place, opened, read_blob
from devices.selectors.vital_samples import list_contents

_MOST = 512 << 20


def list_opened() -> Iterator[tuple[str, bytes]]:
    """(where it is, what is in it) of all contents, files and samples that can be opened."""
    for row in ReportContent.objects.order_by("pk").iterator(chunk_size=100):
        place = document_place(row.pk)
        try:
            if row.document is not None:
                yield place, unpack(opened(bytes(row.document), place=place))
            yield f"payload of report {row.pk}", raw_of(row, max_bytes=_MOST) or b""
        except (FileNotFoundError, UnreadablePack):
            continue
    for file in Attachment.objects.filter(state=Attachment.State.COMPLETE).order_by("pk"):
        try:
            yield f"attachment {file.pk}", read_blob(file.blob, max_bytes=_MOST)
        except (FileNotFoundError, UnreadablePack):
            continue
    for pk, content in list_contents():
        yield f"sample {pk}", content
