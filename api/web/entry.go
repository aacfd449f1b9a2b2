package web

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
