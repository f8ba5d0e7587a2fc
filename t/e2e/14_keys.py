"""Keys of tokens: RS256, ES256 and HS256 side by side, rotation under open watchers, what is refused."""
import base64
import json
import re
import subprocess
import time

import bcrypt
import pytest

from bed import BUILD, Bed, b64, reload, until_closed, update

INVALID = (1008, "Invalid authentication")
PASSWORD = "correct horse battery"


class Issuer:
    """A backend's key pair: the private half is openssl's alone, the public half lies in the bed."""

    def __init__(self, bed, kid, alg):
        self.bed, self.kid, self.alg = bed, kid, alg
        self.private, self.public = bed.dir / f"{kid}.key", bed.dir / f"{kid}.pem"
        kind = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if alg == "RS256" else \
            ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl("genpkey", "-algorithm", *kind, "-out", self.private)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)

    def line(self, **words):
        words = {"kid": self.kid, "alg": self.alg, "file": self.public, **words}
        return " ".join(f"{name}={value}" for name, value in words.items())

    def token(self, user, *, lifetime=3600, named=True, **header):
        header = {"alg": self.alg, "typ": "JWT", **({"kid": self.kid} if named else {}), **header}
        claims = {"sub": user, "exp": int(time.time()) + lifetime}
        signed = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", self.private, input=signed.encode())
        if self.alg == "ES256":
            signature = plain(signature)
        self.bed.hidden.append(f"{signed}.{b64(signature)}")
        return self.bed.hidden[-1]


def openssl(*args, **kw):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, timeout=60, **kw).stdout


def plain(der):
    """The two numbers of an ECDSA signature, 32 bytes each, without DER."""
    numbers, at = [], 2
    for _ in range(2):
        size = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + size], "big"))
        at += 2 + size
    return b"".join(n.to_bytes(32, "big") for n in numbers)


def configure(bed, *lines, **config):
    """A key a line, below the name."""
    bed.write_config(jwt_keys="".join(f"\n\t{line}" for line in lines), **config)


def status(bed, session, token):
    return bed.http("GET", f"/api/sessions/{session}/progress", bearer=token).status


async def refused(bed, session, token):
    async with bed.watch(session, token) as ws:
        closed = await until_closed(ws)
    return (closed.code, closed.reason) == INVALID and status(bed, session, token) == 401


async def test_rotation():
    """The old key's watchers and tokens live until it is removed, and the new one's go on."""
    with Bed() as bed:
        old, new = Issuer(bed, "old", "RS256"), Issuer(bed, "new", "ES256")
        user, session = bed.user("therapist"), bed.session()
        bed.report(session, "uploading", 1)
        configure(bed, old.line())
        reload(bed)
        assert status(bed, session, old.token(user)) == 200
        assert await refused(bed, session, new.token(user)), "not known yet"
        async with bed.watch(session, old.token(user)) as first, bed.watch(session, bed.token(user)) as secret:
            configure(bed, old.line(), new.line())
            reload(bed)
            async with bed.watch(session, new.token(user)) as second, \
                    bed.watch(session, new.token(user, named=False)) as third:
                watchers = first, secret, second, third
                for ws in watchers:
                    assert (await update(ws))["progress"] == 1
                for token in (old.token(user), new.token(user), bed.token(user)):
                    assert status(bed, session, token) == 200
                bed.report(session, "uploading", 2)
                for ws in watchers:
                    assert (await update(ws))["progress"] == 2
                configure(bed, new.line())
                reload(bed)
                closed = await until_closed(first)
                assert (closed.code, closed.reason) == INVALID and closed.messages == []
                assert await refused(bed, session, old.token(user))
                assert await refused(bed, session, old.token(user, named=False))
                bed.report(session, "uploading", 3)
                for ws in (secret, second, third):
                    assert (await update(ws))["progress"] == 3
                # One that is wrong leaves all as it is.
                bed.announced.append(r".*event=(ws|api)\.reload-failed.*")
                configure(bed, new.line(), new.line())
                reload(bed, failed=True)
                assert "kid=new: this kid is given twice" in bed.logs()
                bed.report(session, "uploading", 4)
                for ws in (secret, second, third):
                    assert (await update(ws))["progress"] == 4


async def test_end_of_a_key():
    """A not_after that a reload brings closes the key's watchers then, whatever their tokens say."""
    with Bed() as bed:
        old, new = Issuer(bed, "old", "ES256"), Issuer(bed, "new", "RS256")
        user, session = bed.user("therapist"), bed.session()
        bed.report(session, "uploading", 1)
        configure(bed, old.line(), new.line(), jwt_secret_file="")
        reload(bed)
        assert await refused(bed, session, bed.token(user)), "there is no secret any more"
        async with bed.watch(session, old.token(user)) as first, bed.watch(session, new.token(user)) as second:
            await update(first)
            await update(second)
            end = int(time.time()) + 3
            configure(bed, old.line(not_after=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))), new.line())
            reload(bed)
            closed = await until_closed(first)
            assert (closed.code, closed.reason) == INVALID
            assert end <= time.time() < end + 10, "to the second, without leeway"
            assert await refused(bed, session, old.token(user))
            bed.report(session, "uploading", 2)
            assert (await update(second))["progress"] == 2
        assert "cause=key-expired" in bed.logs()
        metrics = subprocess.run(["curl", "-s", "--unix-socket", bed.ws_socket(), "http://x/milepost/ws/metrics"], text=True,
                                 capture_output=True, timeout=20).stdout
        count, = re.findall(r'auth_failures_total\{cause="key-expired"\} (\d+)', metrics)
        assert int(count) == 2, "the watcher, and who came back"


async def test_renamed_secret():
    """A secret moves from jwt_secret_file to jwt_keys and takes its watchers along."""
    with Bed() as bed:
        user, session = bed.user("therapist"), bed.session()
        bed.report(session, "uploading", 1)
        async with bed.watch(session, bed.token(user)) as ws:
            await update(ws)
            fresh = bed.dir / "fresh.secret"
            fresh.touch(0o600)
            fresh.write_text("a fresh secret of more than thirty-two bytes")
            configure(bed, f"kid=before alg=HS256 file={bed.dir}/jwt.secret", jwt_secret_file=fresh)
            reload(bed)
            for token in (bed.token(user), bed.token(user, secret=fresh.read_text()),
                          bed.token(user, header={"alg": "HS256", "kid": "before"})):
                assert status(bed, session, token) == 200
            bed.report(session, "uploading", 2)
            assert (await update(ws))["progress"] == 2


def login(bed, email):
    return bed.json("POST", "/api/v1/login", {"email": email, "password": PASSWORD})


async def test_traps(bed):
    """None of the ways around a signature that are known of libraries for these tokens."""
    issuer = Issuer(bed, "traps", "RS256")
    user, session = bed.user("therapist"), bed.session()
    bed.report(session, "uploading", 1)
    configure(bed, issuer.line(), jwt_secret_file="")
    reload(bed)
    good = issuer.token(user)
    assert status(bed, session, good) == 200
    head, body, signature = good.split(".")
    pem = issuer.public.read_text()
    for kid in ({}, {"kid": "traps"}):
        for token in (bed.token(user, secret=pem, header={"alg": "HS256", **kid}),
                      bed.token(user, secret=pem, header={"alg": "RS256", **kid}),
                      bed.token(user, secret="", header={"alg": "HS256", **kid}),
                      bed.token(user, alg="none", header={"alg": "none", **kid}),
                      issuer.token(user, alg="ES256", **kid), issuer.token(user, alg="RS512", **kid),
                      issuer.token(user, typ="at+jwt", **kid)):
            assert await refused(bed, session, token)
    assert await refused(bed, session, f"{head}.{body}.")
    assert status(bed, session, f"{head}.{body}.{signature}=") == 401
    configure(bed, jwt_secret_file=bed.dir / "jwt.secret")
    reload(bed)


def test_issuing(bed):
    """Without the nameless secret the last HS256 key signs; without any, nobody does, and says so."""
    user, session = bed.user("therapist", email="keys@example.org",
                             password=bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2b")).decode()), bed.session()
    bed.hidden.append(PASSWORD)
    bed.report(session, "uploading", 1)
    issuer = Issuer(bed, "issuing", "ES256")
    for lines, kid in (([issuer.line(), f"kid=mine alg=HS256 file={bed.dir}/jwt.secret"], "mine"), ([issuer.line()], None)):
        configure(bed, *lines, jwt_secret_file="")
        assert bed.ctl("check-config").stdout == "ok\n"
        reload(bed)
        reply = login(bed, "keys@example.org")
        minted = bed.ctl("token", user, check=False)
        if kid is None:
            bed.announced.append(r".*event=api\.(login-keyless|request).*")
            assert (reply.status, reply.json["detail"]) == (503, "No HS256 key to sign tokens with")
            assert minted.returncode != 0 and "no HS256 key to sign with" in minted.stderr
            continue
        for token in (reply.json["access_token"], minted.stdout.strip()):
            bed.hidden.append(token)
            head = token.split(".")[0]
            assert json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"] == kid
            assert status(bed, session, token) == 200
    configure(bed, jwt_secret_file=bed.dir / "jwt.secret")
    reload(bed)


def test_init_without_a_secret(bed):
    """Where the configuration names no secret, init draws none."""
    issuer = Issuer(bed, "init", "ES256")
    configure(bed, issuer.line(), jwt_secret_file="")
    assert "secret" not in bed.ctl("init").stdout
    configure(bed, jwt_secret_file=bed.dir / "jwt.secret")


@pytest.mark.parametrize("program", ["milepost-ws", "milepost-api", "milepostctl"])
def test_refused(bed, program):
    """What can't be a key is named before anything starts, by -t and by check-config."""
    issuer = Issuer(bed, "refused", "RS256")
    weak = bed.dir / "weak.pem"
    weak.write_bytes(openssl("pkey", "-pubout", input=openssl("genpkey", "-algorithm", "RSA", "-pkeyopt",
                                                             "rsa_keygen_bits:1024")))
    command = [BUILD / program, *(["check-config"] if program == "milepostctl" else ["-t"])]
    secret = bed.dir / "jwt.secret"
    for lines, config, words in (
            ([], {"jwt_secret_file": ""}, "no key for tokens"),
            ([issuer.line(file=issuer.private)], {}, "only the public key belongs here"),
            ([issuer.line(file=weak)], {}, "weak.pem: an RSA key of 1024 bits"),
            ([issuer.line(alg="ES256")], {}, "not an EC key"),
            ([issuer.line(alg="EdDSA")], {}, 'kid=refused: unknown alg "EdDSA"'),
            ([issuer.line(not_after="tomorrow")], {}, 'kid=refused: not_after "tomorrow"'),
            ([], {"jwt_secret_file": issuer.public}, "the secret is open to others")):
        configure(bed, *lines, **{"jwt_secret_file": secret, **config})
        result = subprocess.run(command, text=True, capture_output=True, timeout=20,
                                env={"MILEPOST_CONFIG": str(bed.conf)})
        assert result.returncode == 1 and words in result.stderr and result.stderr.count("\n") == 1, result
    configure(bed, issuer.line(), jwt_secret_file=secret)
    assert subprocess.run(command, text=True, capture_output=True, timeout=20,
                          env={"MILEPOST_CONFIG": str(bed.conf)}).stdout.strip() == "ok"
    configure(bed, jwt_secret_file=secret)
