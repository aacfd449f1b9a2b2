package certificate

import (
	"bytes"
	"cmp"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/strictjson"
)

// Authority is a CA whose certificates log people in, as the operator registers it.
type Authority struct {
	ID    string            `json:"id"`    // in records: never change it
	Title map[string]string `json:"title"` // what people call it, in zh-CN and perhaps en
	// Anchors is a file of the certificates at which its chains end, in PEM, and Intermediates one of those between. An
	// intermediate is trusted because it stands there: who takes it out ends what it issued.
	Anchors       string `json:"anchors"`
	Intermediates string `json:"intermediates"`
	// Hardware says that the CA issues for keys alone that were made in hardware, can't leave it, and ask for a PIN.
	Hardware bool `json:"hardware"`
	// Lists are the files or addresses of its revocation lists. One of each CA that issues to people is required.
	Lists   []string `json:"lists"`
	Grace   string   `json:"grace"`   // how long a list counts beyond its next update, such as 12h; default 0
	Private bool     `json:"private"` // lists may be fetched from private networks
	Number  *Number  `json:"number"`  // where the citizen's number stands; null: nowhere

	anchors *pki.Anchors
	cas     []*pki.Certificate // anchors and intermediates
	between []*pki.Certificate // intermediates
	sources []source
	grace   time.Duration
}

// Number says where the number of a person stands in the certificates of a CA.
type Number struct {
	OID     string         `json:"oid"`     // of a part of the subject, or of an extension
	Pattern string         `json:"pattern"` // whose only group finds it there; default: 17 digits and a digit or X
	Type    party.CodeType `json:"type"`    // default: a citizen's number

	find *regexp.Regexp
}

const (
	maxFile          = 256 << 10
	maxAuthorities   = 20
	maxIntermediates = 20
	maxGrace         = 7 * 24 * time.Hour
)

// Files reads the files that a file of authorities names.
type Files func(name string) ([]byte, error)

// ReadAuthorities reads the file in which an operator registers authorities: a JSON object with a list of them,
// strictly. Lists of revoked certificates are read later, and again and again. Each error names authority and member.
func ReadAuthorities(text []byte, read Files) ([]Authority, error) {
	var file struct {
		Authorities []Authority `json:"authorities"`
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("the file has more than %d bytes", maxFile)
	}
	if err := strictjson.DecodeShallow(text, &file, 10); err != nil {
		if e, ok := errors.AsType[*strictjson.Error](err); ok && e.Pointer != "" {
			return nil, fmt.Errorf("at %s: %s", e.Pointer, e.Kind)
		}
		return nil, errors.New("the file isn't a JSON object {\"authorities\": […]} as the guide describes it")
	}
	if len(file.Authorities) == 0 || len(file.Authorities) > maxAuthorities {
		return nil, fmt.Errorf("authorities: there are 1 to %d", maxAuthorities)
	}
	for i := range file.Authorities {
		a := &file.Authorities[i]
		if err := a.complete(read); err != nil {
			return nil, fmt.Errorf("authority %q: %w", cmp.Or(a.ID, fmt.Sprint(i+1)), err)
		}
		for _, other := range file.Authorities[:i] {
			if other.ID == a.ID {
				return nil, fmt.Errorf("authority %q: id: another authority has it", a.ID)
			}
			if slices.ContainsFunc(a.cas, other.has) {
				return nil, fmt.Errorf("authority %q: authority %q has a certificate of it", a.ID, other.ID)
			}
		}
	}
	return file.Authorities, nil
}

var idForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// complete checks an authority and fills in defaults.
func (a *Authority) complete(read Files) (err error) {
	switch {
	case !idForm.MatchString(a.ID):
		return errors.New("id: 1 to 32 small letters, digits and -, the first one a letter")
	case !isTitle(a.Title["zh-CN"], 20) || a.Title["en"] != "" && !isTitle(a.Title["en"], 40) || len(a.Title) > 2 || len(a.Title) == 2 && a.Title["en"] == "":
		return errors.New("title: 1 to 20 visible characters in zh-CN, 1 to 40 in en if that is there; no other languages")
	case a.Anchors == "":
		return errors.New("anchors: the file is missing")
	case len(a.Lists) == 0:
		return errors.New("lists: without a revocation list no certificate is accepted")
	}
	text, err := read(a.Anchors)
	if err != nil {
		return fmt.Errorf("anchors: %w", err)
	}
	if a.anchors, err = pki.ParseAnchors(text); err != nil {
		return fmt.Errorf("anchors: %w", err)
	}
	if a.cas, err = certificates(a.anchors.PEM()); err != nil {
		return fmt.Errorf("anchors: %w", err)
	}
	if a.Intermediates != "" {
		if text, err = read(a.Intermediates); err == nil {
			a.between, err = certificates(text)
		}
		if err != nil {
			return fmt.Errorf("intermediates: %w", err)
		}
		a.cas = append(a.cas, a.between...)
	}
	if a.Grace != "" {
		if a.grace, err = time.ParseDuration(a.Grace); err != nil || a.grace < 0 || a.grace > maxGrace {
			return fmt.Errorf("grace: a time of 0s to %v", maxGrace)
		}
	}
	for _, at := range a.Lists {
		from := source{of: a.ID, at: at, private: a.Private, file: read}
		if err := from.check(); err != nil {
			return fmt.Errorf("lists: %q: %w", at, err)
		}
		a.sources = append(a.sources, from)
	}
	return a.Number.complete()
}

func (n *Number) complete() (err error) {
	if n == nil {
		return nil
	}
	n.Type, n.Pattern = cmp.Or(n.Type, party.Citizen), cmp.Or(n.Pattern, `([0-9]{17}[0-9Xx])`)
	if n.Type.Class() != party.Person {
		return errors.New("number.type: a type of persons' codes")
	}
	if !regexp.MustCompile(`^[0-2](\.[0-9]{1,18})+$`).MatchString(n.OID) {
		return errors.New("number.oid: an object identifier, such as 1.2.156.10260.4.1.1")
	}
	if n.find, err = regexp.Compile(n.Pattern); err != nil || n.find.NumSubexp() != 1 {
		return errors.New("number.pattern: a regular expression with one group")
	}
	return nil
}

func isTitle(s string, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= 1 && n <= most && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// title returns what people call an authority in a language.
func (a *Authority) title(language string) string {
	if strings.HasPrefix(strings.ToLower(language), "en") && a.Title["en"] != "" {
		return a.Title["en"]
	}
	return a.Title["zh-CN"]
}

func (a *Authority) has(c *pki.Certificate) bool {
	for _, own := range a.cas {
		if bytes.Equal(own.Raw, c.Raw) {
			return true
		}
	}
	return false
}

// certificates reads certificates in PEM.
func certificates(text []byte) (all []*pki.Certificate, err error) {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		c, err := pki.ParseCertificate(block.Bytes)
		if err != nil || block.Type != pki.PEMType {
			return nil, fmt.Errorf("certificate %d: it is a %q, or can't be read: %w", len(all)+1, block.Type, err)
		}
		all = append(all, c)
	}
	if bytes.Contains(text, []byte("-----BEGIN")) || len(all) == 0 || len(all) > maxIntermediates {
		return nil, fmt.Errorf("1 to %d certificates in PEM, none of them damaged", maxIntermediates)
	}
	return all, nil
}

// checkAddress refuses addresses from which no list is fetched. Lists are signed: plain http is as good.
func checkAddress(text string, private bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" || len(text) > 2000 {
		return errors.New("an http or https address without user and fragment")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !private && (a.IsPrivate() || a.IsLoopback()) {
		return errors.New("it is in a private network: private says whether that is meant")
	}
	return nil
}
