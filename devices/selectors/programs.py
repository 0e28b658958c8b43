"""The programs that a viewer works on."""

from devices.models import Program
from uxp_diag.viewer import Viewer


def program_names(*, viewer: Viewer) -> dict[int, str]:
    """Names by number, in alphabetical order."""
    mine = Program.objects.filter(pk__in=viewer.program_ids).order_by("name", "pk")
    return dict(mine.values_list("pk", "name"))
