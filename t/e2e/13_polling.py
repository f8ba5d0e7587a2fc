"""Watching without WebSocket: the current progress, and the history of the run."""


def get(bed, session, what="", **kw):
    return bed.http("GET", f"/api/sessions/{session}/progress{what}", **kw)


def test_progress(bed):
    """404 before the first update, then the message."""
    session, bearer = bed.session(), bed.therapist()
    reply = get(bed, session, bearer=bearer)
    assert (reply.status, reply.json["detail"]) == (404, "No progress yet")
    stored = bed.report(session, "transcribing", 45).json
    assert get(bed, session, bearer=bearer).json == stored


def test_etag(bed):
    """If-None-Match gives 304 until there is something new."""
    session, bearer = bed.session(), bed.therapist()
    bed.report(session, "transcribing", 45)
    tag = get(bed, session, bearer=bearer).headers["ETag"]
    for match in (tag, f'"x", W/{tag}', "*"):
        reply = get(bed, session, bearer=bearer, If_None_Match=match)
        assert (reply.status, reply.body, reply.headers["ETag"]) == (304, b"", tag)
    bed.report(session, "transcribing", 46)
    assert get(bed, session, bearer=bearer, If_None_Match=tag).status == 200


def test_history(bed):
    """The updates of the current run, oldest first; since= adds the revision."""
    session, bearer = bed.session(), bed.therapist()
    assert get(bed, session, "/history", bearer=bearer).status == 404
    bed.report(session, "failed", error="of the run before")
    stored = [bed.report(session, "transcribing", p).json for p in (20, 30, 40)]
    assert get(bed, session, "/history", bearer=bearer).json == stored
    numbered = get(bed, session, "/history?since=0", bearer=bearer).json
    assert [{**m, "revision": n["revision"]} for m, n in zip(stored, numbered)] == numbered
    rest = get(bed, session, f"/history?since={numbered[1]['revision']}", bearer=bearer).json
    assert rest == numbered[2:]
    assert get(bed, session, "/history?since=x", bearer=bearer).status == 400


def test_who_may_read(bed):
    """The watching rule holds here too: 401, 404, 403 in this order."""
    patient = bed.user("patient")
    own, other = bed.session(patient), bed.session(bed.user("patient"))
    for session in (own, other):
        bed.report(session, "uploading", 1)
    token = bed.token(patient)
    assert get(bed, own, bearer=token).status == 200
    reply = get(bed, other, bearer=token)
    assert (reply.status, reply.json["detail"]) == (403, "Not authorized to access this session")
    assert get(bed, "00000000-0000-4000-8000-000000000000", bearer=token).status == 404
    assert get(bed, own).status == 401
    assert get(bed, own, bearer=bed.worker_key).status == 403
    assert get(bed, own, bearer=bed.admin_key).status == 200
    assert get(bed, own, bearer=bed.token(bed.user("therapist", is_active=0))).status == 401


def test_long_history(bed):
    """What is too long for one answer comes in several, by since."""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "uploading", 1)
    escaped = "replace(printf('%1024s', ''), ' ', char(1))"  # sixfold in JSON
    bed.copies(session, 6000, status="'failed'", rank="50", outcome="'failed'", message=escaped, error=escaped)
    seen, since = [], 0
    while page := bed.http("GET", f"/api/sessions/{session}/progress/history?since={since}", bearer=token).json:
        seen += [update["revision"] for update in page]
        since = seen[-1]
        assert len(page) < 6001
    assert seen == [revision for revision, _ in bed.stored(session)]
