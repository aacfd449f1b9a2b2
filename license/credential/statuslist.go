package credential

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
)

// StatusValue is an entry of a status list, 2 bits (Token Status List, section 7).
type StatusValue uint8

const (
	StatusValid      StatusValue = 0
	StatusInvalid    StatusValue = 1 // ended
	StatusSuspended  StatusValue = 2
	StatusSuperseded StatusValue = 3 // application-specific: a newer version is in its place
)

// Final reports whether an entry with this value never changes again.
func (v StatusValue) Final() bool { return v == StatusInvalid || v == StatusSuperseded }

// StatusListSize is how many entries a list has: 32 KiB of 2 bits before compression. At most half of the entries
// are ever taken, so that an index reveals nothing.
const StatusListSize = 1 << 17

const (
	statusBits = 2

	// statusTTL is how long a verifier may use a list before it asks again.
	statusTTL = time.Minute
	// statusLife is how long verifiers that are offline can use a list.
	statusLife = 24 * time.Hour

	// maxStatusToken bounds what OpenStatusList reads, maxStatusBytes what it inflates.
	maxStatusToken = 4 << 20
	maxStatusBytes = 4 << 20
)

// StatusList is a status list's values, as they are in a token before compression.
type StatusList []byte

// NewStatusList returns a list whose entries are all [StatusValid].
func NewStatusList() StatusList { return make(StatusList, StatusListSize*statusBits/8) }

// Value returns the value of an entry. The list must have the entry.
func (l StatusList) Value(index int) StatusValue {
	return StatusValue(l[index/4] >> (index % 4 * statusBits) & 3)
}

// Set sets the value of an entry. The list must have the entry.
func (l StatusList) Set(index int, v StatusValue) {
	shift := index % 4 * statusBits
	l[index/4] = l[index/4]&^(3<<shift) | byte(v&3)<<shift
}

// statusClaims are the claims of a status list token (Token Status List, section 5.1).
type statusClaims struct {
	Subject  string     `json:"sub"`
	IssuedAt int64      `json:"iat"`
	Expires  int64      `json:"exp"`
	TTL      int64      `json:"ttl"`
	List     statusBody `json:"status_list"`
}

type statusBody struct {
	Bits int    `json:"bits"`
	List string `json:"lst"` // zlib, base64url
}

// Sign returns the list, signed as of a time. The key's header h has the type [jose.TypStatusList]; uri is the
// list's address.
func (l StatusList) Sign(signer crypto.MessageSigner, h jose.Header, uri string, at time.Time) (string, error) {
	var b bytes.Buffer
	z, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := z.Write(l); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	return jose.Sign(signer, h, statusClaims{
		Subject: uri, IssuedAt: at.Unix(), Expires: at.Add(statusLife).Unix(),
		TTL:  int64(statusTTL.Seconds()),
		List: statusBody{statusBits, base64.RawURLEncoding.EncodeToString(b.Bytes())},
	})
}

// ErrStatusIndex says that a list has no entry with a credential's index.
var ErrStatusIndex = errors.New("the status list has no such entry")

// OpenStatusList checks a status list token as of a time, and returns a source that knows only the entries of
// this list. A list whose key was revoked is refused.
func (v *Verifier) OpenStatusList(ctx context.Context, token string, at time.Time) (StatusSource, error) {
	var chainErr error
	_, payload, err := jose.Verify(ctx, token, jose.Expectation{
		Typ: jose.TypStatusList, Max: maxStatusToken, Verifier: v.Signatures,
		Key: func(h jose.Header, _ []byte) (crypto.PublicKey, error) {
			leaf, err := v.Anchors.Verify(ctx, v.Signatures, h.X5C, at)
			if err == nil {
				err = v.listKey(ctx, leaf)
			}
			if err != nil {
				chainErr = err
				return nil, err
			}
			return leaf.PublicKey, nil
		},
	})
	if chainErr != nil {
		return nil, fmt.Errorf("status list: %w", chainErr)
	}
	if err != nil {
		return nil, fmt.Errorf("status list: %w", err)
	}
	var c statusClaims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, errors.New("status list: claims are malformed")
	}
	switch {
	case c.List.Bits != statusBits || c.Subject == "":
		return nil, errors.New("status list: not one of two bits an entry with a subject")
	case c.IssuedAt <= 0 || c.TTL <= 0 || c.Expires-c.IssuedAt > int64(statusLife/time.Second):
		return nil, errors.New("status list: without a time of issue or to live, or made for more than a day")
	case c.IssuedAt > at.Add(clockSkew).Unix():
		return nil, errors.New("status list: issued in the future")
	case c.Expires <= at.Unix():
		return nil, errors.New("status list: expired; fetch a new one")
	}
	packed, err := inflate(c.List.List)
	if err != nil {
		return nil, err
	}
	return func(_ context.Context, uri string, index int) (StatusValue, error) {
		if uri != c.Subject {
			return 0, errors.New("this is another status list")
		}
		if index < 0 || index/4 >= len(packed) {
			return 0, ErrStatusIndex
		}
		return packed.Value(index), nil
	}, nil
}

// listKey checks that a certificate is that of a status key, and that it was not revoked.
func (v *Verifier) listKey(ctx context.Context, leaf *pki.Certificate) error {
	if leaf.Profile != pki.ProfileStatus {
		return errors.New("the certificate is not one of a status key")
	}
	if v.Revoked == nil {
		return nil
	}
	reason, _, revoked, err := v.Revoked(ctx, leaf.Raw)
	switch {
	case err != nil:
		return fmt.Errorf("whether its certificate was revoked: %w", err)
	case revoked:
		return fmt.Errorf("its certificate was revoked (%s): fetch a new one", reason)
	}
	return nil
}

func inflate(list string) (StatusList, error) {
	compressed, err := base64.RawURLEncoding.Strict().DecodeString(list)
	if err != nil {
		return nil, errors.New("status list: lst is not base64url")
	}
	z, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, errors.New("status list: lst is not zlib data")
	}
	packed, err := io.ReadAll(io.LimitReader(z, maxStatusBytes+1))
	if err != nil {
		return nil, errors.New("status list: lst does not inflate")
	}
	if len(packed) > maxStatusBytes {
		return nil, errors.New("status list: lst inflates to too much")
	}
	return packed, nil
}
