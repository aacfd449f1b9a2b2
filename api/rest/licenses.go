package rest

import (
	"net/http"
	"reflect"
	"strings"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license"
	"yizheng.internal/license/registry"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

// licenses serves licenses of the caller's own participant.
type licenses struct{ registry *registry.Service }

func (x *licenses) licenseEndpoints() []call.Endpoint {
	version := openapi.Parameter{Name: "version", Text: "of the license; without it the newest", Kind: "integer"}
	key := func(required bool) openapi.Parameter {
		return openapi.Parameter{Name: openapi.IdempotencyKey, Kind: "string", Required: required,
			Text: "1 to 128 visible ASCII characters, new for each new request. A repeated request with the same key gets the first one's answer, with Idempotency-Replayed: true. A key is kept for 48 hours at least; from then on it may be that of a new request."}
	}
	match := func(required bool) openapi.Parameter {
		return openapi.Parameter{Name: call.IfMatch, Kind: "string", Required: required,
			Text: "The ETag of the license as you read it, in its quotes. If it was changed since, the answer is 412 `revision_mismatch`, and nothing is done."}
	}
	changing := []openapi.Parameter{key(false), match(false)}
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/licenses", ID: "issue", Tag: "Licenses", Summary: "Issue a license",
			Text: "Checks, signs with the authority's SM2 key and stores in one step. `credential` is the SD-JWT of docs/credential-profile.md; " +
				"`verification_code` is to be printed on the license.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseIssue, Headers: []openapi.Parameter{key(true)}, Status: http.StatusCreated, Replays: true, Revised: true,
			In: reflect.TypeFor[IssueRequest](), Most: call.LargeBody, Out: reflect.TypeFor[Issued]()}, Serve: x.issue},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/licenses/search", ID: "search", Tag: "Licenses", Summary: "Find licenses of your participant",
			Text:  "By identifier, by number and type, by a holder's code, by type, state and day of creation. Newest first, page by page.",
			Scope: oidc.ScopeLicenseRead, Action: journal.ActionLicenseSearch,
			In: reflect.TypeFor[SearchRequest](), Most: call.SmallBody, Out: reflect.TypeFor[SearchResult]()}, Serve: x.search},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/licenses/{id}", ID: "read", Tag: "Licenses", Summary: "Read a license",
			Scope: oidc.ScopeLicenseRead, Action: journal.ActionLicenseRead, Query: []openapi.Parameter{version}, Revised: true, Out: reflect.TypeFor[License]()}, Serve: x.read},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/licenses/{id}/replace", ID: "replace", Tag: "Licenses", Summary: "Change, renew, correct or reinstate a license",
			Text: "Makes the next version from the whole content given; the one before it is superseded in the same step. A suspended license stays suspended. " +
				"A license keeps its holders: 409 `subject_changed`. `If-Match` must name the revision that you read, or the answer is 428 `if_match_missing`. " +
				"Your participant must be among the authorities of the type as it is now.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseReplace, Headers: []openapi.Parameter{key(false), match(true)}, Replays: true, Revised: true,
			In: reflect.TypeFor[ReplaceRequest](), Most: call.LargeBody, Out: reflect.TypeFor[Issued]()}, Serve: x.replace},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/licenses/{id}/suspend", ID: "suspend", Tag: "Licenses", Summary: "Suspend a license 暂扣",
			Text:  "With the legal document it rests on.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseSuspend, Headers: changing, Replays: true, Revised: true,
			In: reflect.TypeFor[SuspendRequest](), Most: call.SmallBody, Out: reflect.TypeFor[License]()}, Serve: x.suspend},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/licenses/{id}/resume", ID: "resume", Tag: "Licenses", Summary: "Put a suspended license back in force",
			Text:  "Your participant must be among the authorities of the type as it is now.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseResume, Headers: changing, Replays: true, Revised: true,
			In: reflect.TypeFor[ResumeRequest](), Most: call.SmallBody, Out: reflect.TypeFor[License]()}, Serve: x.resume},
		{Endpoint: openapi.Endpoint{Method: "POST", Path: "/v1/licenses/{id}/end", ID: "end", Tag: "Licenses", Summary: "End a license for good",
			Text:  endingKinds() + "; with the legal document it rests on. Its number is free from then on.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseEnd, Headers: changing, Replays: true, Revised: true,
			In: reflect.TypeFor[EndRequest](), Most: call.SmallBody, Out: reflect.TypeFor[License]()}, Serve: x.end},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/licenses/{id}/history", ID: "history", Tag: "Licenses", Summary: "Read what was done with a license",
			Text: "Every change, reading and refusal, oldest first. Where another department read the license by a use code, or its holder looked at it on the portal, " +
				"you see `action`, time, version and whether it was refused: not who, by which grant or for which case. The holder sees that in the access records 用证记录.",
			Scope: oidc.ScopeLicenseRead, Action: journal.ActionLicenseHistory,
			Query: []openapi.Parameter{{Name: "after", Text: "only entries with a greater seq", Kind: "integer"}, limitParameter},
			Out:   reflect.TypeFor[history]()}, Serve: x.history},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/licenses/{id}/credential", ID: "read-credential", Tag: "Licenses", Summary: "Read the signed credential",
			Scope: oidc.ScopeLicenseRead, Action: journal.ActionLicenseCredential, Query: []openapi.Parameter{version},
			Media: "application/dc+sd-jwt"}, Serve: x.credential},
	}
}

// endingKinds names the kinds of endings, each after what the law calls it.
func endingKinds() string {
	var names []string
	for _, k := range license.EndingKinds() {
		names = append(names, k.Chinese+" "+string(k.Kind))
	}
	return strings.Join(names, ", ")
}

// history is one page of a license's history.
type history struct {
	Events []Event `json:"events" doc:"oldest first"`
	Next   int64   `json:"next,omitzero" doc:"the after of the next page; absent on the last"`
}

// terms returns the terms of a change: the request's Idempotency-Key and If-Match.
func terms(c *call.Call) (on registry.Terms, err error) {
	if on.Key, err = c.IdempotencyKey(); err != nil {
		return on, err
	}
	on.Revisions, err = c.Revisions()
	return on, err
}

func (x *licenses) issue(c *call.Call) error {
	key, err := c.IdempotencyKey()
	if err != nil {
		return err
	}
	if key == "" {
		return problem.Refuse(http.StatusBadRequest, "idempotency_key_missing", "An Idempotency-Key is required, so that a repeated request issues no second license.")
	}
	var q IssueRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	if c.Request.Header.Get(call.IfMatch) != "" {
		return problem.Refuse(http.StatusBadRequest, "if_match", "A license that is issued has no revision yet: leave If-Match out.")
	}
	out, err := x.registry.Issue(c.Context(), c.Actor(), registry.IssueRequest(q), key)
	if err != nil {
		return err
	}
	c.Header().Set("Location", "/v1/licenses/"+string(out.ID))
	return issued(c, out)
}

func (x *licenses) replace(c *call.Call) error {
	on, err := terms(c)
	if err != nil {
		return err
	}
	var q ReplaceRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	out, err := x.registry.Replace(c.Context(), c.Actor(), c.License(), registry.ReplaceRequest(q), on)
	if err != nil {
		return err
	}
	return issued(c, out)
}

func issued(c *call.Call, out registry.Issued) error {
	revised(c, out.Revision, out.Replayed)
	return c.Reply(Issued(out))
}

// revised sets the headers of an answer that names a license's revision.
func revised(c *call.Call, revision int64, replayed bool) {
	c.Revised(revision) // 0: answered before revisions were kept
	if replayed {
		c.Header().Set("Idempotency-Replayed", "true")
	}
}

func (x *licenses) suspend(c *call.Call) error {
	var q SuspendRequest
	return changeState(c, &q, func(on registry.Terms) (registry.Changed, error) {
		return x.registry.Suspend(c.Context(), c.Actor(), c.License(), registry.SuspendRequest(q), on)
	})
}

func (x *licenses) resume(c *call.Call) error {
	var q ResumeRequest
	return changeState(c, &q, func(on registry.Terms) (registry.Changed, error) {
		return x.registry.Resume(c.Context(), c.Actor(), c.License(), registry.ResumeRequest(q), on)
	})
}

func (x *licenses) end(c *call.Call) error {
	var q EndRequest
	return changeState(c, &q, func(on registry.Terms) (registry.Changed, error) {
		return x.registry.End(c.Context(), c.Actor(), c.License(), registry.EndRequest(q), on)
	})
}

// changeState serves a change of a license's state: it reads the body into q, and then makes
// the change.
func changeState(c *call.Call, q any, change func(registry.Terms) (registry.Changed, error)) error {
	on, err := terms(c)
	if err != nil {
		return err
	}
	if err := c.Decode(q); err != nil {
		return err
	}
	changed, err := change(on)
	if err != nil {
		return err
	}
	revised(c, changed.Revision, changed.Replayed)
	return c.Reply(licenseOf(changed.License))
}

func (x *licenses) search(c *call.Call) error {
	var q SearchRequest
	if err := c.Decode(&q); err != nil {
		return err
	}
	found, err := x.registry.Search(c.Context(), c.Actor(), registry.SearchRequest(q))
	if err != nil {
		return err
	}
	return c.Reply(searchResultOf(found))
}

// version returns the query's version, 0 for the newest.
func version(c *call.Call) (int, error) {
	if err := c.CheckQuery(); err != nil {
		return 0, err
	}
	v, err := c.Integer("version", 1, 999, 0)
	return int(v), err
}

func (x *licenses) read(c *call.Call) error {
	version, err := version(c)
	if err != nil {
		return err
	}
	l, err := x.registry.Read(c.Context(), c.Actor(), c.License(), version)
	if err != nil {
		return err
	}
	revised(c, l.Revision, false)
	return c.Reply(licenseOf(l))
}

func (x *licenses) credential(c *call.Call) error {
	version, err := version(c)
	if err != nil {
		return err
	}
	credential, err := x.registry.Credential(c.Context(), c.Actor(), c.License(), version)
	if err != nil {
		return err
	}
	c.Header().Set("Content-Type", c.Endpoint.Media)
	return c.Send([]byte(credential))
}

func (x *licenses) history(c *call.Call) error {
	if err := c.CheckQuery(); err != nil {
		return err
	}
	after, err := c.Integer("after", 0, 1<<62, 0)
	if err != nil {
		return err
	}
	limit, err := c.Integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	events, err := x.registry.History(c.Context(), c.Actor(), c.License(), after, int(limit))
	if err != nil {
		return err
	}
	page := history{Events: make([]Event, len(events))}
	for i, e := range events {
		page.Events[i] = Event(e)
	}
	if n := len(events); n == int(limit) {
		page.Next = events[n-1].Seq
	}
	return c.Reply(page)
}
