package web

import "time"

// Security is somebody's account: who they are, and how they log in.
type Security struct {
	Form
	User      string
	LoginName string
	Phone     string    // masked; empty: there is none
	Waits     time.Time // until when the phone is no second factor; zero: it is
	Codes     []PersonCode
	Level     int    // of the proofing
	Method    string // likewise
	Source    string
	Proofed   time.Time
	Raises    bool      // the level can be raised online
	Password  time.Time // when it was set; zero: there is none
	Passkeys  []Authenticator
	Apps      []Authenticator

	Certificates     []CertificateShown
	AddsCertificates bool // some are accepted

	Links    []Authenticator // accounts at other providers
	Recovery *Authenticator  // nil: there are no codes
	Bare     bool            // nothing but a password: there is no second factor with which to add one
	Trail    Trail           // the newest of what happened to the account
	Fresh    bool            // who sees the page logged in just now, and may change it
	Problem  string          // key, without "security.problem."
}

// PersonCode is a number by which the state knows somebody, masked.
type PersonCode struct{ Type, Code string }

// Authenticator is something with which somebody confirms logins.
type Authenticator struct {
	ID    string
	Name  string
	Added time.Time
	Used  time.Time // of a passkey: last; zero: never
	Away  bool      // of a passkey: it is copied to its owner's other devices
	Left  int       // of recovery codes: how many weren't used
}

// App adds an app that shows codes.
type App struct {
	Form
	Setup   string // what the form carries
	Secret  string // to be typed
	QR      QR
	Name    string
	Problem string // key, without "security.problem."
}

// Passkey adds a passkey.
type Passkey struct {
	Form
	Setup   string // what the form carries
	Options string // for the browser
	Name    string
	Problem string // key, without "security.problem."
}

// Recovery makes recovery codes, and shows them.
type Recovery struct {
	Form
	Before  string   // id of the codes that the account has; empty: it has none
	Codes   []string // empty: not made yet
	Made    time.Time
	Problem string // key, without "security.problem."
}

func (Security) template() string { return "security" }
func (App) template() string      { return "app" }
func (Passkey) template() string  { return "passkey" }
func (Recovery) template() string { return "recovery" }
