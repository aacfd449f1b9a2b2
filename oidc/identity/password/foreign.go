package password

import (
	"encoding/base64"
	"encoding/hex"
	"regexp"
	"strconv"
	"strings"

	"yizheng.internal/oidc/identity"
)

// The schemes of other systems' hashes. Never change one: stored hashes name them.
const (
	schemeBcrypt       = "bcrypt"
	schemePBKDF2SHA256 = "pbkdf2-sha256"
	schemePBKDF2SHA512 = "pbkdf2-sha512"
	schemeScrypt       = "scrypt"
	schemeArgon2id     = "argon2id"
	schemeSM3Before    = "sm3-before" // SM3(salt ‖ password)
	schemeSM3After     = "sm3-after"  // SM3(password ‖ salt)
)

// inner says in [identity.PasswordHash].Algorithm that Sum is the inner hash itself.
const inner = "inner"

// The forms. A number has no leading zeros, as those who write them have it.
var (
	bcryptForm   = regexp.MustCompile(`^\$2[aby]\$([0-9]{2})\$([./A-Za-z0-9]{22})([./A-Za-z0-9]{31})$`)
	passlibForm  = regexp.MustCompile(`^\$(pbkdf2-sha256|pbkdf2-sha512)\$([1-9][0-9]{0,6})\$([./A-Za-z0-9]*)\$([./A-Za-z0-9]+)$`)
	djangoForm   = regexp.MustCompile(`^pbkdf2_sha256\$([1-9][0-9]{0,6})\$([^$]+)\$([+/A-Za-z0-9]+={0,2})$`)
	scryptForm   = regexp.MustCompile(`^\$scrypt\$ln=([1-9][0-9]?),r=([1-9][0-9]{0,2}),p=([1-9][0-9]?)\$([+/A-Za-z0-9]*)\$([+/A-Za-z0-9]+)$`)
	argon2idForm = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,6}),t=([1-9][0-9]{0,2}),p=([1-9][0-9]{0,2})\$([+/A-Za-z0-9]+)\$([+/A-Za-z0-9]+)$`)
	sm3Form      = regexp.MustCompile(`^\$sm3\$(before|after)\$([+/A-Za-z0-9]*={0,2})\$([0-9A-Fa-f]{64})$`)
)

// Encodings of base64. bcrypt's has another alphabet, and old libraries left stray bits in the
// last letter of a salt; passlib's has a dot instead of the plus.
var (
	bcrypt64  = base64.NewEncoding("./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789").WithPadding(base64.NoPadding)
	passlib64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789./").WithPadding(base64.NoPadding).Strict()
	plain64   = base64.RawStdEncoding.Strict()
)

// Foreign reads a hash as another system wrote it:
//
//   - $2a$, $2b$ and $2y$ (bcrypt; not $2$ and $2x$, which hash other bytes than they should)
//   - $pbkdf2-sha256$ and $pbkdf2-sha512$ (passlib), pbkdf2_sha256$ (Django)
//   - $scrypt$ln=…,r=…,p=…$ (passlib)
//   - $argon2id$v=19$m=…,t=…,p=…$ (the form of the Password Hashing Competition)
//   - $sm3$before$SALT$SUM and $sm3$after$SALT$SUM: SM3 over salt and password, the salt before or
//     after the password; SALT in base64 (it may be empty), SUM in hexadecimal
//
// It returns false for any other form, for a sum of less than 16 bytes or a salt of more than 64,
// and for a hash that would cost too much to check.
func (h *Hasher) Foreign(text string) (p identity.PasswordHash, ok bool) {
	for _, read := range []func(string) (identity.InnerHash, []byte, bool){readBcrypt, readPBKDF2, readDjango, readScrypt, readArgon2id, readSM3} {
		i, sum, ok := read(text)
		if !ok {
			continue
		}
		i.Length = len(sum)
		return identity.PasswordHash{Algorithm: inner, Sum: sum, Inner: i}, allowed(i)
	}
	return p, false
}

// number returns a decimal number that a form matched, or 0, which no bound allows, if it is too large.
func number(text string) uint32 {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return 0
	}
	return uint32(n)
}

// both decodes a salt and a sum.
func both(e *base64.Encoding, salt, sum string) (s, h []byte, ok bool) {
	s, err := e.DecodeString(salt)
	if err != nil {
		return nil, nil, false
	}
	h, err = e.DecodeString(sum)
	return s, h, err == nil
}

func readBcrypt(text string) (i identity.InnerHash, sum []byte, ok bool) {
	m := bcryptForm.FindStringSubmatch(text)
	if m == nil {
		return i, nil, false
	}
	i.Scheme, i.Cost = schemeBcrypt, number(m[1])
	i.Salt, sum, ok = both(bcrypt64, m[2], m[3])
	return i, sum, ok
}

func readPBKDF2(text string) (i identity.InnerHash, sum []byte, ok bool) {
	m := passlibForm.FindStringSubmatch(text)
	if m == nil {
		return i, nil, false
	}
	i.Scheme, i.Cost = m[1], number(m[2])
	i.Salt, sum, ok = both(passlib64, m[3], m[4])
	return i, sum, ok
}

// readDjango reads PBKDF2 as Django writes it: the salt is a text, and only the sum is in base64.
func readDjango(text string) (i identity.InnerHash, sum []byte, ok bool) {
	m := djangoForm.FindStringSubmatch(text)
	if m == nil {
		return i, nil, false
	}
	i.Scheme, i.Cost, i.Salt = schemePBKDF2SHA256, number(m[1]), []byte(m[2])
	sum, err := plain64.DecodeString(strings.TrimRight(m[3], "="))
	return i, sum, err == nil
}

func readScrypt(text string) (i identity.InnerHash, sum []byte, ok bool) {
	m := scryptForm.FindStringSubmatch(text)
	if m == nil {
		return i, nil, false
	}
	i.Scheme, i.Cost, i.Memory, i.Lanes = schemeScrypt, number(m[1]), number(m[2]), number(m[3])
	i.Salt, sum, ok = both(plain64, m[4], m[5])
	return i, sum, ok
}

func readArgon2id(text string) (i identity.InnerHash, sum []byte, ok bool) {
	m := argon2idForm.FindStringSubmatch(text)
	if m == nil {
		return i, nil, false
	}
	i.Scheme, i.Memory, i.Cost, i.Lanes = schemeArgon2id, number(m[1]), number(m[2]), number(m[3])
	i.Salt, sum, ok = both(plain64, m[4], m[5])
	return i, sum, ok
}

func readSM3(text string) (i identity.InnerHash, sum []byte, ok bool) {
	m := sm3Form.FindStringSubmatch(text)
	if m == nil {
		return i, nil, false
	}
	i.Scheme = schemeSM3Before
	if m[1] == "after" {
		i.Scheme = schemeSM3After
	}
	var err, more error
	i.Salt, err = plain64.DecodeString(strings.TrimRight(m[2], "="))
	sum, more = hex.DecodeString(m[3])
	return i, sum, err == nil && more == nil
}
