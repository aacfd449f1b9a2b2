package web

import "time"

// Trail is the page of what happened to somebody's account.
type Trail struct {
	Lines   []TrailLine
	Began   bool   // the page begins with the newest
	Next    string // cursor; empty: this is the last page
	Altered int    // events that are left out, because they aren't as they were written
}

// TrailLine is one thing that happened.
type TrailLine struct {
	What    string // key, without "trail.what."
	At      time.Time
	Refused bool   // a try was refused, or many were
	Staff   bool   // a clerk or an operator did it
	Factor  string // with which somebody logged in; empty: not known
	Device  string // such as "Chrome · Windows"; empty: not known
	Address string
	Current bool   // it is the login of who looks at the page
	Reason  string // key, without "trail.reason."; empty: none is shown
	Service bool   // it is about a service
	Client  string // what that is called; empty: it is no more
	Tries   []TrailTries
	First   time.Time // of many tries
	More    bool      // not all of them were counted
}

// TrailTries is how often something was tried in vain on a day.
type TrailTries struct {
	What  string
	Count int64
}

func (Trail) template() string { return "trail" }
