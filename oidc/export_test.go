package oidc

import "yizheng.internal/signing"

// What the benchmarks need, which are outside the package because the database
// imports it.

// TemplateKeys returns the keys that are made once for all tests.
func TemplateKeys() (dir string, passphrase []byte, records map[signing.KeyID]signing.KeyRecord) {
	return template.dir, template.passphrase, template.keys
}

// Forget drops what the provider has seen of tokens, as in a process that hasn't
// issued them.
func (p *Provider) Forget() {
	p.families.forget()
	p.tokens.forget()
	p.denied.forget()
}
