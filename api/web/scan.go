package web

// Scan shows a code at a computer, which a phone reads.
type Scan struct {
	Form
	Asker  *Asker
	Back   string // to the other ways to log in
	Code   string // empty: the code is gone
	QR     QR
	Digits string // which the phone shows as well
	State  string // where the code is on its way
	Name   string // of whose phone has read it, masked
	Left   int    // seconds that the code is good
	Poll   string // address that says the state
}

// Scanned asks at a phone whether a computer may log in.
type Scanned struct {
	Form
	Asker    *Asker // nil: our own pages are to be seen
	Licenses bool
	User     string // who is logged in at the phone
	Device   string // the computer's browser, such as "Chrome · Windows"; empty: not known
	Address  string // the computer's
	Network  string // what the operator calls its network; empty: nothing
	Near     bool   // the phone is in the same network
	Digits   string
	Host     string // of our own site
	Led      bool   // another website led here: nothing else is shown
	Problem  string // key, without "scanned.problem."
}

// ScanDone is what a phone shows when all is decided.
type ScanDone struct{ Confirmed bool }

func (Scan) template() string     { return "scan" }
func (Scanned) template() string  { return "scanned" }
func (ScanDone) template() string { return "scandone" }
