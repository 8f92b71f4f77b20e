"""What a person does at JupyterLab: open a notebook, run it, look."""

import json
import re
import urllib.request
from pathlib import Path

import nbformat
from playwright.sync_api import expect

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
"""Where the pictures go, to be looked at; nothing reads them."""
PATIENCE = 120_000
"""Milliseconds; a kernel on a busy machine takes its time."""
FINISHED = "'finished'"


class Desk:
    """One JupyterLab, in one browser.

    Attributes:
        files: what the lab shows as its root.
        errors: what was written to the consoles as errors.
        elsewhere: what was asked of other machines.
    """

    def __init__(self, browser, url, token, files):
        self._browser, self._url, self._token = browser, url, token
        self.files, self.errors, self.elsewhere = files, [], []

    def open(self, name, width=1400, height=1900):
        """Open a notebook of the lab's files, and wait for its kernel."""
        page = self._browser.new_page(viewport={"width": width, "height": height})
        page.set_default_timeout(PATIENCE)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.route(re.compile("^https?:"), self._only_here)
        workspace = name.replace("/", "-")
        page.goto(f"{self._url}/lab/workspaces/{workspace}/tree/{name}.ipynb?token={self._token}")
        page.get_by_text(re.compile(r"Python 3.* \| Idle")).wait_for()
        return page

    def _heard(self, told):
        if told.type == "error":
            self.errors.append(f"{told.text} {told.location['url']}")

    def _only_here(self, route):
        if route.request.url.startswith(self._url):
            route.continue_()
        else:
            self.elsewhere.append(route.request.url)
            route.abort()

    def write(self, name, cells):
        """Write a notebook of code cells; what is expected to fail is given as a tuple."""
        notebook = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        )
        for cell in [*cells, FINISHED]:
            made = nbformat.v4.new_code_cell("".join(cell).strip())
            if isinstance(cell, tuple):
                made.metadata["tags"] = ["raises-exception"]
            notebook.cells.append(made)
        nbformat.write(notebook, self.files / f"{name}.ipynb")

    def work(self, name, cells, **size):
        """Write a notebook, open it and run it to its end."""
        self.write(name, cells)
        page = self.open(name, **size)
        run_all(page)
        page.locator(".jp-OutputArea-output", has_text=FINISHED).wait_for(timeout=2 * PATIENCE)
        page.keyboard.press("Control+b")  # room: the file browser goes
        return page

    def leave(self, page):
        """Close a notebook, and end every kernel: memory is for the next."""
        page.close()
        for session in self._ask("GET", "sessions"):
            self._ask("DELETE", f"sessions/{session['id']}")

    def _ask(self, method, path):
        request = urllib.request.Request(
            f"{self._url}/api/{path}", method=method, headers={"Authorization": f"token {self._token}"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or "null")


def run_all(page):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def add_cell(page, code):
    """Write another cell at the end by the keyboard, run it, and give what it shows."""
    cells = page.locator(".jp-CodeCell")
    count = cells.count()
    cells.last.locator(".jp-InputPrompt").first.click()
    for key in ("Escape", "b", "Enter"):
        page.keyboard.press(key)
    expect(cells).to_have_count(count + 1)
    expect(cells.last.locator(".cm-content")).to_be_focused()
    page.keyboard.insert_text(code.strip())
    page.keyboard.press("Control+Enter")
    expect(cells.last.locator(".jp-InputPrompt").first).to_have_text(re.compile(r"\[\d+\]"))
    return shown(page, count)


def shown(page, place):
    """Give a cell's outputs as text."""
    return "\n".join(
        page.locator(".jp-CodeCell").nth(place).locator(".jp-OutputArea-output").all_inner_texts()
    )


def tracebacks(page):
    return page.locator("[data-mime-type='application/vnd.jupyter.error']").all_inner_texts()


def picture(page, name):
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / f"{name}.png")


def use_theme(page, name):
    """Choose JupyterLab's theme, by the command that its menu gives."""
    page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
    light = str("Light" in name).lower()
    page.locator(f"body[data-jp-theme-light={light}]").wait_for(state="attached")
