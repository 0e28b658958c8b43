"""A release remembers when this platform first knew of it."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("crashes", "0020_grouping_proposals")]

    operations = [
        migrations.AddField(
            model_name="release",
            name="discovered_at",
            field=models.DateTimeField(default=django.utils.timezone.now),
            preserve_default=False,
        ),
    ]
