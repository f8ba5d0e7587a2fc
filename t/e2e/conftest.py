"""conftest.py: one Bed, and one Chromium, for all tests of a file that need nothing special of it; async tests."""
import asyncio
import inspect
import signal

import pytest

from bed import Bed

# What a shell in the background, or nohup, lets its programs ignore would be ignored by ours too.
for ignored in (signal.SIGHUP, signal.SIGQUIT):
    signal.signal(ignored, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def bed():
    with Bed() as bed:
        yield bed


@pytest.fixture(scope="module")
def chromium(bed):
    """For the watch page of the file's Bed."""
    from browser import Browser  # which only these files need

    with Browser.of(bed) as browser:
        yield browser


@pytest.fixture
def page(chromium):
    """A fresh tab. At its end no script may have failed, and nothing have tried what the policy forbids."""
    with chromium.fresh():
        yield chromium


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Runs a test that is a coroutine to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.function(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
