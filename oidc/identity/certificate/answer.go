package certificate

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
)

// Answer is what a form says: the text that was signed, the certificate, and the signature.
type Answer struct {
	Challenge   string `json:"challenge"`
	Certificate string `json:"certificate"` // PEM, or DER in base64; what follows the first certificate doesn't count
	Signature   string `json:"signature"`   // r ‖ s or DER, in base64 or hexadecimal
}

// Limits of what is read.
const (
	maxText      = 32 << 10
	maxSignature = 1 << 10
)

// Text returns the answer as [factor.Service.Finish] takes it.
func (a Answer) Text() string {
	text, err := json.Marshal(a)
	if err != nil { // it isn't UTF-8
		return "{}"
	}
	return string(text)
}

// ReadAnswer reads what Text returned.
func ReadAnswer(text string) (a Answer) {
	if len(text) > 2*maxText || json.Unmarshal([]byte(text), &a) != nil {
		return Answer{}
	}
	return a
}

var errText = errors.New("neither PEM nor base64, or too long")

// ReadCertificate reads a certificate in PEM, or DER in base64, and returns its DER.
func ReadCertificate(text string) ([]byte, error) {
	if len(text) > maxText {
		return nil, errText
	}
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if block.Type != pki.PEMType {
			return nil, errText
		}
		return block.Bytes, nil
	}
	return fromBase64(text)
}

// readSignature returns a signature's DER.
func readSignature(text string) ([]byte, error) {
	if len(text) > maxSignature {
		return nil, errText
	}
	var tries [][]byte
	text = withoutSpace(text)
	if raw, err := hex.DecodeString(text); err == nil {
		tries = append(tries, raw)
	}
	if raw, err := fromBase64(text); err == nil {
		tries = append(tries, raw)
	}
	for _, raw := range tries {
		if len(raw) == 64 {
			return sm2.RawToDER(raw)
		}
		if _, err := sm2.DERToRaw(raw); err == nil {
			return raw, nil
		}
	}
	return nil, errors.New("the signature is neither r ‖ s nor DER, in base64 or hexadecimal")
}

func withoutSpace(text string) string { return strings.Join(strings.Fields(text), "") }

// fromBase64 reads base64 of either alphabet, padded or not.
func fromBase64(text string) ([]byte, error) {
	text = strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(withoutSpace(text)), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(raw) == 0 {
		return nil, errText
	}
	return raw, nil
}

// Signed checks a certificate, and that its key signed a challenge of this login for that use, which is used up
// then. *Error: also unavailable.
func (s *Service) Signed(ctx context.Context, u Use, binding string, a Answer) (Checked, error) {
	hash, err := s.open(ctx, u, binding, a.Challenge)
	if err != nil {
		return Checked{}, err
	}
	der, err := ReadCertificate(a.Certificate)
	if err != nil {
		return Checked{}, refuse(ReasonFormat, err)
	}
	signature, err := readSignature(a.Signature)
	if err != nil {
		return Checked{}, refuse(ReasonFormat, err)
	}
	c, err := s.check(ctx, der, time.Now())
	if err != nil {
		return Checked{}, err
	}
	if err := s.verify(ctx, &c, a.Challenge, signature); err != nil {
		return Checked{}, unavailable(err)
	}
	if err := s.spend(ctx, hash); err != nil {
		return Checked{}, unavailable(err)
	}
	return c, nil
}

// Channel checks a certificate (DER) with which somebody opened the connection to a proxy that is believed: whose key
// it is was seen there. It may have been seen long ago: see [ReasonUnsigned]. *Error: also unavailable.
func (s *Service) Channel(ctx context.Context, der string) (Checked, error) {
	return s.check(ctx, []byte(der), time.Now())
}
