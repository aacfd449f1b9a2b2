package factor

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
// names nobody, and is valid only until the password changes.
const (
	deviceFormat = 2
	deviceID     = 16
	deviceBytes  = 1 + deviceID + 8 + 4 + 32
	deviceLife   = 365 * 24 * time.Hour

	// deviceMost is how many persons a browser remembers, because families share browsers.
	deviceMost = 5
	deviceSep  = "."
)

// domainDevice is the domain of device tokens' MACs. Never change it: stored cookies depend on it.
const domainDevice = "account.device"

// devices knows the browsers in which people logged in.
type devices struct{ vault *vault.Vault }

// token is [Service.DeviceToken].
func (d *devices) token(ctx context.Context, account identity.Account, had string) (string, error) {
	token := make([]byte, 0, deviceBytes)
	token = append(token, deviceFormat)
	token = token[:1+deviceID]
	rand.Read(token[1:])
	made := time.Now().Unix()
	token = binary.BigEndian.AppendUint64(token, uint64(made))
	mac, err := d.vault.MAC(ctx, domainDevice, deviceFacts(account, hex.EncodeToString(token[1:1+deviceID]), made)...)
	if err != nil {
		return "", err
	}
	token = binary.BigEndian.AppendUint32(token, uint32(mac.Serial))
	token = append(token, mac.Sum[:]...)
	all := []string{base64.RawURLEncoding.EncodeToString(token)}
	for _, old := range splitDevices(had) {
		if device, err := d.device(ctx, account, old); err != nil {
			return "", err
		} else if device == "" && len(all) < deviceMost { // another person's, or no longer valid
			all = append(all, old)
		}
	}
	return strings.Join(all, deviceSep), nil
}

// deviceFacts returns what the MAC of a device token covers.
func deviceFacts(a identity.Account, device string, made int64) []string {
	return []string{a.ID, device, strconv.FormatInt(made, 10), strconv.FormatInt(a.Password.Set.UnixNano(), 10)}
}

// splitDevices returns the parts of a cookie that have the length of a token.
func splitDevices(cookie string) []string {
	const size = (deviceBytes*8 + 5) / 6
	if len(cookie) > deviceMost*(size+1) {
		return nil
	}
	var all []string
	for token := range strings.SplitSeq(cookie, deviceSep) {
		if len(token) == size {
			all = append(all, token)
		}
	}
	return all
}

// known returns the id of the device if one of the cookie's tokens is the account's, and
// otherwise "".
func (d *devices) known(ctx context.Context, account identity.Account, cookie string) (string, error) {
	for _, token := range splitDevices(cookie) {
		if device, err := d.device(ctx, account, token); device != "" || err != nil {
			return device, err
		}
	}
	return "", nil
}

func (d *devices) device(ctx context.Context, account identity.Account, token string) (string, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) != deviceBytes || b[0] != deviceFormat {
		return "", nil
	}
	device := hex.EncodeToString(b[1 : 1+deviceID])
	made := int64(binary.BigEndian.Uint64(b[1+deviceID:]))
	mac := signing.Lookup{Serial: int32(binary.BigEndian.Uint32(b[1+deviceID+8:]))}
	copy(mac.Sum[:], b[1+deviceID+12:])
	now := time.Now().Unix()
	if made > now+60 || made < now-int64(deviceLife/time.Second) {
		return "", nil
	}
	ok, err := d.vault.CheckMAC(ctx, mac, domainDevice, deviceFacts(account, device, made)...)
	if errors.Is(err, signing.ErrNoKey) { // the key was purged, or its serial was made up
		return "", nil
	}
	if err != nil || !ok {
		return "", err
	}
	return device, nil
}
