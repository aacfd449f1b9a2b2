// probe-login FACTS goes the whole way of the main job against a running demo,
// as any program would that knows the documentation and what "demo --json"
// printed, which FACTS holds: one login, one consent, the licenses arrive; a
// second department without a login; a grant withdrawn; logged out. It is a
// plain OpenID client and a plain browser: no library but what Node.js brings.
import { createHash, createPublicKey, randomBytes, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'

const facts = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const random = () => randomBytes(32).toString('base64url')
const sha256 = text => createHash('sha256').update(text).digest()

function check (ok, what) {
  if (ok) return
  console.error(`probe-login: ${what}`)
  process.exit(1)
}

async function json (url, want, options = {}) {
  const answer = await fetch(url, { ...options, headers: { accept: 'application/json', ...options.headers } })
  const text = await answer.text()
  check(answer.status === want, `${url}: status ${answer.status}, not ${want}: ${text.slice(0, 1000)}`)
  return text ? JSON.parse(text) : null
}
const form = fields => ({ method: 'POST', body: new URLSearchParams(fields) })
const post = (body, headers) => ({ method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } })

// A browser: cookies of one host, redirects that stay there, forms.
class Browser {
  cookies = new Map()

  // go follows redirects within the provider; it stops at a page, or where the
  // provider sends the browser away.
  async go (url, options = {}) {
    for (let hops = 0; hops < 20; hops++) {
      const cookie = [...this.cookies].map(([k, v]) => `${k}=${v}`).join('; ')
      const answer = await fetch(url, { ...options, redirect: 'manual', headers: { cookie, origin: options.method ? facts.issuer : '', ...options.headers } })
      for (const line of answer.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
        if (/max-age=(0|-)/i.test(line)) this.cookies.delete(name)
        else this.cookies.set(name, value)
      }
      this.text = await answer.text()
      this.url = new URL(url)
      this.status = answer.status
      // What answers a form leads on by a refresh, which browsers follow as they do redirects.
      const next = answer.headers.get('location') ?? /^0; ?url=(.+)$/i.exec(answer.headers.get('refresh') ?? '')?.[1]
      if (!next) return this
      url = new URL(next, url).href
      options = {}
      if (!url.startsWith(facts.issuer + '/')) {
        this.url = new URL(url)
        this.text = ''
        return this
      }
    }
    check(false, `round in circles at ${url}`)
  }

  has (id) { return this.text.includes(`id="${id}"`) }

  // form returns the first form's address and fields as they stand: what is
  // ticked, and of each group of options the first.
  form (wanted) {
    const html = this.text.split('<form').slice(1).map(f => f.split('</form>')[0]).find(wanted)
    check(html, `no form on the page at ${this.url}`)
    const attribute = (tag, name) => new RegExp(`\\s${name}="([^"]*)"`).exec(tag)?.[1].replace(/&#43;/g, '+').replace(/&#34;/g, '"').replace(/&amp;/g, '&')
    const fields = []
    const chosen = new Set()
    for (const [tag] of html.matchAll(/<input[^>]*>/g)) {
      const name = attribute(tag, 'name')
      const type = attribute(tag, 'type')
      if (!name || (type === 'checkbox' && !/\schecked/.test(tag)) || (type === 'radio' && chosen.has(name))) continue
      if (type === 'radio') chosen.add(name)
      fields.push([name, attribute(tag, 'value') ?? ''])
    }
    return { action: new URL(attribute(html, 'action') ?? '', this.url).href, fields }
  }

  submit (more, wanted = () => true) {
    const { action, fields } = this.form(wanted)
    return this.go(action, form([...fields.filter(([name]) => !(name in more)), ...Object.entries(more)]))
  }
}

const metadata = await json(`${facts.issuer}/.well-known/openid-configuration`, 200)
check(metadata.issuer === facts.issuer, 'the metadata names another issuer')
const keys = (await json(metadata.jwks_uri, 200)).keys

// ask begins at a department: the request goes to the provider directly.
async function ask (client, item, browser) {
  const asked = { verifier: random(), state: random(), nonce: random(), case: `probe-${random()}`, client }
  const pushed = await json(metadata.pushed_authorization_request_endpoint, 201, {
    ...form({
      response_type: 'code', redirect_uri: client.redirect_uris[0], scope: 'openid profile identity', state: asked.state, nonce: asked.nonce,
      code_challenge: sha256(asked.verifier).toString('base64url'), code_challenge_method: 'S256', acr_values: 'urn:yizheng:assurance:2',
      authorization_details: JSON.stringify([{ type: 'license', service_item: item, case: asked.case }])
    }),
    headers: { authorization: basic(client) }
  })
  await browser.go(`${metadata.authorization_endpoint}?${new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri })}`)
  return asked
}
const basic = client => 'Basic ' + Buffer.from(`${encodeURIComponent(client.client_id)}:${encodeURIComponent(client.client_secret)}`).toString('base64')

// codeSent waits for the text message to a phone.
async function codeSent (phone, before) {
  for (let i = 0; i < 100; i++) {
    const sent = (await messages()).filter(m => m.phone === phone)
    if (sent.length > before) return sent[0].code
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  check(false, 'no code was sent')
}
const messages = async () => (await json(facts.messages_url, 200)).messages

async function logIn (browser, person) {
  check(browser.has('username') && browser.has('password'), `no login page but: ${browser.text.slice(0, 500)}`)
  const before = (await messages()).filter(m => m.phone === person.phone).length
  await browser.submit({ username: person.login, password: person.password, act: 'login' })
  if (browser.has('send')) await browser.submit({ act: 'send' })
  check(browser.has('code'), `no page for the code but: ${browser.text.slice(0, 500)}`)
  await browser.submit({ code: await codeSent(person.phone, before), act: 'check' })
}

// agree sends the consent form as it stands: no sensitive field is ticked.
async function agree (browser) {
  check(browser.has('approve'), `no consent page but: ${browser.text.slice(0, 500)}`)
  await browser.submit({ act: 'approve' })
}

// redeem takes the answer at the redirect URI, and exchanges the code.
async function redeem (asked, browser) {
  const q = browser.url.searchParams
  check(browser.url.href.startsWith(asked.client.redirect_uris[0] + '?'), `not back at the department but at ${browser.url}`)
  check(q.get('state') === asked.state && q.get('iss') === facts.issuer, 'state or iss is not that of the request')
  const exchange = { ...form({ grant_type: 'authorization_code', code: q.get('code'), redirect_uri: asked.client.redirect_uris[0], code_verifier: asked.verifier }), headers: { authorization: basic(asked.client) } }
  const tokens = await json(metadata.token_endpoint, 200, exchange)
  const id = verified(tokens.id_token)
  check(id.nonce === asked.nonce && id.aud === asked.client.client_id && id.acr === 'urn:yizheng:assurance:2', `the ID token says ${JSON.stringify(id)}`)
  const user = await json(metadata.userinfo_endpoint, 200, { headers: { authorization: `Bearer ${tokens.access_token}` } })
  check(user.sub === id.sub && user.name === person.name, `userinfo says ${JSON.stringify(user)}`)
  return tokens
}

function verified (token) {
  const [header, payload, signature] = token.split('.')
  const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url'))
  check(alg === 'ES256', `the ID token is signed with ${alg}`)
  const key = createPublicKey({ key: keys.find(k => k.kid === kid), format: 'jwk' })
  check(verify('sha256', Buffer.from(`${header}.${payload}`), { key, dsaEncoding: 'ieee-p1363' }, Buffer.from(signature, 'base64url')), 'the ID token is not signed by the provider')
  return JSON.parse(Buffer.from(payload, 'base64url'))
}

// read redeems each use code and has the license verified.
async function read (asked, tokens) {
  const [detail] = tokens.authorization_details
  check(detail.type === 'license' && detail.case === asked.case, 'the granted details are of another case')
  let licenses = 0
  for (const m of detail.materials) {
    if (!m.use_code) continue
    const nonce = random()
    const released = await json(`${facts.issuer}/v1/use-codes/redeem`, 200,
      post({ use_code: m.use_code, request_id: random(), nonce }, { authorization: `Bearer ${tokens.access_token}` }))
    const bound = JSON.parse(Buffer.from(released.credential.split('~').at(-1).split('.')[1], 'base64url'))
    check(bound.aud === asked.client.client_id && bound.nonce === nonce, 'the credential is bound to somebody else')
    const v = await json(`${facts.issuer}/v1/verify`, 200, post({ credential: released.credential }))
    check(v.verdict === 'valid' && v.license.type_name, `the license of ${m.material} is ${v.verdict}: ${JSON.stringify(v.checks)}`)
    licenses++
  }
  return licenses
}

const person = facts.people[0]
const [police, market] = facts.clients.filter(c => c.redirect_uris.length > 0)
const browser = new Browser()

let asked = await ask(police, '11990100000020028W-residence-endorsement', browser)
await logIn(browser, person)
await agree(browser)
const first = await redeem(asked, browser)
const arrived = await read(asked, first)
check(arrived >= 2, `${arrived} licenses arrived`)
const again = await fetch(metadata.token_endpoint, {
  ...form({ grant_type: 'authorization_code', code: 'x'.repeat(43), redirect_uri: police.redirect_uris[0], code_verifier: asked.verifier }), headers: { authorization: basic(police) }
})
check(again.status === 400 && (await again.json()).error === 'invalid_grant', 'a code that nobody gave was not refused as one')

asked = await ask(market, '119901000000300310-food-permit', browser)
check(!browser.has('username') && !browser.has('code'), 'the second department asks for a login')
await agree(browser)
const second = await redeem(asked, browser)
const more = await read(asked, second)
check(more >= 2, `${more} licenses arrived at the second department`)
const introspect = async () => (await json(metadata.introspection_endpoint, 200, { ...form({ token: second.access_token }), headers: { authorization: basic(market) } })).active
check(await introspect(), 'the access token is not active')

// The holder sees who read what, and withdraws the newest grant: it is over at once.
await browser.go(`${facts.issuer}/records`)
check(browser.text.includes(police.participant) && browser.text.includes(market.participant), 'the records don\'t name the departments')
await browser.go(`${facts.issuer}/grants`)
await browser.submit({}, f => f.includes('name="grant"'))
const code = second.authorization_details[0].materials.find(m => m.use_code).use_code
for (const authorization of [`Bearer ${second.access_token}`, `Bearer ${(await json(metadata.token_endpoint, 200, { ...form({ grant_type: 'client_credentials' }), headers: { authorization: basic(market) } })).access_token}`]) {
  const over = await fetch(`${facts.issuer}/v1/use-codes/redeem`, post({ use_code: code, request_id: random(), nonce: random() }, { authorization }))
  check(over.status >= 400 && over.status < 500, `after withdrawing, reading answers ${over.status}`)
}
check(!await introspect(), 'the access token of a withdrawn grant is active')
if (second.refresh_token) {
  const refused = await json(metadata.token_endpoint, 400, { ...form({ grant_type: 'refresh_token', refresh_token: second.refresh_token }), headers: { authorization: basic(market) } })
  check(refused.error === 'invalid_grant', `refreshing after withdrawing: ${refused.error}`)
}

await browser.go(`${metadata.end_session_endpoint}?${new URLSearchParams({ id_token_hint: first.id_token, client_id: police.client_id })}`)
await browser.submit({ act: 'logout' })
await browser.go(`${facts.issuer}/licenses`)
check(browser.has('username'), 'after logging out the licenses are still shown')
console.log(`${arrived} licenses arrived after one login and one consent, ${more} more without a login; withdrawn at once; logged out`)
