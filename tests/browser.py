"""A headless Chromium for tests, driven by its DevTools protocol over a pair of pipes.

No driver program, no web socket and no package is needed: Chromium reads commands as JSON with a
NUL byte at the end from file descriptor 3 and writes answers and events to 4.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # tests may run as root in a container
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-default-browser-check",
    "--no-first-run",
    "--hide-scrollbars",
    # Whatever the page may ask for, only this machine is found.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 180.0  # seconds to wait for anything; a busy machine with two cores can be slow


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def chromium_or_skip() -> Iterator[Browser]:
    """A browser for a fixture; its tests are skipped where there is none."""
    executable = find_chromium()
    if executable is None:
        pytest.skip(f"no browser: none of {', '.join(NAMES)} is installed")
    with Browser(executable) as browser:
        yield browser


class Browser:
    """One page of a headless Chromium; a context manager.

    Attributes
    ----------
    requests
        Address of everything the page asked for, in order.
    errors
        What it wrote to the console as errors, its uncaught exceptions included.
    console
        Whatever else it wrote there.
    """

    def __init__(self, chromium: str, *, width: int = 1280, height: int = 900) -> None:
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.console: list[str] = []
        self._last_id = 0
        self._unread = b""
        self._profile = tempfile.TemporaryDirectory(prefix="seiqa-browser-")
        theirs_in, self._to = _pipe()
        self._from, theirs_out = _pipe()
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
            # posix_spawn puts the pipes where Chromium expects them and, unlike fork, is safe
            # beside threads.
            self._pid = os.posix_spawn(
                chromium,
                [chromium, *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"],
                {
                    **os.environ,
                    "TMPDIR": self._profile.name,
                },  # what it leaves goes with the profile
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs_in, 3),
                    (os.POSIX_SPAWN_DUP2, theirs_out, 4),
                    (os.POSIX_SPAWN_DUP2, nowhere.fileno(), 1),
                    (os.POSIX_SPAWN_DUP2, nowhere.fileno(), 2),
                ],
                setpgroup=0,
            )
        os.close(theirs_in)
        os.close(theirs_out)
        self._session: str | None = None
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "DOM"):
            self.call(f"{domain}.enable")
        self.resize(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser and forget its profile."""
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._to)
        os.close(self._from)
        self._profile._ignore_cleanup_errors = True  # its helpers may still be writing
        self._profile.cleanup()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command, note the events that come meanwhile, and return its result."""
        self._last_id += 1
        message = {"id": self._last_id, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(deadline, f"an answer to {method}")
            if answer.get("id") == self._last_id:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])

    def open(self, address: str) -> None:
        """Go to a page and wait until its document and pictures are there."""
        self.call("Page.navigate", url=address)
        self.wait_for("document.readyState == 'complete'")

    def forget(self) -> None:
        """Start the lists of requests, errors and other messages anew."""
        for heard in (self.requests, self.errors, self.console):
            heard.clear()

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{script}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Evaluate an expression again and again until it is true; its value."""
        deadline = time.monotonic() + PATIENCE
        while not (value := self.evaluate(script)):
            if time.monotonic() > deadline:
                text = self.evaluate("document.body.innerText")
                heard = f"last requests {self.requests[-8:]}, errors {self.errors}, {self.console}"
                raise TimeoutError(f"{script} did not come true; {heard}; the page says: {text}")
            time.sleep(0.05)
        return value

    def click(self, selector: str) -> None:
        """Click the first element of a CSS selector, once it is there."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"!!{element}")
        self.evaluate(f"{element}.click()")

    def press(self, selector: str) -> None:
        """Press the mouse's button on an element, for what a script's click does not open."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"!!{element}")
        box = f"{element}.getBoundingClientRect()"
        x, y = self.evaluate(f"(box => [box.x + box.width / 2, box.y + box.height / 2])({box})")
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def choose_file(self, selector: str, path: Path) -> None:
        """Choose a file in a file input, once it is there."""
        self.wait_for(f"!!document.querySelector({json.dumps(selector)})")
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path.resolve())], nodeId=node)

    def resize(self, width: int, height: int, *, phone: bool = False) -> None:
        """Size of the window in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write what is to be seen as PNG; by default the whole page."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def _receive(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            part = os.read(self._from, 1 << 20) if ready else b""
            if not part:
                raise TimeoutError(f"Chromium did not give {what}")
            self._unread += part
        message, _, self._unread = self._unread.partition(b"\0")
        event = json.loads(message)
        self._note(event.get("method"), event.get("params", {}))
        return dict(event)

    def _note(self, event: str | None, params: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled":
            grave = params["type"] in ("error", "assert")
            heard = self.errors if grave else self.console
            heard.append(str([part.get("value", part) for part in params["args"]]))
        elif event == "Log.entryAdded":
            grave = params["entry"]["level"] == "error"
            heard = self.errors if grave else self.console
            heard.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")


def _pipe() -> tuple[int, int]:
    """A pipe whose ends are clear of the numbers that Chromium wants, and not inherited."""
    ends = os.pipe()
    moved = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return moved[0], moved[1]
