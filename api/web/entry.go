package web

import "time"

// Entry lets somebody in who can't log in.
type Entry struct {
	Form
	Registers bool   // they register; otherwise they forgot their password
	Online    bool   // that is possible online; otherwise the page says where to go
	Step      string // whose form is shown
	Login     string // the login page to go back to
	Number    string // the phone, as typed, for the form
	Masked    string
	Wait      int      // seconds until another code may be sent
	Proved    string   // the form carries it
	Types     []string // code types of numbers to choose from; none: no number is asked for
	Name      string   // as typed
	Type      string
	Code      string // the number, as typed
	Ticket    string // the form carries it
	Made      bool   // the account was made just now
	Problem   string // key, without "entry.problem."
	Retry     int    // seconds, if the problem is one of waiting
}

// Steps of an Entry.
const (
	EntryPhone    = "phone"    // which phone they have
	EntryCode     = "code"     // the code that was sent
	EntryPerson   = "person"   // who they are
	EntryPassword = "password" // the new password
)

func (Entry) template() string { return "entry" }

// Proofing tells somebody that they are proofed less well than it takes, and leads to where that is changed.
type Proofing struct {
	Form
	Asker *Asker
	To    string
}

func (Proofing) template() string { return "proofing" }

// PhoneWaits tells somebody from when on their phone is a second factor.
type PhoneWaits struct {
	Form
	Asker *Asker
	Until time.Time
}

func (PhoneWaits) template() string { return "phonewaits" }

// Raise raises how well somebody's account is proofed.
type Raise struct {
	Form
	Step    string // whose form is shown
	Level   int    // that the account has
	Masked  string // its phone
	Wait    int    // seconds until another code may be sent
	Proved  string // the form carries it
	Types   []string
	Name    string // as typed
	Type    string
	Code    string // the number, as typed
	Back    string // where somebody goes who doesn't go on
	Problem string // key, as of [Entry]
	Retry   int    // seconds, if the problem is one of waiting
}

// Steps of a Raise beside EntryCode and EntryPerson.
const (
	RaiseBegin   = "begin"
	RaiseCounter = "counter" // it can't be done online
	RaiseHighest = "highest" // the account has as much as is to be had online
)

func (Raise) template() string { return "raise" }
