package web

import "time"

// Posts are somebody's own posts 我的岗位, and those that are offered to them.
type Posts struct {
	Posts      []Post
	Administer bool // they administer a participant's officers
}

// Officers are a participant's officers 工作人员, for its administrators.
type Officers struct {
	Form
	Participant string // its name
	ID          string // of the participant
	Others      []Employer
	Posts       []Post
	Role        string // those that are shown; empty: all
	Division    string // likewise
	Ended       bool   // those that ended are shown, too
	Next        string // where the next page begins; empty: this is the last
	Problem     string // key, without "officer.problem."
}

// Employer is a participant whose officers somebody administers.
type Employer struct{ ID, Name string }

// Post is somebody's place in a participant.
type Post struct {
	ID, Name, Participant, Division, Staff string
	CodeType, Code                         string // masked
	Roles                                  []string
	From, Until                            string // ISO dates; Until empty: none
	State                                  string // key, without "officer.state."
	Tone                                   string // how the state is shown: good, wait or past
	Appointed, Accepted, Ended             time.Time
}

// OnePost is one post, with what may be done about it.
type OnePost struct {
	Form
	Post
	Revision int64
	Mine     bool
	Accept   bool   // it may be accepted or declined
	Leave    bool   // it may be given up
	Approve  bool   // it waits for a second administrator's yes
	Dismiss  bool   // it may be ended
	Asked    bool   // an administrator wants its administrator dismissed
	Shared   bool   // dismissing takes two administrators
	Problem  string // key, without "officer.problem."
}

// Appoint proposes somebody for a post.
type Appoint struct {
	Form
	Participant string
	ID          string // of the participant
	Name        string
	Types       []string // of documents
	Type        string
	Number      string
	Staff       string
	Division    string
	Roles       []RoleChoice
	From, Until string
	Problem     string // key, without "officer.problem."
}

// RoleChoice is a role that may be chosen.
type RoleChoice struct {
	Role   string
	Chosen bool
}

func (Posts) template() string    { return "posts" }
func (Officers) template() string { return "officers" }
func (OnePost) template() string  { return "post" }
func (Appoint) template() string  { return "appoint" }
