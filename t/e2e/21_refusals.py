"""Who may watch: the contract's table of refusals, in its order; tokens and their traps."""
import json
import time
import uuid

import pytest

from bed import Bed, Closed, b64, receive, until_closed, update

REQUIRED = (1008, "Authentication required")
INVALID = (1008, "Invalid authentication")
NOT_FOUND = (1008, "Session not found")
FORBIDDEN = (1008, "Not authorized to access this session")


async def refusal(bed, session, token=None, **kw):
    """How the connection is closed; nothing may be sent before."""
    async with bed.watch(session, token, **kw) as ws:
        closed = await until_closed(ws)
    assert closed.messages == []
    return closed.code, closed.reason


async def test_order(bed):
    """The checks come in the table's order."""
    patient = bed.user("patient")
    other = bed.session(bed.user("patient"))
    for session in (other, "no-uuid", uuid.uuid4()):
        assert await refusal(bed, session) == REQUIRED
        assert await refusal(bed, session, "x") == INVALID
    assert await refusal(bed, "no-uuid", bed.token(patient)) == NOT_FOUND
    assert await refusal(bed, uuid.uuid4(), bed.token(patient)) == NOT_FOUND
    assert await refusal(bed, other, bed.token(patient)) == FORBIDDEN


async def test_roles(bed):
    """Therapists and admins any session, a patient their own."""
    patient = bed.user("patient")
    own, nobodys = bed.session(patient), bed.session()
    for session in (own, nobodys):
        bed.report(session, "uploading", 1)
    for user, session in ((patient, own), (bed.user("therapist"), own), (bed.user("admin"), nobodys)):
        async with bed.watch(session, bed.token(user)) as ws:
            assert (await receive(ws))["progress"] == 1
    assert await refusal(bed, nobodys, bed.token(patient)) == FORBIDDEN


async def test_role_claim_counts_for_nothing(bed):
    """The role is the database's, never the token's."""
    token = bed.token(bed.user("patient"), role="admin")
    assert await refusal(bed, bed.session(bed.user("patient")), token) == FORBIDDEN


def unsigned(bed, header, user):
    claims = {"sub": user, "exp": int(time.time()) + 600}
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}."


@pytest.mark.parametrize("make", [
    lambda bed, u: bed.token(u, secret="another secret, as long as it needs to be"),
    lambda bed, u: bed.token(u, secret=""),
    lambda bed, u: bed.token(u, alg="HS512"), lambda bed, u: bed.token(u, alg="HS384"),
    lambda bed, u: unsigned(bed, {"alg": "none", "typ": "JWT"}, u),
    lambda bed, u: unsigned(bed, {"alg": "HS256", "typ": "JWT"}, u),
    lambda bed, u: bed.token(u, header={"alg": "none"}), lambda bed, u: bed.token(u, header={}),
    lambda bed, u: bed.token(u, header={"alg": "hs256"}),
    lambda bed, u: bed.token(u, lifetime=-31), lambda bed, u: bed.token(u, exp=None),
    lambda bed, u: bed.token(u, exp=str(int(time.time()) + 600)), lambda bed, u: bed.token(u, exp=1e30),
    lambda bed, u: bed.token(u, nbf=int(time.time()) + 40), lambda bed, u: bed.token(u, iat=int(time.time()) + 40),
    lambda bed, u: bed.token(u, nbf="soon"), lambda bed, u: bed.token(u, type="refresh"),
    lambda bed, u: bed.token(None), lambda bed, u: bed.token("ann"), lambda bed, u: bed.token(5),
    lambda bed, u: bed.token(str(uuid.uuid4())), lambda bed, u: bed.token(bed.user("admin", is_active=0)),
    lambda bed, u: bed.token(u)[:-1], lambda bed, u: bed.token(u) + "x", lambda bed, u: "." + bed.token(u),
    lambda bed, u: "x" * 9000, lambda bed, u: "a.b", lambda bed, u: "..", lambda bed, u: "é.é.é"])
async def test_bad_tokens(bed, make):
    """Every token that is not good is Invalid authentication."""
    user = bed.user("admin")
    assert await refusal(bed, bed.session(), make(bed, user)) == INVALID


@pytest.mark.parametrize("claims", [
    {}, {"type": "access"}, {"nbf": 0}, {"lifetime": -20}, {"iss": "whoever"}, {"aud": ["x", "y"]}, {"extra": {"a": 1}}])
async def test_good_tokens(bed, claims):
    """What need not be checked is not; 30 s of leeway."""
    session = bed.session()
    bed.report(session, "uploading", 1)
    async with bed.watch(session, bed.token(bed.user("admin"), **claims)) as ws:
        assert (await update(ws))["progress"] == 1


async def test_issuer_and_audience():
    """iss and aud where configured."""
    with Bed(jwt_issuer="https://issuer", jwt_audience="milepost") as bed:
        session, user = bed.session(), bed.user("admin")
        bed.report(session, "uploading", 1)
        for claims, good in (({"iss": "https://issuer", "aud": "milepost"}, True),
                             ({"iss": "https://issuer", "aud": ["x", "milepost"]}, True),
                             ({"iss": "https://issuer"}, False), ({"aud": "milepost"}, False),
                             ({"iss": "https://issuer", "aud": ["x"]}, False),
                             ({"iss": ["https://issuer"], "aud": "milepost"}, False)):
            async with bed.watch(session, bed.token(user, **claims)) as ws:
                try:
                    assert (await receive(ws))["progress"] == 1 and good, claims
                except Closed as closed:
                    assert (closed.code, closed.reason) == INVALID and not good, claims


async def test_users_of_the_token():
    """users = token: the signed role counts for a user without a row; a row wins."""
    with Bed(users="token") as bed:
        stranger, session = str(uuid.uuid4()), bed.session()
        bed.report(session, "uploading", 1)
        async with bed.watch(session, bed.token(stranger, role="therapist")) as ws:
            assert (await receive(ws))["progress"] == 1
        assert await refusal(bed, session, bed.token(stranger, role="patient")) == FORBIDDEN
        assert await refusal(bed, session, bed.token(stranger)) == INVALID
        assert await refusal(bed, session, bed.token(stranger, role="boss")) == INVALID
        patient = bed.user("patient")
        assert await refusal(bed, session, bed.token(patient, role="admin")) == FORBIDDEN
        off = bed.user("admin", is_active=0)
        assert await refusal(bed, session, bed.token(off, role="admin")) == INVALID


async def test_limits():
    """Over the per-user limit 1008, over the total limit 1013."""
    with Bed(max_connections_per_user=2, max_connections=3) as bed:
        session, user = bed.session(), bed.user("therapist")
        bed.report(session, "uploading", 1)
        async with bed.watch(session, bed.token(user)) as a, bed.watch(session, bed.token(user)) as b:
            for ws in (a, b):
                await receive(ws)
            assert await refusal(bed, session, bed.token(user)) == (1008, "Too many connections")
            async with bed.watch(session, bed.therapist()) as c:
                await receive(c)
                assert await refusal(bed, session, bed.therapist()) == (1013, "Try again later")
                assert await refusal(bed, session, bed.token(user)) == (1008, "Too many connections")
            async with bed.watch(session, bed.therapist()) as c:
                await receive(c)
