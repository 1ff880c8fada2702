"""What a person sees, in a real browser over a whole stack: the form, a rejection, the pages, a rollback.

As the administrator, as the viewer who may change nothing, and as nobody.

Needs chromium on the machine and the dependency group `browser`; `make browser` brings the group and
writes the README's pictures. The README's lie in SCREENSHOTS where that is set, all others in
.recsys/screenshots.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mail_server import mail_server
from stack_processes import run_recsys

from recsys_tasks.devstack.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WITHOUT = "NOT TESTED: needs chromium and its driver, see `make browser`"
playwright = pytest.importorskip("playwright.sync_api", reason=WITHOUT)
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=WITHOUT)
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
if CHROMIUM is None:
    pytest.skip("NOT TESTED: needs chromium on this machine", allow_module_level=True)

pytestmark = [pytest.mark.airflow, pytest.mark.services, pytest.mark.slow("browser")]
PROJECT = Path(__file__).parents[2]
KEPT = PROJECT / ".recsys" / "screenshots"
SHOWN = Path(os.environ.get("SCREENSHOTS", KEPT))
"""Where the README's pictures go; all others are kept beside the stack's state."""

LATE_FACTOR = 120_000
"""Milliseconds to wait for a page of a machine that has much to do."""

OTHER = ("--set", "train.seed=7", "--set", "gate.max_champion_loss=1")
"""Settings of the second version, which may be a little worse than the first."""

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture(scope="module")
def mails() -> Iterator[list[bytes]]:
    """What the stack's alerts say by mail."""
    with mail_server() as (server, kept), pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSYS_SMTP_URL", server)
        patch.setenv("RECSYS_ALERT_EMAIL", "anna@example.org")
        yield kept


@pytest.fixture(scope="module")
def stack(service_home: Path, mails: list[bytes]) -> Iterator[dict[str, str]]:
    """The connections of a stack with two versions, the second of them the champion."""
    home = service_home / "browser"
    try:
        for arguments in (
            ("up", "--airflow-port", str(free_port())),
            ("demo", "--set", "preset=quick"),
            ("train", "--preset", "quick", *OTHER),
        ):
            code, _, stderr = run_recsys(home, *arguments)
            assert code == 0, stderr
        yield json.loads(run_recsys(home, "env", "--json")[1])
    finally:
        run_recsys(home, "down")


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    playwright.expect.set_options(timeout=LATE_FACTOR)
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def state(stack: dict[str, str], browser: "Browser") -> Any:
    """Cookies of the administrator's session."""
    return log_in(browser, stack, stack["AIRFLOW_USER"], stack["AIRFLOW_PASSWORD"])


@pytest.fixture(scope="module")
def viewers_state(stack: dict[str, str], browser: "Browser") -> Any:
    """Cookies of the session of one who may read everything and change nothing."""
    return log_in(browser, stack, stack["AIRFLOW_VIEWER"], stack["AIRFLOW_VIEWER_PASSWORD"])


def log_in(browser: "Browser", stack: dict[str, str], user: str, password: str) -> Any:
    context = browser.new_context()
    page = context.new_page()
    page.goto(address(stack), timeout=LATE_FACTOR)
    page.fill("input[name=username]", user, timeout=LATE_FACTOR)
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.get_by_text("Dags").first.wait_for(timeout=LATE_FACTOR)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(browser: "Browser", state: Any) -> "Iterator[Page]":
    """A page of the administrator's, as wide as a desk's screen."""
    context = browser.new_context(storage_state=state, viewport={"width": 1280, "height": 860})
    context.set_default_timeout(LATE_FACTOR)
    yield context.new_page()
    context.close()


@pytest.fixture
def viewers_page(browser: "Browser", viewers_state: Any) -> "Iterator[Page]":
    """A page of the viewer's."""
    context = browser.new_context(
        storage_state=viewers_state, viewport={"width": 1280, "height": 860}
    )
    context.set_default_timeout(LATE_FACTOR)
    yield context.new_page()
    context.close()


def address(stack: dict[str, str]) -> str:
    return stack["AIRFLOW_API_URL"].split("/api/")[0].rstrip("/")


def wait_for_end(page: "Page") -> dict[str, Any]:
    """The run whose page this is, as Airflow's API says, once it has ended."""
    run = page.url.replace("/dags/", "/api/v2/dags/").replace("/runs/", "/dagRuns/")
    while (found := page.request.get(run).json())["state"] in ("queued", "running"):
        page.wait_for_timeout(1000)
    return dict(found)


def shoot(page: "Page", name: str, folder: Path = SHOWN) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / f"{name}.png")


def test_a_rejection_is_three_clicks_from_the_form_to_its_reason(
    page: "Page", stack: dict[str, str]
) -> None:
    page.goto(f"{address(stack)}/dags/recsys_train")
    page.get_by_role("button", name="Trigger").first.click()
    for section, field, value in (
        ("What a version must reach", "gate.min_precision", "0.99"),
        ("Training", "train.epochs", "2"),
    ):
        page.get_by_role("dialog").get_by_role("button", name=section, exact=True).click()
        page.locator(f"input[name='element_{field}']").fill(value)
    shoot(page, "form")
    page.get_by_role("dialog").get_by_role("button", name="Trigger", exact=True).click()
    page.wait_for_url("**/runs/**")
    assert wait_for_end(page)["note"].startswith("Rejected: ")
    page.reload()
    playwright.expect(page.get_by_text("Rejected: ").first).to_be_visible()
    page.get_by_text("Recommender report").click()
    report = page.frame_locator("iframe")
    playwright.expect(report.locator("h1")).to_have_text("Rejected")
    playwright.expect(report.locator("header")).to_contain_text("must be at least 0.99")
    playwright.expect(report.get_by_role("heading", name="Example users")).to_be_attached()
    shoot(page, "rejected")


def test_from_the_mail_on_a_rejection_three_clicks_show_reason_comparison_and_log(
    page: "Page", mails: list[bytes]
) -> None:
    """Of the run that the test before started."""
    message = message_from_bytes(mails[0], policy=default)
    reason = message["subject"].partition("Rejected: ")[2]
    assert "must be at least 0.99" in reason
    report = re.search(r"^report: (\S+)", message.get_content(), re.MULTILINE)
    assert report
    page.goto(report[1])
    inner = page.frame_locator("iframe")
    playwright.expect(inner.locator("header")).to_contain_text(reason)
    inner.get_by_role("link", name="Against the champion").click()
    playwright.expect(inner.get_by_role("heading", name="Differences")).to_be_in_viewport()
    inner.get_by_role("link", name="Log of gate").click()
    page.wait_for_url("**/runs/*/tasks/gate")
    playwright.expect(page.get_by_text("the gate rejected the candidate").first).to_be_visible()
    shoot(page, "log", KEPT)


def test_the_home_page_says_why_its_triggerer_is_red(page: "Page", stack: dict[str, str]) -> None:
    page.goto(address(stack))
    playwright.expect(page.get_by_text("The triggerer is red because none runs.")).to_be_visible()
    shoot(page, "home", KEPT)


def test_a_red_run_is_two_clicks_from_the_navigation_to_its_reason_and_numbers(
    page: "Page", stack: dict[str, str]
) -> None:
    page.goto(f"{address(stack)}/plugin/recommender/recsys/")
    inner = page.frame_locator("iframe")
    inner.get_by_role("link", name="movielens").click()
    red = inner.locator("table.wordy").first
    playwright.expect(red).to_contain_text("must be at least 0.99")
    red.get_by_role("link", name="report").first.click()
    playwright.expect(inner.locator("h1")).to_have_text("Rejected")
    playwright.expect(inner.get_by_role("heading", name="Example users")).to_be_attached()


def test_the_navigation_leads_to_a_version_that_answers(
    page: "Page", stack: dict[str, str]
) -> None:
    page.goto(address(stack))
    page.get_by_role("button", name="Browse").click()
    page.get_by_text("Recommender", exact=True).click()
    inner = page.frame_locator("iframe")
    inner.get_by_role("link", name="movielens").click()
    inner.locator("svg").wait_for()
    shoot(page, "versions")
    inner.locator("tbody th a").first.click()
    inner.get_by_label("Recommend for user").fill("15")
    inner.get_by_label("Recommend for user").press("Enter")
    playwright.expect(inner.locator("main > ol > li")).to_have_count(10)
    inner.get_by_role("heading", name="Ask this version").scroll_into_view_if_needed()
    shoot(page, "answers")


def test_a_link_to_a_run_leaves_the_frame(page: "Page", stack: dict[str, str]) -> None:
    page.goto(f"{address(stack)}/plugin/recommender/recsys/datasets/movielens")
    page.frame_locator("iframe").get_by_role("link", name="run", exact=True).first.click()
    page.wait_for_url(re.compile(r"/dags/recsys_train/runs/[^/]+$"))


def test_a_rollback_needs_a_reason_and_moves_the_champion(
    page: "Page", stack: dict[str, str]
) -> None:
    page.goto(f"{address(stack)}/plugin/recommender/recsys/datasets/movielens")
    inner = page.frame_locator("iframe")
    target = inner.locator("a.button code").inner_text()
    inner.locator("a.button").click()
    inner.get_by_role("button", name="Roll back").click()
    playwright.expect(inner.get_by_role("heading", name="Roll back?")).to_be_visible()
    inner.get_by_role("textbox").fill("odd movies on page one")
    inner.get_by_role("button", name="Roll back").click()
    playwright.expect(inner.locator("main p").first).to_contain_text(target)
    playwright.expect(inner.locator("table.wordy").last.locator("tbody tr").first).to_contain_text(
        "odd movies on page one"
    )


def test_a_viewer_sees_the_pages_and_nothing_that_moves_the_champion(
    viewers_page: "Page", stack: dict[str, str]
) -> None:
    page = viewers_page
    page.goto(f"{address(stack)}/plugin/recommender/recsys/datasets/movielens")
    inner = page.frame_locator("iframe")
    inner.locator("svg").wait_for()
    shoot(page, "viewer-versions", KEPT)
    playwright.expect(inner.get_by_text("Roll back")).to_have_count(0)
    inner.locator("tbody th a").first.click()
    asking = inner.get_by_role("heading", name="Ask this version")
    asking.scroll_into_view_if_needed()
    playwright.expect(asking).to_be_in_viewport()
    shoot(page, "viewer-version", KEPT)
    playwright.expect(inner.get_by_text("Promote")).to_have_count(0)


def test_a_viewers_forged_form_is_refused_and_changes_nothing(
    page: "Page", viewers_page: "Page", stack: dict[str, str]
) -> None:
    root = f"{address(stack)}/recsys/datasets/movielens"
    page.goto(root)
    version = page.locator("tbody th a").last.get_attribute("href")
    page.goto(f"{address(stack)}{version}/promote")
    stolen = page.locator("input[name=token]").get_attribute("value") or ""
    page.goto(root)
    before = page.locator("table.wordy").last.inner_text()
    form: dict[str, str | float | bool] = {"token": stolen, "reason": "mine"}
    for path in (f"{root}/rollback", f"{address(stack)}{version}/promote"):
        assert viewers_page.request.get(path).status == 403
        assert viewers_page.request.post(path, form=form).status == 403
    page.reload()
    assert page.locator("table.wordy").last.inner_text() == before


def test_a_viewer_cannot_start_a_run(viewers_page: "Page", stack: dict[str, str]) -> None:
    viewers_page.goto(f"{address(stack)}/dags/recsys_train")
    viewers_page.get_by_text("recsys_train").first.wait_for()
    shoot(viewers_page, "viewer-dag", KEPT)
    run = f"{address(stack)}/api/v2/dags/recsys_train/dagRuns"
    started = viewers_page.request.post(run, data={"logical_date": None, "conf": {}})
    assert started.status == 403


def test_nobody_sees_nothing(browser: "Browser", page: "Page", stack: dict[str, str]) -> None:
    page.goto(f"{address(stack)}/recsys/datasets/movielens")
    version = page.locator("tbody th a").first.get_attribute("href")
    red = page.get_by_role("link", name="report").first.get_attribute("href")
    dataset = "/recsys/datasets/movielens"
    paths = ("/recsys/", dataset, "/recsys/datasets/none", f"{dataset}/rollback", red)
    paths += tuple(f"{version}{rest}" for rest in ("", "/report", "/promote", "/files/items.ann"))
    paths += (f"{version}/files/none", "/recsys/static/pages.css", "/recsys/no/such/page")
    paths += ("/recsys/run?dag_id=recsys_train&run_id=none",)
    context = browser.new_context()
    for path in paths:
        assert context.request.get(address(stack) + str(path)).status == 401, path
        assert context.request.post(address(stack) + str(path)).status == 401, path
    answer = context.new_page().goto(address(stack) + dataset)
    context.close()
    assert answer is not None
    assert "/auth/login?next=" in answer.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_and_have_no_accessibility_findings(
    browser: "Browser", state: Any, stack: dict[str, str], width: int, scheme: Any
) -> None:
    context = browser.new_context(
        storage_state=state,
        viewport={"width": width, "height": 844},
        color_scheme=scheme,
        bypass_csp=True,
    )
    context.set_default_timeout(LATE_FACTOR)
    page, root = context.new_page(), f"{address(stack)}/recsys"
    page.goto(f"{root}/datasets/movielens")
    version = page.locator("tbody th a").first.get_attribute("href")
    red = page.get_by_role("link", name="report").first.get_attribute("href")
    assert version
    assert red
    version = version.removeprefix("/recsys")
    asked = ("/", "/datasets/movielens", f"{version}?user=15", f"{version}/report")
    asked += (red.removeprefix("/recsys"), f"{version}/promote")
    asked += ("/datasets/movielens/compare?a=previous&b=champion",)
    for place, path in enumerate((*asked, "/datasets/movielens/rollback", "/nothing")):
        page.goto(root + path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, path
        if path in ("/", "/datasets/movielens"):
            for table in page.locator("table").all():
                assert table.evaluate(
                    "table => table.scrollWidth <= table.parentElement.clientWidth"
                )
        found = axe.Axe().run(page).response["violations"]
        assert [(finding["id"], finding["nodes"][0]["html"]) for finding in found] == [], path
        shoot(page, f"{scheme}-{width}-{place}", KEPT)
    context.close()


def test_the_report_opens_as_a_file_with_the_network_off(
    page: "Page", browser: "Browser", stack: dict[str, str], tmp_path: Path
) -> None:
    page.goto(f"{address(stack)}/recsys/datasets/movielens")
    version = page.locator("tbody th a").first.get_attribute("href")
    saved = tmp_path / "report.html"
    saved.write_bytes(page.request.get(f"{address(stack)}{version}/report").body())
    context = browser.new_context(offline=True, java_script_enabled=False)
    alone, asked = context.new_page(), []
    alone.on("request", lambda request: asked.append(request.url))
    alone.goto(saved.as_uri())
    playwright.expect(alone.locator("h1")).to_have_text("Accepted")
    assert alone.locator("svg").count() >= 3
    assert asked == [saved.as_uri()]
    context.close()
