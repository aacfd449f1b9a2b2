package keystore

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// generatedPrefix marks a passphrase made by GeneratePassphrase. It carries 256
// bits, so deriving keys from it need not be slow; any other one was typed.
const generatedPrefix = "yzk1-"

const (
	maxPassphrase      = 1 << 10 // bytes
	minTypedPassphrase = 12      // bytes; the slow derivation can't save "1234"
)

var passphraseEncoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// Passphrase opens a [Keystore]. It prints as [secret].
type Passphrase []byte

// Format implements [fmt.Formatter]: whatever the verb, the passphrase is not shown.
func (Passphrase) Format(s fmt.State, _ rune) { printSecret(s) }

// MarshalText implements [encoding.TextMarshaler], which encoders and slog ask.
func (Passphrase) MarshalText() ([]byte, error) { return []byte(secretText), nil }

const secretText = "[secret]"

func printSecret(s fmt.State) { _, _ = io.WriteString(s, secretText) }

// GeneratePassphrase returns a new random passphrase of 256 bits: "yzk1-" and
// 52 characters of base 32.
func GeneratePassphrase() Passphrase {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the program instead
	return Passphrase(generatedPrefix + passphraseEncoding.EncodeToString(b[:]))
}

// ReadPassphraseFile reads a passphrase from a file and drops one line break at
// its end. It refuses a file that is empty, longer than 1 KiB, not a regular
// file, or open to other users of the machine.
func ReadPassphraseFile(path string) (Passphrase, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a secret: %w", err)
	}
	defer f.Close()
	info, err := f.Stat() // of the open file, so that nobody swaps it in between
	if err != nil {
		return nil, fmt.Errorf("reading a secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("secret file %s is not a regular file", path)
	}
	if m := info.Mode().Perm(); m&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("secret file %s is open to other users (mode %04o): run chmod 600 %s", path, m, path)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxPassphrase+3))
	if err != nil {
		return nil, fmt.Errorf("reading a secret: %w", err)
	}
	if cut, ok := bytes.CutSuffix(b, []byte("\n")); ok {
		b = bytes.TrimSuffix(cut, []byte("\r"))
	}
	switch {
	case len(b) == 0:
		return nil, fmt.Errorf("secret file %s is empty", path)
	case len(b) > maxPassphrase:
		return nil, fmt.Errorf("secret file %s holds more than %d bytes", path, maxPassphrase)
	}
	return b, nil
}

// generatedSecret returns the 32 bytes of a generated passphrase. It reports false for a
// typed one. If a passphrase begins like a generated one but isn't one, it returns an error:
// most likely it was cut off when it was copied.
func generatedSecret(passphrase []byte) (secret []byte, generated bool, err error) {
	rest, ok := strings.CutPrefix(string(passphrase), generatedPrefix)
	if !ok {
		return nil, false, nil
	}
	secret, err = passphraseEncoding.DecodeString(rest)
	if err != nil || len(secret) != 32 || passphraseEncoding.EncodeToString(secret) != rest {
		return nil, false, errors.New("passphrase begins like a generated one (" + generatedPrefix + "…) but is damaged or cut off")
	}
	return secret, true, nil
}
