// Package passkeytest is an authenticator in software, for tests alone: it makes passkeys and logs
// in with them as a browser with a phone's lock screen does, and can be told to do it wrongly.
package passkeytest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Algorithms of passkeys, as COSE numbers them (RFC 9053).
const (
	ES256 = -7
	EdDSA = -8
	RS256 = -257
	ES384 = -35
)

// Flags of authenticator data (WebAuthn section 6.1).
const (
	Present  = 0x01
	Verified = 0x04
	Eligible = 0x08
	BackedUp = 0x10
	attested = 0x40
)

// Authenticator has passkeys. Its fields say how it behaves: those of New are right.
type Authenticator struct {
	Origin    string // of the page, as the browser tells it
	Algorithm int
	Flags     byte
	Counts    bool   // it has a sign count
	Cross     bool   // the page is in a frame of another site's
	RPID      string // of which it signs; empty: what the page asks for
	Challenge string // which it signs; empty: what the page asks for
	Type      string // of the ceremony; empty: the right one
	Format    string // of the attestation; empty: none

	keys  []*key
	count uint32
}

type key struct {
	id, handle []byte
	signer     crypto.Signer
	algorithm  int
}

// New returns an authenticator at a page of that origin.
func New(origin string) *Authenticator {
	return &Authenticator{Origin: origin, Algorithm: ES256, Flags: Present | Verified | Eligible | BackedUp}
}

// Rewind sets the sign count back.
func (a *Authenticator) Rewind(by uint32) { a.count -= by }

// Rehandle has the newest passkey say another user handle.
func (a *Authenticator) Rehandle(handle []byte) { a.keys[len(a.keys)-1].handle = handle }

var b64 = base64.RawURLEncoding

// options are those of both ceremonies, as far as an authenticator looks at them.
type options struct {
	Challenge string `json:"challenge"`
	RPID      string `json:"rpId"`
	RP        struct {
		ID string `json:"id"`
	} `json:"rp"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Exclude   []descriptor `json:"excludeCredentials"`
	Allow     []descriptor `json:"allowCredentials"`
	Selection struct {
		Resident string `json:"residentKey"`
		Verified string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Verified    string `json:"userVerification"`
	Attestation string `json:"attestation"`
	Parameters  []struct {
		Algorithm int `json:"alg"`
	} `json:"pubKeyCredParams"`
}

type descriptor struct {
	ID string `json:"id"`
}

// ErrExcluded says that the authenticator has a passkey of the account already.
var ErrExcluded = errors.New("InvalidStateError")

// ErrNone says that the authenticator has no passkey that is asked for.
var ErrNone = errors.New("NotAllowedError")

// Create makes a passkey as the options ask, and returns what the page sends.
func (a *Authenticator) Create(text string) (answer string, err error) {
	var o options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return "", fmt.Errorf("options %q: %w", text, err)
	}
	if o.Selection.Resident != "required" || o.Selection.Verified != "required" || o.Attestation != "none" || len(o.Parameters) != 3 {
		return "", fmt.Errorf("the page asks for %q", text)
	}
	for _, d := range o.Exclude {
		if a.find(d.ID) != nil {
			return "", ErrExcluded
		}
	}
	k := &key{id: make([]byte, 32), algorithm: a.Algorithm}
	_, _ = rand.Read(k.id)
	if k.handle, err = b64.DecodeString(o.User.ID); err != nil {
		return "", err
	}
	public, err := k.generate()
	if err != nil {
		return "", err
	}
	data := a.data(o.RP.ID, attested)
	data = append(data, make([]byte, 16)...) // the AAGUID
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.id)))
	data = append(append(data, k.id...), public...)
	format, statement := "none", map[string]any{}
	client := a.client("webauthn.create", o.Challenge)
	if a.Format != "" {
		format = a.Format
		sig, err := k.sign(data, client)
		if err != nil {
			return "", err
		}
		statement = map[string]any{"alg": k.algorithm, "sig": sig}
	}
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return "", err
	}
	object, err := mode.Marshal(map[string]any{"fmt": format, "attStmt": statement, "authData": data})
	if err != nil {
		return "", err
	}
	a.keys = append(a.keys, k)
	return written(k.id, map[string]any{
		"clientDataJSON": b64.EncodeToString(client), "attestationObject": b64.EncodeToString(object), "transports": []string{"internal", "hybrid", "strange"},
	})
}

// Get logs in with the newest passkey that the options allow, and returns what the page sends.
func (a *Authenticator) Get(text string) (answer string, err error) {
	var o options
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return "", fmt.Errorf("options %q: %w", text, err)
	}
	if o.Verified != "required" {
		return "", fmt.Errorf("the page asks for %q", text)
	}
	var k *key
	if len(o.Allow) == 0 && len(a.keys) > 0 {
		k = a.keys[len(a.keys)-1]
	}
	for _, d := range o.Allow {
		if found := a.find(d.ID); found != nil {
			k = found
		}
	}
	if k == nil {
		return "", ErrNone
	}
	return a.Sign(k.id, o.RPID, o.Challenge)
}

// Sign signs a challenge with the passkey of an id, whatever a page allows.
func (a *Authenticator) Sign(id []byte, rpID, challenge string) (answer string, err error) {
	k := a.find(b64.EncodeToString(id))
	if k == nil {
		return "", ErrNone
	}
	if a.Counts {
		a.count++
	}
	data, client := a.data(rpID, 0), a.client("webauthn.get", challenge)
	sig, err := k.sign(data, client)
	if err != nil {
		return "", err
	}
	return written(k.id, map[string]any{
		"clientDataJSON": b64.EncodeToString(client), "authenticatorData": b64.EncodeToString(data),
		"signature": b64.EncodeToString(sig), "userHandle": b64.EncodeToString(k.handle),
	})
}

// ID returns the id of the newest passkey.
func (a *Authenticator) ID() []byte { return a.keys[len(a.keys)-1].id }

// Handle returns the user handle of the newest passkey.
func (a *Authenticator) Handle() []byte { return a.keys[len(a.keys)-1].handle }

func (a *Authenticator) find(id string) *key {
	for _, k := range a.keys {
		if b64.EncodeToString(k.id) == id {
			return k
		}
	}
	return nil
}

// data is the authenticator data (section 6.1), without what is attested.
func (a *Authenticator) data(rpID string, more byte) []byte {
	if a.RPID != "" {
		rpID = a.RPID
	}
	hash := sha256.Sum256([]byte(rpID))
	return binary.BigEndian.AppendUint32(append(hash[:], a.Flags|more), a.count)
}

// client is the client data (section 5.8.1).
func (a *Authenticator) client(ceremony, challenge string) []byte {
	if a.Challenge != "" {
		challenge = a.Challenge
	}
	if a.Type != "" {
		ceremony = a.Type
	}
	data, _ := json.Marshal(map[string]any{"type": ceremony, "challenge": challenge, "origin": a.Origin, "crossOrigin": a.Cross})
	return data
}

func written(id []byte, response map[string]any) (string, error) {
	name := b64.EncodeToString(id)
	text, err := json.Marshal(map[string]any{
		"id": name, "rawId": name, "type": "public-key", "authenticatorAttachment": "platform", "clientExtensionResults": map[string]any{}, "response": response,
	})
	return string(text), err
}

// generate makes the key, and returns its public half as COSE writes it (RFC 9053 section 7).
func (k *key) generate() ([]byte, error) {
	mode, err := cbor.CTAP2EncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	switch k.algorithm {
	case ES256, ES384:
		curve, number, size := elliptic.P256(), 1, 32
		if k.algorithm == ES384 {
			curve, number, size = elliptic.P384(), 2, 48
		}
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, err
		}
		k.signer = private
		point, err := private.PublicKey.Bytes() // 4, x, y
		if err != nil {
			return nil, err
		}
		return mode.Marshal(map[int]any{1: 2, 3: k.algorithm, -1: number, -2: point[1 : 1+size], -3: point[1+size:]})
	case EdDSA:
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		k.signer = private
		return mode.Marshal(map[int]any{1: 1, 3: k.algorithm, -1: 6, -2: []byte(public)})
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	k.signer = private
	return mode.Marshal(map[int]any{1: 3, 3: k.algorithm, -1: private.N.Bytes(), -2: []byte{1, 0, 1}})
}

// sign signs as section 6.3.3 step 11 says.
func (k *key) sign(data, client []byte) ([]byte, error) {
	hash := sha256.Sum256(client)
	message := append(append([]byte{}, data...), hash[:]...)
	how := crypto.SignerOpts(crypto.SHA256)
	switch k.algorithm {
	case EdDSA:
		how = crypto.Hash(0)
	case ES384:
		how = crypto.SHA384
	}
	return crypto.SignMessage(k.signer, rand.Reader, message, how)
}
