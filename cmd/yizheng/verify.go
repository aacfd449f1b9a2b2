package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/party"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/sm2"
	"yizheng.internal/signing/strictjson"
)

type verifyCmd struct {
	File              string        `arg:"" help:"File with the credential (an SD-JWT), or - for standard input."`
	Trust             string        `required:"" help:"Trust anchors, PEM: GET /v1/trust/anchors, compared with what the operator published elsewhere." placeholder:"FILE"`
	StatusList        string        `help:"Status list that the credential names: GET /v1/trust/status-lists/{n}. Without it the status stays unknown." placeholder:"FILE"`
	CRL               []string      `name:"crl" sep:"none" help:"The root's revocation list: GET /v1/trust/crl/root-1.crl. Without it, it stays unknown whether the signing certificate was revoked. Once for each root." placeholder:"FILE"`
	NoRevocationCheck bool          `help:"Do without a revocation list: a stolen key that was revoked is not found out. The check chain then passes as revocation_waived."`
	Audience          string        `help:"Your client id: the credential must have been released to it. With --nonce." placeholder:"CLIENT"`
	Nonce             string        `help:"The nonce that you sent for this reading. With --audience." placeholder:"NONCE"`
	BindingAge        time.Duration `help:"How long ago the release may be, with --audience and --nonce." default:"5m"`
	JSON              bool          `name:"json" help:"Print JSON, as POST /v1/verify answers."`
}

// Limits of what is read, in bytes. The verifier has its own below them.
const (
	maxCredentialFile = 1 << 20
	maxAnchorsFile    = 64 << 10
	maxStatusFile     = 8 << 20
	maxListFile       = 8 << 20
)

// Run verifies the credential. Its error carries the exit code.
func (c *verifyCmd) Run(p *process) error {
	switch {
	case (c.Audience == "") != (c.Nonce == ""):
		return usage("verify.together")
	case c.NoRevocationCheck && len(c.CRL) > 0:
		return usage("verify.either")
	case c.BindingAge <= 0:
		return usage("verify.age")
	}
	v, err := c.verify(p)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(p.out, v)
	} else {
		err = showVerification(p.out, p.words, v)
	}
	switch {
	case err != nil:
		return err
	case v.Verdict == license.Invalid:
		return &exit{code: exitFailed}
	case v.Verdict != license.Valid:
		return &exit{code: exitIndeterminate}
	}
	return nil
}

// verify runs the checks. What is wrong with a list is said on standard error: one
// that can't be believed says nothing, neither good nor bad.
func (c *verifyCmd) verify(p *process) (v license.Verification, err error) {
	credential, err := readInput(p, c.File, maxCredentialFile)
	if err != nil {
		return v, err
	}
	pem, err := readInput(p, c.Trust, maxAnchorsFile)
	if err != nil {
		return v, err
	}
	anchors, err := pki.ParseAnchors(pem)
	if err != nil {
		return v, usage("verify.trust", c.Trust, err)
	}
	now := time.Now()
	verifier := license.CredentialVerifier{
		Anchors: anchors, Signatures: jose.NewVerifier(sm2.Config{}), RevocationWaived: c.NoRevocationCheck,
	}
	if err := c.revocation(p, &verifier, now); err != nil {
		return v, err
	}
	if err := c.status(p, &verifier, now); err != nil {
		return v, err
	}
	binding := license.Binding{Audience: c.Audience, Nonce: c.Nonce, MaxAge: c.BindingAge}
	return verifier.VerifyBound(p.ctx, strings.TrimSpace(string(credential)), binding, now), nil
}

// revocation reads the revocation lists, if any were given.
func (c *verifyCmd) revocation(p *process, v *license.CredentialVerifier, now time.Time) error {
	if len(c.CRL) == 0 {
		return nil
	}
	var files [][]byte
	for _, name := range c.CRL {
		file, err := readInput(p, name, maxListFile)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	lists, problem := v.Anchors.RevocationLists(p.ctx, v.Signatures, now, files...)
	if problem != nil {
		p.complain(p.words.say("verify.crl_useless", problem))
		v.Revoked = func(context.Context, []byte) (string, time.Time, bool, error) { return "", time.Time{}, false, problem }
		return nil
	}
	v.Revoked = lists.Revoked
	return nil
}

// status reads the status list, if one was given.
func (c *verifyCmd) status(p *process, v *license.CredentialVerifier, now time.Time) error {
	if c.StatusList == "" {
		return nil
	}
	token, err := readInput(p, c.StatusList, maxStatusFile)
	if err != nil {
		return err
	}
	source, problem := v.OpenStatusList(p.ctx, strings.TrimSpace(string(token)), now)
	if problem != nil {
		p.complain(p.words.say("verify.list_useless", problem))
		source = func(context.Context, string, int) (license.StatusValue, error) { return 0, problem }
	}
	v.Status = source
	return nil
}

// showVerification prints a verification for people.
func showVerification(out io.Writer, w words, v license.Verification) error {
	var b strings.Builder
	at := v.CheckedAt.In(civil).Format("2006-01-02 15:04:05 -07:00")
	fmt.Fprintf(&b, "%s\n%s\n\n", w.say("verify.verdict", verdictText(w, v), v.Verdict), w.say("verify.time", at))
	for _, c := range v.Checks {
		fmt.Fprintf(&b, "  %s %s  %s  (%s)\n", w.say("verify.result."+string(c.Result)), w.say("verify.check."+string(c.Name)), reasonText(w, c.Reason), c.Reason)
	}
	if v.License == nil {
		b.WriteString("\n" + w.say("verify.hidden") + "\n")
	} else {
		showLicense(&b, w, v.License)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// reasonText returns what a reason code means. One that has no text is shown by its
// code alone.
func reasonText(w words, code string) string {
	if text, ok := w["verify.reason."+code]; ok {
		return text
	}
	return w.say("verify.see_code")
}

// verdictText says the verdict, and names the case where only the status is open.
func verdictText(w words, v license.Verification) string {
	unknown := []license.CheckName{}
	for _, c := range v.Checks {
		if c.Result == license.Unknown {
			unknown = append(unknown, c.Name)
		}
	}
	key := "verify.indeterminate"
	switch {
	case v.Verdict == license.Valid:
		key = "verify.valid"
	case v.Verdict == license.Invalid:
		key = "verify.invalid"
	case slices.Equal(unknown, []license.CheckName{license.CheckStatus}):
		key = "verify.open.status"
	case slices.Equal(unknown, []license.CheckName{license.CheckChain}):
		key = "verify.open.chain"
	case slices.Equal(unknown, []license.CheckName{license.CheckChain, license.CheckStatus}):
		key = "verify.open.chain_status"
	}
	return w.say(key)
}

func showLicense(b *strings.Builder, w words, l *license.Presented) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "  %s\n", w.say("verify.line", printable(name), printable(value)))
		}
	}
	until := l.ValidUntil.String()
	if until == "" {
		until = w.say("verify.long_term")
	}
	b.WriteString("\n")
	line(w.say("verify.type"), w.say("verify.type_value", l.TypeName, l.TypeCode, l.TypeVersion))
	line(w.say("verify.authority"), w.say("verify.authority_value", l.Authority.Name, l.Authority.Code))
	line(w.say("verify.identifier"), l.Identifier)
	line(w.say("verify.previous"), l.Previous)
	line(w.say("verify.number"), l.Number)
	line(w.say("verify.period"), w.say("verify.period_value", l.ValidFrom, until))
	line(w.say("verify.version"), fmt.Sprint(l.Version))
	line(w.say("verify.area"), l.AreaCode)
	if l.Origin == license.OriginCollected {
		line(w.say("verify.origin"), w.say("verify.collected"))
	}
	for _, h := range l.Holders {
		line(w.say("verify.holder"), strings.Join(slices.DeleteFunc([]string{h.Name, codeTypeText(h.CodeType), h.Code, h.Role, h.Share}, func(s string) bool { return s == "" }), " "))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
		line(w.say("verify.field", name), fieldText(w, l.Fields[name]))
	}
	if l.Withheld > 0 {
		line(w.say("verify.withheld"), fmt.Sprint(l.Withheld))
	}
}

func codeTypeText(t party.CodeType) string {
	if name := t.Name(); name != "" {
		return name
	}
	return string(t)
}

// fieldText returns a field's value: text as it is, anything else as JSON.
func fieldText(w words, v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, err := strictjson.Marshal(v)
	if err != nil {
		return w.say("verify.unshowable")
	}
	return string(text)
}
