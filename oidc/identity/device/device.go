// Package device knows the browsers in which people logged in, by a token in a cookie. It is no
// credential: tries to log in from a known device have limits of their own.
package device

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing"
	"yizheng.internal/signing/vault"
)

// A device token is
//
//	format (1 byte) ‖ device (16) ‖ made (8, seconds, big-endian) ‖ serial of the MAC's key (4) ‖ MAC (32)
//
// in base64url. The account, and when its password was set, are only in the MAC. So a cookie
// names nobody, and is valid only until the password changes. Of [NewOfPhones] it is the phone.
const (
	format     = 2
	idBytes    = 16
	tokenBytes = 1 + idBytes + 8 + 4 + 32

	// Life is how long a token is valid.
	Life = 365 * 24 * time.Hour
	// Most is how many persons a browser remembers, because families share browsers.
	Most      = 5
	separator = "."
)

// domain is the domain of device tokens' MACs. Never change it: stored cookies depend on it.
const domain = "account.device"

// domainPhone is that of the tokens of [NewOfPhones]. Never change it.
const domainPhone = "account.device.phone"

// Devices makes and reads tokens. Safe for concurrent use.
type Devices struct {
	vault  *vault.Vault
	domain string
	bound  func(identity.Account) string // what ends a token when it changes
}

// New returns Devices whose tokens have MACs of the vault's keys. A token is good until the account's
// password changes.
func New(v *vault.Vault) *Devices {
	return &Devices{v, domain, func(a identity.Account) string { return strconv.FormatInt(a.Password.Set.UnixNano(), 10) }}
}

// NewOfPhones returns Devices for browsers in which somebody logged in with their phone alone. A token
// is good until the account's phone changes, and is none of those of [New].
func NewOfPhones(v *vault.Vault) *Devices {
	return &Devices{v, domainPhone, func(a identity.Account) string { return a.Phone }}
}

// Token returns a token that makes a browser a known device of the account, for a year or until
// what it is bound to changes. had is what the browser has already, or empty: the newest five
// tokens stay.
func (d *Devices) Token(ctx context.Context, account identity.Account, had string) (string, error) {
	token := make([]byte, 0, tokenBytes)
	token = append(token, format)
	token = token[:1+idBytes]
	rand.Read(token[1:])
	made := time.Now().Unix()
	token = binary.BigEndian.AppendUint64(token, uint64(made))
	mac, err := d.vault.MAC(ctx, d.domain, d.facts(account, hex.EncodeToString(token[1:1+idBytes]), made)...)
	if err != nil {
		return "", err
	}
	token = binary.BigEndian.AppendUint32(token, uint32(mac.Serial))
	token = append(token, mac.Sum[:]...)
	all := []string{base64.RawURLEncoding.EncodeToString(token)}
	for _, old := range split(had) {
		if device, err := d.read(ctx, account, old); err != nil {
			return "", err
		} else if device == "" && len(all) < Most { // another person's, or no longer valid
			all = append(all, old)
		}
	}
	return strings.Join(all, separator), nil
}

// facts returns what the MAC of a device token covers.
func (d *Devices) facts(a identity.Account, device string, made int64) []string {
	return []string{a.ID, device, strconv.FormatInt(made, 10), d.bound(a)}
}

// split returns the parts of a cookie that have the length of a token.
func split(cookie string) []string {
	const size = (tokenBytes*8 + 5) / 6
	if len(cookie) > Most*(size+1) {
		return nil
	}
	var all []string
	for token := range strings.SplitSeq(cookie, separator) {
		if len(token) == size {
			all = append(all, token)
		}
	}
	return all
}

// Known returns the id of the device if one of the cookie's tokens is the account's, and
// otherwise "".
func (d *Devices) Known(ctx context.Context, account identity.Account, cookie string) (string, error) {
	for _, token := range split(cookie) {
		if device, err := d.read(ctx, account, token); device != "" || err != nil {
			return device, err
		}
	}
	return "", nil
}

// read returns the id of the device if a token is the account's, and otherwise "".
func (d *Devices) read(ctx context.Context, account identity.Account, token string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != tokenBytes || b[0] != format {
		return "", nil
	}
	device := hex.EncodeToString(b[1 : 1+idBytes])
	made := int64(binary.BigEndian.Uint64(b[1+idBytes:]))
	mac := signing.Lookup{Serial: int32(binary.BigEndian.Uint32(b[1+idBytes+8:]))}
	copy(mac.Sum[:], b[1+idBytes+12:])
	now := time.Now().Unix()
	if made > now+60 || made < now-int64(Life/time.Second) {
		return "", nil
	}
	ok, err := d.vault.CheckMAC(ctx, mac, d.domain, d.facts(account, device, made)...)
	if errors.Is(err, signing.ErrNoKey) { // the key was purged, or its serial was made up
		return "", nil
	}
	if err != nil || !ok {
		return "", err
	}
	return device, nil
}
