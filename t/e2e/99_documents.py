"""No command, no program and no configuration in a README or a guide that no test has run."""
import pathlib
import re

import pytest

from bed import TOP
from guides import DRAWN, FENCE, INDENTED, INLINE, Guide, taken
from roots import as_root_only, plain_only

HERE = pathlib.Path(__file__).parent
DOCUMENTS = sorted(str(path.relative_to(TOP)) for pattern in ("README.md", "docs/*.md", "clients/*/README.md")
                   for path in TOP.glob(pattern))
# What can't be run from within these tests, and why.
ELSEWHERE = {
    "./test                # installs what is missing, builds, unit and end-to-end tests\n"
    "./test --sanitize     # the same with AddressSanitizer and UndefinedBehaviorSanitizer\n"
    "./test --help         # the rest": "runs these",
    "./test --sanitize": "runs these",
    "./test --thread": "runs these",
    "make bench": "takes minutes; 47_bench.py runs its programs",
}


def codes(path):
    """All that there is to run in a document."""
    text = Guide(path.removeprefix("docs/")).text
    blocks = [block for _, _, block in FENCE.findall(text)]
    text = FENCE.sub("", text)
    blocks += [block for block in INDENTED.findall(text) if not DRAWN.search(block)]
    inline = [" ".join(code.split()) for code in INLINE.findall(INDENTED.sub("", text))]
    return [squeezed(code) for code in blocks + inline]


def squeezed(code):
    """However it was indented."""
    return re.sub(r"(?m)^\s+", "", code).strip()


def mentions():
    """The tests that take something of a document."""
    return {path.name for path in HERE.glob("[0-9]*.py") if re.search(r"\bGuide\(", path.read_text())} | {
        "73_first_minutes.py"} - {pathlib.Path(__file__).name}


@plain_only
@as_root_only
def test_every_code_was_run(request):
    missing = mentions() - {item.path.name for item in request.session.items}
    if missing or request.config.option.keyword:
        pytest.skip("where all of the tests run that take from the documents")
    ran = {(path, squeezed(code)) for path, code in taken()}
    left = [(path, code) for path in DOCUMENTS for code in codes(path)
            if (path, code) not in ran and code not in map(squeezed, ELSEWHERE)]
    assert not left, "\n\n".join(f"{path}: not run by any test:\n{code}" for path, code in left)


def test_what_is_elsewhere():
    """Is in a document still."""
    assert set(map(squeezed, ELSEWHERE)) <= {code for path in DOCUMENTS for code in codes(path)}
