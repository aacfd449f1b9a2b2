// A department's first hour: people log in, agree once, and their licenses are
// here, verified. Run it with the configuration that "yizheng client add"
// printed, by Node.js 20.10 or newer (Debian 12's own is 18, whose "crypto" the
// OpenID library doesn't find):
//
//   npm ci && node --env-file=.env app.js     then open http://127.0.0.1:3000
//
// ISSUER, CLIENT_ID, CLIENT_SECRET, REDIRECT_URI (whose port this listens on),
// SERVICE_ITEM, ANCHOR (the registry's root certificate, PEM: compare its
// fingerprint), ACCOUNTS (the accounts that you have already, JSON).
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import * as openid from 'openid-client'
import { verifyLicense } from './license.js'

const env = process.env
const redirectURI = new URL(env.REDIRECT_URI)
const anchor = readFileSync(env.ANCHOR)
const accounts = JSON.parse(readFileSync(env.ACCOUNTS, 'utf8')) // [{ id, code_type, code }]

// 1. Discovery. Plain HTTP is for trying on one machine, no more.
const local = env.ISSUER.startsWith('http://127.0.0.1') || env.ISSUER.startsWith('http://localhost')
const provider = await openid.discovery(new URL(env.ISSUER), env.CLIENT_ID,
  { client_secret: env.CLIENT_SECRET, id_token_signed_response_alg: env.ID_TOKEN_ALG ?? 'ES256' },
  openid.ClientSecretBasic(env.CLIENT_SECRET),
  { execute: [openid.enableNonRepudiationChecks, ...(local ? [openid.allowInsecureRequests] : [])] })

// What a visitor of this server is in the middle of, and who is logged in here.
const visits = new Map() // by the value of our own cookie

const routes = {
  '/': () => page('<a href="/login">Log in with Yizheng</a>'),
  '/login': login,
  [redirectURI.pathname]: callback,
  '/logout': logout
}

// 2. Ask. The request goes to the provider directly (PAR); the browser carries
// only its number. One request asks for the login and for what the item needs.
async function login () {
  const visit = { state: openid.randomState(), nonce: openid.randomNonce(), verifier: openid.randomPKCECodeVerifier() }
  const url = await openid.buildAuthorizationUrlWithPAR(provider, {
    redirect_uri: redirectURI.href,
    scope: 'openid profile identity',
    state: visit.state,
    nonce: visit.nonce,
    code_challenge: await openid.calculatePKCECodeChallenge(visit.verifier),
    code_challenge_method: 'S256',
    acr_values: 'urn:yizheng:assurance:2', // licenses need two factors
    authorization_details: JSON.stringify([{ type: 'license', service_item: env.SERVICE_ITEM, case: newCase() }])
  })
  const key = randomUUID()
  visits.set(key, visit)
  return { status: 303, headers: { location: url.href, 'set-cookie': `department=${key}; HttpOnly; SameSite=Lax; Path=/` } }
}

// 3. Take the answer: the library checks state, iss, PKCE, and the ID token with
// its nonce and signature.
async function callback (url, key) {
  const visit = visits.get(key)
  if (!visit) return page('Please <a href="/login">begin again</a>.', 400)
  visits.delete(key)
  const tokens = await openid.authorizationCodeGrant(provider, url, {
    pkceCodeVerifier: visit.verifier, expectedState: visit.state, expectedNonce: visit.nonce, idTokenExpected: true
  })
  const user = await openid.fetchUserInfo(provider, tokens.access_token, tokens.claims().sub)
  const account = accountOf(user)
  const licenses = []
  for (const detail of tokens.authorization_details ?? []) {
    for (const material of detail.materials) licenses.push(await read(tokens.access_token, material))
  }
  visits.set(key, { idToken: tokens.id_token })
  return json({ sub: user.sub, name: user.name, account, acr: tokens.claims().acr, licenses })
}

// 4. Whose account is it? Once linked, the subject alone says so. Before that,
// the code that the state knows them by, which the login proved.
function accountOf (user) {
  const linked = accounts.find(a => a.sub === user.sub)
  if (linked) return { id: linked.id, by: 'sub' }
  const known = accounts.find(a => !a.sub && a.code_type === user.code_type && a.code === user.code)
  if (!known) return { id: null, by: 'new' } // open an account here
  known.sub = user.sub // to be kept in your database
  return { id: known.id, by: 'code' }
}

// 5. Read a license by its use code, which works once, for you, for some minutes.
// The same request_id again is the same reading: repeat it after a lost answer.
async function read (token, granted) {
  if (!granted.use_code) return { material: granted.material, outcome: granted.outcome, reason: granted.reason }
  const nonce = openid.randomNonce()
  const answer = await fetch(new URL('/v1/use-codes/redeem', env.ISSUER), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ use_code: granted.use_code, request_id: randomUUID(), nonce })
  })
  if (!answer.ok) throw new Error(`redeem: ${answer.status} ${(await answer.json()).reason}`)
  const { credential } = await answer.json()
  const claims = verifyLicense(credential, { anchor, audience: env.CLIENT_ID, nonce })
  const { type_name: typeName, authority, valid_until: until, number, holders, fields } = claims
  // The credential and its nonce are your evidence: keep them with the case.
  return { material: granted.material, outcome: granted.outcome, verified: true, type_name: typeName, authority, valid_until: until, number, holders, fields, credential, nonce }
}

// 6. Log out: here, and then at the provider, which asks.
async function logout (_, key) {
  const hint = visits.get(key)?.idToken
  visits.delete(key)
  const url = openid.buildEndSessionUrl(provider, {
    post_logout_redirect_uri: new URL('/', redirectURI).href, ...(hint && { id_token_hint: hint })
  })
  return { status: 303, headers: { location: url.href, 'set-cookie': 'department=; Max-Age=0; Path=/' } }
}

const newCase = () => `case-${randomUUID()}` // your own 办件编号
const json = value => ({ status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) })
const page = (html, status = 200) => ({ status, headers: { 'content-type': 'text/html; charset=utf-8' }, body: `<!doctype html><title>First hour</title>${html}` })

createServer(async (request, response) => {
  const url = new URL(request.url, redirectURI)
  const key = /(?:^|;\s*)department=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]
  let answer
  try {
    answer = await (routes[url.pathname] ?? (() => page('not here', 404)))(url, key)
  } catch (error) {
    console.error(error) // the person sees no more than that it failed
    answer = page('Something went wrong. <a href="/login">Begin again</a>.', 502)
  }
  response.writeHead(answer.status, { 'cache-control': 'no-store', ...answer.headers }).end(answer.body)
}).listen(redirectURI.port, redirectURI.hostname, () => console.log(`listening on ${redirectURI.origin}`))
