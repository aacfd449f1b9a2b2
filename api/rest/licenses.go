package rest

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/registry"
	"yizheng.internal/oidc"
	"yizheng.internal/signing/journal"
)

// licenses serves licenses of the caller's own participant.
type licenses struct{ registry *registry.Service }

func (x *licenses) licenseEndpoints() []endpoint {
	version := openapi.Parameter{Name: "version", Text: "of the license; without it the newest", Kind: "integer"}
	key := func(required bool) openapi.Parameter {
		return openapi.Parameter{Name: openapi.IdempotencyKey, Kind: "string", Required: required,
			Text: "1 to 128 visible ASCII characters, new for each new request. A repeated request with the same key gets the first one's answer, with Idempotency-Replayed: true. A key is kept for 48 hours at least; from then on it may be that of a new request."}
	}
	match := func(required bool) openapi.Parameter {
		return openapi.Parameter{Name: ifMatch, Kind: "string", Required: required,
			Text: "The ETag of the license as you read it, in its quotes. If it was changed since, the answer is 412 `revision_mismatch`, and nothing is done."}
	}
	changing := []openapi.Parameter{key(false), match(false)}
	return []endpoint{
		{openapi.Endpoint{Method: "POST", Path: "/v1/licenses", ID: "issue", Tag: "Licenses", Summary: "Issue a license",
			Text: "Checks, signs with the authority's SM2 key and stores in one step. `credential` is the SD-JWT of docs/credential-profile.md; " +
				"`verification_code` is to be printed on the license.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseIssue, Headers: []openapi.Parameter{key(true)}, Status: http.StatusCreated, Replays: true, Revised: true,
			In: typeOf[IssueRequest](), Most: largeBody, Out: typeOf[Issued]()}, x.issue},
		{openapi.Endpoint{Method: "POST", Path: "/v1/licenses/search", ID: "search", Tag: "Licenses", Summary: "Find licenses of your participant",
			Text:  "By identifier, by number and type, by a holder's code, by type, state and day of creation. Newest first, page by page.",
			Scope: oidc.ScopeLicenseRead, Action: journal.ActionLicenseSearch,
			In: typeOf[SearchRequest](), Most: smallBody, Out: typeOf[SearchResult]()}, x.search},
		{openapi.Endpoint{Method: "GET", Path: "/v1/licenses/{id}", ID: "read", Tag: "Licenses", Summary: "Read a license",
			Scope: oidc.ScopeLicenseRead, Action: journal.ActionLicenseRead, Query: []openapi.Parameter{version}, Revised: true, Out: typeOf[License]()}, x.read},
		{openapi.Endpoint{Method: "POST", Path: "/v1/licenses/{id}/replace", ID: "replace", Tag: "Licenses", Summary: "Change, renew, correct or reinstate a license",
			Text: "Makes the next version from the whole content given; the one before it is superseded in the same step. A suspended license stays suspended. " +
				"A license keeps its holders: 409 `subject_changed`. `If-Match` must name the revision that you read, or the answer is 428 `if_match_missing`. " +
				"Your participant must be among the authorities of the type as it is now.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseReplace, Headers: []openapi.Parameter{key(false), match(true)}, Replays: true, Revised: true,
			In: typeOf[ReplaceRequest](), Most: largeBody, Out: typeOf[Issued]()}, x.replace},
		{openapi.Endpoint{Method: "POST", Path: "/v1/licenses/{id}/suspend", ID: "suspend", Tag: "Licenses", Summary: "Suspend a license 暂扣",
			Text:  "With the legal document it rests on.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseSuspend, Headers: changing, Replays: true, Revised: true,
			In: typeOf[SuspendRequest](), Most: smallBody, Out: typeOf[License]()}, x.suspend},
		{openapi.Endpoint{Method: "POST", Path: "/v1/licenses/{id}/resume", ID: "resume", Tag: "Licenses", Summary: "Put a suspended license back in force",
			Text:  "Your participant must be among the authorities of the type as it is now.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseResume, Headers: changing, Replays: true, Revised: true,
			In: typeOf[ResumeRequest](), Most: smallBody, Out: typeOf[License]()}, x.resume},
		{openapi.Endpoint{Method: "POST", Path: "/v1/licenses/{id}/end", ID: "end", Tag: "Licenses", Summary: "End a license for good",
			Text:  endingKinds() + "; with the legal document it rests on. Its number is free from then on.",
			Scope: oidc.ScopeLicenseIssue, Action: journal.ActionLicenseEnd, Headers: changing, Replays: true, Revised: true,
			In: typeOf[EndRequest](), Most: smallBody, Out: typeOf[License]()}, x.end},
		{openapi.Endpoint{Method: "GET", Path: "/v1/licenses/{id}/history", ID: "history", Tag: "Licenses", Summary: "Read what was done with a license",
			Text: "Every change, reading and refusal, oldest first. Where another department read the license by a use code, or its holder looked at it on the portal, " +
				"you see `action`, time, version and whether it was refused: not who, by which grant or for which case. The holder sees that in the access records 用证记录.",
			Scope: oidc.ScopeLicenseRead, Action: journal.ActionLicenseHistory,
			Query: []openapi.Parameter{{Name: "after", Text: "only entries with a greater seq", Kind: "integer"}, limitParameter},
			Out:   typeOf[history]()}, x.history},
		{openapi.Endpoint{Method: "GET", Path: "/v1/licenses/{id}/credential", ID: "read-credential", Tag: "Licenses", Summary: "Read the signed credential",
			Scope: oidc.ScopeLicenseRead, Action: journal.ActionLicenseCredential, Query: []openapi.Parameter{version},
			Media: "application/dc+sd-jwt"}, x.credential},
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

// id is the license in the path.
func (c *call) id() audit.ID { return audit.ID(c.r.PathValue("id")) }

// idempotencyKey returns the header's value; two of them are one too many.
func (c *call) idempotencyKey() (string, error) {
	keys := c.r.Header.Values(openapi.IdempotencyKey)
	if len(keys) > 1 {
		return "", problem.Refuse(http.StatusBadRequest, "idempotency_key", "There must be one Idempotency-Key.")
	}
	return cmp.Or(keys...), nil
}

func (x *licenses) issue(c *call) error {
	key, err := c.idempotencyKey()
	if err != nil {
		return err
	}
	if key == "" {
		return problem.Refuse(http.StatusBadRequest, "idempotency_key_missing", "An Idempotency-Key is required, so that a repeated request issues no second license.")
	}
	var q IssueRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	if c.r.Header.Get(ifMatch) != "" {
		return problem.Refuse(http.StatusBadRequest, "if_match", "A license that is issued has no revision yet: leave If-Match out.")
	}
	out, err := x.registry.Issue(c.ctx(), c.actor(), registry.IssueRequest(q), key)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "/v1/licenses/"+string(out.ID))
	return c.issued(out)
}

func (x *licenses) replace(c *call) error {
	on, err := c.terms()
	if err != nil {
		return err
	}
	var q ReplaceRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	out, err := x.registry.Replace(c.ctx(), c.actor(), c.id(), registry.ReplaceRequest(q), on)
	if err != nil {
		return err
	}
	return c.issued(out)
}

func (c *call) issued(out registry.Issued) error {
	c.revised(out.Revision, out.Replayed)
	return c.reply(Issued(out))
}

// revised sets the headers of an answer that names a license's revision.
func (c *call) revised(revision int64, replayed bool) {
	if revision > 0 { // 0: answered before revisions were kept
		c.w.Header().Set("ETag", `"`+strconv.FormatInt(revision, 10)+`"`)
	}
	if replayed {
		c.w.Header().Set("Idempotency-Replayed", "true")
	}
}

func (x *licenses) suspend(c *call) error {
	var q SuspendRequest
	return c.changeState(&q, func(on registry.Terms) (registry.Changed, error) {
		return x.registry.Suspend(c.ctx(), c.actor(), c.id(), registry.SuspendRequest(q), on)
	})
}

func (x *licenses) resume(c *call) error {
	var q ResumeRequest
	return c.changeState(&q, func(on registry.Terms) (registry.Changed, error) {
		return x.registry.Resume(c.ctx(), c.actor(), c.id(), registry.ResumeRequest(q), on)
	})
}

func (x *licenses) end(c *call) error {
	var q EndRequest
	return c.changeState(&q, func(on registry.Terms) (registry.Changed, error) {
		return x.registry.End(c.ctx(), c.actor(), c.id(), registry.EndRequest(q), on)
	})
}

// changeState serves a change of a license's state: it reads the body into q, and then makes
// the change.
func (c *call) changeState(q any, change func(registry.Terms) (registry.Changed, error)) error {
	on, err := c.terms()
	if err != nil {
		return err
	}
	if err := c.decode(q); err != nil {
		return err
	}
	changed, err := change(on)
	if err != nil {
		return err
	}
	c.revised(changed.Revision, changed.Replayed)
	return c.reply(licenseOf(changed.License))
}

func (x *licenses) search(c *call) error {
	var q SearchRequest
	if err := c.decode(&q); err != nil {
		return err
	}
	found, err := x.registry.Search(c.ctx(), c.actor(), registry.SearchRequest(q))
	if err != nil {
		return err
	}
	return c.reply(searchResultOf(found))
}

// version returns the query's version, 0 for the newest.
func (c *call) version() (int, error) {
	if err := c.checkQuery(); err != nil {
		return 0, err
	}
	v, err := c.integer("version", 1, 999, 0)
	return int(v), err
}

func (x *licenses) read(c *call) error {
	version, err := c.version()
	if err != nil {
		return err
	}
	l, err := x.registry.Read(c.ctx(), c.actor(), c.id(), version)
	if err != nil {
		return err
	}
	c.revised(l.Revision, false)
	return c.reply(licenseOf(l))
}

func (x *licenses) credential(c *call) error {
	version, err := c.version()
	if err != nil {
		return err
	}
	credential, err := x.registry.Credential(c.ctx(), c.actor(), c.id(), version)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", c.e.Media)
	return c.send([]byte(credential))
}

func (x *licenses) history(c *call) error {
	if err := c.checkQuery(); err != nil {
		return err
	}
	after, err := c.integer("after", 0, 1<<62, 0)
	if err != nil {
		return err
	}
	limit, err := c.integer("limit", 1, 100, 20)
	if err != nil {
		return err
	}
	events, err := x.registry.History(c.ctx(), c.actor(), c.id(), after, int(limit))
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
	return c.reply(page)
}
