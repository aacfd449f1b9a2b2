package upstream

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity/factor"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/strictjson"
)

// Provider is another provider with which people may log in here, as an operator registered it. It has
// OpenID or Ticket: that says how one talks to it.
type Provider struct {
	ID       string            `json:"id"`    // in URLs and records: never change one
	Title    map[string]string `json:"title"` // by language; zh-CN is required
	MaxLevel int               `json:"max_level"`
	Levels   Levels            `json:"levels"`
	Create   bool              `json:"create"`  // it may open accounts
	Private  bool              `json:"private"` // it may be on loopback or in a private network
	CAFile   string            `json:"ca_file"` // PEM; empty: the system's certificates
	OpenID   *OpenID           `json:"openid"`
	Ticket   *Ticket           `json:"ticket"`

	roots *x509.CertPool
}

// Levels says how much of what a provider says is believed: to which level of proofing, and how
// strong the login there counts.
type Levels struct {
	Claim   string           `json:"claim"` // whose value is looked up; default acr. Of a ticket's answer it is a path
	Values  map[string]Level `json:"values"`
	Default Level            `json:"default"` // for every other value, or none
}

// Level is what a login at another provider counts for here.
type Level struct {
	Proofing int              `json:"proofing"` // as of [identity.Proofing]
	Strength factor.Assurance `json:"strength"` // 1 one factor, 2 two
}

// OpenID says how one talks to an OpenID provider.
type OpenID struct {
	Issuer         string           `json:"issuer"`
	ClientID       string           `json:"client_id"`
	Authentication string           `json:"client_auth"` // client_secret_basic (default) or client_secret_post
	SecretFile     string           `json:"client_secret_file"`
	Scopes         []string         `json:"scopes"`     // default: openid profile
	Algorithms     []jose.Algorithm `json:"algorithms"` // of ID tokens; default: all of [jose.ForeignAlgorithms]
	ACRValues      []string         `json:"acr_values"` // asked for
	UserInfo       bool             `json:"userinfo"`   // claims that the ID token lacks are asked for there
	Claims         Claims           `json:"claims"`

	secret string
}

// Claims are the names of what a provider says about people. Of a ticket's answer they are paths, such
// as data.user.name.
type Claims struct {
	Subject  string `json:"subject"` // of a ticket's answer alone
	Name     string `json:"name"`
	Code     string `json:"code"`
	CodeType string `json:"code_type"` // empty: Type
	Phone    string `json:"phone"`
	AuthTime string `json:"auth_time"` // of a ticket's answer alone: seconds since 1970
	// Types are our code types by the provider's; those that aren't there are its own.
	Types map[string]party.CodeType `json:"code_types"`
	Type  party.CodeType            `json:"default_code_type"` // default: 111, a citizen's number
}

// Title returns what people call a provider in a language.
func (p *Provider) title(language string) string {
	if strings.HasPrefix(strings.ToLower(language), "en") && p.Title["en"] != "" {
		return p.Title["en"]
	}
	return p.Title["zh-CN"]
}

// fresh reports whether the provider can be asked to log somebody in anew, and says when it did.
func (p *Provider) fresh() bool {
	return p.OpenID != nil || p.Ticket.Claims.AuthTime != "" && len(p.Ticket.FreshParams) > 0
}

// Roots returns the certificates to which the provider's must lead; nil: the system's.
func (p *Provider) Roots() *x509.CertPool { return p.roots }

const (
	maxFile      = 256 << 10
	maxProviders = 20
)

// Files reads the files that a file of providers names.
type Files struct {
	Secret func(name string) ([]byte, error) // one that nobody else may read
	Public func(name string) ([]byte, error)
}

type providersFile struct {
	Providers []Provider `json:"providers"`
}

// ReadProviders reads the file in which an operator registers providers: a JSON object with a list of
// them, strictly. Each error names provider and member.
func ReadProviders(text []byte, files Files) ([]Provider, error) {
	var file providersFile
	if len(text) > maxFile {
		return nil, fmt.Errorf("the file has more than %d bytes", maxFile)
	}
	if err := strictjson.DecodeShallow(text, &file, 10); err != nil {
		if e, ok := errors.AsType[*strictjson.Error](err); ok && e.Pointer != "" {
			if e.Kind == strictjson.UnknownMember {
				return nil, fmt.Errorf("at %s: %s; there are %s", e.Pointer, e.Kind, strings.Join(membersBeside(reflect.TypeFor[providersFile](), e.Pointer), ", "))
			}
			return nil, fmt.Errorf("at %s: %s", e.Pointer, e.Kind)
		}
		return nil, errors.New("the file isn't a JSON object {\"providers\": […]} as docs/operating.md describes it")
	}
	if len(file.Providers) == 0 || len(file.Providers) > maxProviders {
		return nil, fmt.Errorf("providers: there are 1 to %d", maxProviders)
	}
	for i := range file.Providers {
		p := &file.Providers[i]
		if err := p.complete(files); err != nil {
			return nil, fmt.Errorf("provider %q: %w", cmp.Or(p.ID, fmt.Sprint(i+1)), err)
		}
		for _, other := range file.Providers[:i] {
			if other.ID == p.ID {
				return nil, fmt.Errorf("provider %q: id: another provider has it", p.ID)
			}
			if other.OpenID != nil && p.OpenID != nil && other.OpenID.Issuer == p.OpenID.Issuer {
				return nil, fmt.Errorf("provider %q: openid.issuer: provider %q has it", p.ID, other.ID)
			}
		}
	}
	return file.Providers, nil
}

// membersBeside returns the names of members that may stand where a pointer (RFC 6901) leads in a value of a type.
func membersBeside(t reflect.Type, pointer string) (names []string) {
	way := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for _, part := range way[:len(way)-1] {
		if t.Kind() == reflect.Struct {
			for f := range t.Fields() {
				if f.Tag.Get("json") == part {
					t = f.Type
					break
				}
			}
		} else {
			t = t.Elem()
		}
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for f := range t.Fields() {
		if name := f.Tag.Get("json"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

var idForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// complete checks a provider and fills in defaults.
func (p *Provider) complete(files Files) error {
	switch {
	case !idForm.MatchString(p.ID):
		return errors.New("id: 1 to 32 small letters, digits and -, the first one a letter")
	case !isTitle(p.Title["zh-CN"], 20) || p.Title["en"] != "" && !isTitle(p.Title["en"], 40) || len(p.Title) > 2 || len(p.Title) == 2 && p.Title["en"] == "":
		return errors.New("title: 1 to 20 visible characters in zh-CN, 1 to 40 in en if that is there; no other languages")
	case (p.OpenID == nil) == (p.Ticket == nil):
		return errors.New("openid, ticket: one of them says how to talk to it")
	}
	if err := p.checkLevels(); err != nil {
		return err
	}
	if p.CAFile != "" {
		pem, err := files.Public(p.CAFile)
		if err != nil {
			return fmt.Errorf("ca_file: %w", err)
		}
		if p.roots = x509.NewCertPool(); !p.roots.AppendCertsFromPEM(pem) {
			return errors.New("ca_file: it has no certificate in PEM")
		}
	}
	if p.OpenID != nil {
		return p.OpenID.complete(p.Private, files.Secret)
	}
	return p.Ticket.complete(p.Private, files.Secret)
}

func isTitle(s string, most int) bool {
	n := utf8.RuneCountInString(s)
	return n >= 1 && n <= most && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (p *Provider) checkLevels() error {
	if p.MaxLevel < 1 || p.MaxLevel > 3 {
		return errors.New("max_level: 1 to 3, the highest level of proofing that it is believed to have")
	}
	p.Levels.Claim = cmp.Or(p.Levels.Claim, "acr")
	check := func(at string, l Level) error {
		if l.Proofing < 0 || l.Proofing > p.MaxLevel || l.Strength < 0 || l.Strength > 2 {
			return fmt.Errorf("%s: proofing is 0 to max_level, and strength 1 or 2", at)
		}
		if l.Proofing > 0 && l.Strength == 0 {
			return fmt.Errorf("%s: strength is missing", at)
		}
		return nil
	}
	usable := p.Levels.Default.Proofing > 0
	for value, l := range p.Levels.Values {
		if err := check("levels.values."+value, l); err != nil {
			return err
		}
		usable = usable || l.Proofing > 0
	}
	if !usable {
		return errors.New("levels: nothing that it says counts for a level of 1 or more, so nobody could log in with it")
	}
	return check("levels.default", p.Levels.Default)
}

func (o *OpenID) complete(private bool, read func(string) ([]byte, error)) error {
	o.Authentication = cmp.Or(o.Authentication, "client_secret_basic")
	if len(o.Scopes) == 0 {
		o.Scopes = []string{"openid", "profile"}
	}
	if len(o.Algorithms) == 0 {
		o.Algorithms = jose.ForeignAlgorithms()
	}
	o.Claims.Name = cmp.Or(o.Claims.Name, "name")
	switch {
	case checkURL(o.Issuer, private) != nil || strings.ContainsAny(o.Issuer, "?"):
		return errors.New("openid.issuer: an https URL without query and fragment; http only on loopback, with private")
	case !isVisible(o.ClientID):
		return errors.New("openid.client_id: visible ASCII characters")
	case o.Authentication != "client_secret_basic" && o.Authentication != "client_secret_post":
		return errors.New("openid.client_auth: client_secret_basic or client_secret_post")
	case !slices.Contains(o.Scopes, "openid"):
		return errors.New("openid.scopes: openid is missing")
	case slices.ContainsFunc(slices.Concat(o.Scopes, o.ACRValues), func(s string) bool { return !isVisible(s) }):
		return errors.New("openid.scopes, openid.acr_values: visible ASCII characters, without spaces")
	case slices.ContainsFunc(o.Algorithms, func(a jose.Algorithm) bool { return !slices.Contains(jose.ForeignAlgorithms(), a) }):
		return fmt.Errorf("openid.algorithms: some of %v", jose.ForeignAlgorithms())
	case o.Claims.Subject != "" || o.Claims.AuthTime != "":
		return errors.New("openid.claims: subject and auth_time are sub and auth_time, always")
	}
	var err error
	if o.secret, err = readSecret(o.SecretFile, read); err != nil {
		return fmt.Errorf("openid.client_secret_file: %w", err)
	}
	return o.Claims.complete("openid.claims")
}

func (c *Claims) complete(at string) error {
	c.Type = cmp.Or(c.Type, party.Citizen)
	if c.Type.Class() != party.Person {
		return fmt.Errorf("%s.default_code_type: a type of persons' codes", at)
	}
	for theirs, ours := range c.Types {
		if ours.Class() != party.Person {
			return fmt.Errorf("%s.code_types.%s: a type of persons' codes", at, theirs)
		}
	}
	return nil
}

// readSecret reads a secret: one line of visible ASCII characters.
func readSecret(name string, read func(string) ([]byte, error)) (string, error) {
	if name == "" {
		return "", errors.New("it is missing")
	}
	text, err := read(name)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if !isVisible(secret) {
		return "", errors.New("the file has other than one line of 1 to 512 visible ASCII characters")
	}
	return secret, nil
}

func isVisible(s string) bool {
	return s != "" && len(s) <= 512 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// checkURL refuses what no request of ours goes to: all but https, and http to this machine if that is allowed.
func checkURL(text string, private bool) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > 2000 || u.Host == "" || u.User != nil || u.Fragment != "" || strings.Contains(text, "#") {
		return errors.New("not an absolute URL without user and fragment")
	}
	if u.Scheme == "https" {
		return nil
	}
	a, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && private && (err == nil && a.IsLoopback() || u.Hostname() == "localhost") {
		return nil
	}
	return errors.New("not https")
}

// level returns what a login counts for, of which the provider said value.
func (p *Provider) level(value string) Level {
	l, ok := p.Levels.Values[value]
	if !ok {
		l = p.Levels.Default
	}
	l.Proofing = min(l.Proofing, p.MaxLevel)
	l.Strength = min(l.Strength, factor.Assurance(l.Proofing), 2)
	return l
}
