
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('backups', '0001_first'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='snapshot',
            name='snapshot_name_once_per_repository',
        ),
        migrations.RemoveConstraint(
            model_name='snapshot',
            name='snapshot_state_is_known',
        ),
        migrations.AddField(
            model_name='cluster',
            name='collect_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='cluster',
            name='collect_fence',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='cluster',
            name='collect_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='cluster',
            name='failing_since',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='cluster',
            name='failures',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='cluster',
            name='loss_told',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='cluster',
            name='indices',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='repository',
            name='collect_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='repository',
            name='collect_detail',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='repository',
            name='collect_fence',
            field=models.PositiveBigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='repository',
            name='collect_message',
            field=models.TextField(blank=True),
        ),
        migrations.AddField(
            model_name='repository',
            name='collect_until',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='repository',
            name='collected_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='repository',
            name='failing_since',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='repository',
            name='failures',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddField(
            model_name='snapshot',
            name='read_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AlterField(
            model_name='snapshot',
            name='state',
            field=models.CharField(choices=[('wanted', 'Wanted'), ('running', 'Running'), ('verified', 'Verified'), ('partial', 'Partial'), ('failed', 'Failed'), ('cancelled', 'Cancelled'), ('missing', 'Missing'), ('unknown', 'Unknown'), ('found', 'Found'), ('damaged', 'Damaged')], default='wanted', max_length=9),
        ),
        migrations.AddIndex(
            model_name='snapshot',
            index=models.Index(fields=['repository', 'read_at'], name='snapshot_by_read'),
        ),
        migrations.AddConstraint(
            model_name='snapshot',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ('wanted', 'running', 'verified', 'partial', 'unknown', 'found', 'damaged'))), fields=('repository', 'name'), name='snapshot_name_once_per_repository'),
        ),
        migrations.AddConstraint(
            model_name='snapshot',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['wanted', 'running', 'verified', 'partial', 'failed', 'cancelled', 'missing', 'unknown', 'found', 'damaged'])), name='snapshot_state_is_known'),
        ),
    ]
