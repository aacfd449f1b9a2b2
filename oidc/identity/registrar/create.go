package registrar

import (
	"context"
	"errors"
	"strconv"

	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/intake"
)

// Newcomer is somebody whom a source brings in.
type Newcomer struct {
	Record    string // the id of their record at the source
	Name      string
	Code      party.Code
	Phone     string     // may be empty
	LoginName string     // may be empty
	Level     int        // how well the source proofed who they are, 1 to 3
	Proofed   party.Date // the day of that; zero: not known
}

// Reasons of new people, beside those of [intake.Refusal].
const (
	ReasonSource identity.Reason = "source_missing" // the caller has no source, or none that there is
	ReasonExists identity.Reason = "person_exists"  // somebody with that number is known here
)

// Create brings somebody in, of the caller's first source: link, party, account and event are stored in
// one transaction. Given the same record again, with the same content, it returns the person as they
// are now; made is false then. Refusals are *intake.Refusal, and *identity.Error with source_missing
// or person_exists. The latter is said of whoever is known by that number and isn't made of that
// record, whatever their name is.
func (s *Service) Create(ctx context.Context, c Caller, n Newcomer) (who identity.Someone, made bool, err error) {
	if len(c.Sources) == 0 {
		return who, false, noSource()
	}
	row := intake.Row{
		Record: n.Record, Name: n.Name, CodeType: string(n.Code.Type), Code: n.Code.Value, Phone: n.Phone, Login: n.LoginName, Level: strconv.Itoa(n.Level),
	}
	if !n.Proofed.IsZero() {
		row.Proofed = n.Proofed.String()
	}
	if !n.Code.Type.Known() { // an import also takes words for types
		return who, false, &intake.Refusal{Reason: intake.TypeUnknown, Detail: "the document's type isn't a code of GB/T 36903 annex A"}
	}
	account, made, err := s.c.Intake.TakeOne(ctx, c.Sources[0], intake.One{Row: row, Most: c.Level, Actor: c.Actor, RequestID: c.RequestID})
	if r, ok := errors.AsType[*intake.Refusal](err); ok && exists[r.Reason] {
		return who, false, known()
	}
	if errors.Is(err, identity.ErrNotFound) {
		return who, false, noSource()
	}
	if err != nil {
		return who, false, err
	}
	who, err = s.someone(ctx, c, account)
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == ReasonUnknown {
		err = known() // an import linked the record to an account that was there
	}
	return who, made, err
}

// exists are the reasons for which nobody learns more than that somebody is known.
var exists = map[intake.Reason]bool{intake.AccountExists: true, intake.NameDiffers: true, intake.CodeTaken: true}

func known() error {
	return &identity.Error{Reason: ReasonExists, Detail: "somebody with that number is known here, perhaps by another name"}
}

func noSource() error {
	return &identity.Error{Reason: ReasonSource, Detail: "the client has no source of people that is known here"}
}
