package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"yizheng.internal/oidc/identity"
	"yizheng.internal/signing/strictjson"
)

// ProofingConfig says whom to ask who somebody is.
type ProofingConfig struct {
	HookConfig
	Source string // what the system is called, as people and operators read it
	Most   int    // the highest level that it may confirm, 1 to 3
}

// Proofing asks a system of the operator's whether name, number and phone are one person's: the population
// register, a carrier, or what stands before several. It implements [identity.IdentityProofer].
//
// The system gets a POST with a JSON object {name, code_type, code, phone}, all strings: code_type is one of
// [party.CodeType], phone in the form of E.164, or empty if it isn't asked about. It answers with status 200
// and {matched, level, method, phone_matched, present}: matched says whether name and number are one person's. If they
// are, level is how well that was confirmed, 1 to 3; method how, in a word such as telecom; phone_matched
// whether the phone is that person's; and present whether the person was seen, as by a face check. Other members are ignored.
type Proofing struct {
	hook *hook
	c    ProofingConfig
}

// NewProofing checks c and returns a Proofing.
func NewProofing(c ProofingConfig) (*Proofing, error) {
	h, err := newHook("asking the proofing system", c.HookConfig)
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(c.Source); n == 0 || n > maxSource || !utf8.ValidString(c.Source) {
		return nil, fmt.Errorf("the proofing system's name must have 1 to %d characters", maxSource)
	}
	if c.Most < 1 || c.Most > 3 {
		return nil, fmt.Errorf("the highest level that the proofing system may confirm is 1 to 3, and not %d", c.Most)
	}
	return &Proofing{h, c}, nil
}

const (
	maxSource         = 60      // characters
	maxProofingAnswer = 8 << 10 // bytes
	maxProofingLevels = 4       // of nesting
)

// Proof implements [identity.IdentityProofer]. No error holds anything of who was asked about.
func (p *Proofing) Proof(ctx context.Context, c identity.Claim) (identity.Proofing, error) {
	answer, _, err := p.hook.post(ctx, struct {
		Name     string `json:"name"`
		CodeType string `json:"code_type"`
		Code     string `json:"code"`
		Phone    string `json:"phone"`
	}{c.Name, string(c.Code.Type), c.Code.Value, c.Phone})
	if err != nil {
		return identity.Proofing{}, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxProofingAnswer+1))
	switch {
	case err != nil:
		return identity.Proofing{}, errors.New("reading the proofing system's answer")
	case answer.StatusCode != http.StatusOK:
		return identity.Proofing{}, fmt.Errorf("the proofing system answered with status %d", answer.StatusCode)
	case len(body) > maxProofingAnswer:
		return identity.Proofing{}, wrongly("the proofing system's answer has more than %d bytes", maxProofingAnswer)
	}
	return p.read(body)
}

// wrongAnswer is an answer that isn't as it is described; [entry.Service] tells it from none.
type wrongAnswer struct{ error }

// AnswersWrongly marks the error.
func (wrongAnswer) AnswersWrongly() {}

func wrongly(format string, args ...any) error { return wrongAnswer{fmt.Errorf(format, args...)} }

// read reads an answer.
func (p *Proofing) read(body []byte) (identity.Proofing, error) {
	var said map[string]any // and not a struct: members that aren't known are ignored
	err := strictjson.DecodeShallow(body, &said, maxProofingLevels)
	matched, ok := said["matched"].(bool)
	if err != nil || !ok {
		return identity.Proofing{}, wrongly("the proofing system's answer is not JSON with matched")
	}
	if !matched {
		return identity.Proofing{}, &identity.Error{Reason: "not_matched", Detail: "Name and number are not one person's."}
	}
	level, _ := said["level"].(float64)
	method, _ := said["method"].(string)
	phone, isBool := said["phone_matched"].(bool)
	present, isBoolToo := said["present"].(bool)
	switch {
	case level != 1 && level != 2 && level != 3:
		return identity.Proofing{}, wrongly("the proofing system's answer has no level 1 to 3")
	case !isWord(method) || slices.Contains(reserved, method):
		return identity.Proofing{}, wrongly("the proofing system's answer has no method, such as telecom")
	case !isBool && said["phone_matched"] != nil || !isBoolToo && said["present"] != nil:
		return identity.Proofing{}, wrongly("in the proofing system's answer phone_matched or present is neither true nor false")
	}
	return identity.Proofing{
		Level: min(int(level), p.c.Most), Method: method, Source: p.c.Source, Phone: phone, Present: present, At: time.Now().UTC().Truncate(time.Second),
	}, nil
}

// reserved are methods of proofings that are no adapter's.
var reserved = []string{identity.MethodImport, identity.MethodAuthority, identity.MethodUpstream, identity.MethodCounter, identity.MethodSelf}

// isWord reports whether a text is a word of 1 to 32 small letters, digits and underscores.
func isWord(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
