package signing

// Installation is a data directory's keys: made once, on the first start.
//
//	DIR/root/            the root's keystore, which serve never loads
//	DIR/root.pass        its passphrase: to be moved away for production
//	DIR/keys/            the registry's keystore
//	DIR/keys.pass        its passphrase
//	DIR/anchors.pem      the root's certificate
//
// The full first start: see Bootstrap.
type Installation struct{}
