from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("crashes", "0009_grouping_decisions"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="report",
            index=models.Index(
                condition=models.Q(("state", "quarantined")),
                fields=["-received_at", "-id"],
                name="report_quarantined",
            ),
        ),
    ]
