// Package officer knows the officers 工作人员 of participants: persons with a post, which has a division
// 处室 and roles. An officer logs in like anybody.
//
// A participant's first administrator is proposed by one operator and approved by another. Administrators
// appoint and dismiss clerks and supervisors; for another administrator it takes two of them. Whoever is
// appointed is named by the number and the name of their document, and has the post only once they accept
// it. Nobody looks up whether there is such a person before they do, so that nobody learns by appointing
// who has an account.
//
// Whether somebody has a post is asked of the database each time, see [Service.Check], and depends on the
// participant and on the account, too: when one of them is disabled, the post is over at once.
package officer

import (
	"context"
	"slices"
	"strings"
	"time"

	"yizheng.internal/license/party"
	"yizheng.internal/signing"
	"yizheng.internal/signing/journal"
)

// Role is what an officer may do.
type Role string

// The roles. Who decides who may read people's licenses doesn't read them, and who watches the readings
// doesn't, either: a clerk has no other role.
const (
	Administrator Role = "administrator" // 单位管理员: appoints and dismisses
	Clerk         Role = "clerk"         // 窗口人员: serves people at a counter
	Supervisor    Role = "supervisor"    // 督查人员: watches what clerks read
)

// Roles are all roles, in the order in which they are shown.
var Roles = []Role{Administrator, Clerk, Supervisor}

// State is how far a post has come.
type State string

// The states.
const (
	Proposed State = "proposed" // nobody has it yet
	Accepted State = "accepted"
	Ended    State = "ended"
)

// Ending is how a post ended.
type Ending string

// The endings.
const (
	Dismissed Ending = "dismissed" // also a proposal that was taken back
	Declined  Ending = "declined"
	GivenUp   Ending = "given_up"
)

// Deed is what somebody did about a post.
type Deed struct {
	By    string    `json:"by"`              // as events have it: an account's id, or an operator
	Party string    `json:"party,omitempty"` // of whose account it is; empty: an operator did it
	At    time.Time `json:"at"`
}

// Post is a person's place in a participant.
type Post struct {
	ID          string `json:"-"` // of identity.NewOrderedID
	Participant string `json:"-"` // its id
	Party       string `json:"-"` // the person's, once they accepted
	State       State  `json:"-"`
	Roles       []Role `json:"-"` // in the order of [Roles]
	// Name and Code are who was appointed, as their document has it. Once they accepted, Name is theirs.
	Name        string     `json:"name"`
	Code        party.Code `json:"code"`
	StaffNumber string     `json:"staff_number"` // 工号: readings name it
	Division    string     `json:"division"`     // 处室
	From        party.Date `json:"from"`
	Until       party.Date `json:"until,omitzero"` // the last day; zero: none
	Appointed   Deed       `json:"appointed"`
	Approved    Deed       `json:"approved,omitzero"` // of an administrator: the second yes
	AcceptedAt  time.Time  `json:"accepted,omitzero"`
	Asked       Deed       `json:"asked,omitzero"` // of an administrator: who wants them dismissed
	EndedBy     Deed       `json:"ended,omitzero"`
	Ending      Ending     `json:"ending,omitempty"`
	Created     time.Time  `json:"-"`
	Updated     time.Time  `json:"-"`
	Revision    int64      `json:"-"` // counts updates, from 1
}

// Has reports whether the post has a role.
func (p *Post) Has(r Role) bool { return slices.Contains(p.Roles, r) }

// How long a proposal, and the wish to dismiss an administrator, stand.
const (
	proposalLife = 30 * 24 * time.Hour
	askedLife    = 7 * 24 * time.Hour
)

// Waits reports whether the post waits for a second yes.
func (p *Post) Waits() bool {
	return p.State == Proposed && p.Has(Administrator) && p.Approved.At.IsZero()
}

// Lapsed reports whether a proposal was neither accepted nor taken back in time. It stays until somebody
// takes it back.
func (p *Post) Lapsed(now time.Time) bool {
	return p.State == Proposed && !now.Before(p.Appointed.At.Add(proposalLife))
}

// AskedFor returns who wants an administrator dismissed, if somebody still does.
func (p *Post) AskedFor(now time.Time) (Deed, bool) {
	return p.Asked, p.State == Accepted && !p.Asked.At.IsZero() && now.Before(p.Asked.At.Add(askedLife))
}

// written returns roles as they are stored.
func written(roles []Role) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, " ")
}

func readRoles(text string) []Role {
	var roles []Role
	for word := range strings.FieldsSeq(text) {
		roles = append(roles, Role(word))
	}
	return roles
}

// Record is a post as a store keeps it. Its plain columns are authenticated with it.
type Record struct {
	ID          string
	Participant string
	Party       string // empty: nobody accepted it
	Roles       string // words with a space between them
	State       State
	Revision    int64  // counts updates, from 1; 0: it isn't stored
	Body        []byte // sealed: Post as JSON
	Created     time.Time
	Updated     time.Time
	// Claims has the lookup keys of what only one post has: its staff number and its person in the
	// participant. Offered has those of the person, who may be offered several posts. Each has those
	// under every live lookup key. They are written, and not read back.
	Claims  []signing.Lookup
	Offered []signing.Lookup

	Auth []byte // see signing.Authenticator; read and written with the record
	Mark []byte // the record's register, likewise; nil before revision 2
}

// Change is what is stored of a change to a post: all of it, or nothing.
type Change struct {
	Record Record
	Events []journal.Event
}

// Filter says which posts are listed.
type Filter struct {
	Participant string // its id; empty: of all
	Live        bool   // only those that haven't ended
	Role        Role   // only those with that role; empty: with any
}

// Whose says whose posts are found: those of a party, and those to which one of the keys leads.
type Whose struct {
	Party   string // empty: none
	Claims  []signing.Lookup
	Offered []signing.Lookup
}

// Store keeps posts. Every driver passes storagetest/identities.Posts.
type Store interface {
	// SavePost stores a record and appends the events, in one transaction. With revision 0 it is new:
	// ErrExists if its ID is taken. Else it is saved with its revision counted up, if the stored revision
	// is that of the record; otherwise ErrConflict. Its keys replace those that are stored. ErrExists if
	// one of the claims leads to another post. Participant and Created never change.
	SavePost(ctx context.Context, c Change) error
	// LoadPost returns the post with that ID, or ErrNotFound.
	LoadPost(ctx context.Context, id string) (Record, error)
	// FindPosts returns up to limit of somebody's posts, each once, the newest first.
	FindPosts(ctx context.Context, of Whose, limit int) ([]Record, error)
	// ListPosts returns up to limit posts with an ID greater than after, by ID.
	ListPosts(ctx context.Context, f Filter, after string, limit int) ([]Record, error)
	// CountPosts returns how many posts a participant has that haven't ended, and how many were
	// created since then.
	CountPosts(ctx context.Context, participant string, since time.Time) (live, made int, err error)
}
