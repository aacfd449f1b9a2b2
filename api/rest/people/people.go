// Package people is the part of the REST API that is about people of a client's sources: bringing them in,
// finding and reading them, and changing them by the revision that the client has read. How an
// account comes to be and changes is oidc/identity/registrar's affair.
package people

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"time"

	"yizheng.internal/api/limit"
	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/oidc/identity/intake"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/signing/journal"
)

// Config says what People works with.
type Config struct {
	Registrar *registrar.Service
	Acting    *acting.Service                                           // nil: nobody acts for others
	Client    func(ctx context.Context, id string) (oidc.Client, error) // as it is registered now
	Askers    *limit.Rate                                               // of requests, by client
}

// People serves people of the caller's sources. Safe for concurrent use.
type People struct {
	c Config
}

// New returns what serves people.
func New(c Config) *People { return &People{c} }

// Endpoints returns what there is about people. Of a nil x it returns what the document says of them.
func (x *People) Endpoints() []call.Endpoint {
	return slices.Concat(x.readEndpoints(), x.changeEndpoints(), x.representationEndpoints())
}

// readEndpoints are those that find and read somebody, or bring them in.
func (x *People) readEndpoints() []call.Endpoint {
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/find", ID: "find-person", Tag: "People", Summary: "Find a person by a number",
			Text: "By the exact number of a document, one that they hold or have held. Of people of other sources the answer is the same as of nobody: 404 `person_unknown`. " +
				"Each request leaves an event.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionPersonFind, Revised: true,
			In: reflect.TypeFor[FindPersonRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Person]()}, Serve: x.find},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people", ID: "create-person", Tag: "People", Summary: "Bring a person in",
			Text: "Makes an account of a record of your source, the first one that your client has. The same record with the same content, sent again, gives the person as they are now, with 200. " +
				"Somebody who is known here already is refused, whatever their name: 409 `person_exists`. They set their password at a counter, or by a link from the operator.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionAccountImport, Revised: true, Created: true,
			In: reflect.TypeFor[NewPersonRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Person]()}, Serve: x.create},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/admin/people/{person}", ID: "read-person", Tag: "People", Summary: "Read what is known of a person",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionPersonRead, Revised: true, Out: reflect.TypeFor[Person]()}, Serve: x.read},
	}
}

// FindPersonRequest finds a person.
type FindPersonRequest struct {
	Code party.Code `json:"code" doc:"the number of a document that the person holds or has held"`
}

// NewPersonRequest is a record of a source, of which an account is made.
type NewPersonRequest struct {
	RecordID  string     `json:"record_id" doc:"the record's id in your system, 1 to 64 visible characters; it makes the request repeatable"`
	Name      string     `json:"name" doc:"the whole name as the document has it, 1 to 200 characters"`
	Code      party.Code `json:"code" doc:"the number of the document"`
	Phone     string     `json:"phone,omitempty" doc:"mobile phone: 11 digits, or + with the country's code; nobody else's"`
	LoginName string     `json:"login_name,omitempty" doc:"3 to 64 letters, digits, or . _ - @; nobody else's"`
	Level     int        `json:"level" doc:"how well your system proofed the identity: 1 初级, 2 中级, 3 高级; no higher than what the operator allows"`
	ProofedOn party.Date `json:"proofed_on,omitzero" doc:"the day of the proofing; absent: not known"`
}

// Person is what a client sees of a person of its sources.
type Person struct {
	ID          string       `json:"id" doc:"opaque; all that URLs carry"`
	Source      string       `json:"source" doc:"the source of whose record the account was made"`
	Name        string       `json:"name" doc:"the whole name, rare characters as they are"`
	FormerNames []string     `json:"former_names,omitempty" doc:"曾用名, the latest first"`
	Codes       []PersonCode `json:"codes" doc:"the numbers of documents, former ones too; the first is the one that counts today"`
	Level       int          `json:"level" doc:"how well the identity is proofed: 0 not, 1 初级, 2 中级, 3 高级"`
	Closed      *Closing     `json:"closed,omitempty"     doc:"why and since when the account is closed; absent: it isn't"`
	Disabled    bool         `json:"disabled" doc:"the person can't log in"`
	Revision    int64        `json:"revision" doc:"counts changes; the ETag, for If-Match"`
	CreatedAt   time.Time    `json:"created_at" doc:"when the account was made"`
	UpdatedAt   time.Time    `json:"updated_at" doc:"when anything of it last changed, by whomever"`
}

// Closing is why an account is closed.
type Closing struct {
	Kind identity.ClosingKind `json:"kind" doc:"注销 closed; deceased: the person has died; merged: their other account has the numbers" enum:"closed,deceased,merged"`
	On   party.Date           `json:"on" doc:"the day of it"`
}

// PersonCode is the number of a person's document.
type PersonCode struct {
	Type  party.CodeType `json:"type" doc:"of the code (GB/T 36903 annex A), such as 111 公民身份号码"`
	Value string         `json:"value" doc:"the whole code"`
	From  party.Date     `json:"from,omitzero" doc:"the first day on which the person held it; absent: not known"`
	Until party.Date     `json:"until,omitzero" doc:"the last day; absent: it is held"`
}

// personOf returns somebody as is answered.
func personOf(who identity.Someone) Person {
	p := Person{
		ID: who.Account.ID, Source: who.Account.Origin(), Name: who.Party.Name, FormerNames: who.Party.FormerNames, Level: who.Account.Proofing.Level,
		Disabled: who.Account.Disabled, Revision: who.Account.Revision, CreatedAt: who.Account.Created, UpdatedAt: who.Account.Updated,
	}
	if of := who.Account.Closed; of.Kind != "" {
		p.Closed = &Closing{of.Kind, of.On}
	}
	for _, c := range who.Party.Codes {
		p.Codes = append(p.Codes, PersonCode{c.Type, c.Value, c.From, c.Until})
	}
	return p
}

// caller returns who asks, as registered now, and counts the request. A token outlives what a client is
// registered for by some minutes, so the client is asked about each time.
func (x *People) caller(c *call.Call) (registrar.Caller, error) {
	if wait := x.c.Askers.WaitKey(c.Access.Client, 0, time.Now()); wait > 0 {
		return registrar.Caller{}, problem.Later(http.StatusTooManyRequests, "people_limited", "Too many requests about people by this client. Try again after Retry-After.", problem.Seconds(wait))
	}
	cl, err := x.c.Client(c.Context(), c.Access.Client)
	if err != nil {
		return registrar.Caller{}, err
	}
	if len(cl.PeopleSources) == 0 || c.Access.Party != "" {
		return registrar.Caller{}, noSource()
	}
	return registrar.Caller{Actor: cl.ID, RequestID: problem.RequestID(c.Context()), Sources: cl.PeopleSources, Level: cl.PeopleLevel}, nil
}

func noSource() error {
	return problem.Refuse(http.StatusForbidden, "source_missing", "The client is registered for no source of people that is known here. The operator registers one.")
}

// unknownPerson is what is told of somebody who isn't there, or isn't the caller's.
func unknownPerson(err error) error {
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == registrar.ReasonUnknown {
		return problem.Refuse(http.StatusNotFound, "person_unknown", "There is nobody with that id or number, or nobody of your sources.")
	}
	return err
}

func (x *People) find(c *call.Call) error {
	by, err := x.caller(c)
	if err != nil {
		return err
	}
	var q FindPersonRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	who, err := x.c.Registrar.Find(c.Context(), by, q.Code)
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == registrar.ReasonCode {
		return problem.RefuseAt(http.StatusUnprocessableEntity, "code_invalid", "That is not the number of a person's document of that type.", "/code")
	}
	if err != nil {
		return unknownPerson(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}

func (x *People) read(c *call.Call) error {
	by, err := x.caller(c)
	if err != nil {
		return err
	}
	if err := c.CheckQuery(); err != nil {
		return err
	}
	who, err := x.c.Registrar.Read(c.Context(), by, c.Person())
	if err != nil {
		return unknownPerson(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}

func (x *People) create(c *call.Call) error {
	by, err := x.caller(c)
	if err != nil {
		return err
	}
	var q NewPersonRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	who, made, err := x.c.Registrar.Create(c.Context(), by, registrar.Newcomer{
		Record: q.RecordID, Name: q.Name, Code: q.Code, Phone: q.Phone, LoginName: q.LoginName, Level: q.Level, Proofed: q.ProofedOn,
	})
	if err != nil {
		return refusedNewcomer(err)
	}
	c.Header().Set("Location", "/v1/admin/people/"+who.Account.ID)
	if made {
		return somebody(c, http.StatusCreated, who)
	}
	return somebody(c, http.StatusOK, who)
}

// refusedNewcomer is what is told of somebody who can't be brought in.
func refusedNewcomer(err error) error {
	if e, ok := errors.AsType[*identity.Error](err); ok {
		switch e.Reason {
		case registrar.ReasonSource:
			return noSource()
		case registrar.ReasonExists:
			return problem.Refuse(http.StatusConflict, "person_exists", "Somebody with that number is known here, perhaps by another name.")
		}
	}
	r, ok := errors.AsType[*intake.Refusal](err)
	if !ok {
		return err
	}
	switch r.Reason {
	case intake.RecordInvalid, intake.Rounded:
		return problem.Refuse(http.StatusUnprocessableEntity, "record_id_invalid", "A record's id has 1 to 64 visible characters, and no exponent as spreadsheets make.")
	case intake.NameLost, intake.Formula:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "name_invalid", "A name has 1 to 200 visible characters, none of them lost to another encoding.", "/name")
	case intake.TypeUnknown, intake.CodeInvalid:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "code_invalid", "That is not the number of a person's document of that type.", "/code")
	case intake.PhoneInvalid:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "phone_invalid", "A phone is that of a mobile phone, 11 digits, or + with the country's code.", "/phone")
	case intake.LoginInvalid:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "login_name_invalid", "A login name has 3 to 64 letters, digits, or . _ - @, begins with a letter and looks like no number.", "/login_name")
	case intake.LevelInvalid:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "level_invalid", "The level is 1, 2 or 3.", "/level")
	case intake.DateInvalid:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "date_invalid", "The day of the proofing is in the future, or before 1949.", "/proofed_on")
	case intake.LevelTooHigh:
		return problem.Refuse(http.StatusForbidden, "level_too_high", "The level is above the highest of your source or of your client.")
	case intake.RecordDiffers:
		return problem.Refuse(http.StatusConflict, "record_differs", "The record came before and said something else: change the person instead.")
	case intake.PhoneTaken:
		return problem.Refuse(http.StatusConflict, "phone_taken", "Somebody else logs in with that phone.")
	case intake.LoginTaken:
		return problem.Refuse(http.StatusConflict, "login_name_taken", "Somebody else has that login name.")
	}
	return err
}

// somebody answers with a person.
func somebody(c *call.Call, status int, who identity.Someone) error {
	c.Revised(who.Account.Revision)
	return c.ReplyAs(status, personOf(who))
}
