"""guides.py: the code of guides and READMEs, taken from them to be run: what is wrong there fails its test.

A fenced block's first line may be a comment that names the file which the block is the content of, or stands at the end
of. Blocks in a list are indented by it. READMEs have indented blocks instead.

What was taken is noted, for 99_documents.py: it finds what no test has run.
"""
import json
import os
import re
import tempfile
import textwrap

from bed import TOP

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.M | re.S)
INDENTED = re.compile(r"(?<=\n\n)(?: {4,}\S.*\n)(?:(?: {4,}.*)?\n)*")
PATH = re.compile(r"^# (\S*/\S*)(?: \(at its end\))?$")
DRAWN = re.compile("[─│▶◀]")  # a diagram
# Of what is in the text between backquotes, what somebody may type.
INLINE = re.compile(r"`((?:\./(?:configure|run|test)|make|man|milepost-run|milepostctl|systemctl|systemd-analyze|"
                    r"journalctl|ldd|curl|npm|pip|sqlite3) [^`]+)`")

# Of this process and of those that it starts.
if "MILEPOST_TAKEN" not in os.environ:
    noted = tempfile.NamedTemporaryFile("w", prefix="mptaken.")
    os.environ["MILEPOST_TAKEN"] = noted.name


def note(path, *codes):
    with open(os.environ["MILEPOST_TAKEN"], "a") as file:
        for code in codes:
            file.write(json.dumps([path, code.strip()]) + "\n")


def taken():
    """The codes that were taken so far, each with the path of its document."""
    with open(os.environ["MILEPOST_TAKEN"]) as file:
        return {tuple(json.loads(line)) for line in file}


class Guide:
    def __init__(self, name):
        """Of docs/; or elsewhere, by its path from the top."""
        self.path = name if name.endswith("README.md") else f"docs/{name}"
        self.text = (TOP / self.path).read_text()

    def blocks(self, language=None, heading=""):
        """All blocks of a language (of any), of the sections whose heading begins so: they are to be run."""
        blocks = [textwrap.dedent(block) for section in self.sections(heading)
                  for _, found, block in FENCE.findall(section) if language in (None, found)]
        if language is not None:
            note(self.path, *blocks)
        return blocks

    def indented(self, heading="", part=""):
        """The indented blocks of these sections that have the part in them: they are to be run."""
        text = "".join(self.sections(heading)) if heading else self.text
        found = [textwrap.dedent(block).strip("\n") + "\n" for block in INDENTED.findall(FENCE.sub("", text))]
        blocks = [block for block in found if part in block and not DRAWN.search(block)]
        note(self.path, *blocks)
        return blocks

    def inline(self, part=""):
        """What is to be typed of the text itself, likewise."""
        found = [" ".join(code.split()) for code in INLINE.findall(FENCE.sub("", INDENTED.sub("", self.text)))]
        codes = [code for code in dict.fromkeys(found) if part in code]
        note(self.path, *codes)
        return codes

    def sections(self, heading):
        parts = re.split(r"^(?=#+ )", re.sub(r"(?ms)^ *```.*?^ *```$", self.hide, self.text), flags=re.M)
        return [part.replace("\0#", "#") for part in parts if re.match(rf"#+ {re.escape(heading)}", part)]

    @staticmethod
    def hide(match):
        """Comments in code are no headings."""
        return re.sub(r"(?m)^#", "\0#", match[0])

    def script(self, heading):
        """The commands of a section, as one script."""
        script = "".join(self.blocks("sh", heading))
        assert script, heading
        return script

    def files(self, heading=""):
        """The files that the guide has the reader write: by their path, their content."""
        files = {}
        for block in self.blocks(heading=heading):
            first, _, rest = block.partition("\n")
            if found := PATH.match(first):
                note(self.path, block)
                files[found[1]] = files.get(found[1], "") + rest
        return files
