"""Verifies a license that the registry released: an SD-JWT (RFC 9901) signed
with SM2, bound to you by a key binding JWT. docs/credential-profile.md has each
name. Copy this file as it is; it needs cryptography and gmssl. By hand:

    .venv/bin/python license.py CREDENTIAL-FILE ANCHOR-FILE CLIENT-ID NONCE
"""
import base64
import json
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from gmssl.sm2 import CryptSM2, default_ecc_table

SM2_WITH_SM3 = "urn:oid:1.2.156.10197.1.501"  # the JWS algorithm
SM2_CURVE = "urn:oid:1.2.156.10197.1.301"
P, N, A, B = (int(default_ecc_table[name], 16) for name in "pnab")
MAX_BYTES = 128 * 1024
SKEW = 60  # seconds that clocks may differ


class Untrusted(Exception):
    """Why a license is not to be trusted."""


def verify_license(credential, anchor, audience, nonce):
    """Returns the claims of a credential, with the parts in it that were agreed to.

    It raises Untrusted unless the credential was signed by the authority that it
    names, with a key certified by the anchor, is within its dates, and was bound
    for this audience (your client id) and this nonce (yours, of this reading),
    just now. Whether it is in force was checked when it was released.
    """
    ensure(len(credential) <= MAX_BYTES, "too long")
    try:
        return _verify(credential, anchor, audience, nonce)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as e:
        raise Untrusted("malformed") from e  # a member that is missing, or of another kind


def _verify(credential, anchor, audience, nonce):
    now = time.time()
    jwt, *disclosures, binding = credential.split("~")

    header, payload = decode(jwt, "dc+sd-jwt")
    leaf = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0], validate=True))
    check_certificate(leaf, anchor, payload)
    ensure(verifies_token(jwt, point_of(leaf)), "the signature is wrong")

    claims = resolve(payload, disclosures)
    ensure(claims["iat"] <= now + SKEW and claims["nbf"] <= now + SKEW, "not yet valid")
    ensure("exp" not in claims or now < claims["exp"], "expired")
    ensure(names_type(claims["vct"], claims["type_code"], claims["type_version"]), "not a license")

    _, bound = decode(binding, "kb+jwt")
    key = claims["cnf"]["jwk"]
    ensure(key["kty"] == "EC" and key["crv"] == SM2_CURVE, "an unknown presentation key")
    ensure(verifies_token(binding, b"\x04" + unbase64(key["x"]) + unbase64(key["y"])), "the key binding is wrong")
    ensure(bound["aud"] == audience, "released to somebody else")
    ensure(bound["nonce"] == nonce, "not the answer to this reading")
    ensure(abs(now - bound["iat"]) <= 300, "not bound just now")
    ensure(bound["sd_hash"] == sm3(credential[: credential.rindex("~") + 1]), "bound to other parts")
    return claims


def names_type(vct, code, version):
    """Whether vct is the address of the type's metadata, or the URN that credentials had before."""
    return vct == f"urn:yizheng:license:{code}" or (
        vct.startswith(("http:", "https:")) and vct.endswith(f"/v1/trust/types/{code}/{version}"))


def check_certificate(leaf, anchor, payload):
    """Checks that the anchor certified the key when it signed, as that of the authority which the license names."""
    ensure(leaf.signature_algorithm_oid.dotted_string == SM2_WITH_SM3.removeprefix("urn:oid:")
           and verifies(leaf.tbs_certificate_bytes, *decode_dss_signature(leaf.signature), point_of(anchor)),
           "the certificate is not from the anchor")
    ensure(leaf.not_valid_before_utc.timestamp() <= payload["iat"] <= leaf.not_valid_after_utc.timestamp(),
           "signed outside the certificate's life")
    purpose = "attestation" if payload["origin"] == "collected" else "authority"
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ensure([n.value for n in names] == [f"urn:yizheng:key:{purpose}"], "the key is for something else")
    owners = [n.value for n in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_IDENTIFIER)]
    ensure(purpose == "attestation" or owners == [payload["authority"]["code"]], "signed by another authority")


def resolve(payload, disclosures):
    """Puts each disclosed part in its place, and fails if one has none."""
    ensure(payload["_sd_alg"] == "sm3", "an unknown digest")
    parts = {sm3(d): json.loads(unbase64(d)) for d in disclosures}
    ensure(len(parts) == len(disclosures), "a part stands twice")
    claims = walk(payload, parts)
    ensure(not parts, "a part that was not signed")
    return claims


def walk(value, parts):
    if isinstance(value, list):
        out = []
        for v in value:
            if isinstance(v, dict) and "..." in v:
                part = parts.pop(v["..."], None)
                if part is None:
                    continue  # withheld
                _, v = part
            out.append(walk(v, parts))
        return out
    if not isinstance(value, dict):
        return value
    out = {name: walk(v, parts) for name, v in value.items() if name != "_sd"}
    for digest in value.get("_sd", []):
        part = parts.pop(digest, None)
        if part is None:
            continue  # withheld
        _, name, content = part
        ensure(name not in out and name not in ("_sd", "..."), "a part in another's place")
        out[name] = walk(content, parts)
    return out


def decode(jwt, typ):
    """Returns header and payload, which are not to be trusted before the signature was verified."""
    parts = jwt.split(".")
    ensure(len(parts) == 3, "malformed")
    header, payload = json.loads(unbase64(parts[0])), json.loads(unbase64(parts[1]))
    ensure(header["typ"] == typ and header["alg"] == SM2_WITH_SM3 and "crit" not in header, f"not a {typ} of SM2")
    return header, payload


def verifies_token(jwt, point):
    """Checks an SM2 signature, r‖s, over all before the last dot."""
    signed, _, signature = jwt.rpartition(".")
    rs = unbase64(signature)
    return len(rs) == 64 and verifies(signed.encode(), int.from_bytes(rs[:32], "big"), int.from_bytes(rs[32:], "big"), point)


def verifies(signed, r, s, point):
    """Checks an SM2 signature with the default user id. gmssl expects numbers in their bounds and a point of the curve."""
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    if not (0 < r < N and 0 < s < N and len(point) == 65 and point[0] == 4 and x < P and y < P
            and (y * y - x * x * x - A * x - B) % P == 0):
        return False
    verifier = CryptSM2(private_key="", public_key="")
    verifier.public_key = point[1:].hex()  # not by the constructor, which takes a key that begins with 04 for another
    return verifier.verify_with_sm3(f"{r:064x}{s:064x}", signed) is True


def point_of(certificate):
    """Returns a certificate's public key, for cryptography has no SM2 keys: the seventh element of what is signed."""
    der = certificate.tbs_certificate_bytes
    at, _ = element(der, 0)
    for _ in range(6):  # version, serial number, algorithm, issuer, validity, subject
        _, at = element(der, at)
    _, end = element(der, at)
    return der[end - 65:end]


def element(der, at):
    """Returns where the contents of a DER element begin and end."""
    length, at = der[at + 1], at + 2
    if length & 0x80:
        at, length = at + (length & 0x7F), int.from_bytes(der[at:at + (length & 0x7F)], "big")
    return at, at + length


def sm3(text):
    digest = hashes.Hash(hashes.SM3())
    digest.update(text.encode())
    return base64.urlsafe_b64encode(digest.finalize()).rstrip(b"=").decode()


def unbase64(text):
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def ensure(holds, problem):
    if not holds:
        raise Untrusted(problem)


def read_anchor(file):
    with open(file, "rb") as f:
        return x509.load_pem_x509_certificate(f.read())


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as f:
        text = f.read().strip()
    try:
        print(json.dumps(verify_license(text, read_anchor(sys.argv[2]), sys.argv[3], sys.argv[4]), ensure_ascii=False))
    except Untrusted as e:
        sys.exit(f"the license is not to be trusted: {e}")
