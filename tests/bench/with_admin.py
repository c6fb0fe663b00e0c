"""Settings of the console with Django's admin beside it: the peer of the list pages. Only for benchmarks; the product
does not have it."""

from cybersift_backup_site.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "django.contrib.admin.apps.SimpleAdminConfig"]  # noqa: F405
ROOT_URLCONF = "tests.bench.admin_urls"
