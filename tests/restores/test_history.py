"""The list of restores that were asked for."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

pytestmark = pytest.mark.django_db


def test_the_list_loads_no_frozen_text(restores, as_person):
    for _ in range(2):
        restores.ask(restores.plan(template="copy-{index}"))
    reader = as_person("viewer")

    with CaptureQueriesContext(connection) as queries:
        page = reader.get(reverse("restores:list")).content.decode()

    plans = [each["sql"] for each in queries if "backups_restoreplan" in each["sql"]]
    assert page.count("Restore events-1 into") == 2
    heavy = ('"backups_restoreplan"."text"', '"backups_approvalrequest"."text"', '"backups_approvalrequest"."params"')
    assert len(plans) == 1  # and nothing is loaded afterwards, row by row
    assert not [column for column in heavy if column in plans[0]]
