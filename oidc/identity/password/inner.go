package password

import (
	"context"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/blowfish" //lint:ignore SA1019 bcrypt is made of it, and other systems' hashes are
	"golang.org/x/crypto/scrypt"

	"yizheng.internal/oidc/identity"
)

// Adopt makes of a hash that Foreign read the one that is stored: the hash itself, or if that is
// cheap its hash by Argon2id. It waits as long as it must: it is for imports, not for people.
func (h *Hasher) Adopt(ctx context.Context, p identity.PasswordHash) (identity.PasswordHash, error) {
	if p.Algorithm != inner {
		return p, errors.New("adopting a password's hash: it is none of another system")
	}
	if !cheap(p.Inner) {
		p.Set = time.Now().UTC().Truncate(time.Second)
		return p, nil
	}
	select {
	case h.adopting <- struct{}{}:
		defer func() { <-h.adopting }()
	case <-ctx.Done():
		return p, ctx.Err()
	}
	stored := h.Blank()
	stored.Inner = p.Inner
	h.computed.Add(1)
	stored.Sum = argon2.IDKey(p.Sum, stored.Salt, stored.Time, stored.Memory, stored.Threads, sumBytes)
	return stored, nil
}

// computeInner computes another system's hash of a password.
func computeInner(i identity.InnerHash, password []byte) ([]byte, error) {
	if !allowed(i) {
		return nil, fmt.Errorf("a password's hash is of an unknown kind, or costs too much: %q", i.Scheme)
	}
	switch i.Scheme {
	case schemeBcrypt:
		return bcryptSum(password, i.Salt, i.Cost)
	case schemePBKDF2SHA256:
		return pbkdf2.Key(sha256.New, string(password), i.Salt, int(i.Cost), i.Length)
	case schemePBKDF2SHA512:
		return pbkdf2.Key(sha512.New, string(password), i.Salt, int(i.Cost), i.Length)
	case schemeScrypt:
		return scrypt.Key(password, i.Salt, 1<<i.Cost, int(i.Memory), int(i.Lanes), i.Length)
	case schemeArgon2id:
		return argon2.IDKey(password, i.Salt, i.Cost, i.Memory, uint8(i.Lanes), uint32(i.Length)), nil
	case schemeSM3After:
		return sm3Sum(password, i.Salt), nil
	default:
		return sm3Sum(i.Salt, password), nil
	}
}

// sm3Sum is SM3 over two texts.
func sm3Sum(first, second []byte) []byte {
	h := sm3.New()
	h.Write(first)
	h.Write(second)
	return h.Sum(nil)
}

// bcryptSum is bcrypt (Provos and Mazières, 1999) with a given salt: the 23 bytes that are
// written. golang.org/x/crypto/bcrypt can only compare with a whole hash, and a hash that is
// hashed once more isn't there to be compared. Like that package's comparison and the libraries in
// C, it takes the first 72 bytes of a longer password.
func bcryptSum(password, salt []byte, cost uint32) ([]byte, error) {
	key := append(password[:len(password):len(password)], 0)
	key = key[:min(len(key), bcryptBytes)]
	c, err := blowfish.NewSaltedCipher(key, salt)
	if err != nil {
		return nil, err
	}
	for range uint64(1) << cost {
		blowfish.ExpandKey(key, c)
		blowfish.ExpandKey(salt, c)
	}
	sum := []byte("OrpheanBeholderScryDoubt")
	for i := 0; i < len(sum); i += blowfish.BlockSize {
		for range 64 {
			c.Encrypt(sum[i:i+blowfish.BlockSize], sum[i:i+blowfish.BlockSize])
		}
	}
	return sum[:23], nil
}

// matchesInner reports whether a password has a hash that another system made. Such a hash is of
// the password as it is typed: nothing is known of other forms there. What can't be a password here
// never matches, whatever the other system took. A password with a NUL never matches either: bcrypt
// in C ends at a NUL, and HMAC pads its key with them, so another password has the same hash.
func matchesInner(p identity.PasswordHash, password string) (bool, error) {
	normal, ok := Normal(password)
	if ok = ok && normal != "" && !strings.Contains(password, "\x00"); !ok {
		password = ""
	}
	sum, err := computeInner(p.Inner, []byte(password))
	if err == nil && p.Algorithm == argon2id {
		sum, err = argonSum(p, sum)
	}
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(sum, p.Sum) == 1 && ok, nil
}
