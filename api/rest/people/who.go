package people

import (
	"errors"
	"net/http"

	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/party"
	"yizheng.internal/oidc/identity"
	"yizheng.internal/oidc/identity/registrar"
)

// NameRequest gives somebody another name.
type NameRequest struct {
	Name     string `json:"name" doc:"the whole name, 1 to 200 characters"`
	Evidence string `json:"evidence" doc:"on what it rests, 1 to 200 characters; kept with the name"`
}

// NewCodeRequest adds the number of a document.
type NewCodeRequest struct {
	Code     party.Code `json:"code" doc:"the number"`
	From     party.Date `json:"from,omitzero" doc:"the first day on which the person held it, today at the latest; absent: not known"`
	First    bool       `json:"first,omitzero" doc:"it is the one that counts from now on: departments see it at logins"`
	Evidence string     `json:"evidence" doc:"on what it rests, 1 to 200 characters; kept with the number"`
}

// EndCodeRequest ends the number of a document.
type EndCodeRequest struct {
	Code     party.Code `json:"code" doc:"the number"`
	Until    party.Date `json:"until,omitzero" required:"true" doc:"the last day on which the person held it, yesterday at the latest"`
	Evidence string     `json:"evidence" doc:"on what it rests, 1 to 200 characters; kept with the number"`
}

// CloseRequest closes an account.
type CloseRequest struct {
	Kind     string     `json:"kind" doc:"注销 closed: the person asked for it; deceased: they have died" enum:"closed,deceased"`
	On       party.Date `json:"on,omitzero" required:"true" doc:"the day of it, today at the latest"`
	Evidence string     `json:"evidence" doc:"on what it rests, 1 to 200 characters; kept with the account"`
}

// reasonOf returns the reason for which something is refused, or nothing.
func reasonOf(err error) identity.Reason {
	if e, ok := errors.AsType[*identity.Error](err); ok {
		return e.Reason
	}
	return ""
}

func (x *People) rename(c *call.Call) error {
	by, to, err := x.changing(c)
	if err != nil {
		return err
	}
	var q NameRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	who, err := x.c.Registrar.Rename(c.Context(), by, to, q.Name, q.Evidence)
	switch reasonOf(err) {
	case registrar.ReasonName:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "name_invalid", "A name has 1 to 200 visible characters.", "/name")
	case registrar.ReasonSame:
		return problem.Refuse(http.StatusConflict, "name_same", "The person has that name.")
	case registrar.ReasonMany:
		return tooMany()
	}
	if err != nil {
		return tooHigh(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}

func tooMany() error {
	return problem.Refuse(http.StatusConflict, "too_many", "The person has had 50 names or numbers. The operator can help.")
}

func badCode() error {
	return problem.RefuseAt(http.StatusUnprocessableEntity, "code_invalid", "That is not the number of a person's document of that type.", "/code")
}

func (x *People) addCode(c *call.Call) error {
	by, to, err := x.changing(c)
	if err != nil {
		return err
	}
	var q NewCodeRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	who, err := x.c.Registrar.AddCode(c.Context(), by, to, registrar.NewCode{Code: q.Code, From: q.From, Evidence: q.Evidence, First: q.First})
	switch reasonOf(err) {
	case registrar.ReasonCode:
		return badCode()
	case registrar.ReasonDates:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "days_invalid", "The first day lies in the future. Add the number on that day.", "/from")
	case registrar.ReasonMany:
		return tooMany()
	case registrar.ReasonHeld:
		return problem.Refuse(http.StatusConflict, "code_held", "The person has or had that number.")
	case registrar.ReasonNotYour:
		return problem.Refuse(http.StatusConflict, "operator_needed", "The person has or had a citizen's number. An operator adds another.")
	case registrar.ReasonTaken:
		return problem.Refuse(http.StatusConflict, "person_exists", "Somebody with that number is known here, perhaps by another name.")
	}
	if err != nil {
		return tooHigh(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}

func (x *People) endCode(c *call.Call) error {
	by, to, err := x.changing(c)
	if err != nil {
		return err
	}
	var q EndCodeRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	who, err := x.c.Registrar.EndCode(c.Context(), by, to, q.Code, q.Until, q.Evidence)
	switch reasonOf(err) {
	case registrar.ReasonCode:
		return badCode()
	case registrar.ReasonDates:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "days_invalid", "The last day is yesterday at the latest, and not before the first.", "/until")
	case registrar.ReasonForeign:
		return problem.Refuse(http.StatusNotFound, "code_unknown", "The person doesn't have that number.")
	case registrar.ReasonEnded:
		return problem.Refuse(http.StatusConflict, "code_ended", "The person doesn't have that number any more.")
	case registrar.ReasonLast:
		return problem.Refuse(http.StatusConflict, "code_last", "It is the only number that the person has. Add the new one first.")
	}
	if err != nil {
		return tooHigh(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}

func (x *People) closeAccount(c *call.Call) error {
	by, to, err := x.changing(c)
	if err != nil {
		return err
	}
	var q CloseRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	who, err := x.c.Registrar.Close(c.Context(), by, to, identity.Closing{Kind: identity.ClosingKind(q.Kind), On: q.On, Evidence: q.Evidence})
	switch reasonOf(err) {
	case registrar.ReasonKind:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "kind_invalid", "The kind is closed or deceased.", "/kind")
	case registrar.ReasonDates:
		return problem.RefuseAt(http.StatusUnprocessableEntity, "day_invalid", "The day is missing, or lies in the future.", "/on")
	}
	if err != nil {
		return unproven(err)
	}
	return somebody(c, c.Endpoint.Status, who)
}
