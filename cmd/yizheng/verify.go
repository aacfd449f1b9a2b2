package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"yizheng.internal/cmd/yizheng/internal/command"
	"yizheng.internal/cmd/yizheng/internal/texts"
	"yizheng.internal/license/credential"
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
func (c *verifyCmd) Run(p *command.Process) error {
	switch {
	case (c.Audience == "") != (c.Nonce == ""):
		return texts.Usage("verify.together")
	case c.NoRevocationCheck && len(c.CRL) > 0:
		return texts.Usage("verify.either")
	case c.BindingAge <= 0:
		return texts.Usage("verify.age")
	}
	v, err := c.verify(p)
	if err != nil {
		return err
	}
	if c.JSON {
		err = command.PrintJSON(p.Out, v)
	} else {
		err = showVerification(p.Out, p.Words, v)
	}
	switch {
	case err != nil:
		return err
	case v.Verdict == credential.Invalid:
		return &texts.Exit{Code: texts.ExitFailed}
	case v.Verdict != credential.Valid:
		return &texts.Exit{Code: texts.ExitIndeterminate}
	}
	return nil
}

// verify runs the checks. What is wrong with a list is said on standard error: one
// that can't be believed says nothing, neither good nor bad.
func (c *verifyCmd) verify(p *command.Process) (v credential.Verification, err error) {
	token, err := command.ReadInput(p, c.File, maxCredentialFile)
	if err != nil {
		return v, err
	}
	pem, err := command.ReadInput(p, c.Trust, maxAnchorsFile)
	if err != nil {
		return v, err
	}
	anchors, err := pki.ParseAnchors(pem)
	if err != nil {
		return v, texts.Usage("verify.trust", c.Trust, err)
	}
	now := time.Now()
	verifier := credential.Verifier{
		Anchors: anchors, Signatures: jose.NewVerifier(sm2.Config{}), RevocationWaived: c.NoRevocationCheck,
	}
	if err := c.revocation(p, &verifier, now); err != nil {
		return v, err
	}
	if err := c.status(p, &verifier, now); err != nil {
		return v, err
	}
	binding := credential.Binding{Audience: c.Audience, Nonce: c.Nonce, MaxAge: c.BindingAge}
	return verifier.VerifyBound(p.Ctx, strings.TrimSpace(string(token)), binding, now), nil
}

// revocation reads the revocation lists, if any were given.
func (c *verifyCmd) revocation(p *command.Process, v *credential.Verifier, now time.Time) error {
	if len(c.CRL) == 0 {
		return nil
	}
	var files [][]byte
	for _, name := range c.CRL {
		file, err := command.ReadInput(p, name, maxListFile)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	lists, problem := v.Anchors.RevocationLists(p.Ctx, v.Signatures, now, files...)
	if problem != nil {
		p.Complain(p.Words.Say("verify.crl_useless", problem))
		v.Revoked = func(context.Context, []byte) (string, time.Time, bool, error) { return "", time.Time{}, false, problem }
		return nil
	}
	v.Revoked = lists.Revoked
	return nil
}

// status reads the status list, if one was given.
func (c *verifyCmd) status(p *command.Process, v *credential.Verifier, now time.Time) error {
	if c.StatusList == "" {
		return nil
	}
	token, err := command.ReadInput(p, c.StatusList, maxStatusFile)
	if err != nil {
		return err
	}
	source, problem := v.OpenStatusList(p.Ctx, strings.TrimSpace(string(token)), now)
	if problem != nil {
		p.Complain(p.Words.Say("verify.list_useless", problem))
		source = func(context.Context, string, int) (credential.StatusValue, error) { return 0, problem }
	}
	v.Status = source
	return nil
}

// showVerification prints a verification for people.
func showVerification(out io.Writer, w texts.Words, v credential.Verification) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n", w.Say("verify.verdict", verdictText(w, v), v.Verdict), w.Say("verify.time", v.CheckedAt))
	for _, c := range v.Checks {
		fmt.Fprintf(&b, "  %s %s  %s  (%s)\n", w.Say("verify.result."+string(c.Result)), w.Say("verify.check."+string(c.Name)), reasonText(w, c.Reason), c.Reason)
	}
	if v.License == nil {
		b.WriteString("\n" + w.Say("verify.hidden") + "\n")
	} else {
		showLicense(&b, w, v.License)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// reasonText returns what a reason code means. One that has no text is shown by its
// code alone.
func reasonText(w texts.Words, code string) string {
	if text, ok := w["verify.reason."+code]; ok {
		return text
	}
	return w.Say("verify.see_code")
}

// verdictText says the verdict, and names the case where only the status is open.
func verdictText(w texts.Words, v credential.Verification) string {
	unknown := []credential.CheckName{}
	for _, c := range v.Checks {
		if c.Result == credential.Unknown {
			unknown = append(unknown, c.Name)
		}
	}
	key := "verify.indeterminate"
	switch {
	case v.Verdict == credential.Valid:
		key = "verify.valid"
	case v.Verdict == credential.Invalid:
		key = "verify.invalid"
	case slices.Equal(unknown, []credential.CheckName{credential.CheckStatus}):
		key = "verify.open.status"
	case slices.Equal(unknown, []credential.CheckName{credential.CheckChain}):
		key = "verify.open.chain"
	case slices.Equal(unknown, []credential.CheckName{credential.CheckChain, credential.CheckStatus}):
		key = "verify.open.chain_status"
	}
	return w.Say(key)
}

func showLicense(b *strings.Builder, w texts.Words, l *credential.Presented) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(b, "  %s\n", w.Say("verify.line", command.Printable(name), command.Printable(value)))
		}
	}
	until := l.ValidUntil.String()
	if until == "" {
		until = w.Say("verify.long_term")
	}
	b.WriteString("\n")
	line(w.Say("verify.type"), w.Say("verify.type_value", l.TypeName, l.TypeCode, l.TypeVersion))
	line(w.Say("verify.authority"), w.Say("verify.authority_value", l.Authority.Name, l.Authority.Code))
	line(w.Say("verify.identifier"), l.Identifier)
	line(w.Say("verify.previous"), l.Previous)
	line(w.Say("verify.number"), l.Number)
	line(w.Say("verify.period"), w.Say("verify.period_value", l.ValidFrom, until))
	line(w.Say("verify.version"), fmt.Sprint(l.Version))
	line(w.Say("verify.area"), l.AreaCode)
	if l.Origin == credential.OriginCollected {
		line(w.Say("verify.origin"), w.Say("verify.collected"))
	}
	for _, h := range l.Holders {
		line(w.Say("verify.holder"), strings.Join(slices.DeleteFunc([]string{h.Name, codeTypeText(h.CodeType), h.Code, h.Role, h.Share}, func(s string) bool { return s == "" }), " "))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
		line(w.Say("verify.field", name), fieldText(w, l.Fields[name]))
	}
	if l.Withheld > 0 {
		line(w.Say("verify.withheld"), fmt.Sprint(l.Withheld))
	}
}

func codeTypeText(t party.CodeType) string {
	if name := t.Name(); name != "" {
		return name
	}
	return string(t)
}

// fieldText returns a field's value: text as it is, anything else as JSON.
func fieldText(w texts.Words, v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text, err := strictjson.Marshal(v)
	if err != nil {
		return w.Say("verify.unshowable")
	}
	return string(text)
}
