"""The pages of a restore from an archive, by what each person may see."""

from html import unescape

import pytest
from django.urls import reverse

from backups import clock
from backups.approvals.services import withdraw
from backups.restores import services
from backups.restores.archives import services as archive_services
from backups.restores.models import RestorePlan
from backups.runs import request_cancel
from backups.runs.models import Run
from tests.turns import work

from .conftest import REASON
from .test_folders import harm

pytestmark = pytest.mark.django_db


def text_of(answer) -> str:
    return unescape(answer.content.decode())


def chosen(**changes) -> dict:
    return {"folders": ["models", "params"], "only": "", "to": "", "remove": "on", **changes}


def test_from_the_form_to_the_plan(tree, archive, as_person):
    harm(tree)
    browser = as_person("operator")
    address = reverse("restores:new_archive", args=[archive.pk])
    assert "Remove files that the archive does not have" in browser.get(address).content.decode()

    answer = browser.post(address, chosen())
    run = Run.objects.latest("pk")
    assert answer.url == reverse("restores:planning", args=[run.pk])
    assert "Looking." in text_of(browser.get(answer.url))
    work(run)
    plan = RestorePlan.objects.get()
    assert run.subject_url == plan.get_absolute_url()
    assert browser.get(answer.url).url == plan.get_absolute_url()
    assert browser.get(answer.url, headers={"HX-Request": "true"})["HX-Redirect"] == plan.get_absolute_url()

    page = browser.get(plan.get_absolute_url()).content.decode()
    assert "params/more/new.json" in page
    assert "exchange" in page
    assert f"<code>{plan.place}</code>" in page


def test_a_plan_that_was_not_made_is_said_and_asked_for_again(archive, cast, as_person):
    run = archive_services.queue_plan(actor=cast["operator"], archive=archive, options={})
    request_cancel(run, actor=cast["operator"])
    Run.objects.filter(pk=run.pk).update(state="cancelled", ended_at=clock.now())
    browser, address = as_person("operator"), reverse("restores:planning", args=[run.pk])

    page = text_of(browser.get(address))

    assert "No plan was made" in page and "Cancelled" in page
    assert reverse("restores:new_archive", args=[archive.pk]) in page
    assert browser.get(address, headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_a_viewer_sees_no_names_of_files(tree, archive, planned, as_person):
    harm(tree)
    plan = planned(remove=True)

    page = as_person("viewer").get(plan.get_absolute_url()).content.decode()

    assert "params" in page
    assert "new.json" not in page and "weights.bin" not in page


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"folders": []}, "Choose at least one folder"),
        ({"to": "relative"}, "from the root on"),
        ({"to": "/srv/../etc"}, "from the root on"),
        ({"to": "/srv/new"}, "nothing to remove"),
    ],
)
def test_what_means_nothing_is_refused(archive, as_person, changes, words):
    answer = as_person("operator").post(reverse("restores:new_archive", args=[archive.pk]), chosen(**changes))

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Run.objects.filter(kind="plan_restore_files").exists()


@pytest.mark.parametrize("who", ["viewer", "approver", "auditor"])
def test_only_who_may_ask_gets_the_form(archive, as_person, who):
    assert as_person(who).get(reverse("restores:new_archive", args=[archive.pk])).status_code == 403


def test_a_request_that_came_to_nothing_is_asked_again(tree, archive, planned, cast, as_person):
    harm(tree)
    plan = planned(remove=True)
    request = services.ask(actor=cast["operator"], plan=plan, reason=REASON, typed_name=plan.place)
    withdraw(request, actor=cast["operator"])

    answer = as_person("operator").post(reverse("restores:again", args=[plan.pk]))
    work(Run.objects.latest("pk"))
    address = as_person("operator").get(answer.url).url

    assert address.endswith(f"?earlier={request.pk}")
    assert f'takes the place of <a class="link" href="{request.get_absolute_url()}' in text_of(
        as_person("operator").get(address)
    )


def compared(browser, plan: RestorePlan) -> str:
    """What the page says once the worker has compared the plan with what is there."""
    leads = browser.post(reverse("restores:compare", args=[plan.pk]))
    assert leads.url == plan.get_absolute_url()
    run = work(Run.objects.latest("pk"))
    assert (run.kind, run.host, run.state) == ("long_check", plan.place, "succeeded"), run.error
    return text_of(browser.get(leads.url))


def test_who_decides_compares_the_plan_with_what_is_there_now(tree, archive, planned, cast, as_person):
    harm(tree)
    plan, browser = planned(remove=True), as_person("approver")
    request = services.ask(actor=cast["operator"], plan=plan, reason=REASON, typed_name=plan.place)
    on_request = text_of(browser.get(request.get_absolute_url()))
    assert "Compare with now" in on_request and "Checks" in on_request
    assert "Compare with now" not in text_of(as_person("viewer").get(request.get_absolute_url()))

    page = compared(browser, plan)
    assert "Everything that the plan relies on is as it was." in page and "when this was asked" not in page

    (tree / "params/p9.json").write_text("written to since then")
    (tree / "params/p2.json").write_text("once more")
    page = compared(browser, plan)
    assert "Everything that the plan relies on is as it was." in page
    assert "files/params/p9.json: replace now, and nothing when this was asked." in page
    assert "files/params/p2.json: replace as before, but it was written to since this was asked." in page

    (tree / "params").rename(tree / "aside")
    assert "The plan is out of date" in compared(browser, plan)
    assert len(browser.get(reverse("runs:list")).context["page"].rows) == len(Run.objects.history())


def test_a_plan_that_takes_a_restore_back_is_compared_too(tree, archive, planned, sent, cast, as_person):
    harm(tree)
    first = work(sent(planned(remove=True))).request.plan
    back = work(archive_services.queue_undo(first, actor=cast["operator"]))
    plan = RestorePlan.objects.get(pk=back.result["plan"])
    services.ask(actor=cast["operator"], plan=plan, reason=REASON, typed_name=plan.place)
    assert "Everything that the plan relies on is as it was." in compared(as_person("approver"), plan)

    (tree / "params/p9.json").write_text("written to since then")
    assert "files/params/p9.json: replace now, and nothing when this was asked." in compared(
        as_person("approver"), plan
    )


def test_what_was_restored_and_the_way_back_are_shown(tree, archive, planned, sent, as_person):
    harm(tree)
    run = work(sent(planned(remove=True)))

    page = as_person("operator").get(run.request.plan.get_absolute_url()).content.decode()
    assert "read again, and all are right" in page
    assert "Roll back" in page

    answer = as_person("operator").post(reverse("restores:undo", args=[run.request.plan.pk]))
    assert answer.url == reverse("restores:planning", args=[Run.objects.latest("pk").pk])
