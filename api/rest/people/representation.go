package people

import (
	"net/http"
	"reflect"
	"time"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/acting"
	"yizheng.internal/signing/journal"
)

// RepresentationTag is that of the endpoints about who may act for whom.
const RepresentationTag = "Representations"

// representationEndpoints are those of who may act for whom, of which a clerk checked the evidence.
func (x *People) representationEndpoints() []call.Endpoint {
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/representations", ID: "enter-representation", Tag: RepresentationTag, Summary: "Enter who may act for whom",
			Text: "For what a clerk of yours has checked, such as a guardian's papers. It is in force at once. The representative and who is represented are people with accounts of your sources, the former proofed to level 2 or more, " +
				"and so is the level that your client may give. Who acts for an organization, an operator enters. What licenses of the registry prove needs no entry.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionRepresentationEnter, Created: true,
			In: reflect.TypeFor[NewRepresentation](), Most: call.SmallBody, Out: reflect.TypeFor[Representation]()}, Serve: x.enterRepresentation},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/representations/find", ID: "find-representations", Tag: RepresentationTag, Summary: "Find the representations of a party by a code",
			Text:  "By the exact code of either side: those whose representative is a person of your sources, and those that you entered, ended ones of the last 90 days too. Each request leaves an event.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionRepresentationFind,
			In: reflect.TypeFor[FindRepresentationsRequest](), Most: call.SmallBody, Out: reflect.TypeFor[RepresentationList]()}, Serve: x.findRepresentations},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/representations/{representation}/end", ID: "end-representation", Tag: RepresentationTag, Summary: "End a representation that you entered",
			Text:  "At once and everywhere. Ending what has ended changes nothing.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionRepresentationEnd,
			In: reflect.TypeFor[EndRepresentationRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Representation]()}, Serve: x.endRepresentation},
	}
}

// RepresentationParty is one side of a representation.
type RepresentationParty struct {
	Name string     `json:"name" doc:"the whole name"`
	Code party.Code `json:"code" doc:"the code by which the party was named"`
}

// NewRepresentation is a representation whose evidence a clerk checked.
type NewRepresentation struct {
	Kind           acting.Kind         `json:"kind" doc:"法定代表人、负责人、经营者 legal_representative, 管理员 administrator, 经办人 agent, 监护人 guardian, 受托人 entrusted" enum:"legal_representative,administrator,agent,guardian,entrusted"`
	Principal      RepresentationParty `json:"principal" doc:"who is represented: an organization for the first three kinds, a person for the others"`
	Representative RepresentationParty `json:"representative" doc:"who acts: a person of your sources"`
	Born           party.Date          `json:"born,omitzero" doc:"a child's date of birth, if its number doesn't say it"`
	Acts           []acting.Act        `json:"acts" doc:"apply 办理事项, view 查看证照" enum:"apply,view"`
	Items          []string            `json:"items,omitempty" doc:"only for these service items, by their codes; absent: for all"`
	Types          []string            `json:"types,omitempty" doc:"only for licenses of these types, by their codes; absent: for all"`
	From           party.Date          `json:"from,omitzero" doc:"the first day; absent: at once"`
	Until          party.Date          `json:"until,omitzero" doc:"the last day; absent: until it is ended"`
	Evidence       string              `json:"evidence" doc:"what was checked, 1 to 200 characters; kept with the representation"`
}

// FindRepresentationsRequest finds representations.
type FindRepresentationsRequest struct {
	Code party.Code `json:"code" doc:"the exact code of either side"`
}

// EndRepresentationRequest ends a representation.
type EndRepresentationRequest struct {
	Why string `json:"why" doc:"why, 1 to 200 characters; kept with the representation"`
}

// RepresentationList is what was found.
type RepresentationList struct {
	Items []Representation `json:"items" doc:"the newest first"`
}

// Representation is what a client sees of a representation.
type Representation struct {
	ID             string              `json:"id" doc:"opaque; all that URLs carry"`
	Kind           acting.Kind         `json:"kind" doc:"as it was entered" enum:"legal_representative,administrator,agent,guardian,entrusted"`
	State          acting.State        `json:"state" doc:"待接受 proposed, 有效 accepted, 已结束 ended; whether it may be used is looked at anew each time" enum:"proposed,accepted,ended"`
	Principal      RepresentationParty `json:"principal" doc:"who is represented"`
	Representative RepresentationParty `json:"representative" doc:"who acts"`
	Acts           []acting.Act        `json:"acts" doc:"for what" enum:"apply,view"`
	Items          []string            `json:"items,omitempty" doc:"only for these service items"`
	Types          []string            `json:"types,omitempty" doc:"only for licenses of these types"`
	From           party.Date          `json:"from,omitzero" doc:"the first day"`
	Until          party.Date          `json:"until,omitzero" doc:"the last day"`
	License        string              `json:"license,omitempty" doc:"the license that proved it when it was used first"`
	Evidence       string              `json:"evidence,omitempty" doc:"what a clerk checked"`
	EndedBy        acting.Reason       `json:"ended_by,omitempty" doc:"why it ended: a reason code"`
	CreatedAt      time.Time           `json:"created_at" doc:"when it was made"`
	UpdatedAt      time.Time           `json:"updated_at" doc:"when it was changed last"`
}

func representationOf(r acting.Representation) Representation {
	side := func(p acting.Party) RepresentationParty { return RepresentationParty{p.Name, p.Code} }
	return Representation{
		ID: r.ID, Kind: r.Kind, State: r.State, Principal: side(r.Principal), Representative: side(r.Representative), Acts: r.Acts, Items: r.Items, Types: r.Types,
		From: r.From, Until: r.Until, License: r.Proof.License, Evidence: r.Proof.Evidence, EndedBy: r.EndedBy, CreatedAt: r.Created, UpdatedAt: r.Updated,
	}
}

// clerk returns who asks; see caller.
func (x *People) clerk(c *call.Call) (acting.Clerk, error) {
	by, err := x.caller(c)
	return acting.Clerk{ID: by.Actor, RequestID: by.RequestID, System: true, Sources: by.Sources, Level: by.Level}, err
}

// refusedEntry is what is told of a representation that isn't entered.
func refusedEntry(err error) error {
	switch reasonOf(err) {
	case acting.ReasonMayNot:
		return problem.Refuse(http.StatusForbidden, "representation_may_not", "A client of level 2 or more enters guardians and who was entrusted, for people with an account of its own sources alone, by the name and number that they have there.")
	case acting.ReasonOfAge:
		return problem.Refuse(http.StatusUnprocessableEntity, "representation_of_age", "The child is of age.")
	case acting.ReasonUnproved:
		return problem.Refuse(http.StatusConflict, "representation_unproved", "A license of the registry names somebody else, or when the child was born isn't known.")
	case acting.ReasonAssurance:
		return problem.Refuse(http.StatusConflict, "representation_assurance", "Who the representative is isn't proofed to level 2.")
	case acting.ReasonEnded:
		return problem.Refuse(http.StatusConflict, "representation_ended", "The person who is represented has no account in force.")
	case acting.ReasonTwice:
		return problem.Refuse(http.StatusConflict, "representation_twice", "There is such a representation already.")
	case acting.ReasonTooMany:
		return problem.Refuse(http.StatusConflict, "representation_too_many", "Who is represented has too many representations.")
	}
	return noneSuch(err)
}

// noneSuch is what is told of a representation, or of a representative, that isn't there or isn't the caller's.
func noneSuch(err error) error {
	if reasonOf(err) == acting.ReasonUnknown {
		return problem.Refuse(http.StatusNotFound, "representation_unknown", "There is no such representation of yours, or no representative of that name and number among the people of your sources.")
	}
	return malformed(err)
}

// malformed is what is told of what can't be.
func malformed(err error) error {
	if reasonOf(err) == acting.ReasonMalformed {
		return problem.Refuse(http.StatusUnprocessableEntity, "representation_malformed", "What was given can't be such a representation, or doesn't fit what is known of the two: compare names, codes, kind, acts, days and evidence.")
	}
	return err
}

func (x *People) enterRepresentation(c *call.Call) error {
	by, err := x.clerk(c)
	if err != nil {
		return err
	}
	var q NewRepresentation
	if err := c.Decode(&q); err != nil {
		return err
	}
	side := func(p RepresentationParty) acting.Party { return acting.Party{Name: p.Name, Code: p.Code} }
	r, err := x.c.Acting.Enter(c.Context(), by, acting.Checked{
		Kind: q.Kind, Principal: side(q.Principal), Representative: side(q.Representative), Born: q.Born, Evidence: q.Evidence,
		Bounds: acting.Bounds{Acts: q.Acts, Items: q.Items, Types: q.Types, From: q.From, Until: q.Until},
	})
	if err != nil {
		return refusedEntry(err)
	}
	return c.ReplyAs(http.StatusCreated, representationOf(r))
}

func (x *People) findRepresentations(c *call.Call) error {
	by, err := x.clerk(c)
	if err != nil {
		return err
	}
	var q FindRepresentationsRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	all, err := x.c.Acting.OfCode(c.Context(), by, q.Code)
	if err != nil {
		return malformed(err)
	}
	list := RepresentationList{Items: make([]Representation, len(all))}
	for i, r := range all {
		list.Items[i] = representationOf(r)
	}
	return c.ReplyAs(c.Endpoint.Status, list)
}

func (x *People) endRepresentation(c *call.Call) error {
	by, err := x.clerk(c)
	if err != nil {
		return err
	}
	var q EndRepresentationRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	id := c.Request.PathValue("representation")
	if !identity.ValidID(id) {
		id = ""
	}
	r, err := x.c.Acting.EndByClerk(c.Context(), by, id, q.Why)
	if reasonOf(err) == acting.ReasonMayNot {
		return problem.Refuse(http.StatusConflict, "representation_may_not", "A license proves it: it ends with the license.")
	}
	if err != nil {
		return noneSuch(err)
	}
	return c.ReplyAs(c.Endpoint.Status, representationOf(r))
}
