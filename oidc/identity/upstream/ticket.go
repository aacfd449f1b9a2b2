package upstream

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"yizheng.internal/signing/jose"
)

// Ticket says how one talks to a platform that sends people back with a ticket 票据, which is then exchanged
// for who they are. No standard says how: every name can be chosen.
type Ticket struct {
	LoginURL    string            `json:"login_url"`    // where people log in
	LoginParams map[string]string `json:"login_params"` // parameters of it that never change
	FreshParams map[string]string `json:"fresh_params"` // further ones that demand a new login
	ReturnParam string            `json:"return_param"` // has the address to which it sends people back
	StateParam  string            `json:"state_param"`  // comes back as it was; empty: that address has it
	TicketParam string            `json:"ticket_param"` // of that address: has the ticket

	ExchangeURL string            `json:"exchange_url"`
	Body        string            `json:"body"`        // form (default) or json
	Params      map[string]string `json:"params"`      // fields that never change
	TicketName  string            `json:"ticket_name"` // default: TicketParam
	TimeName    string            `json:"time_name"`   // empty: no time
	TimeForm    string            `json:"time_form"`   // unix (default), unix_ms or yyyyMMddHHmmss, China time
	NonceName   string            `json:"nonce_name"`  // 32 random digits and letters; empty: none
	Signature   Signature         `json:"signature"`   // of the request
	Success     string            `json:"success"`     // path of the answer's result code; empty: the subject decides
	SuccessIs   string            `json:"success_is"`  // what stands there
	Claims      Claims            `json:"answer"`      // paths
}

// Signature says how a request to a ticket platform is signed.
type Signature struct {
	Kind    string   `json:"kind"`     // hmac-sm3, hmac-sha256 or sm3
	KeyFile string   `json:"key_file"` // of sm3, the key stands behind the joined values
	Name    string   `json:"name"`     // of the field; default: sign
	Order   []string `json:"order"`    // names of the fields that are signed
	Join    string   `json:"join"`     // what stands between them
	Named   bool     `json:"named"`    // name=value, not the value alone
	Form    string   `json:"form"`     // hex (default), HEX or base64

	key string
}

func (t *Ticket) complete(private bool, read func(string) ([]byte, error)) error {
	t.Body, t.TimeForm = cmp.Or(t.Body, "form"), cmp.Or(t.TimeForm, "unix")
	t.TicketName = cmp.Or(t.TicketName, t.TicketParam)
	switch {
	case checkURL(t.LoginURL, private) != nil:
		return errors.New("ticket.login_url: an https URL without fragment; http only on loopback, with private")
	case checkURL(t.ExchangeURL, private) != nil:
		return errors.New("ticket.exchange_url: an https URL without fragment; http only on loopback, with private")
	case !isVisible(t.ReturnParam) || !isVisible(t.TicketParam) || t.StateParam != "" && !isVisible(t.StateParam):
		return errors.New("ticket.return_param, ticket.ticket_param, ticket.state_param: visible ASCII characters; the first two are required")
	case t.TicketParam == cmp.Or(t.StateParam, "state"):
		return errors.New("ticket.ticket_param: the state comes back under that name")
	case t.Body != "form" && t.Body != "json":
		return errors.New("ticket.body: form or json")
	case !slices.Contains([]string{"unix", "unix_ms", "yyyyMMddHHmmss"}, t.TimeForm):
		return errors.New("ticket.time_form: unix, unix_ms or yyyyMMddHHmmss")
	case t.Claims.Subject == "" || t.Claims.Name == "" && t.Claims.Code != "":
		return errors.New("ticket.answer: subject is required, and name beside code")
	case (t.Success == "") != (t.SuccessIs == ""):
		return errors.New("ticket.success, ticket.success_is: both or neither")
	}
	if err := t.Signature.complete(t, read); err != nil {
		return err
	}
	// What is fixed mustn't stand in the place of what is asked: then everybody would get one answer.
	for name := range t.Params {
		if slices.Contains([]string{t.TicketName, t.TimeName, t.NonceName, t.Signature.Name}, name) {
			return fmt.Errorf("ticket.params: %q is another field of the request", name)
		}
	}
	for _, params := range []map[string]string{t.LoginParams, t.FreshParams} {
		for name := range params {
			if name == t.ReturnParam || name == t.StateParam {
				return fmt.Errorf("ticket.login_params, ticket.fresh_params: %q is another field of the address", name)
			}
		}
	}
	return t.Claims.complete("ticket.answer")
}

// Kinds of signatures.
const (
	signHMACSM3    = "hmac-sm3"
	signHMACSHA256 = "hmac-sha256"
	signSM3        = "sm3" // of the fields and the key
)

func (g *Signature) complete(t *Ticket, read func(string) ([]byte, error)) (err error) {
	if g.Kind == "" {
		return errors.New("ticket.signature.kind: hmac-sm3, hmac-sha256 or sm3")
	}
	g.Name, g.Form = cmp.Or(g.Name, "sign"), cmp.Or(g.Form, "hex")
	switch {
	case !slices.Contains([]string{signHMACSM3, signHMACSHA256, signSM3}, g.Kind):
		return errors.New("ticket.signature.kind: hmac-sm3, hmac-sha256 or sm3")
	case !slices.Contains([]string{"hex", "HEX", "base64"}, g.Form):
		return errors.New("ticket.signature.form: hex, HEX or base64")
	case !slices.Contains(g.Order, t.TicketName):
		return errors.New("ticket.signature.order: the ticket's field is missing")
	}
	for _, name := range g.Order {
		if _, fixed := t.Params[name]; !fixed && (name == "" || name != t.TicketName && name != t.TimeName && name != t.NonceName) {
			return fmt.Errorf("ticket.signature.order: the request has no field %q", name)
		}
	}
	if g.key, err = readSecret(g.KeyFile, read); err != nil {
		return fmt.Errorf("ticket.signature.key_file: %w", err)
	}
	return nil
}

// address returns where people log in.
func (t *Ticket) address(back, state string, fresh bool) (string, error) {
	var fields []Field
	if t.StateParam == "" {
		back += "?state=" + state
	} else {
		fields = append(fields, Field{t.StateParam, state})
	}
	fields = append(fields, Field{t.ReturnParam, back})
	params := []map[string]string{t.LoginParams}
	if fresh {
		params = append(params, t.FreshParams)
	}
	for _, more := range params {
		for name, value := range more {
			fields = append(fields, Field{name, value})
		}
	}
	return withQuery(t.LoginURL, fields)
}

// ticket exchanges the ticket that a browser brings back for who the person is.
func (s *Service) ticket(ctx context.Context, p *peer, answer map[string]string) (Person, error) {
	t := p.Ticket
	ticket := answer[t.TicketParam]
	if ticket == "" {
		return Person{}, refuse(ReasonDenied, errors.New("it sends nobody's ticket"))
	}
	if err := s.spend(ctx, p, ticket); err != nil {
		return Person{}, err
	}
	q, err := t.question(ticket, time.Now())
	if err != nil {
		return Person{}, err
	}
	var raw jsontext.Value
	if err := p.read(ctx, q, &raw); err != nil {
		return Person{}, err
	}
	return p.judgeTicket(raw)
}

// question returns the request that exchanges a ticket, signed.
func (t *Ticket) question(ticket string, now time.Time) (Question, error) {
	values := map[string]string{t.TicketName: ticket}
	maps.Copy(values, t.Params)
	if t.TimeName != "" {
		values[t.TimeName] = timeAs(t.TimeForm, now)
	}
	if t.NonceName != "" {
		values[t.NonceName] = rand.Text() + rand.Text()[:6]
	}
	values[t.Signature.Name] = t.Signature.sign(values)
	if t.Body == "json" {
		body, err := json.Marshal(values, json.Deterministic(true))
		return Question{URL: t.ExchangeURL, JSON: body}, err
	}
	q := Question{URL: t.ExchangeURL}
	for name, value := range values {
		q.Form = append(q.Form, Field{name, value})
	}
	return q, nil
}

// china is the time in which platforms write dates.
var china = time.FixedZone("", 8*3600)

func timeAs(form string, now time.Time) string {
	switch form {
	case "unix_ms":
		return strconv.FormatInt(now.UnixMilli(), 10)
	case "yyyyMMddHHmmss":
		return now.In(china).Format("20060102150405")
	}
	return strconv.FormatInt(now.Unix(), 10)
}

// sign returns the signature of fields.
func (g *Signature) sign(values map[string]string) string {
	var parts []string
	for _, name := range g.Order {
		part := values[name]
		if g.Named {
			part = name + "=" + part
		}
		parts = append(parts, part)
	}
	text := strings.Join(parts, g.Join)
	var h hash.Hash
	switch g.Kind {
	case signHMACSM3:
		h = hmac.New(sm3.New, []byte(g.key))
	case signHMACSHA256:
		h = hmac.New(sha256.New, []byte(g.key))
	default:
		h = sm3.New()
		text += g.key
	}
	h.Write([]byte(text))
	switch sum := h.Sum(nil); g.Form {
	case "HEX":
		return strings.ToUpper(hex.EncodeToString(sum))
	case "base64":
		return base64.StdEncoding.EncodeToString(sum)
	default:
		return hex.EncodeToString(sum)
	}
}

// judgeTicket reads the answer to a ticket.
func (p *peer) judgeTicket(raw jsontext.Value) (Person, error) {
	t := p.Ticket
	if t.Success != "" && at(raw, t.Success) != t.SuccessIs {
		return Person{}, refuse(ReasonDenied, errors.New("it refuses the ticket"))
	}
	c := t.Claims
	subject := at(raw, c.Subject)
	if subject == "" || len(subject) > maxSubject {
		return Person{}, refuse(ReasonWrong, errors.New("its answer has no subject, or one that is too long"))
	}
	seconds, _ := strconv.ParseFloat(at(raw, c.AuthTime), 64) // 0 if it is none
	return p.person(saying{
		subject: subject, name: at(raw, c.Name), code: at(raw, c.Code), codeType: at(raw, c.CodeType), phone: at(raw, c.Phone),
		level: at(raw, p.Levels.Claim), authTime: seconds,
	}, c)
}

// at returns the text or number at a path, such as data.user.name, as text; or "". Null, true and objects are
// nothing. Members whose name has a dot can't be reached.
func at(raw jsontext.Value, path string) string {
	if path == "" {
		return ""
	}
	for name := range strings.SplitSeq(path, ".") {
		var object map[string]jsontext.Value
		if raw.Kind() != '{' || json.Unmarshal(raw, &object) != nil {
			return ""
		}
		raw = object[name]
	}
	return jose.TextOf(raw)
}
