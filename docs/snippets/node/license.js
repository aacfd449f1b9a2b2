// Verifies a license that the registry released: an SD-JWT (RFC 9901) signed
// with SM2, bound to you by a key binding JWT. docs/credential-profile.md has
// each name. Copy this file as it is; it needs Node 20 and npm's sm-crypto. By hand:
//
//   node license.js CREDENTIAL-FILE ANCHOR-FILE CLIENT-ID NONCE
import { createHash, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import smCrypto from 'sm-crypto'

const SM2_WITH_SM3 = 'urn:oid:1.2.156.10197.1.501' // the JWS algorithm
const SM2_CURVE = 'urn:oid:1.2.156.10197.1.301'
const MAX_BYTES = 128 * 1024
const SKEW = 60 // seconds that clocks may differ

// verifyLicense returns the claims of a credential, with the parts in it that
// were agreed to. It throws unless the credential was signed by the authority
// that it names, with a key certified by the anchor, is within its dates, and
// was bound for this audience (your client id) and this nonce (yours, of this
// reading), just now. Whether it is in force was checked when it was released.
export function verifyLicense (credential, { anchor, audience, nonce, now = Date.now() / 1000 }) {
  ensure(credential.length <= MAX_BYTES, 'too long')
  const parts = credential.split('~')
  const [jwt, disclosures, binding] = [parts[0], parts.slice(1, -1), parts.at(-1)]

  const issued = decode(jwt, 'dc+sd-jwt')
  const leaf = new X509Certificate(Buffer.from(issued.header.x5c?.[0] ?? '', 'base64'))
  checkCertificate(leaf, new X509Certificate(anchor), issued.payload)
  ensure(verifies(jwt, pointOf(leaf)), 'the signature is wrong')

  const claims = resolve(issued.payload, disclosures)
  ensure(claims.iat <= now + SKEW && claims.nbf <= now + SKEW, 'not yet valid')
  ensure(claims.exp === undefined || now < claims.exp, 'expired')
  ensure(namesType(claims), 'not a license')

  const bound = decode(binding, 'kb+jwt')
  const { kty, crv, x, y } = claims.cnf.jwk
  ensure(kty === 'EC' && crv === SM2_CURVE, 'an unknown presentation key')
  ensure(verifies(binding, '04' + hex(x) + hex(y)), 'the key binding is wrong')
  ensure(bound.payload.aud === audience, 'released to somebody else')
  ensure(bound.payload.nonce === nonce, 'not the answer to this reading')
  ensure(Math.abs(now - bound.payload.iat) <= 300, 'not bound just now')
  ensure(bound.payload.sd_hash === sm3(credential.slice(0, credential.lastIndexOf('~') + 1)), 'bound to other parts')
  return claims
}

// namesType checks that vct is the address of the type's metadata, or the URN that
// credentials had before.
function namesType ({ vct, type_code: code, type_version: version }) {
  return vct === `urn:yizheng:license:${code}` || (/^https?:/.test(vct) && vct.endsWith(`/v1/trust/types/${code}/${version}`))
}

// checkCertificate checks that the anchor certified the key when it signed, as
// that of the authority which the license names.
function checkCertificate (leaf, root, payload) {
  const { tbs, signature } = splitCertificate(leaf.raw)
  ensure(smCrypto.sm2.doVerifySignature([...tbs], signature, pointOf(root), { hash: true, der: true }), 'the certificate is not from the anchor')
  const signed = payload.iat * 1000
  ensure(Date.parse(leaf.validFrom) <= signed && signed <= Date.parse(leaf.validTo), 'signed outside the certificate\'s life')
  const purpose = payload.origin === 'collected' ? 'attestation' : 'authority'
  ensure(leaf.subjectAltName === `URI:urn:yizheng:key:${purpose}`, 'the key is for something else')
  ensure(purpose === 'attestation' || leaf.subject.split('\n').includes(`organizationIdentifier=${payload.authority.code}`), 'signed by another authority')
}

// resolve puts each disclosed part in its place, and fails if one has none.
function resolve (payload, disclosures) {
  ensure(payload._sd_alg === 'sm3', 'an unknown digest')
  const byDigest = new Map(disclosures.map(d => [sm3(d), JSON.parse(Buffer.from(d, 'base64url'))]))
  ensure(byDigest.size === disclosures.length, 'a part stands twice')
  const take = digest => {
    const found = byDigest.get(digest)
    byDigest.delete(digest)
    return found
  }
  const walk = value => {
    if (Array.isArray(value)) {
      return value.flatMap(v => {
        if (typeof v?.['...'] !== 'string') return [walk(v)]
        const found = take(v['...'])
        return found ? [walk(found[1])] : [] // withheld
      })
    }
    if (value === null || typeof value !== 'object') return value
    const { _sd = [], ...plain } = value
    const out = Object.fromEntries(Object.entries(plain).map(([k, v]) => [k, walk(v)]))
    for (const digest of _sd) {
      const found = take(digest)
      if (!found) continue
      const [, name, content] = found
      ensure(!Object.hasOwn(out, name) && name !== '_sd' && name !== '...', 'a part in another\'s place')
      out[name] = walk(content)
    }
    return out
  }
  const claims = walk(payload)
  ensure(byDigest.size === 0, 'a part that was not signed')
  return claims
}

function decode (jwt, typ) {
  const [header, payload, signature, more] = jwt.split('.')
  ensure(signature && more === undefined, 'malformed')
  const read = part => JSON.parse(Buffer.from(part, 'base64url'))
  const out = { header: read(header), payload: read(payload) }
  ensure(out.header.typ === typ && out.header.alg === SM2_WITH_SM3 && !('crit' in out.header), `not a ${typ} of SM2`)
  return out
}

// verifies checks an SM2 signature, r‖s, over all before the last dot.
function verifies (jwt, point) {
  const dot = jwt.lastIndexOf('.')
  const signature = hex(jwt.slice(dot + 1))
  return signature.length === 128 && smCrypto.sm2.doVerifySignature([...Buffer.from(jwt.slice(0, dot))], signature, point, { hash: true })
}

// splitCertificate cuts what is signed and the signature out of a certificate:
// SEQUENCE { tbsCertificate, signatureAlgorithm, BIT STRING }.
function splitCertificate (der) {
  const element = at => {
    let length = der[at + 1]
    let head = 2
    if (length & 0x80) {
      head += length & 0x7f
      length = parseInt(der.subarray(at + 2, at + head).toString('hex'), 16)
    }
    return { start: at, content: at + head, end: at + head + length }
  }
  const tbs = element(element(0).content)
  const algorithm = element(tbs.end)
  const signature = element(algorithm.end)
  return { tbs: der.subarray(tbs.start, tbs.end), signature: der.subarray(signature.content + 1, signature.end).toString('hex') }
}

// pointOf returns a certificate's public key: the end of its DER, uncompressed.
const pointOf = certificate => certificate.publicKey.export({ format: 'der', type: 'spki' }).subarray(-65).toString('hex')
const sm3 = text => createHash('sm3').update(text).digest('base64url')
const hex = base64url => Buffer.from(base64url, 'base64url').toString('hex')

function ensure (holds, problem) {
  if (!holds) throw new Error(`the license is not to be trusted: ${problem}`)
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [, , file, anchor, audience, nonce] = process.argv
  const claims = verifyLicense(readFileSync(file, 'utf8').trim(), { anchor: readFileSync(anchor), audience, nonce })
  console.log(JSON.stringify(claims))
}
