"""Mechanism v2 is for programs that have no stacks yet; the others keep v1 until somebody says so.

A program without a row of its own has the mechanism that is the newest. So whatever v1 has grouped
gets a row, and a proposal (`manage.py replay_grouping --mechanism v2 --write`) leads on from there.
"""

from django.db import migrations
from django.utils import timezone


def keep(apps, schema_editor):
    """Name v1 for every program with stacks of it that has named none."""
    setting = apps.get_model("crashes", "ProgramMechanism")
    variants = apps.get_model("crashes", "StackVariant").objects.filter(mechanism="v1")
    named = setting.objects.values_list("program_id", flat=True)
    grouped = variants.order_by().values_list("program_id", flat=True).distinct()
    setting.objects.bulk_create(
        setting(
            program_id=program_id,
            mechanism="v1",
            changed_at=timezone.now(),
            changed_by_name="upgrade",
        )
        for program_id in sorted(set(grouped) - set(named))
    )


class Migration(migrations.Migration):
    dependencies = [("crashes", "0023_sealed_contents")]

    operations = [migrations.RunPython(keep, migrations.RunPython.noop)]
