package certificate

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"yizheng.internal/signing"
)

// ChallengeLife is how long a challenge may be answered.
const ChallengeLife = 5 * time.Minute

// domainChallenge is the domain of challenges' MACs.
const domainChallenge = "certificate.challenge"

// A challenge is 256 random bits, when it expires, and a MAC over both, what it is for and the login to which it is
// bound. So a page can be shown to anybody and nothing is stored of it: only what a right signature used up is.
const (
	randomSize    = 32
	signedSize    = randomSize + 8
	challengeSize = signedSize + 4 + 32 // with the serial of the MAC's key, and the MAC
)

// Use is what a challenge is for. It stands in the text that is signed.
type Use string

// The uses.
const (
	ToLogIn   Use = "log in"
	ToConfirm Use = "confirm a login"
	ToAdd     Use = "add this certificate to an account"
)

// textOf returns the text that is signed: one line of ASCII, so that no editor, shell or key software changes it, and
// such as no license and no token begins with.
func (s *Service) textOf(u Use, c []byte) string {
	until := time.UnixMilli(int64(binary.BigEndian.Uint64(c[randomSize:]))).UTC().Format("2006-01-02T15:04:05Z")
	return "Yizheng certificate challenge: " + string(u) + " at " + s.host + " until " + until + " once " + base64.RawURLEncoding.EncodeToString(c)
}

// Challenge returns the text that somebody signs. binding is a secret of the login: whoever answers must name the
// same one.
func (s *Service) Challenge(ctx context.Context, u Use, binding string) (string, error) {
	c := make([]byte, challengeSize)
	_, _ = rand.Read(c[:randomSize]) // never fails
	binary.BigEndian.PutUint64(c[randomSize:], uint64(time.Now().Add(ChallengeLife).UnixMilli()))
	mac, err := s.c.Vault.MAC(ctx, domainChallenge, string(u), binding, string(c[:signedSize]))
	if err != nil {
		return "", err
	}
	binary.BigEndian.PutUint32(c[signedSize:], uint32(mac.Serial))
	copy(c[signedSize+4:], mac.Sum[:])
	return s.textOf(u, c), nil
}

// open checks that a text is a challenge of ours for this use and login, which can still be answered. *Error.
func (s *Service) open(ctx context.Context, u Use, binding, text string) (hash [32]byte, err error) {
	c, err := base64.RawURLEncoding.Strict().DecodeString(text[strings.LastIndexByte(text, ' ')+1:])
	if err != nil || len(c) != challengeSize || s.textOf(u, c) != text {
		return hash, refuse(ReasonWrong, errors.New("that is no challenge"))
	}
	mac := signing.Lookup{Serial: int32(binary.BigEndian.Uint32(c[signedSize:]))}
	copy(mac.Sum[:], c[signedSize+4:])
	ours, err := s.c.Vault.CheckMAC(ctx, mac, domainChallenge, string(u), binding, string(c[:signedSize]))
	if err != nil && !errors.Is(err, signing.ErrNoKey) {
		return hash, err
	}
	if !ours {
		return hash, refuse(ReasonWrong, errors.New("the challenge is another login's"))
	}
	if !time.Now().Before(time.UnixMilli(int64(binary.BigEndian.Uint64(c[randomSize:])))) {
		return hash, refuse(ReasonStale, nil)
	}
	return sha256.Sum256(append([]byte("certificate "), c...)), nil
}

// spend uses a challenge up. *Error.
func (s *Service) spend(ctx context.Context, hash [32]byte) error {
	first, err := s.c.Spend(ctx, hash, time.Now().Add(2*ChallengeLife))
	if err != nil {
		return err
	}
	if !first {
		return refuse(ReasonStale, errors.New("it was answered before"))
	}
	return nil
}
