package provider

import "yizheng.internal/signing"

// What the benchmarks need, which are outside the package because the database
// imports it.

// TemplateKeys returns the keys that are made once for all tests.
func TemplateKeys() (dir string, passphrase []byte, records map[signing.KeyID]signing.KeyRecord) {
	return template.dir, template.passphrase, template.keys
}
