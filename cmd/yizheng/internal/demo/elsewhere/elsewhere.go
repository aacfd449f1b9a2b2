// Package elsewhere is the demo's samples of other platforms with which people log in at the service: a
// province's OpenID provider, and a platform that sends people back with a ticket. Nobody types a
// password there: a visitor chooses who they are. It knows the service as any other client, and claims
// nothing about real platforms: names, paths and signatures are made up.
package elsewhere

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"embed"
	"encoding/json"
	"html/template"
	"net/http"
	"sync"
	"time"
)

// Paths of the platforms, and the parameters of the ticket's.
const (
	TicketLoginPath    = "/ticket/login"
	TicketExchangePath = "/ticket/person"
	ReturnParam        = "goto"
	StateParam         = "relay"
	TicketParam        = "ticket"
)

// Person is somebody who has an account at both platforms.
type Person struct {
	Subject string // at the platforms
	Name    string
	Code    string // a citizen number 公民身份号码
	Phone   string // E.164
	Level   string // to which the platforms say that they know who it is
}

// Config says what the platforms know.
type Config struct {
	URL      string // under which both are seen, the issuer of the OpenID provider
	Title    string // of the OpenID provider
	Ticket   string // the title of the ticket platform
	Callback string // where the OpenID provider sends people back: this address alone
	Returns  string // where the ticket platform does
	ClientID string
	Secret   string // of the client, and the key of the ticket platform's signatures
	People   []Person
}

// Platforms are both. Safe for concurrent use.
type Platforms struct {
	c   Config
	key *ecdsa.PrivateKey

	mu      sync.Mutex
	codes   map[string]issued // of the OpenID provider
	tickets map[string]issued
}

// issued is what a code or a ticket yields, once.
type issued struct {
	who              Person
	at               time.Time
	nonce, challenge string
}

// life is how long a code or a ticket is good.
const life = time.Minute

// New returns the platforms.
func New(c Config) (*Platforms, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return &Platforms{c: c, key: key, codes: map[string]issued{}, tickets: map[string]issued{}}, err
}

//go:embed pages
var pages embed.FS

var page = template.Must(template.ParseFS(pages, "pages/choose.html"))

// choice is what the page shows on which a visitor chooses who they are.
type choice struct {
	Title  string
	People []option
	Back   string // for who gives up
}

type option struct{ Name, Code, To string }

// Handler serves both.
func (p *Platforms) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.metadata)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("GET "+TicketLoginPath, p.ticketLogin)
	mux.HandleFunc("POST "+TicketExchangePath, p.exchange)
	mux.HandleFunc("GET /style.css", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pages, "pages/style.css") })
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		mux.ServeHTTP(w, r)
	})
}

// show asks who the visitor is. Each answer is a link to the same page that names somebody.
func (p *Platforms) show(w http.ResponseWriter, r *http.Request, title, back string) {
	c := choice{Title: title, Back: back}
	for _, who := range p.c.People {
		q := r.URL.Query()
		q.Set("person", who.Subject)
		c.People = append(c.People, option{who.Name, who.Code[:6] + "********" + who.Code[14:], r.URL.Path + "?" + q.Encode()})
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, c) // it fails if the reader has gone
}

// chosen returns whom the visitor chose; false: nobody yet.
func (p *Platforms) chosen(r *http.Request) (Person, bool) {
	for _, who := range p.c.People {
		if who.Subject == r.URL.Query().Get("person") {
			return who, true
		}
	}
	return Person{}, false
}

// keep returns a code or a ticket for what it yields.
func (p *Platforms) keep(all map[string]issued, i issued) string {
	i.at = time.Now()
	code := rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, old := range all {
		if time.Since(old.at) > life {
			delete(all, c)
		}
	}
	all[code] = i
	return code
}

// redeem returns what a code or a ticket yields, once.
func (p *Platforms) redeem(all map[string]issued, code string) (issued, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, ok := all[code]
	delete(all, code)
	return i, ok && time.Since(i.at) <= life
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // likewise
}
