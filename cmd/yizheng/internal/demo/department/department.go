// Package department is a sample of a department's system: people come to it for
// a service item 事项, log in through the OpenID provider, and agree once that
// it reads the licenses that the item needs. It is an ordinary relying party on
// a public OpenID Connect library, and knows nothing of the provider but its
// issuer URL and documentation: what stands here, any department can write.
package department

import (
	"context"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Paths that are registered with the provider.
const (
	CallbackPath  = "/callback"   // redirect URI
	LoggedOutPath = "/logged-out" // post-logout redirect URI
)

// Config is what a department's system is configured with: what the operator of
// the provider handed over, and what it is.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	Scopes       []string // with openid
	URL          string   // its own address, without a slash at the end
	Profile      Profile
	Client       *http.Client // for the provider; default: one with a timeout of 15 seconds
	Log          *slog.Logger // default: discards
}

// Profile says which department it is and what it is there for.
type Profile struct {
	Department string     `json:"department"`
	Name       string     `json:"name"`    // of the site
	NameEN     string     `json:"name_en"` // likewise
	Intro      string     `json:"intro"`
	Office     string     `json:"office"` // where paper is taken
	Color      string     `json:"color"`  // police or market
	Cookie     string     `json:"cookie"` // its own: browsers don't tell ports apart
	Item       string     `json:"item"`   // code of the service item
	CasePrefix string     `json:"case"`   // of its case numbers 办件编号
	Materials  []Material `json:"materials"`
	// Labels name the face fields of the licenses that it reads.
	Labels map[string]string `json:"labels"`
}

// Material is one thing that the item demands, as the site tells people.
type Material struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Note     string `json:"note"`
	Required bool   `json:"required"`
}

// System is a running department's system.
type System struct {
	c     Config
	pages *template.Template

	mu       sync.Mutex
	provider *provider         // nil: not discovered yet
	visits   map[string]*visit // by cookie
	cases    int
}

// provider is the OpenID provider as discovery describes it.
type provider struct {
	verifier *oidc.IDTokenVerifier
	oidc     *oidc.Provider
	oauth    oauth2.Config
	metadata struct {
		PAR           string `json:"pushed_authorization_request_endpoint"`
		EndSession    string `json:"end_session_endpoint"`
		IssInResponse bool   `json:"authorization_response_iss_parameter_supported"`
	}
}

//go:embed pages
var files embed.FS

// New checks c and returns a System. It asks the provider nothing yet, which
// may still be starting.
func New(c Config) (*System, error) {
	if c.Issuer == "" || c.ClientID == "" || c.ClientSecret == "" || c.Profile.Cookie == "" || c.Profile.Item == "" {
		return nil, errors.New("department: Config needs Issuer, ClientID, ClientSecret and a Profile with Cookie and Item")
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || strings.HasSuffix(c.URL, "/") {
		return nil, errors.New("department: URL is not absolute, or ends with a slash")
	}
	if c.Client == nil {
		c.Client = &http.Client{Timeout: 15 * time.Second}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	pages, err := template.New("").Funcs(template.FuncMap{"label": c.Profile.label}).ParseFS(files, "pages/*.html")
	if err != nil {
		return nil, fmt.Errorf("department: %w", err)
	}
	return &System{c: c, pages: pages, visits: map[string]*visit{}}, nil
}

// label names a face field for people.
func (p Profile) label(field string) string {
	if name := p.Labels[field]; name != "" {
		return name
	}
	return field
}

// material returns the material with that id; one that the site doesn't know
// has its id as its name.
func (p Profile) material(id string) Material {
	for _, m := range p.Materials {
		if m.ID == id {
			return m
		}
	}
	return Material{ID: id, Name: id}
}

// rank returns where in the list a material stands; one that the site doesn't
// know is last.
func (p Profile) rank(id string) int {
	at := slices.IndexFunc(p.Materials, func(m Material) bool { return m.ID == id })
	if at < 0 {
		return len(p.Materials)
	}
	return at
}

// discovered returns the provider, which is asked until it has answered once.
func (s *System) discovered(ctx context.Context) (*provider, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.provider != nil {
		return s.provider, nil
	}
	// The library keeps this context for fetching keys later on.
	ctx = oidc.ClientContext(context.WithoutCancel(ctx), s.c.Client)
	found, err := oidc.NewProvider(ctx, s.c.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovering the provider: %w", err)
	}
	p := &provider{oidc: found, verifier: found.VerifierContext(ctx, &oidc.Config{ClientID: s.c.ClientID})}
	if err := found.Claims(&p.metadata); err != nil {
		return nil, fmt.Errorf("reading the provider's metadata: %w", err)
	}
	if p.metadata.PAR == "" {
		return nil, errors.New("the provider takes no pushed authorization requests")
	}
	p.oauth = oauth2.Config{
		ClientID: s.c.ClientID, ClientSecret: s.c.ClientSecret, RedirectURL: s.c.URL + CallbackPath,
		Endpoint: found.Endpoint(), Scopes: s.c.Scopes,
	}
	p.oauth.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	s.provider = p
	return p, nil
}

// ServeHTTP implements [http.Handler].
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /{$}":             s.start,
		"POST /apply":          s.apply,
		"GET " + CallbackPath:  s.callback,
		"GET /case":            s.showCase,
		"POST /refresh":        s.readAgain,
		"GET /paper":           s.paper,
		"POST /logout":         s.logout,
		"GET " + LoggedOutPath: s.loggedOut,
		"GET /style.css":       s.style,
		"/":                    s.nowhere,
	} {
		mux.Handle(pattern, s.handle(serve))
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	// Forms lead here alone; the answer to one may lead on to the provider.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self' "+origin(s.c.Issuer)+"; frame-ancestors 'none'; base-uri 'none'")
	http.NewCrossOriginProtection().Handler(mux).ServeHTTP(w, r)
}

// origin returns a URL's scheme, host and port.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// failure is an error that the person is told about.
type failure struct {
	status      int
	what, doing string // what happened, and what to do
	err         error  // for the log
}

func (f *failure) Error() string { return f.what + ": " + fmt.Sprint(f.err) }

// handle shows a person that something failed, and what to do; the log has the
// rest, under the number that the page shows.
func (s *System) handle(serve func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		if err == nil {
			return
		}
		f, ok := errors.AsType[*failure](err)
		if !ok {
			f = &failure{http.StatusBadGateway, "办事系统暂时无法继续", "请稍后重新开始；多次出现时请拨打服务电话，并告知下面的编号。", err}
		}
		number := rand.Text()[:10]
		s.c.Log.Error("a request failed", "number", number, "path", r.URL.Path, "error", f.err)
		s.show(w, r, f.status, "error.html", map[string]any{"What": f.what, "Doing": f.doing, "Number": number})
	})
}

// show executes a page. What it shows stands under Page; around it are the
// profile and who is logged in.
func (s *System) show(w http.ResponseWriter, r *http.Request, status int, page string, content any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	err := s.pages.ExecuteTemplate(w, page, map[string]any{
		"Profile": s.c.Profile, "Issuer": s.c.Issuer, "User": s.visit(r).user(), "Page": content,
	})
	if err != nil {
		s.c.Log.Error("a page was cut off", "page", page, "error", err)
	}
}

func (s *System) start(w http.ResponseWriter, r *http.Request) error {
	s.show(w, r, http.StatusOK, "start.html", map[string]any{"Case": s.visit(r).outcome()})
	return nil
}

func (s *System) paper(w http.ResponseWriter, r *http.Request) error {
	s.show(w, r, http.StatusOK, "paper.html", nil)
	return nil
}

func (s *System) loggedOut(w http.ResponseWriter, r *http.Request) error {
	s.show(w, r, http.StatusOK, "logged-out.html", nil)
	return nil
}

func (s *System) style(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "max-age=60")
	http.ServeFileFS(w, r, files, "pages/style.css")
	return nil
}

func (s *System) nowhere(http.ResponseWriter, *http.Request) error {
	return &failure{http.StatusNotFound, "没有这个页面", "请从首页重新开始。", errors.New("no such page")}
}
