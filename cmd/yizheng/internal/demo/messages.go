package demo

import (
	"context"
	"embed"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"yizheng.internal/oidc/identity/notice"
)

// messageBox is the demo's telephone network: it delivers text messages to a
// page. It implements [notice.Sender].
type messageBox struct {
	mu     sync.Mutex
	latest []shownMessage // newest first
}

// shownMessage is a message as page and document show it.
type shownMessage struct {
	Phone string    `json:"phone"`
	Code  string    `json:"code"`
	Text  string    `json:"text"`
	At    time.Time `json:"at"`
}

// maxMessages is how many messages the box holds.
const maxMessages = 50

func newMessageBox() *messageBox { return &messageBox{} }

// Send implements [notice.Sender].
func (b *messageBox) Send(_ context.Context, m notice.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = slices.Insert(b.latest, 0, shownMessage{m.Phone, m.Code, m.Text, time.Now().UTC().Truncate(time.Millisecond)})
	b.latest = b.latest[:min(len(b.latest), maxMessages)]
	return nil
}

// messages returns what was sent, newest first.
func (b *messageBox) messages() []shownMessage {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]shownMessage{}, b.latest...)
}

// messageFiles are the page, its style and its script.
//
//go:embed messages
var messageFiles embed.FS

// messagesDocument is what the page shows, for programs.
type messagesDocument struct {
	Issuer      string           `json:"issuer"`
	Messages    []shownMessage   `json:"messages"`
	People      []demoPerson     `json:"people"`
	Departments []demoDepartment `json:"departments"`
}

// Name returns whose phone it is, or the number.
func (d messagesDocument) Name(phone string) string {
	for _, p := range d.People {
		if p.Phone == phone {
			return p.Name
		}
	}
	return phone
}

// Short returns a phone number without its country.
func (d messagesDocument) Short(phone string) string { return strings.TrimPrefix(phone, "+86") }

// Clock returns a time as a phone in China shows it.
func (d messagesDocument) Clock(t time.Time) string {
	return t.In(time.FixedZone("", 8*60*60)).Format("15:04:05")
}

// page serves the messages, with what else a visitor of the demo needs: as a
// page, or as JSON to whoever accepts that or asks for /messages.json.
func (b *messageBox) page(facts demoFacts) http.Handler {
	page := template.Must(template.ParseFS(messageFiles, "messages/page.html"))
	document := func() messagesDocument {
		return messagesDocument{facts.Issuer, b.messages(), facts.People, facts.Departments}
	}
	asJSON := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.MarshalWrite(w, document()) // it fails if the reader has gone
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /messages.json", asJSON)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Vary", "Accept")
		if accept := r.Header.Get("Accept"); strings.Contains(accept, "application/json") && !strings.Contains(accept, "text/html") {
			asJSON(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, document()) // likewise
	})
	for _, name := range []string{"style.css", "script.js"} {
		mux.HandleFunc("GET /"+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, messageFiles, "messages/"+name)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		mux.ServeHTTP(w, r)
	})
}
