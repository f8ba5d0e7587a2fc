"""guides.py: the code of the guides in docs/, taken from them to be run: a guide that is wrong fails its test.

A fenced block's first line may be a comment that names the file which the block is the content of, or stands at the end
of. Blocks in a list are indented by it.
"""
import re
import textwrap

from bed import TOP

FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.M | re.S)
PATH = re.compile(r"^# (\S*/\S*)(?: \(at its end\))?$")


class Guide:
    def __init__(self, name):
        self.text = (TOP / "docs" / name).read_text()

    def blocks(self, language=None, heading=""):
        """All blocks of a language (of any), of the sections whose heading begins so."""
        return [textwrap.dedent(block) for section in self.sections(heading)
                for _, found, block in FENCE.findall(section) if language in (None, found)]

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
                files[found[1]] = files.get(found[1], "") + rest
        return files
