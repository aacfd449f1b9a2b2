package people

import (
	"errors"
	"net/http"
	"reflect"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/oidc"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
	"yizheng.internal/signing/journal"
)

// changeEndpoints are those that change somebody, by the revision that the caller has read.
func (x *People) changeEndpoints() []call.Endpoint {
	match := []openapi.Parameter{{Name: call.IfMatch, Kind: "string", Required: true,
		Text: "The ETag of the person as you read them, in its quotes. If they were changed since, by whomever, the answer is 412 `revision_mismatch`, and nothing is done."}}
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/merge", ID: "merge-people", Tag: "People", Summary: "Merge two people who are one",
			Text: "Each is named by an exact number. The one to keep gets the other's numbers and former names; the other's account is closed, and what was logged in to it ends. Both must be of your sources, and no higher proofed than you may proof. " +
				"Sent again it changes nothing, and gives the kept person with 200. It can't be undone by a request.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionPersonMerge, Revised: true,
			In: reflect.TypeFor[MergeRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Person]()}, Serve: x.merge},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/{person}/level", ID: "change-level", Tag: "People", Summary: "Change how well a person's identity is proofed",
			Text:  "Up or down, no higher than the operator allows the person's source and your client, and with what it rests on.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionPersonLevel, Headers: match, Revised: true,
			In: reflect.TypeFor[LevelRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Person]()}, Serve: x.level},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/{person}/close", ID: "close-person", Tag: "People", Summary: "Close a person's account",
			Text: "For good: 注销 closed, because the person asked for it, or deceased. What they logged in with is deleted; their numbers find them as before. " +
				"From then on nothing of them is changed: 409 `person_closed`. An operator opens an account again that was closed by mistake.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionPersonClose, Headers: match, Revised: true,
			In: reflect.TypeFor[CloseRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Person]()}, Serve: x.closeAccount},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/{person}/name", ID: "rename-person", Tag: "People", Summary: "Change a person's name",
			Text:  "The name before stays as a former one 曾用名.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionPersonRename, Headers: match, Revised: true,
			In: reflect.TypeFor[NameRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Person]()}, Serve: x.rename},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/{person}/codes", ID: "add-code", Tag: "People", Summary: "Add a number of a document",
			Text:  "One that the person holds now, such as the citizen number of a former permit holder. They log in with it as well.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionPersonCodeAdd, Headers: match, Revised: true,
			In: reflect.TypeFor[NewCodeRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Person]()}, Serve: x.addCode},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/{person}/codes/end", ID: "end-code", Tag: "People", Summary: "End a number of a document",
			Text:  "It stays with its dates and finds the person; nobody logs in with it any more. The last one that a person holds can't be ended: add the new one first.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionPersonCodeEnd, Headers: match, Revised: true,
			In: reflect.TypeFor[EndCodeRequest](), Most: call.SmallBody, Out: reflect.TypeFor[Person]()}, Serve: x.endCode},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/{person}/disable", ID: "disable-person", Tag: "People", Summary: "Keep a person from logging in",
			Text:  "Their sessions and offline access end within 2 seconds, everywhere.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionAccountDisable, Headers: match, Revised: true, Out: reflect.TypeFor[Person]()}, Serve: x.disable},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/admin/people/{person}/enable", ID: "enable-person", Tag: "People", Summary: "Let a person log in again",
			Text:  "What was logged in before stays ended. Whom an operator disabled, an operator enables.",
			Scope: oidc.ScopePeopleWrite, Action: journal.ActionAccountEnable, Headers: match, Revised: true, Out: reflect.TypeFor[Person]()}, Serve: x.enable},
	}
}

// LevelRequest changes how well somebody's identity is proofed.
type LevelRequest struct {
	Level    int    `json:"level" doc:"1 初级, 2 中级, 3 高级"`
	Evidence string `json:"evidence" doc:"on what it rests, 1 to 200 characters; kept with the level"`
}

// changing returns who asks for a change, and of whom.
func (x *People) changing(c *call.Call) (by registrar.Caller, to registrar.Target, err error) {
	if by, err = x.caller(c); err != nil {
		return by, to, err
	}
	if err = c.CheckQuery(); err != nil {
		return by, to, err
	}
	to.Account = c.Person()
	if to.Revisions, err = c.Revisions(); err == nil && len(to.Revisions) == 0 {
		err = problem.Refuse(http.StatusPreconditionRequired, "if_match_missing", "Send If-Match with the ETag of the person as you read them.")
	}
	return by, to, err
}

// refusedChange is what is told of a change that isn't made.
func refusedChange(err error) error {
	if e, ok := errors.AsType[*identity.Error](err); ok {
		switch e.Reason {
		case registrar.ReasonSource:
			return noSource()
		case identity.ReasonClosed:
			return problem.Refuse(http.StatusConflict, "person_closed", "The account was closed. An operator can open it again.")
		case registrar.ReasonTooHigh:
			return problem.Refuse(http.StatusForbidden, "level_too_high", aboveClient)
		case registrar.ReasonChanged:
			return problem.Refuse(http.StatusPreconditionFailed, "revision_mismatch", "The person was changed since you read them. Read them again, and repeat the change if it is still wanted.")
		}
	}
	return unknownPerson(err)
}

// aboveClient is what is told of a level, or of who has it.
const aboveClient = "The level, or that which the person has, is above the highest of your source or of your client."

// tooHigh is what is told of a level that the client may not give, or of somebody who has such a one.
func tooHigh(err error) error {
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == registrar.ReasonTooHigh {
		return problem.Refuse(http.StatusForbidden, "level_too_high", aboveClient)
	}
	return unproven(err)
}

// unproven is what is told of evidence that is none.
func unproven(err error) error {
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == registrar.ReasonEvidence {
		return problem.RefuseAt(http.StatusUnprocessableEntity, "evidence_invalid", "Say on what the change rests, in 1 to 200 visible characters.", "/evidence")
	}
	return refusedChange(err)
}

func (x *People) level(c *call.Call) error {
	by, to, err := x.changing(c)
	if err != nil {
		return err
	}
	var q LevelRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	who, err := x.c.Registrar.SetLevel(c.Context(), by, to, q.Level, q.Evidence)
	if e, ok := errors.AsType[*identity.Error](err); ok {
		switch e.Reason {
		case registrar.ReasonLevel:
			return problem.RefuseAt(http.StatusUnprocessableEntity, "level_invalid", "The level is 1, 2 or 3.", "/level")
		}
	}
	if err != nil {
		return tooHigh(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}

func (x *People) disable(c *call.Call) error {
	by, to, err := x.changing(c)
	if err != nil {
		return err
	}
	if err := c.NoBody(); err != nil {
		return err
	}
	who, err := x.c.Registrar.Disable(c.Context(), by, to, true)
	if err != nil {
		return refusedChange(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}

func (x *People) enable(c *call.Call) error {
	by, to, err := x.changing(c)
	if err != nil {
		return err
	}
	if err := c.NoBody(); err != nil {
		return err
	}
	who, err := x.c.Registrar.Disable(c.Context(), by, to, false)
	if e, ok := errors.AsType[*identity.Error](err); ok && e.Reason == registrar.ReasonOperator {
		return problem.Refuse(http.StatusConflict, "disabled_by_operator", "An operator disabled the account, and enables it again.")
	}
	if err != nil {
		return refusedChange(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}
