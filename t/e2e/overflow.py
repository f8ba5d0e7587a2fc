"""overflow.py: more updates than wait for a watcher who does not read."""
TEXT = "x" * 990  # with a number in front at most 1,000 bytes


def numbered(numbers, text=TEXT):
    """Updates of a run, told apart by the number that begins their message."""
    return [{"status": "transcribing", "progress": 20 + n * 40 // 100000, "message": f"{n} {text}"} for n in numbers]


def overflow(bed, session, watchers=1):
    """Posts batches until more than a batch was dropped for those who don't read; returns the last number."""
    for first in range(1, 100000, 40):
        assert bed.batch(session, numbered(range(first, first + 40))).status == 200
        if bed.metric("conflated_total") > 40 * watchers:
            return first + 39
    raise AssertionError("nothing was dropped")
