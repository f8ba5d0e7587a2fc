"""Conformance to RFC 6455, group by group as the Autobahn testsuite has it, by frames made by hand.

A row of a table is what a client sends, what milepost-ws answers, and the code that it closes with.
Where a row is good to its end, the client's own close 1000 is what ends it, and is echoed.
"""
import json
import re

import pytest

from bed import Bed, eventually
from frames import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Wire, close, fragments, frame, text

ACK = (TEXT, b'{"type":"ack","message":"Message received"}')
BYE = close(1000)
LIMIT = 4096


@pytest.fixture(scope="module")
def bed():
    # Nothing here waits for close_timeout: what is not ended at once is not ended in time.
    with Bed(client_messages="ack", message_rate_max=60000, close_timeout="60s") as bed:
        bed.watched, bed.watcher = bed.session(), bed.user("therapist")
        yield bed


def wire(bed, port=None):
    return Wire(bed, bed.watched, bed.token(bed.watcher), port=port)


def table(rows):
    return pytest.mark.parametrize("data,answers,code", rows.values(), ids=rows)


def check(bed, data, answers, code):
    """The same in one piece, byte by byte, and in pieces that end anywhere."""
    for step in (None, 1, 7):
        with wire(bed) as w:
            w.send(data, step)
            assert w.end() == (answers, code), f"in pieces of {step}"


def pong(payload):
    return PONG, payload


# --- 1: framing ---

SIZES = (0, 1, 125, 126, 127, 128, LIMIT - 1, LIMIT, LIMIT + 1, 65535, 65536)


@table({
    **{f"text of {n}": (text(b"*" * n) + BYE, [ACK], 1000) if n <= LIMIT else (text(b"*" * n), [], 1009)
       for n in SIZES},
    **{f"binary of {n}": (frame(BINARY, b"\xfe" * n), [], 1003) for n in SIZES},
    "binary fragment": (fragments(b"a", b"b", opcode=BINARY), [], 1003),
    "a length that nobody has memory for": (b"\x81\xff\x7f" + b"\xff" * 7 + b"mask", [], 1009),
    "a length of 64 bits": (b"\x81\xff\x80" + b"\0" * 7 + b"mask", [], 1002),
    **{f"{n} in {8 * width} bits": (text(b"x" * n, width=width), [], 1002)
       for n, width in ((0, 2), (125, 2), (0, 8), (126, 8), (65535, 8))},
    "no mask": (text(b"hello", mask=b""), [], 1002),
    "no mask on a close": (frame(CLOSE, mask=b""), [], 1002),
    **{f"mask {mask.hex()}": (text("é".encode() * 9, mask=mask) + frame(PING, b"payload", mask=mask) + BYE,
                              [ACK, pong(b"payload")], 1000)
       for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\xff\x80\x7f")},
    "many messages": (text(b"a") * 20 + BYE, [ACK] * 20, 1000),
})
def test_framing(bed, data, answers, code):
    """Every form of the length, up to the limit and beyond it; every mask, and none."""
    check(bed, data, answers, code)


@pytest.mark.parametrize("step", range(1, 12))
def test_chops(bed, step):
    """Pieces of every size that a head can be cut in."""
    with wire(bed) as w:
        w.send(text(b"*" * 300) + frame(PING, b"p" * 9) + text(b"*" * 9) + text(b"*" * LIMIT) + BYE, step)
        assert w.end() == ([ACK, pong(b"p" * 9), ACK, ACK], 1000)


# --- 2: pings and pongs ---

ANY = bytes(range(250, 256)) + bytes(range(119))  # a payload that is not UTF-8, of the full 125 bytes


@table({
    "every size": (b"".join(frame(PING, ANY[:n]) for n in range(126)) + BYE,
                   [pong(ANY[:n]) for n in range(126)], 1000),
    **{f"{name} of {n}": (frame(opcode, b"x" * n), [], 1002) for n in (126, 65536)
       for name, opcode in (("ping", PING), ("pong", PONG))},
    "unsolicited pong": (frame(PONG) + BYE, [], 1000),
    "unsolicited pong with a payload": (frame(PONG, ANY) + BYE, [], 1000),
    "pong, then ping": (frame(PONG, b"mine") + frame(PING, b"p") + BYE, [pong(b"p")], 1000),
    "ten pings": (b"".join(frame(PING, b"%d" % i) for i in range(10)) + BYE,
                  [pong(b"%d" % i) for i in range(10)], 1000),
    "a ping between texts": (text(b"a") + frame(PING, b"p") + text(b"b") + BYE, [ACK, pong(b"p"), ACK], 1000),
})
def test_pings(bed, data, answers, code):
    """Every ping is answered by its payload, in order; a pong by nothing."""
    check(bed, data, answers, code)


# --- 3 and 4: reserved bits and opcodes ---

HOSTILE = {
    **{f"rsv {rsv} on {name}": frame(opcode, payload, rsv=rsv) for rsv in range(1, 8)
       for name, opcode, payload in (("text", TEXT, b"x"), ("binary", BINARY, b"x"), ("ping", PING, b""),
                                     ("pong", PONG, b""), ("close", CLOSE, b"\x03\xe8"))},
    **{f"opcode {opcode:x} of {n}": frame(opcode, b"x" * n) for opcode in (*range(3, 8), *range(11, 16))
       for n in (0, 5, 200)},
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_reserved(bed, hostile):
    """Reserved bits and opcodes are 1002 at once: what came before is answered, nothing behind."""
    check(bed, text(b"a") + frame(PING, b"p") + hostile + frame(PING, b"q") + BYE, [ACK, pong(b"p")], 1002)


def test_reserved_in_a_continuation(bed):
    """Reserved bits may not be set in later fragments either."""
    check(bed, text(b"a", fin=False) + frame(CONTINUATION, b"b", rsv=4), [], 1002)


# --- 5: fragmentation ---

START, GO_ON, LAST = text(b"a", fin=False), frame(CONTINUATION, b"b", fin=False), frame(CONTINUATION, b"c")


@table({
    **{f"fragmented {name}": (frame(opcode, b"\x03\xe8", fin=False) + LAST, [], 1002)
       for name, opcode in (("ping", PING), ("pong", PONG), ("close", CLOSE))},
    "two": (START + LAST + BYE, [ACK], 1000),
    "three": (START + GO_ON + LAST + BYE, [ACK], 1000),
    "empty fragments": (fragments(b"", b"", b"") + BYE, [ACK], 1000),
    "empty ones among others": (fragments(b"", b"a", b"", b"b", b"") + BYE, [ACK], 1000),
    "a ping between": (START + frame(PING, b"p") + LAST + BYE, [pong(b"p"), ACK], 1000),
    "pings between": (fragments(*[b"x"] * 5, between=frame(PING, b"1") + frame(PONG) + frame(PING, b"2")) + BYE,
                      [pong(b"1"), pong(b"2")] * 4 + [ACK], 1000),
    "a full ping between": (START + frame(PING, ANY) + GO_ON + LAST + BYE, [pong(ANY), ACK], 1000),
    "a long ping between": (START + frame(PING, b"x" * 126), [], 1002),
    "two messages": (START + LAST + START + GO_ON + LAST + BYE, [ACK, ACK], 1000),
    "one that is never ended": (START + GO_ON + BYE, [], 1000),
    "a last one of nothing": (LAST + text(b"a"), [], 1002),
    "one of nothing": (GO_ON + LAST, [], 1002),
    "one behind a message": (START + LAST + LAST, [ACK], 1002),
    "one behind a whole message": (text(b"a") + GO_ON, [ACK], 1002),
    "one behind a ping": (frame(PING, b"p") + LAST, [pong(b"p")], 1002),
    "text within text": (START + text(b"x"), [], 1002),
    "text fragment within text": (START + GO_ON + START, [], 1002),
    "binary within text": (START + frame(BINARY, b"x"), [], 1002),
    "up to the limit": (fragments(b"x" * 4000, b"x" * 96, b"") + BYE, [ACK], 1000),
    "over the limit": (fragments(b"x" * 4000, b"x" * 96, b"x"), [], 1009),
    "the limit is one message's": (fragments(b"x" * 4000, b"x" * 96) * 3 + BYE, [ACK] * 3, 1000),
})
def test_fragmentation(bed, data, answers, code):
    """Fragments in their order, control frames between them, and nothing else."""
    check(bed, data, answers, code)


# --- 6: UTF-8 ---

GREEK = "κόσμε".encode()
VALID = {
    "greek": GREEK, "hello": "Hello-µ@ßöäüàá-UTF-8!!".encode(), "nul": b"\0",
    # Both sides of every length, of the surrogates, and the last code point there is.
    **{f"U+{n:04X}": chr(n).encode() for n in (
        0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfffd, 0xffff, 0x10000,
        0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10ffff)},
    # Noncharacters may be interchanged: they are 1007 nowhere.
    **{f"noncharacter U+{n:04X}": chr(n).encode()
       for n in (0xfdd0, 0xfdef, 0xfffe, *(plane << 16 | low for plane in range(1, 17) for low in (0xfffe, 0xffff)))},
}
INVALID = {name: bytes.fromhex(code) for name, code in {
    "lone continuation 80": "80", "lone continuation bf": "bf", "seven continuations": "80bf80bf80bf80",
    "a continuation too many": "c3a9a9", "all continuations": bytes(range(0x80, 0xc0)).hex(),
    "two-byte lead, space": "c320", "three-byte lead, space": "e020", "four-byte lead, space": "f020",
    "e2 82 without its third": "e28220", "f0 9f 98 without its fourth": "f09f9820",
    "lead after lead": "c3c3", "f0 and e2": "f0e282ac", "greek and f4 90": (GREEK + b"\xf4\x90\x80\x80").hex(),
    "overlong slash 2": "c0af", "overlong slash 3": "e080af", "overlong slash 4": "f08080af",
    "overlong slash 5": "f8808080af", "overlong slash 6": "fc80808080af", "overlong 7f": "c1bf",
    "overlong 7ff": "e09fbf", "overlong ffff": "f08fbfbf", "overlong 1fffff": "f887bfbfbf",
    "overlong 3ffffff": "fc83bfbfbfbf", "overlong nul 2": "c080", "overlong nul 3": "e08080",
    "overlong nul 4": "f0808080", "overlong nul 5": "f880808080", "overlong nul 6": "fc8080808080",
    "first of 5": "f888808080", "first of 6": "fc8480808080", "last of 4": "f7bfbfbf",
    "last of 5": "fbbfbfbfbf", "last of 6": "fdbfbfbfbfbf", "U+110000": "f4908080", "U+13FFFF": "f4bfbfbf",
    "f5": "f5808080", "fe": "fe", "ff": "ff", "fe fe ff ff": "fefeffff",
    "U+D800": "eda080", "U+DB7F": "edadbf", "U+DB80": "edae80", "U+DBFF": "edafbf", "U+DC00": "edb080",
    "U+DF80": "edbe80", "U+DFFF": "edbfbf", "a pair": "eda080edb080", "another pair": "edafbfedbfbf",
    **{f"{first:x} to {last:x}, spaces": bytes(b for lead in range(first, last + 1) for b in (lead, 0x20)).hex()
       for first, last in ((0xc0, 0xdf), (0xe0, 0xef), (0xf0, 0xf7), (0xf8, 0xfb), (0xfc, 0xff))},
    "all without their last": "c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf",
}.items()}
UNENDED = [bytes.fromhex(code) for code in ("c3", "df", "e2", "e282", "ed9f", "efbf", "f0", "f09f", "f09f98", "f48fbf")]


def pieces(payload):
    """One byte a fragment."""
    return [payload[i:i + 1] for i in range(len(payload))]


def is_text(payload):
    try:
        return payload.decode() is not None
    except UnicodeDecodeError:
        return False


def fault(payload):
    """Where the payload stops being the beginning of any UTF-8: nothing makes it whole from there on."""
    ends = (b"", b"\x80", b"\x80\x80", b"\xa0\x80", b"\x80\x80\x80", b"\x90\x80\x80")
    return next((i for i in range(len(payload)) if not any(is_text(payload[:i + 1] + end) for end in ends)), None)


@pytest.mark.parametrize("payload", VALID.values(), ids=VALID)
def test_utf8(bed, payload):
    """All of UTF-8 is taken, also where fragments cut a character."""
    check(bed, text(payload) + fragments(*pieces(payload)) + fragments(b"", *pieces(payload * 2), b"") + BYE,
          [ACK] * 3, 1000)


@pytest.mark.parametrize("lead", [b"", GREEK, b"x" * 1000], ids=["at first", "later", "far behind"])
@pytest.mark.parametrize("payload", INVALID.values(), ids=INVALID)
def test_not_utf8(bed, payload, lead):
    """All else is 1007 with its first wrong byte: not later, within a frame, and not earlier."""
    wrong = fault(payload)
    check(bed, text(b"a") + text(lead + payload), [ACK], 1007)
    check(bed, fragments(lead, *pieces(payload), b"more"), [], 1007)
    with wire(bed) as w:
        w.send(text(lead + payload[:wrong], fin=False) + frame(PING, b"fine so far"))
        assert w.receive() == pong(b"fine so far")
        # Of this frame no more than the wrong byte is ever sent.
        w.send(frame(CONTINUATION, payload[wrong:wrong + 1] + b"more")[:-4])
        assert w.end() == ([], 1007)


@pytest.mark.parametrize("payload", UNENDED, ids=bytes.hex)
def test_unended_utf8(bed, payload):
    """A character that is begun is awaited until the message ends."""
    assert fault(payload) is None
    check(bed, text(GREEK + payload), [], 1007)
    check(bed, fragments(payload, b"", between=frame(PING, b"p")), [pong(b"p")], 1007)


def test_every_prefix(bed):
    """A text may end behind each of its characters, and nowhere else."""
    for n in range(1, len(GREEK) + 1):
        whole = is_text(GREEK[:n])
        check(bed, text(GREEK[:n]) + BYE, [ACK] if whole else [], 1000 if whole else 1007)


# --- 7: closing ---

REASON = ("é" * 61).encode() + b"."  # 123 bytes


@table({
    "empty": (frame(CLOSE), [], None),
    "one byte": (frame(CLOSE, b"\x0f"), [], 1002),  # whatever lies behind it in memory, a valid code
    **{f"{code}": (close(code), [], code)
       for code in (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999)},
    **{f"{code} is invalid": (close(code), [], 1002)
       for code in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)},
    "reason": (close(4999, b"bye"), [], 4999),
    "the longest reason": (close(1001, REASON), [], 1001),
    "a reason that is too long": (close(1000, b"x" * 124), [], 1002),
    **{f"reason of {name}": (close(1000, payload), [], 1007) for name, payload in INVALID.items() if len(payload) < 50},
    **{f"reason of {payload.hex()}": (close(1000, payload), [], 1007) for payload in UNENDED},
    "text before": (text(b"a") + BYE, [ACK], 1000),
    "text behind": (BYE + text(b"a"), [], 1000),
    "ping behind": (BYE + frame(PING, b"p"), [], 1000),
    "a fault behind": (BYE + frame(3) + text(b"\xff"), [], 1000),
    "a second close": (close(1001) + close(3000, b"again"), [], 1001),
    "a close behind a fault": (frame(3) + BYE, [], 1002),
    "within a message": (START + BYE + LAST, [], 1000),
    "much behind": (BYE + text(b"*" * LIMIT) * 64, [], 1000),
})
def test_close(bed, data, answers, code):
    """A close is answered by its code, and is the end: of both directions, once."""
    check(bed, data, answers, code)


@pytest.mark.parametrize("answer", [BYE, frame(CLOSE), close(4000, b"why"), text(b"a") + frame(PING) + BYE,
                                    close(999), frame(3)],
                         ids=["same", "empty", "another", "after text and ping", "an invalid one", "a fault"])
def test_close_by_the_server(bed, answer):
    """Behind the server's own close the client's is awaited; nothing is answered any more."""
    session = bed.session()
    with Wire(bed, session, bed.token(bed.watcher)) as w:
        bed.report(session, "processed")
        assert json.loads(w.receive()[1])["status"] == "processed"
        assert w.receive() == (CLOSE, b"\x03\xe8Processing complete")
        w.send(answer)
        assert w.receive() is None


# --- 10: many fragments ---

@pytest.mark.parametrize("size", [1, 2, 3, 64, 125, 126, 1300])
def test_many_fragments(bed, size):
    """A message is put together as it was: here a refresh, and a text of the full length."""

    def cut(payload):
        return [payload[i:i + size] for i in range(0, len(payload), size)]

    token = bed.token(bed.watcher)
    refresh = json.dumps({"type": "refresh", "token": token, "padding": "é" * 500}, ensure_ascii=False).encode()
    pings = len(cut(refresh)) - 1
    with Wire(bed, bed.watched, token) as w:
        w.send(fragments(*cut(refresh), between=frame(PING)) + fragments(*cut(b"*" * LIMIT)) + BYE)
        assert w.end() == ([pong(b"")] * pings + [ACK, ACK], 1000)
    opened = re.findall(r"event=ws\.open .*?conn=(\d+)", bed.logs())[-1]
    eventually(lambda: re.search(rf"event=ws\.refresh conn={opened}\b", bed.logs()), "the token is replaced")
    check(bed, fragments(*cut(b"*" * 65536)), [], 1009)


# --- and through nginx ---

@table({
    "closed": (text(b"a") + frame(PING, ANY) + fragments(b"a", b"b", between=frame(PING)) + close(4000),
               [ACK, pong(ANY), pong(b""), ACK], 4000),
    "rsv": (frame(PING, b"p") + text(b"a", rsv=1), [pong(b"p")], 1002),
    "opcode": (text(b"a") + frame(3), [ACK], 1002),
    "binary": (text(b"a") + frame(BINARY, b"b" * 65536), [ACK], 1003),
    "UTF-8": (text(b"a") + fragments(b"b", b"\xff"), [ACK], 1007),
    "too large": (text(b"a" * LIMIT) + text(b"b" * 65536), [ACK], 1009),
})
def test_through_nginx(bed, data, answers, code):
    """nginx hands on all of it, and reads on behind the end: were it to reset the connection of a
    client that still sends, the client would lose what it has not read by then."""
    for step in (None, 1 if len(data) < LIMIT else 997):
        with wire(bed, bed.port) as w:
            w.send(data, step)
            assert w.end() == (answers, code), f"in pieces of {step}"
            w.send(text(b"*" * LIMIT) * 64, LIMIT)
