"""A department's first hour: people log in, agree once, and their licenses are
here, verified. Run it with the configuration that "yizheng client add" printed,
by Python 3.11 or newer:

    python3 -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.txt
    .venv/bin/python app.py        then open http://127.0.0.1:3000

ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI (whose port this listens on),
SERVICE_ITEM, ANCHOR (the registry's root certificate, PEM: compare its
fingerprint), ACCOUNTS (the accounts that you have already, JSON).
"""
import json
import logging
import os
import secrets
import uuid
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import requests
from authlib.integrations.flask_client import OAuth
from flask import Flask, jsonify, redirect, request, session
from werkzeug.exceptions import HTTPException

from license import read_anchor, verify_license

ISSUER, REDIRECT_URI = os.environ["ISSUER"], os.environ["REDIRECT_URI"]
CLIENT_ID, CLIENT_SECRET = os.environ["CLIENT_ID"], os.environ["CLIENT_SECRET"]
TIMEOUT = 30  # seconds
anchor = read_anchor(os.environ["ANCHOR"])
with open(os.environ["ACCOUNTS"], encoding="utf-8") as f:
    accounts = json.load(f)  # [{"id", "code_type", "code"}]
id_tokens = {}  # of who is logged in here, by what is in their session; yours lie in a store

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)  # signs the session's cookie; yours outlives a restart
app.config.update(SESSION_COOKIE_NAME="department", SESSION_COOKIE_SAMESITE="Lax")  # and SESSION_COOKIE_SECURE

# 1. Discovery. Only the algorithm that the client is registered for is taken.
provider = OAuth(app).register(
    "yizheng", client_id=CLIENT_ID, client_secret=CLIENT_SECRET,
    server_metadata_url=ISSUER + "/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile identity", "code_challenge_method": "S256", "default_timeout": TIMEOUT})
metadata = provider.load_server_metadata()
if metadata["issuer"] != ISSUER:
    raise SystemExit(f"{ISSUER} says that it is {metadata['issuer']}")
metadata["id_token_signing_alg_values_supported"] = [os.environ.get("ID_TOKEN_ALG", "ES256")]


@app.get("/")
def home():
    return '<!doctype html><title>First hour</title><a href="/login">Log in with Yizheng</a>'


@app.get("/login")
def login():
    """2. Ask. The request goes to the provider directly (PAR), which Authlib doesn't do; the browser carries only its
    number. One request asks for the login and for what the item needs."""
    asked = provider.create_authorization_url(
        REDIRECT_URI, acr_values="urn:yizheng:assurance:2",  # licenses need two factors
        authorization_details=json.dumps([{
            "type": "license", "service_item": os.environ["SERVICE_ITEM"], "case": f"case-{uuid.uuid4()}"}]))  # your own 办件编号
    form = dict(parse_qsl(urlsplit(asked.pop("url")).query))
    pushed = requests.post(metadata["pushed_authorization_request_endpoint"], data=form,
                           auth=(CLIENT_ID, CLIENT_SECRET), timeout=TIMEOUT)
    pushed.raise_for_status()
    provider.save_authorize_data(redirect_uri=REDIRECT_URI, **asked)  # state, nonce and verifier, in the session
    ask = urlencode({"client_id": CLIENT_ID, "request_uri": pushed.json()["request_uri"]})
    return redirect(f"{metadata['authorization_endpoint']}?{ask}", 303)


@app.get(urlsplit(REDIRECT_URI).path)
def callback():
    """3. Take the answer: Authlib checks state, PKCE, and the ID token with its nonce and signature."""
    if request.args.get("iss") != ISSUER:
        raise ValueError("not an answer of this provider")
    tokens = provider.authorize_access_token()
    claims = tokens["userinfo"]  # those of the ID token
    user = provider.userinfo(token=tokens)
    if user["sub"] != claims["sub"]:
        raise ValueError("the userinfo is somebody else's")
    licenses = [read(tokens["access_token"], material)
                for detail in tokens.get("authorization_details", []) for material in detail["materials"]]
    id_tokens.pop(session.get("login"), None)
    session["login"] = secrets.token_urlsafe()
    id_tokens[session["login"]] = tokens["id_token"]
    return jsonify(sub=user["sub"], name=user["name"], account=account_of(user), acr=claims["acr"], licenses=licenses)


def account_of(user):
    """4. Whose account is it? Once linked, the subject alone says so. Before that, the code that the state knows them
    by, which the login proved."""
    for a in accounts:
        if a.get("sub") == user["sub"]:
            return {"id": a["id"], "by": "sub"}
    for a in accounts:
        if "sub" not in a and (a["code_type"], a["code"]) == (user.get("code_type"), user.get("code")):
            a["sub"] = user["sub"]  # to be kept in your database
            return {"id": a["id"], "by": "code"}
    return {"id": None, "by": "new"}  # open an account here


def read(access_token, granted):
    """5. Read a license by its use code, which works once, for you, for some minutes. The same request_id again is the
    same reading: repeat it after a lost answer."""
    out = {"material": granted["material"], "outcome": granted["outcome"]}
    if "use_code" not in granted:
        return {**out, "reason": granted.get("reason")}
    nonce = secrets.token_urlsafe()
    answer = requests.post(
        ISSUER + "/v1/use-codes/redeem", headers={"Authorization": f"Bearer {access_token}"}, timeout=TIMEOUT,
        json={"use_code": granted["use_code"], "request_id": str(uuid.uuid4()), "nonce": nonce})
    answer.raise_for_status()
    credential = answer.json()["credential"]
    claims = verify_license(credential, anchor, CLIENT_ID, nonce)
    shown = {name: claims.get(name) for name in ("type_name", "authority", "valid_until", "number", "holders", "fields")}
    # The credential and its nonce are your evidence: keep them with the case.
    return {**out, "verified": True, **shown, "credential": credential, "nonce": nonce}


@app.get("/logout")
def logout():
    """6. Log out: here, and then at the provider, which asks."""
    query = {"post_logout_redirect_uri": urljoin(REDIRECT_URI, "/"), "client_id": CLIENT_ID}
    hint = id_tokens.pop(session.get("login"), None)
    if hint:
        query["id_token_hint"] = hint
    session.clear()
    return redirect(f"{metadata['end_session_endpoint']}?{urlencode(query)}", 303)


@app.errorhandler(Exception)
def failed(error):
    """The person sees no more than that it failed."""
    if isinstance(error, HTTPException):
        return error
    app.logger.error("%s", error, exc_info=error)
    return '<!doctype html><title>First hour</title>Something went wrong. <a href="/login">Begin again</a>.', 502


@app.after_request
def not_stored(response):
    response.headers["Cache-Control"] = "no-store"
    return response


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # it logs addresses, and the callback's has the code
    here = urlsplit(REDIRECT_URI)
    print(f"listening on {here.scheme}://{here.netloc}", flush=True)
    app.run(here.hostname, here.port)  # Flask's own server is for trying; yours is gunicorn, or another WSGI server
