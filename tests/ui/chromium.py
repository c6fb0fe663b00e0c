"""Starting Chromium: the system's where there is one, else the one that Playwright has downloaded."""

import shutil

# The browser must not talk to anybody but us.
QUIET = [
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def launch(playwright):
    system = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return playwright.chromium.launch(executable_path=system, args=QUIET)
