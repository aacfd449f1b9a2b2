package web

import (
	"html/template"
	"slices"
	"time"
)

// View is what a page shows, inside its frame. Codes in it, such as states and
// reasons, are put into words by the texts.
type View interface {
	// template returns the name of the page's template.
	template() string
}

// Form is what every form of ours carries.
type Form struct {
	Action string // path and query
	Token  string // against other sites' forms
}

// Asker is who asks for something: a department's service.
type Asker struct {
	Name        string // of the client
	Participant string
	Home        string // where people begin anew; empty: not known
	Licenses    bool   // it asks for licenses
}

// Login asks for login and password, or for a phone to which a code is sent.
type Login struct {
	Form
	Asker    *Asker // nil: our own pages are to be seen
	Licenses bool   // licenses are asked for
	Account  bool   // pages of the account are to be seen
	Scanned  bool   // a login at a computer is to be confirmed
	Phones   bool   // people log in with a phone, too
	Scans    bool   // a phone logs in at a computer
	ByPhone  bool   // that is what the page shows first, and what Problem is about
	Phone    string // as typed
	Username string
	Forgot   string // the page for who forgot the password
	Register string // the page for who has no account
	Passkey  string // options for the browser; empty: nobody logs in with a passkey
	Problem  string // key of what went wrong, without "login.problem."; empty: nothing yet
	Wait     int    // seconds until the next try
	// Upstreams are other providers, and Elsewhere what one of them led to; nil: nothing.
	Upstreams []Upstream
	Elsewhere *Elsewhere

	Certificate string // the page for a login with a certificate; empty: there is none
}

// Code asks for a one-time code.
type Code struct {
	Form
	Asker     *Asker
	Challenge string  // the code confirms a login after many tries; empty: it is the second factor
	Factor    string  // which code is asked for: a factor's name, as texts have it
	Others    []Other // what may be shown instead
	Passkey   string  // options for the browser, for a passkey
	Signing   Signing // for a certificate
	Phone     string  // of a code that is sent: masked
	Forgot    string  // where another password is set online; empty: nowhere
	Sent      bool
	Wait      int    // seconds until another one may be sent
	Problem   string // key, without "code.problem."
	Retry     int    // seconds, if the problem is one of waiting
}

// Phone goes on with a login by phone: it asks for the code that was sent or, if there is a Question,
// whose phone it is.
type Phone struct {
	Form
	Asker    *Asker
	Number   string // as typed, for the form
	Masked   string
	Question string // the form carries it; empty: the code is asked for
	Name     string // as typed
	Wait     int    // seconds until another code may be sent
	Problem  string // key, without "phone.problem."
	Retry    int    // seconds, if the problem is one of waiting
	Back     string // where the login begins anew
}

// Other leads to the page of another factor.
type Other struct{ Factor, To string }

// Account asks whether to go on as who is logged in.
type Account struct {
	Form
	Asker *Asker
	User  string // masked: somebody else may sit here now
}

// Consent asks whether to hand licenses, and who one is, to a service.
type Consent struct {
	Form
	Asker     Asker
	ActsFor   *ActsFor // nil: that was no question
	ID        string   // the form's one-use id
	Shown     string   // hash of what is shown
	Scopes    []string
	Item      *ConsentItem // nil: no licenses are asked for
	Proving   string       // type of the license by which the person acts for another; empty: none
	AsOf      time.Time    // when that was looked at
	Materials []ConsentMaterial
	Until     string // of a recurring grant, as the form carries it
	Recurring bool   // it was ticked, on a page that comes again
	Problem   string // key, without "consent.problem."
}

// Offers reports whether there is any license to agree to.
func (c Consent) Offers() bool {
	return slices.ContainsFunc(c.Materials, func(m ConsentMaterial) bool { return len(m.Licenses) > 0 || m.Choice() })
}

// Asked counts what is asked for at the most: one license of each material, and
// the parts of the one that has most of them.
func (c Consent) Asked() (n struct{ Licenses, Parts int }) {
	for _, m := range c.Materials {
		most := 0
		for _, l := range m.Licenses {
			most = max(most, len(l.Parts)+len(l.Sensitive))
		}
		if len(m.Licenses) > 0 || m.Choice() {
			n.Licenses++
			n.Parts += most
		}
	}
	return n
}

// ConsentItem is the service item that licenses are asked for.
type ConsentItem struct{ Name, Purpose string }

// ConsentMaterial is one thing that the item demands.
type ConsentMaterial struct {
	ID       string
	Name     string
	Relation string
	Required bool
	Outcome  string
	Ending   string // of what has ended: how
	From     string // 2006-01-02: since when it has ended, or from when on it will be in force
	Basis    string // the law by which what concerns others is released without their agreement; empty: none
	Licenses []ConsentLicense
	More     bool   // there are more, to be looked for
	Find     string // what was looked for; empty: nothing
	None     bool   // none was chosen, on a page that comes again
}

// Choice reports whether the holder must choose among several, even if what was looked for
// is not among them.
func (m ConsentMaterial) Choice() bool { return m.Outcome == "choice" }

// ConsentLicense is one license that can serve.
type ConsentLicense struct {
	Value     string // of the form's field
	Checked   bool
	Card      Card
	Inside    bool     // the page has the whole license
	Elsewhere bool     // the license's own page has more than this one
	Parts     []Part   // what is read with the license
	Sensitive []Part   // what is read only with a yes of its own
	Withheld  []string // names of holders of whom only name and role are read
	Closed    bool     // it is somebody else's, so that the page doesn't show what it says
}

// maxTitles is how many parts are named before a license is opened.
const maxTitles = 12

// Titles are what the first parts are called that are read with the license.
func (c ConsentLicense) Titles() []string {
	titles := make([]string, min(len(c.Parts), maxTitles))
	for i := range titles {
		titles[i] = c.Parts[i].Title
	}
	return titles
}

// Untitled is how many parts are read beside those that Titles names.
func (c ConsentLicense) Untitled() int { return max(len(c.Parts)-maxTitles, 0) }

// Part is a part of a license.
type Part struct {
	Name    string // of the form's field
	Title   string
	Value   string
	Whole   int    // how many characters the value has, if it is cut off
	Reason  string // why a sensitive part is needed
	Checked bool   // of a sensitive part
}

// Card is a license as it looks.
type Card struct {
	ID            string
	Band          string // the color of its type, by name
	Type          string
	Copy          string // 正本 or 副本, of types whose licenses are one or the other
	Number        string
	Holders       []CardHolder
	Authority     string
	From, Until   string // dates, 2006-01-02; no Until: long-term
	State         string // active, suspended, superseded or ended
	Ending        string // how it ended
	Unusable      string // why it proves nothing now, as a reason code; empty: it does
	Fields        []Part
	Apart         []Part // face fields that tell it from others of its type on the page
	AuthorityCode string
}

// Standing is in a word how a license stands now.
func (c Card) Standing() string {
	switch {
	case c.Ending != "":
		return c.Ending
	case c.Unusable != "":
		return c.Unusable
	}
	return "in_force"
}

// Face is the face fields but for those that name a holder once more, in the same
// role: a business license has its operator as a holder and as a field.
func (c Card) Face() []Part {
	return slices.DeleteFunc(slices.Clone(c.Fields), func(p Part) bool {
		return slices.ContainsFunc(c.Holders, func(h CardHolder) bool { return h.Role == p.Title && h.Name == p.Value })
	})
}

// Others are the fields that tell a card from others of its type and don't stand
// in its head.
func (c Card) Others() []Part {
	return slices.DeleteFunc(slices.Clone(c.Apart), func(p Part) bool { return p.Value == c.Copy })
}

// briefHolders is how many holders a license in a list names.
const briefHolders = 5

// First are those who hold a license, as far as a list names them.
func (c Card) First() []CardHolder { return c.Holders[:min(len(c.Holders), briefHolders)] }

// Unnamed is how many others hold it.
func (c Card) Unnamed() int { return max(len(c.Holders)-briefHolders, 0) }

// CardHolder is one of those who hold a license.
type CardHolder struct{ Role, Name, CodeType, Code, Share string }

// Front is the home page for those who aren't logged in.
type Front struct{ Login bool }

// Licenses is the home page of somebody who is logged in.
type Licenses struct {
	Cards []Card
	Next  string // cursor of the next page
}

// Locked is the home page of somebody who must prove more to see licenses.
type Locked struct{}

// License is the page of one license.
type License struct {
	Card
	Identifier       string
	VerificationCode string
	Version          int
	Replaces         string
	Issued           time.Time
	Origin, Grade    string
	Ended            *LicenseEnding
	Records          []Record
	More             bool // there are more records of it
	// For paper: when the page was made, and where what it says is verified.
	Now       time.Time
	VerifyURL string
}

// LicenseEnding is how a license ended.
type LicenseEnding struct{ Kind, From, Document, Basis string }

// Records is the page of who read what, the newest first.
type Records struct {
	License string // id of the license whose records they are; empty: of all
	Records []Record
	Next    int64 // the before of the next page
}

// Case is what was read for one case, in the words of its newest record.
type Case struct {
	Record
	Records []Record
}

// Cases are the records, put together by case: readings of one case that follow
// one another are one.
func (r Records) Cases() []Case {
	var cases []Case
	for _, record := range r.Records {
		if n := len(cases); n > 0 && cases[n-1].sameCase(&record) {
			cases[n-1].Records = append(cases[n-1].Records, record)
			continue
		}
		cases = append(cases, Case{Record: record, Records: []Record{record}})
	}
	return cases
}

func (r *Record) sameCase(o *Record) bool {
	return r.Participant == o.Participant && r.Client == o.Client && r.Item == o.Item && r.Case == o.Case && r.Officer == o.Officer
}

// Record is one reading of a license.
type Record struct {
	At          time.Time
	Participant string
	Client      string
	Officer     string
	Item        string
	Case        string
	License     string // its type's name
	LicenseID   string
	Parts       []string
	MoreParts   int // that the page doesn't name
	Basis       string
	Result      string // ok or a reason code
	By          string // name of the person who agreed for the party acted for
}

// Grants is the page of what was agreed to.
type Grants struct {
	Form
	Grants []Grant
	Next   string
}

// Grant is one thing that was agreed to.
type Grant struct {
	ID          string
	Participant string
	Client      string
	Item        string
	Case        string
	State       string
	EndedBy     string
	Recurring   bool
	Created     time.Time
	Until       time.Time
	Ended       time.Time
	By          string // name of the person who agreed for the party acted for; empty: the holder themself
	Licenses    []GrantLicense
}

// Live reports whether it may still be read by, or soon may.
func (g Grant) Live() bool { return g.State == "active" || g.State == "pending" }

// GrantLicense is one license of a grant.
type GrantLicense struct {
	ID, Type  string
	Parts     []string
	MoreParts int // that the page doesn't name
}

// Sessions is the page of where somebody is logged in.
type Sessions struct {
	Form
	Sessions []Session
}

// Session is one of them.
type Session struct {
	ID      string
	Current bool
	Device  string // such as "Chrome · Windows"; empty: not known
	Scanned bool   // a phone let it log in
	Address string
	Created time.Time
	Seen    time.Time
}

// Services shows which services may do what with somebody's login.
type Services struct {
	Form
	Services []Service
}

// Service is one of them.
type Service struct {
	ID          string
	Name        string // empty: it is no more
	Participant string
	Scopes      []string
	Since       time.Time
	Offline     time.Time // until when it may go on while the person is away; zero: it may not
}

// Logout asks whether to log out.
type Logout struct {
	Form
	Asker  *Asker // nil: nobody asks
	User   string
	Fields []Field // of the logout request, to be sent on
	Why            // it is refused: there is no way back to who asked
}

// Field is a hidden field of a form.
type Field struct{ Name, Value string }

// Goodbye is the page after logging out.
type Goodbye struct{ Why }

// Setup sets a password with a ticket.
type Setup struct {
	Form
	Ticket  string
	Problem string // key, without "setup.problem."
}

// Password changes the password of who is logged in.
type Password struct {
	Form
	Problem string // key, without "password.problem."
}

// Verify checks a license.
type Verify struct {
	Form
	Credential, Identifier, Code string
	Problem                      string // key, without "verify.problem."
	Wait                         int
	Result                       *Verdict
}

// Verdict is how a verification came out.
type Verdict struct {
	Verdict string
	At      time.Time
	Checks  []Check
	Card    *Card
	Grade   string
	Origin  string
	Masked  bool
}

// Skipped reports whether a check was left out.
func (v *Verdict) Skipped() bool {
	return slices.ContainsFunc(v.Checks, func(c Check) bool { return c.Result == "skipped" })
}

// Check is one check of a verification.
type Check struct{ Name, Result, Reason string }

// FormPost takes a response to a client (OAuth 2.0 Form Post Response Mode).
type FormPost struct {
	Action string // checked by the provider
	Fields []Field
	Asker  *Asker
}

// Onward leads on where a form can't: an address that a page's policy can't name.
// The provider has checked it: it may have a scheme of an app's own.
type Onward struct{ To template.URL }

// Error says what happened and what to do.
type Error struct {
	Key    string // of its texts, without "error."
	Status int
	Asker  *Asker // to begin anew; nil: at home
	Wait   int    // seconds
	Retry  bool   // trying again may help: a link leads back to the page
	Why
}

// Why says to developers what is wrong with a request. The zero Why says nothing.
type Why struct {
	Code, Description string
	Received, Differs string // a redirect URI, and how it differs from the registered one
}

func (Login) template() string    { return "login" }
func (Phone) template() string    { return "phone" }
func (Code) template() string     { return "code" }
func (Account) template() string  { return "account" }
func (Consent) template() string  { return "consent" }
func (Front) template() string    { return "front" }
func (Licenses) template() string { return "licenses" }
func (Locked) template() string   { return "locked" }
func (License) template() string  { return "license" }
func (Records) template() string  { return "records" }
func (Grants) template() string   { return "grants" }
func (Sessions) template() string { return "sessions" }
func (Services) template() string { return "services" }
func (Logout) template() string   { return "logout" }
func (Goodbye) template() string  { return "goodbye" }
func (Setup) template() string    { return "setup" }
func (Password) template() string { return "password" }
func (Verify) template() string   { return "verify" }
func (FormPost) template() string { return "formpost" }
func (Onward) template() string   { return "onward" }
func (Error) template() string    { return "error" }
