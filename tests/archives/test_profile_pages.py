"""The pages of profiles: the form with and without JavaScript, previews, and what each role sees."""

import re
import uuid
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from backups.archives.models import (
    Archive,
    ArchiveLocation,
    ArchiveProfile,
    ArchiveRecipient,
    ArchiveRun,
    ArchiveState,
    RedisServer,
)
from backups.archives.services import queue_archive
from backups.runs.models import CHECK, Run, RunState
from backups.runs.services import beat
from tests.turns import work

pytestmark = pytest.mark.django_db
ADD = "/archives/profiles/add/"


@pytest.fixture
def browser(as_person):
    return as_person("administrator")


@pytest.fixture
def server(location):
    return RedisServer.objects.create(
        name="state", host=location.host, address="127.0.0.1:6379", facts={"keys": 1234}
    )


def sent(location, *paths, **more) -> dict:
    """A form as a browser sends it."""
    values = {"name": "Files", "location": location.pk, "codec": "gz", "name_template": "files-{host}-{time}"}
    values |= {"unreadable": "mark", "read_back": "always", "keep_index": "on", "folders": len(paths), "seen": ""}
    for number, path in enumerate(paths):
        values[f"source-{number}-path"] = str(path)
    return values | more


def text(answer) -> str:
    return answer.content.decode()


def url_of(check) -> str:
    return reverse("runs:check", args=[check.pk])


def preview(browser, values, number=0) -> Run:
    """Ask for the preview of a folder, as htmx does, and let the worker answer."""
    browser.post(f"/archives/profiles/preview/{number}/", values)
    return work(Run.objects.filter(kind=CHECK).latest("pk"))


def errors(answer) -> list[tuple[int, str, str]]:
    """(folder, field, message) of everything that is wrong with folders."""
    folders = answer.context["form"].folders
    return [(f.number, name, said) for f in folders for name, found in f.errors.items() for said in found]


def test_a_profile_is_added(browser, location, tree, server):
    recipient = ArchiveRecipient.objects.create(name="Recovery safe", key="age1qqqqqqqqqqqq")
    more = {
        "source-0-include": "**/*.bin models/**",
        "source-0-exclude": "my cache/\n*.tmp",
        "source-0-one_file_system": "on",
        "redis": [server.pk],
        "recipients": [recipient.pk],
    }

    answer = browser.post(ADD, sent(location, tree / "models", **more))

    profile = ArchiveProfile.objects.get()
    assert answer["Location"] == profile.get_absolute_url()
    assert profile.sources == [
        {
            "name": "models",
            "path": str(tree / "models"),
            "include": ["**/*.bin", "models/**"],
            "exclude": ["my cache/", "*.tmp"],
            "one_file_system": True,
        }
    ]
    assert list(profile.redis.all()) == [server] and list(profile.recipients.all()) == [recipient]


def test_the_form_of_a_profile_sent_as_it_is_changes_nothing(browser, profile):
    profile.sources[0]["include"] = ["with space.bin"]
    profile.save()
    url = f"/archives/profiles/{profile.pk}/change/"
    page = text(browser.get(url))
    values = sent(profile.location, *(source["path"] for source in profile.sources), name=profile.name)
    for number, _ in enumerate(profile.sources):
        for field in ("include", "exclude"):
            found = re.search(rf'<textarea name="source-{number}-{field}"[^>]*>\r?\n([^<]*)</textarea>', page)
            values[f"source-{number}-{field}"] = found[1]
    values["seen"] = re.search(r'name="seen" value="(\w+)"', page)[1]

    assert browser.post(url, values).status_code == 302

    found = ArchiveProfile.objects.get()
    assert found.sources == [source | {"one_file_system": False} for source in profile.sources]


def test_a_folder_is_added_and_removed_without_javascript(browser, location):
    values = sent(location, "/opt/one", "/opt/two", add="1", **{"source-1-exclude": "a b\nc"})

    more = browser.post(ADD, values)
    assert (more.status_code, len(more.context["form"].folders)) == (200, 3)
    assert "<html" in text(more) and 'value="/opt/two"' in text(more)

    values.pop("add")
    less = browser.post(ADD, values | {"remove": "0"})
    (left,) = less.context["form"].folders
    assert (left["path"].value(), left["exclude"].value()) == ("/opt/two", "a b\nc")
    assert not ArchiveProfile.objects.exists()


def test_with_htmx_only_the_part_comes_back(browser, location):
    answer = browser.post(ADD, sent(location, "/opt/one", add="1"), headers={"HX-Request": "true"})

    assert 'id="parts"' in text(answer) and "<html" not in text(answer)
    assert 'hx-swap-oob="true"' in text(answer)


def test_what_was_written_and_chosen_stays_when_the_form_is_drawn_anew(browser, location, server):
    recipient = ArchiveRecipient.objects.create(name="Recovery safe", key="age1")
    values = sent(location, "/a", add="1", name="Mine", codec="zst", read_back="never", redis=[server.pk])

    page = text(browser.post(ADD, values | {"recipients": [recipient.pk]}))

    assert 'value="Mine"' in page and 'value="zst" selected' in page
    assert 'value="never" checked' in page
    assert f'name="redis" value="{server.pk}" checked' in page
    assert f'name="recipients" value="{recipient.pk}" checked' in page
    assert "Leave them out" in page and 'value="mark" checked' in page


@pytest.mark.parametrize("number", ["7", "-1", "x", "99999999999999999999"])
def test_removing_what_is_not_there_changes_nothing(browser, location, number):
    answer = browser.post(ADD, sent(location, "/a", remove=number))

    assert [folder["path"].value() for folder in answer.context["form"].folders] == ["/a"]


def test_every_error_stands_at_its_field_and_in_the_summary(browser, location):
    more = {"source-1-name": "two words", "source-2-exclude": "ends with\\\n", "source-0-name": "x"}

    answer = browser.post(ADD, sent(location, "relative", "/b", "/c", **more))

    assert answer.status_code == 422
    assert [(number, field) for number, field, _ in errors(answer)] == [(0, "path"), (1, "name"), (2, "exclude")]
    page = text(answer)
    for anchor in ("id_source-0-path", "id_source-1-name", "id_source-2-exclude"):
        assert f'href="#{anchor}"' in page and f'id="{anchor}"' in page


def test_a_folder_that_nothing_was_written_into_is_left_out(browser, location, tree, server):
    blank_first = sent(location, "", tree / "params", redis=[server.pk])

    browser.post(ADD, blank_first)

    assert [source["name"] for source in ArchiveProfile.objects.get().sources] == ["params"]


def test_errors_are_counted_without_the_blank_ones(browser, location):
    assert errors(browser.post(ADD, sent(location, "", "relative")))[0][:2] == (1, "path")


def test_too_many_folders_are_said_and_none_is_lost(browser, location):
    answer = browser.post(ADD, sent(location, *(f"/{number}" for number in range(51))))

    assert "At most 50 folders" in text(answer) and not ArchiveProfile.objects.exists()


def test_a_name_that_is_taken_and_a_bad_template_are_marked(browser, profile):
    answer = browser.post(ADD, sent(profile.location, "/a", name=profile.name))
    assert "A profile of this name exists already." in text(answer)

    answer = browser.post(ADD, sent(profile.location, "/a", name_template="x-{yesterday}"))
    assert list(answer.context["form"].errors) == ["name_template"]


def test_a_server_of_another_host_is_refused_in_words(browser, location, server):
    RedisServer.objects.update(host="elsewhere")

    answer = browser.post(ADD, sent(location, redis=[server.pk]))

    assert answer.status_code == 422 and "reached from elsewhere" in text(answer)
    assert list(answer.context["form"].errors) == ["redis"]


def test_only_servers_of_the_host_of_the_location_are_offered(browser, location, server):
    RedisServer.objects.create(name="far away", host="node-09", address="node-09:6379")
    other = ArchiveLocation.objects.create(name="zz", host="node-09", path="/srv/archives")

    assert [str(each) for each, _ in browser.get(ADD).context["form"].servers()] == ["state"]
    answer = browser.post(ADD, sent(other, redraw="1"))
    assert [str(each) for each, _ in answer.context["form"].servers()] == ["far away"]


def test_a_form_that_is_older_than_a_change_is_refused_twice(browser, profile):
    url, values = f"/archives/profiles/{profile.pk}/change/", sent(profile.location, "/mine", seen=profile.digest)
    ArchiveProfile.objects.update(codec="zst")

    first = browser.post(url, values)
    shown = re.search(r'name="seen" value="(\w+)"', text(first))[1]
    second = browser.post(url, values | {"seen": shown})

    assert (first.status_code, second.status_code) == (422, 422)
    assert "Someone else changed it" in text(first) and 'value="/mine"' in text(first)
    assert ArchiveProfile.objects.get().name == "files"


def test_a_preview_says_what_a_folder_holds(browser, location, tree):
    values = sent(location, tree / "models", **{"source-0-exclude": "cache/"})

    check = preview(browser, values)
    page = text(browser.get(url_of(check)))

    assert check.host == location.host and check.subject == "archives:profile:0:0"
    assert "1 file<" in page and "3.00" in page
    assert "1 file, 3" in page and "excluded" in page and "weights.bin" in page
    summed = text(browser.post("/archives/profiles/sum/", values))
    assert "1 file, 3.00" in summed and "Not counted yet" not in summed
    assert "files-" in summed and ".tar.gz" in summed


def test_a_preview_is_shown_again_when_the_form_is_drawn_anew(browser, location, tree):
    values = sent(location, tree / "params")
    preview(browser, values)

    more = values | {"folders": 2, "source-1-path": "/new"}
    page = text(browser.post(ADD, more | {"add": "1"}))

    assert "120 files" in page
    assert page.count("load, input from") == 1, "only the second folder is still to be looked at; the third is none"


def test_counting_works_without_javascript(browser, location, tree):
    values = sent(location, tree / "params", "relative")

    page = text(browser.post(ADD, values | {"count": "1"}))
    assert "Looking." in page
    work(Run.objects.get(kind=CHECK))

    assert "120 files" in text(browser.post(ADD, values | {"redraw": "1"}))


@pytest.mark.parametrize("path", ["", "relative", "/a/../b"])
def test_what_is_no_folder_is_not_looked_at(browser, location, path):
    answer = browser.post("/archives/profiles/preview/0/", sent(location, path))

    assert answer.status_code == 200 and not Run.objects.filter(kind=CHECK).exists()


def test_a_preview_for_a_host_that_is_away_says_which(browser, location, tree):
    ArchiveLocation.objects.update(host="node-09")
    beat(timezone.now())
    browser.post("/archives/profiles/preview/0/", sent(location, tree))
    Run.objects.update(queued_at=timezone.now() - timedelta(seconds=6))

    assert "The worker of node-09 is not running." in text(browser.get(url_of(Run.objects.get(kind=CHECK))))


@pytest.mark.db
@pytest.mark.parametrize("folder", ["modles", "params"])
def test_what_was_seen_to_hold_nothing_is_not_saved(browser, location, tree, folder):
    values = sent(location, tree / folder, **{"source-0-include": "*.none"} if folder == "params" else {})
    preview(browser, values)

    answer = browser.post(ADD, values)

    assert answer.status_code == 422 and not ArchiveProfile.objects.exists()
    ((number, field, said),) = errors(answer)
    assert (number, field) == (0, "include" if folder == "params" else "path")
    assert ("Did you mean" in said) is (folder == "modles")


def test_a_newer_preview_counts(browser, location, tree):
    values = sent(location, tree / "later")
    preview(browser, values)
    (tree / "later").mkdir()
    (tree / "later/file").write_text("there now")
    preview(browser, values)

    assert browser.post(ADD, values).status_code == 302


def test_what_nobody_looked_at_is_saved_with_a_warning(browser, location, tree):
    preview(browser, sent(location, tree / "params"))

    page = text(browser.post(ADD, sent(location, tree / "params", "/nobody/looked"), follow=True))

    assert ArchiveProfile.objects.exists()
    assert "Nobody has looked into /nobody/looked yet" in page


def test_the_previews_of_another_person_say_nothing(as_person, cast, browser, location, tree):
    values = sent(location, tree / "modles")
    preview(browser, values)
    Run.objects.update(actor=cast["operator"])

    assert browser.post(ADD, values).status_code == 302


def test_the_sum_estimates_from_the_last_archive_only(browser, cast, profile):
    values = sent(profile.location, *(s["path"] for s in profile.sources), profile=profile.pk)
    values["source-0-exclude"] = "cache/"
    for number in range(2):
        preview(browser, values, number)
    before = text(browser.post("/archives/profiles/sum/", values))
    work(queue_archive(actor=cast["operator"], profile=profile))
    after = text(browser.post("/archives/profiles/sum/", values))
    other_codec = text(browser.post("/archives/profiles/sum/", values | {"codec": "tar"}))

    assert "121 files" in before and "packed about" not in before
    assert "packed about" in after and "packed about" not in other_codec


@pytest.mark.parametrize(
    "odd",
    [
        {"codec": "odd"},
        {"name_template": "{x}"},
        {"location": "0"},
        {"location": "²"},
        {"profile": "²"},
        {"redis": "²"},
        {},
    ],
)
def test_odd_values_get_an_answer(browser, location, odd):
    values = sent(location, "/opt") | odd if odd else {}

    assert browser.post("/archives/profiles/sum/", values).status_code == 200
    assert browser.post("/archives/profiles/preview/0/", values).status_code == 200
    assert browser.post(ADD, values | {"redraw": "1"}).status_code == 200


def test_the_sum_counts_keys_that_are_known(browser, location, server):
    RedisServer.objects.create(name="new", host=location.host, address="x")
    values = sent(location, redis=[each.pk for each in RedisServer.objects.all()])

    page = text(browser.post("/archives/profiles/sum/", values))

    assert "1,234 keys" in page and "Keys not known" in page
    assert "0 files and Redis" in page


@pytest.mark.parametrize(("name", "estimated"), [("state", True), ("another", False)])
def test_redis_is_estimated_from_what_it_sent_last_time(browser, profile, server, name, estimated):
    run_of(profile, RunState.SUCCEEDED, ArchiveState.VERIFIED, seconds=60)
    Archive.objects.update(codec="gz", size=30 << 20, bytes=0, redis=[{"name": name, "size": 100 << 20}])
    values = sent(profile.location, redis=[server.pk], profile=profile.pk)

    page = text(browser.post("/archives/profiles/sum/", values))

    assert ("packed about 30.0" in page and "about 1" in page and "in the last archive" in page) is estimated


def test_a_sum_of_what_nobody_counted_is_no_number(browser, location):
    page = text(browser.post("/archives/profiles/sum/", sent(location, "/opt")))

    assert "No folder is counted yet." in page and "At least" not in page


def test_a_folder_without_preview_makes_the_sum_a_least(browser, location, tree):
    values = sent(location, tree / "params", "/not/looked/at")
    preview(browser, values)

    page = text(browser.post("/archives/profiles/sum/", values))

    assert "At least 120 files" in page and "Not counted yet" in page


def test_the_page_shows_everything_to_everybody(as_person, cast, profile, server):
    RedisServer.objects.update(state="good")
    work(queue_archive(actor=cast["operator"], profile=profile))
    profile.redis.add(server)

    pages = {who: text(as_person(who).get(profile.get_absolute_url())) for who in ("viewer", "operator", "auditor")}
    admin = text(as_person("administrator").get(profile.get_absolute_url()))

    for page in (*pages.values(), admin):
        assert "Healthy" in page and "cache/" in page and "state" in page and "not encrypted" in page
        assert 'class="beat ok"' in page and Archive.objects.get().name in page
    assert "Make archive now" in pages["operator"] and "Make archive now" not in pages["viewer"]
    assert "/change/" in admin and not any("/change/" in page for page in pages.values())


def run_of(profile, state, archive_state=None, **facts):
    """One run of a profile as it came out."""
    over = {"ended_at": timezone.now()} if state not in ("queued", "running") else {}
    number = Run.objects.count()
    run = Run.objects.create(kind="archive", key=f"r{number}", subject="archive", state=state, **over)
    made = ArchiveRun.objects.create(run=run, profile=profile, backup_id=uuid.uuid4(), codec="gz", **facts)
    if archive_state:
        Archive.objects.create(
            profile=profile, made_by=made, name=f"a{number}.tar.gz", location=profile.location, state=archive_state
        )
    return made


@pytest.mark.parametrize(
    ("runs", "word"),
    [
        ([], "No run yet"),
        ([("succeeded", "verified")], "Healthy"),
        ([("succeeded", "finished")], "Not read back"),
        ([("succeeded", "damaged")], "Damaged"),
        ([("succeeded", "verified"), ("failed", "failed")], "Failing"),
        ([("failed", "failed"), ("cancelled", "cancelled")], "Failing"),
        ([("cancelled", "cancelled")], "Cancelled"),
        ([("succeeded", "verified"), ("running", "wanted")], "Running"),
        ([("partial", "verified")], "Partial"),
        ([("failed", None)], "Failing"),
    ],
)
def test_the_list_says_how_a_profile_is_doing(browser, profile, runs, word):
    for state, archive_state in runs:
        run_of(profile, state, archive_state)

    page = text(browser.get("/archives/profiles/"))

    assert word in re.search(r'<td class="state">(.*?)</td>', page, re.DOTALL)[1]


@pytest.mark.db
def test_the_list_shows_the_last_14_runs_and_what_the_last_one_had(browser, profile):
    for number in range(20):
        run_of(profile, "failed" if number == 19 else "succeeded", files=number, bytes=5)

    page = text(browser.get("/archives/profiles/"))

    assert page.count('class="beat ') == 14
    assert "last 14 runs, 13 success, 1 failed" in page
    assert "19 files" in page and "Free space not known" in page


def test_a_list_of_many_profiles_asks_little(browser, profile, django_assert_max_num_queries):
    for number in range(20):
        other = ArchiveProfile.objects.create(name=f"p{number}", location=profile.location)
        run_of(other, RunState.SUCCEEDED, ArchiveState.VERIFIED)

    with django_assert_max_num_queries(14):
        browser.get("/archives/profiles/")


@pytest.mark.parametrize(("who", "title"), [("administrator", "First add a location"), ("viewer", "No profile yet")])
def test_a_new_console_says_what_comes_first(as_person, who, title):
    assert title in text(as_person(who).get("/archives/profiles/"))


def test_without_a_location_there_is_no_form(browser, db):
    assert "First add a location" in text(browser.get(ADD))
    assert browser.post(ADD, {"add": "1"}).status_code == 200


def test_with_a_location_the_first_profile_is_one_click_away(browser, location):
    assert 'href="/archives/profiles/add/"' in text(browser.get("/archives/profiles/"))
