// Package identity knows who takes part: participants; parties with their codes; and the
// accounts of persons, with their proofing and their authenticators. The packages password and
// factor below it know how authenticators are proved.
package identity

import (
	"context"
	"errors"
	"time"

	"yizheng.internal/license/party"
)

// Errors of the stores of participants, parties and accounts. The wrapping error says which
// record is meant.
var (
	ErrNotFound = errors.New("there is none")
	ErrExists   = errors.New("it exists already")
	ErrConflict = errors.New("it changed since it was read")
)

// Class is what kind of organization a participant is.
type Class string

const (
	Government    Class = "government"     // a department 部门
	PublicService Class = "public_service" // 公共服务企事业单位
	Enterprise    Class = "enterprise"
)

// Participant is a connected organization 接入单位.
type Participant struct {
	ID        string // of NewID
	USCC      party.USCC
	Name      string
	Names     party.Names // the name in other languages than Chinese; nil for none
	Class     Class
	AreaCode  string // 6 digits (GB/T 2260)
	Level     int    // 1 national, 2 provincial, 3 city, 4 county, 5 other
	Parent    string // ID of the superior participant; empty for none
	Successor string // ID of the participant that took over its duties; empty for none
	Disabled  bool   // its clients get no tokens
	Created   time.Time
	Updated   time.Time
	Revision  int64  // counts updates, from 1
	Auth      []byte `json:"-"` // see signing.Authenticator; read and written with the record
	Mark      []byte `json:"-"` // the record's register, likewise; nil before revision 2
}

// Participants keeps participants. Every driver passes storagetest/identities.Participants.
type Participants interface {
	// CreateParticipant stores p with revision 1. ErrExists if its ID or USCC is taken.
	CreateParticipant(ctx context.Context, p Participant) error
	// LoadParticipant returns the participant with that ID, or ErrNotFound.
	LoadParticipant(ctx context.Context, id string) (Participant, error)
	// FindParticipant returns the participant with that code, or ErrNotFound.
	FindParticipant(ctx context.Context, code party.USCC) (Participant, error)
	// ListParticipants returns up to limit participants with an ID greater than after, by ID.
	ListParticipants(ctx context.Context, after string, limit int) ([]Participant, error)
	// UpdateParticipant saves p and counts its revision up, if the stored revision is
	// p.Revision; otherwise ErrConflict. ID and USCC never change.
	UpdateParticipant(ctx context.Context, p Participant) error
}
