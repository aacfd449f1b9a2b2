package web

import "time"

// Acting asks for whom somebody acts.
type Acting struct {
	Form
	Asker    *Asker
	Self     *ActingChoice // nil: they may not act for themself
	Choices  []ActingChoice
	Demanded string // organization or person, if the client demands it
	Over     string // why what was chosen before doesn't hold, without "acting.over."; empty: it does, or nothing was
	Problem  string // key, without "acting.problem."
}

// None reports whether there is nobody for whom the person could go on.
func (a Acting) None() bool { return a.Self == nil && len(a.Choices) == 0 }

// ActingChoice is somebody for whom a person may act.
type ActingChoice struct {
	Key     string // of the form's field
	Name    string
	Kind    string
	Code    string    // of an organization; a person's is masked
	Proof   string    // name of the type of the license that proves it; empty: none does
	AsOf    time.Time // when that was looked at
	Until   string    // the last day, 2006-01-02; empty: none is set
	Lapses  string    // the last day unless it is confirmed; empty: it doesn't lapse
	Current bool      // the person acts so
}

// ActsFor says for whom somebody acts. An empty Kind is for themself.
type ActsFor struct{ Name, Kind string }

func (Acting) template() string { return "acting" }

// Representations is the page of who acts for whom.
type Representations struct {
	Form            // of changes
	Act      Form   // by which the person says for whom they act on these pages
	Problem  string // key, without "representations.problem."
	Self     string // masked
	Fresh    bool   // they logged in just now: changes can be made
	Choices  []ActingChoice
	Asked    []Representation // proposed to the person
	Mine     []Representation // the person acts
	Given    []Representation // others act for the person
	Past     []Representation
	Appoints bool             // the person acts for an organization whose representatives they appoint
	Confirms bool             // some of Team wait for their confirmation
	Team     []Representation // of the organization
}

// Waits reports whether there is something that only a new login can change.
func (r Representations) Waits() bool {
	return !r.Fresh && len(r.Asked)+len(r.Mine)+len(r.Given)+len(r.Team) > 0
}

// Representation is one of them.
type Representation struct {
	ID       string
	Name     string // of the other side
	Code     string
	Kind     string
	State    string
	Given    bool   // the other side acts
	EndedBy  string // why, without "representation.ended."
	Proof    bool   // a license proves it
	Evidence bool   // a clerk checked evidence
	Acts     []string
	Items    []string // names of service items; none: all
	From     string
	Until    string
	Confirms bool   // the person may confirm it
	Lapses   string // the last day unless somebody confirms it; empty: it doesn't lapse
	Ends     bool   // the person may end it
	Created  time.Time
	Updated  time.Time
}

// Appointment asks whom to appoint or to entrust.
type Appointment struct {
	Form
	Organization string // for which somebody is appointed; empty: the person entrusts somebody
	Kinds        []string
	Kind         string
	Name         string
	Types        []string // of numbers
	Type, Number string
	Acts, Items  []Tick
	Until        string
	Problem      string // key, without "representations.problem."
}

// Tick is a box to tick.
type Tick struct {
	Value, Title string
	Checked      bool
}

func (Representations) template() string { return "representations" }
func (Appointment) template() string     { return "appointment" }
