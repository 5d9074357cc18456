"""Reports in a real browser: they draw, poses can be switched, nothing goes wrong and nothing is loaded."""

import json
import shutil

import pytest

from discodock.inference.outputs import write_result
from discodock.report.write import write_report

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra dev)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="no Chromium with chromedriver on this machine"),
]

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader"
    " --no-first-run --disable-background-networking --disable-component-update --disable-sync --hide-scrollbars"
    " --window-size=640,760"
).split()
DRAWN = """
const image = document.querySelector("#viewer canvas");
discodockReport.viewer.render();
const copy = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
const context = copy.getContext("2d");
context.drawImage(image, 0, 0);
const data = context.getImageData(0, 0, copy.width, copy.height).data;
const colors = {};
for (let i = 0; i < data.length; i += 4) {
  const color = [data[i], data[i + 1], data[i + 2]].map((value) => value >> 4).join();
  colors[color] = (colors[color] ?? 0) + 1;
}
return colors;
"""
"""Counts of coarse colours in the 3-D view."""


@pytest.fixture(scope="module")
def browser(result, record, tmp_path_factory):
    """A browser with the report of the result open, its logs on."""
    folder = tmp_path_factory.mktemp("report") / "aspirin"
    write_result(result, folder, record)
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    driver.set_page_load_timeout(300)
    driver.set_script_timeout(300)
    try:
        driver.get("about:blank")
        driver.get_log("performance")
        driver.get(write_report(folder).as_uri())
        yield driver
    finally:
        driver.quit()


def click(browser, selector):
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)


def text(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).textContent", selector)


def rows(browser):
    """Number of the pose in each row of the table, from top to bottom."""
    return browser.execute_script("return [...document.querySelectorAll('#poses tbody tr')].map(r => +r.dataset.pose)")


def stick_radii(browser):
    """Of each pose the largest radius that its atoms are drawn with, 0 for a hidden one."""
    return browser.execute_script("""
        const number = JSON.parse(document.getElementById("report-data").textContent).poses.length;
        return [...Array(number).keys()].map((index) => {
          const atoms = discodockReport.viewer.getModel(index + 1).selectedAtoms({});
          return Math.max(...atoms.map((atom) => atom.style.stick?.radius ?? 0));
        });""")


def test_protein_and_pose_are_drawn(browser):
    counts = browser.execute_script(DRAWN)
    assert len(counts) > 20, "an empty view has one colour"
    assert sum(counts.values()) - max(counts.values()) > 0.05 * sum(counts.values())


def test_a_click_on_a_row_selects_its_pose_in_the_view_and_the_panel(browser, result):
    for index in (3, 0):
        click(browser, f"#poses tr[data-pose='{index}'] td")
        assert text(browser, "#selected-title") == f"Pose {index + 1}"
        radii = stick_radii(browser)
        assert len(radii) == len(result.poses)
        assert [i for i, radius in enumerate(radii) if radius > 0] == [index]
        assert f"{round(result.poses[index].rank_score, 4)}" in text(browser, "#details")
        selected = browser.execute_script("return document.querySelector('#poses tr.selected').dataset.pose")
        assert selected == str(index)


def test_all_poses_can_be_shown_at_once(browser):
    click(browser, "input[name=shown][value=all]")
    radii = stick_radii(browser)
    assert min(radii) > 0 and sum(radius == max(radii) for radius in radii) == 1
    click(browser, "input[name=shown][value=selected]")
    assert sum(radius > 0 for radius in stick_radii(browser)) == 1


def test_titles_sort_and_the_keys_follow_the_order(browser, result):
    click(browser, "#poses thead th:nth-child(2) button")
    ascending = rows(browser)
    scores = [round(result.poses[index].rank_score, 4) for index in ascending]
    assert scores == sorted(scores) and ascending[0] != 0
    click(browser, "#poses thead th:nth-child(2) button")
    assert rows(browser)[0] == 0
    click(browser, "#poses thead th:nth-child(1) button")
    click(browser, "#poses tr[data-pose='0'] td")
    browser.find_element("id", "pose-scroll").send_keys(webdriver.Keys.ARROW_DOWN)
    assert text(browser, "#selected-title") == "Pose 2"
    click(browser, "#previous")
    assert text(browser, "#selected-title") == "Pose 1"


RESIDUE_ATOMS = """
const viewer = discodockReport.viewer;
document.getElementById("viewer").scrollIntoView();
const box = document.querySelector("#viewer canvas").getBoundingClientRect();
const drawn = viewer.getModel(0).selectedAtoms({}).filter((atom) => atom.style.stick && !atom.hetflag);
const seen = drawn.map((atom) => {
  const at = viewer.modelToScreen(atom);
  return [Math.round(at.x - scrollX), Math.round(at.y - scrollY), `${atom.chain}:${atom.resn}${atom.resi}`];
});
return seen.filter(([x, y]) => x > box.left + 20 && x < box.right - 20 && y > box.top + 20 && y < box.bottom - 20);
"""
"""Where on the screen the atoms of residues drawn as sticks are, and the names of their residues."""

HOVERED = """
const [done] = arguments, start = performance.now();
const look = () => {
  const shown = document.getElementById("hovered").textContent;
  if (shown.includes(":") || performance.now() - start > 5000) done(shown); else setTimeout(look, 50);
};
look();
"""


def test_residues_are_named_under_the_mouse(browser):
    """At the middle of an atom the name is its residue's, unless something nearer is in front of it."""
    click(browser, "#show-protein")
    atoms = browser.execute_script(RESIDUE_ATOMS)
    assert len(atoms) > 20
    named = []
    for x, y, name in atoms[:: len(atoms) // 20]:
        actions = webdriver.ActionChains(browser)
        actions.w3c_actions.pointer_action.move_to_location(x - 4, y)
        actions.w3c_actions.pointer_action.move_to_location(x, y)
        actions.perform()
        named.append((name, browser.execute_async_script(HOVERED).split("  ")[0]))
        if named[-1][0] == named[-1][1]:
            break
    click(browser, "#show-protein")
    assert named[-1][0] == named[-1][1], named


def test_names_of_residues_and_sites_can_be_switched_on(browser):
    for box in ("#show-labels", "#show-sites"):
        before = browser.execute_script(DRAWN)
        click(browser, box)
        assert browser.execute_script(DRAWN) != before
        click(browser, box)


def test_it_fits_a_narrow_screen(browser):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 390, "height": 700, "deviceScaleFactor": 1, "mobile": False}
    )
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


STICKS_OF_RESIDUE = """
const [resi, number] = arguments;
return [...Array(number).keys()].map((index) => discodockReport.viewer.getModel(index)).map((model) =>
  model.selectedAtoms({ resi, hetflag: false }).filter((atom) => atom.style.stick && atom.chain).length > 0);
"""
"""Of each model whether it draws this residue of the protein as sticks."""


def test_side_chains_move_with_the_selected_pose(browser, moved_result, moved_folder):
    browser.get(write_report(moved_folder).as_uri())
    atom = moved_result.poses[0].side_chains.atoms[0]
    residue = moved_result.receptor.residues[moved_result.receptor.residue_idx[atom]].number
    data = browser.execute_script("return JSON.parse(document.getElementById('report-data').textContent)")
    near = [[data["residues"][index][1] for index in pose["near"]] for pose in data["poses"]]
    assert residue in near[1], "the fixture moves an atom near this pose"
    for index, around in enumerate(near):
        click(browser, f"#poses tr[data-pose='{index}'] td")
        sticks = browser.execute_script(STICKS_OF_RESIDUE, residue, 1 + 2 * len(near))
        drawn = [number for number, has_sticks in enumerate(sticks) if has_sticks]
        assert drawn == ([1 + len(near) + index] if residue in around else [])


def test_no_errors_and_no_requests(browser):
    """Last: the logs hold what happened since the page was opened."""
    wrong = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not wrong
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert asked and all(url.startswith(("file://", "data:", "blob:")) for url in asked), asked
