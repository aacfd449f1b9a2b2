package signing

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/signing/jose"
)

// Purpose says what a key is for. A key is used for nothing else.
type Purpose string

const (
	PurposeRoot        Purpose = "root"           // certifies; its keystore is apart
	PurposeAuthority   Purpose = "authority"      // signs a department's credentials; Owner is its USCC
	PurposeAttestation Purpose = "attestation"    // signs what the registry collected
	PurposeStatus      Purpose = "status"         // signs status lists
	PurposeAccessToken Purpose = "access-token"   // signs access tokens (ES256)
	PurposeIDToken     Purpose = "id-token"       // signs ID tokens (ES256)
	PurposeIDTokenRSA  Purpose = "id-token-rs256" // signs ID tokens for clients that know only RS256
	PurposeMaster      Purpose = "master"         // wraps data keys
	PurposeData        Purpose = "data"           // seals columns (SM4-GCM); its record holds it, wrapped
	PurposeLookup      Purpose = "lookup"         // makes lookup keys (HMAC-SM3)
)

// Algorithm returns the algorithm with which keys of this purpose sign; it is
// empty for those that don't.
func (p Purpose) Algorithm() jose.Algorithm {
	switch p {
	case PurposeRoot, PurposeAuthority, PurposeAttestation, PurposeStatus:
		return jose.SM2
	case PurposeAccessToken, PurposeIDToken:
		return jose.ES256
	case PurposeIDTokenRSA:
		return jose.RS256
	}
	return ""
}

// Algorithms of secret keys, as [KeyRecord] has them.
const (
	AlgorithmSeal = "SM4-GCM"
	AlgorithmMAC  = "HMAC-SM3"
)

// GuardsStorage reports whether stored data can't be read or found without the keys of
// this purpose.
func (p Purpose) GuardsStorage() bool {
	return p == PurposeMaster || p == PurposeData || p == PurposeLookup
}

// KeyState is a key's place in its keyring: next → active → retired. Revoked
// ends it from any state.
type KeyState string

const (
	KeyNext    KeyState = "next"    // published, does not sign yet
	KeyActive  KeyState = "active"  // the one that signs, seals or makes lookups
	KeyRetired KeyState = "retired" // still verifies, opens and finds
	KeyRevoked KeyState = "revoked" // see KeyRecord.Revoked and Reason
)

// KeyRecord is what is known of a key apart from its secret. Nothing in it is
// personal, and nothing needs sealing.
type KeyRecord struct {
	ID        KeyID
	Purpose   Purpose
	Owner     string // USCC of the authority whose key it is; empty for the registry's own
	Serial    int32  // 1, 2, …: the key's number within purpose and owner; sealed columns and lookups name it
	Algorithm string // a jose.Algorithm for signing keys; AlgorithmSeal or AlgorithmMAC for secret ones
	State     KeyState
	PublicKey []byte // PKIX DER; nil for secret keys
	// Thumbprint is the public key's, by RFC 7638; see KID. It is empty for secret
	// keys and for those that earlier versions made.
	Thumbprint string
	Chain      [][]byte // certificates, DER, leaf first, anchor left out; nil if none
	Wrapped    []byte   // a data key, wrapped by the master key; else nil
	WrappedBy  KeyID    // that master key

	Created   time.Time
	Activated time.Time // zero if never
	Retired   time.Time // zero if not
	Revoked   time.Time // signatures made from then on are not trusted; zero if not revoked
	Reason    string    // why revoked: RFC 5280 5.3.1 names, e.g. keyCompromise, superseded
	Revision  int64     // counts updates, from 1

	Auth []byte // see Authenticator; AuthenticRecords make and check it
	Mark []byte // its register, read and written with the record; nil before revision 2
}

// KID returns the key's name in key sets and in the headers of what it signs. It is the
// thumbprint, which no other key has, not even one of an installation that was made anew.
// Keys that earlier versions made keep their id as their name.
func (k *KeyRecord) KID() string {
	if k.Thumbprint != "" {
		return k.Thumbprint
	}
	return string(k.ID)
}

// Records keeps key records. Every driver passes storagetest/ledger.Keys.
type Records interface {
	// CreateKey saves a new record with Revision 1. It returns ErrExists if
	// the ID, or the Serial within Purpose and Owner, is taken, also by a
	// caller racing with this one; and ErrConflict if k is active while its
	// ring has an active key. When it returns nil, k is on disk.
	CreateKey(ctx context.Context, k KeyRecord) error
	// LoadKey returns one record, or ErrNoKey.
	LoadKey(ctx context.Context, id KeyID) (KeyRecord, error)
	// ListKeys returns the records of a purpose, or of all purposes if it is
	// empty, ordered by purpose, owner and serial.
	ListKeys(ctx context.Context, purpose Purpose) ([]KeyRecord, error)
	// UpdateKeys saves all of ks, or none, in order, if each stored revision
	// is still its Revision, and counts it up; else it returns ErrConflict.
	// Activating one key and retiring another is one call, so that a ring
	// never has two active keys (which the driver also enforces).
	UpdateKeys(ctx context.Context, ks ...KeyRecord) error
}

// RevocationLists keeps the newest revocation list of each root. Every driver
// passes storagetest/ledger.RevocationLists.
type RevocationLists interface {
	// SaveRevocationList saves a list (DER) in the place of an older one of the
	// same root. It returns ErrConflict if the one there has this number or a
	// higher one. When it returns nil, the list is on disk.
	SaveRevocationList(ctx context.Context, root KeyID, number int64, der []byte) error
	// LoadRevocationList returns the newest list of a root, or ErrNoList.
	LoadRevocationList(ctx context.Context, root KeyID) (der []byte, err error)
}

// ErrNoList says that a root has published no revocation list yet.
var ErrNoList = errors.New("no revocation list was published")
