package signing

import (
	"crypto"
	"maps"
	"slices"
	"time"

	"yizheng.internal/signing/pki"
)

// Key is a key ready for use. It is shared and must not be changed.
type Key struct {
	KeyRecord
	Signer       crypto.MessageSigner // nil unless the key is active or next, and held here
	Public       crypto.PublicKey     // PublicKey, parsed; nil for secret keys
	Certificates []*pki.Certificate   // Chain, parsed
}

// signs reports whether a key may have a Signer. The root's never does here:
// its keystore is apart.
func (k *Key) signs() bool {
	return k.Public != nil && k.Purpose != PurposeRoot && (k.State == KeyActive || k.State == KeyNext)
}

// ringName names a keyring.
type ringName struct {
	purpose Purpose
	owner   string
}

func (n ringName) String() string {
	if n.owner == "" {
		return string(n.purpose) + " key"
	}
	return string(n.purpose) + " key of " + n.owner
}

// KeySet is one reading of all records. It is shared, and neither it nor what it returns may
// be changed.
type KeySet struct {
	began   time.Time
	took    time.Duration
	changes int64
	byID    map[KeyID]*Key
	byKID   map[string]*Key
	byLeaf  map[string]*Key // by leaf certificate, DER
	issuers map[string]bool // of all leaf certificates, as issuerOf names them
	active  map[ringName]*Key
	rings   map[ringName][]*Key // by serial, as ListKeys orders them
	altered int                 // how many records were left out because they were altered
}

// Ring returns all keys of a purpose and owner, by serial.
func (s *KeySet) Ring(p Purpose, owner string) []*Key { return s.rings[ringName{p, owner}] }

// Active returns the active key of a ring, or nil.
func (s *KeySet) Active(p Purpose, owner string) *Key { return s.active[ringName{p, owner}] }

// Next returns the first next key of a ring, or nil.
func (s *KeySet) Next(p Purpose, owner string) *Key {
	for _, k := range s.rings[ringName{p, owner}] {
		if k.State == KeyNext {
			return k
		}
	}
	return nil
}

// ByID returns a key in whatever state, or nil.
func (s *KeySet) ByID(id KeyID) *Key { return s.byID[id] }

// Records returns the records of all keys, by id.
func (s *KeySet) Records() []KeyRecord {
	records := make([]KeyRecord, 0, len(s.byID))
	for _, id := range slices.Sorted(maps.Keys(s.byID)) {
		records = append(records, s.byID[id].KeyRecord)
	}
	return records
}

func (s *KeySet) bySerial(p Purpose, serial uint32) *Key {
	for _, k := range s.rings[ringName{p, ""}] {
		if uint32(k.Serial) == serial {
			return k
		}
	}
	return nil
}

// unchanged returns the key of a record if the record is as it was at this reading, else nil.
func (s *KeySet) unchanged(record KeyRecord) *Key {
	if s == nil {
		return nil
	}
	if k := s.byID[record.ID]; k != nil && k.Revision == record.Revision {
		return k
	}
	return nil
}

// issuerOf names a certificate's issuer, by its name and its key.
func issuerOf(c *pki.Certificate) string {
	return string(c.RawIssuer) + string(c.AuthorityKeyId)
}
