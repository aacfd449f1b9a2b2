package signing

import "context"

// Vault seals what lies in the database and makes the lookup keys by which
// sealed things are found. Safe for concurrent use.
type Vault struct{}

// OpenVault returns a vault over the rings of PurposeData and PurposeLookup,
// whose keys it unwraps with the module's master key.
func OpenVault(ctx context.Context, r *Keyrings, m Module) (*Vault, error) { return nil, errUnbuilt }

// Place says where a sealed value lies. It is bound into the value: a value
// moved to another place does not open.
type Place struct{ Table, Row, Column string }

// Seal encrypts with SM4-GCM under the active data key. The result begins with
// a format byte and the key's serial.
func (v *Vault) Seal(ctx context.Context, p Place, plain []byte) ([]byte, error) {
	return nil, errUnbuilt
}

// Open reverses Seal, also for values sealed under retired keys.
func (v *Vault) Open(ctx context.Context, p Place, sealed []byte) ([]byte, error) {
	return nil, errUnbuilt
}

// Lookup is a lookup key: what stands in the database in place of a value that
// must be found but not read.
type Lookup struct {
	Serial int32    // of the lookup key that made it
	Sum    [32]byte // HMAC-SM3 over domain and values, each with its length
}

// Lookups returns the lookup keys of a value under every lookup key not yet
// purged, the active one's first. While a rotation is under way there are two:
// write both, read either. Domain keeps equal values of unequal meaning apart.
func (v *Vault) Lookups(ctx context.Context, domain string, values ...string) ([]Lookup, error) {
	return nil, errUnbuilt
}

// MAC returns a keyed hash under the active lookup key, for fingerprints and
// comparisons that need no index.
func (v *Vault) MAC(ctx context.Context, domain string, values ...string) (Lookup, error) {
	return Lookup{}, errUnbuilt
}

// CheckMAC reports, in constant time, whether m is the MAC of those values, under the key that m names.
func (v *Vault) CheckMAC(ctx context.Context, m Lookup, domain string, values ...string) (bool, error) {
	return false, errUnbuilt
}
