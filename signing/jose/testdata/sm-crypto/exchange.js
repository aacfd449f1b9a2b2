// The other side of TestInteropSMCrypto: reads {message, publicKey, der, raw}
// (hex but for the message) from standard input, verifies, signs the same
// message with a key of its own, and writes what came of it.
'use strict'

const { sm2 } = require('sm-crypto')

const input = JSON.parse(require('fs').readFileSync(0, 'utf8'))
const hashed = { hash: true } // with the default user id
const derHashed = { hash: true, der: true }
const own = sm2.generateKeyPairHex()

process.stdout.write(JSON.stringify({
  der: sm2.doVerifySignature(input.message, input.der, input.publicKey, derHashed),
  raw: sm2.doVerifySignature(input.message, input.raw, input.publicKey, hashed),
  forged: sm2.doVerifySignature(input.message + '!', input.der, input.publicKey, derHashed),
  publicKey: own.publicKey,
  ownDER: sm2.doSignature(input.message, own.privateKey, derHashed),
  ownRaw: sm2.doSignature(input.message, own.privateKey, hashed)
}))
