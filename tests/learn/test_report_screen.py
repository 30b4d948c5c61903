"""The report in a browser: on a phone nothing is wider than the screen but the matrix, which scrolls and shows that it does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from test_report import BARE, full_report

from browsing import expect
from drivetrain.learn.sections import FILES_LEFT_OUT
from drivetrain.report.page import render

PHONE, DESKTOP = 390, 1280

OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
MATRIX = "document.querySelector('#confusion .scroll')"


@pytest.fixture
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    # The page allows no script of its own; the test's are let past that.
    opened = browser.new_page(viewport={"width": getattr(request, "param", PHONE), "height": 800}, bypass_csp=True)
    yield opened
    opened.close()


@pytest.mark.parametrize("count", [2, 3, 6, 7, 12, 30, 40])
def test_on_a_phone_the_page_is_as_wide_as_the_screen(page: Any, count: int) -> None:
    page.set_content(render(full_report(tuple(f"quite a long name {i}" for i in range(count)))))
    assert page.evaluate(OVERFLOW) == 0


@pytest.mark.parametrize("count", [10, 40])
def test_a_wide_matrix_scrolls_in_its_box_and_shows_so_until_its_end(page: Any, count: int) -> None:
    page.set_content(render(full_report(tuple(f"class {i}" for i in range(count)))))
    assert page.evaluate(f"{MATRIX}.scrollWidth > {MATRIX}.clientWidth")
    expect(page.locator(".swipe")).to_be_visible()
    faded = f"parseFloat(getComputedStyle({MATRIX}).getPropertyValue('--fade'))"
    page.wait_for_function(f"{faded} > 20")
    page.evaluate(f"{MATRIX}.scrollLeft = 1e5")
    page.wait_for_function(f"{faded} === 0")


@pytest.mark.parametrize("page", [PHONE, DESKTOP], indirect=True)
def test_a_matrix_that_fits_shows_nothing_of_the_kind(page: Any) -> None:
    page.set_content(render(full_report(("black", "teddy"))))
    assert page.evaluate(f"{MATRIX}.scrollWidth === {MATRIX}.clientWidth")
    expect(page.locator(".swipe")).to_have_count(0)
    assert page.evaluate(f"getComputedStyle({MATRIX}).getPropertyValue('--fade')") == "0px"


def test_a_warning_leads_to_what_it_names(page: Any) -> None:
    report = replace(full_report(), warnings=(f"3 <b>files</b> are listed under “{FILES_LEFT_OUT}”.",))
    page.set_content(render(report))
    page.click(".warnings a")
    assert page.evaluate("document.querySelector('#skipped').getBoundingClientRect().top") < 100
    page.set_content(
        render(replace(BARE, warnings=report.warnings))
    )  # where there is no such part, nothing leads there
    expect(page.locator(".warnings a")).to_have_count(0)
