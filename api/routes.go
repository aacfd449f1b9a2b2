package api

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"yizheng.internal/api/oauth"
	"yizheng.internal/api/problem"
	"yizheng.internal/license"
	"yizheng.internal/license/credential"
	"yizheng.internal/oidc"
)

// routes lists everything that the public listener serves. Endpoints of the
// REST API pass through register, which adds them to the OpenAPI document.
func (s *Server) routes() (err error) {
	if s.problems, err = problem.NewWriter(problem.Config{Log: s.failing, Page: s.showError, Refused: s.countRefusal}); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	if err := s.providerRoutes(); err != nil {
		return err
	}
	s.mux.Handle("GET /docs", s.problems.Handle(s.documentation))
	s.mux.Handle("GET /v1/openapi.json", s.problems.Handle(s.openAPI))
	s.mux.Handle("/", s.problems.Handle(s.nowhere))

	s.describeSignOn()
	for _, es := range s.endpoints() {
		for _, e := range es {
			s.register(e)
		}
	}
	return nil
}

// countRefusal counts a request that was refused before a client was known.
func (s *Server) countRefusal(reason string) { s.metrics.refused.WithLabelValues(reason).Inc() }

// providerRoutes adds the endpoints of the OpenID provider.
func (s *Server) providerRoutes() (err error) {
	people, p := s.c.Identity != nil, s.c.Provider
	c := oauth.Config{
		Issuer: s.c.Issuer, Clients: p, Grants: p, Tokens: p, Requests: p, Refusals: p, People: people,
		Log: s.c.Log, Failing: s.failing, Address: s.address, Counted: s.countRefusal, Refusal: s.refusal, Step: s.step,
		Turn: func(a netip.Addr, size int) time.Duration { return s.askers.WaitAddress(a, size, time.Now()) },
		PushTurn: func(client string, size int) time.Duration {
			return s.pushers.WaitKey(client, size, time.Now())
		},
		Served: func(path string, status int, took time.Duration) {
			s.metrics.requests.WithLabelValues("GET "+path, class(status)).Observe(took.Seconds())
		},
	}
	if s.secure() {
		c.StrictTransport = strictTransport
	}
	if s.oauth, err = oauth.New(c); err != nil {
		return fmt.Errorf("api: %w", err)
	}
	s.mux.HandleFunc(oauth.TokenPath, s.oauth.Token)
	s.mux.HandleFunc(oauth.IntrospectionPath, s.oauth.Introspect)
	s.mux.HandleFunc(oauth.RevocationPath, s.oauth.Revoke)
	if people {
		s.mux.HandleFunc(oauth.PARPath, s.oauth.PushRequest)
		s.mux.Handle("GET "+oauth.UserInfoPath, s.problems.Handle(s.oauth.UserInfo))
		s.mux.Handle("POST "+oauth.UserInfoPath, s.problems.Handle(s.oauth.UserInfo))
	}
	for _, path := range s.oauth.Documents() {
		s.mux.Handle("GET "+path, s.problems.Handle(s.oauth.Document))
	}
	return nil
}

// endpoints lists the REST API, in groups.
func (s *Server) endpoints() [][]endpoint {
	return [][]endpoint{
		s.typeEndpoints(), s.itemEndpoints(), s.licenseEndpoints(), s.sharingEndpoints(), s.verifyEndpoints(), s.trustEndpoints(),
	}
}

func (s *Server) typeEndpoints() []endpoint {
	return []endpoint{
		{method: "GET", path: "/v1/license-types", id: "list-types", tag: "Catalog", summary: "List license types",
			text: "The newest version of each type, in order of code. Any client may read the catalog. Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts. A page ends before its limit where definitions are large: go on while there is next.", action: license.ActionTypeRead,
			query: []parameter{{name: "after", text: "only codes greater than this one", kind: "string"}, limitParameter},
			out:   typeOf[typeList](), serve: s.listTypes},
		{method: "GET", path: "/v1/license-types/{code}", id: "read-type", tag: "Catalog", summary: "Read a license type",
			text: "Drafts are there for clients of their own participant, with a token of client_credentials; for all others, and for tokens of people, the last version that was published counts.", action: license.ActionTypeRead,
			query: []parameter{{name: "version", text: "of the type's definition; without it the published one, else the newest", kind: "integer"}},
			out:   typeOf[license.Type](), serve: s.readType},
		{method: "PUT", path: "/v1/license-types/{code}", id: "put-type", tag: "Catalog", summary: "Write the draft of a license type",
			text: "The first version, or the one after the newest; a draft that is there is replaced. The code begins with your participant's unified social credit code, or with one that the operator delegated to it. " +
				"Only the participant that defined a type may change it. " +
				"`schema` is a JSON Schema (2020-12) of the face fields 照面信息: an object without additional properties.",
			scope: oidc.ScopeCatalogWrite, action: license.ActionTypePut, created: true,
			in: typeOf[license.Definition](), most: largeBody, out: typeOf[license.Type](), serve: s.putType},
		{method: "POST", path: "/v1/license-types/{code}/publish", id: "publish-type", tag: "Catalog", summary: "Publish the draft",
			text:  "Licenses are issued under it from now on; the version published before is retired. Licenses stay bound to the version they were issued under.",
			scope: oidc.ScopeCatalogWrite, action: license.ActionTypePubl, out: typeOf[license.Type](), serve: s.publishType},
		{method: "POST", path: "/v1/license-types/{code}/retire", id: "retire-type", tag: "Catalog", summary: "End issuing under a type",
			scope: oidc.ScopeCatalogWrite, action: license.ActionTypeRetire, out: typeOf[license.Type](), serve: s.retireType},
	}
}

func (s *Server) licenseEndpoints() []endpoint {
	version := parameter{name: "version", text: "of the license; without it the newest", kind: "integer"}
	key := func(required bool) parameter {
		return parameter{name: idempotencyKey, kind: "string", required: required,
			text: "1 to 128 visible ASCII characters, new for each new request. A repeated request with the same key gets the first one's answer, with Idempotency-Replayed: true. A key is kept for 48 hours at least; from then on it may be that of a new request."}
	}
	match := func(required bool) parameter {
		return parameter{name: ifMatch, kind: "string", required: required,
			text: "The ETag of the license as you read it, in its quotes. If it was changed since, the answer is 412 `revision_mismatch`, and nothing is done."}
	}
	changing := []parameter{key(false), match(false)}
	return []endpoint{
		{method: "POST", path: "/v1/licenses", id: "issue", tag: "Licenses", summary: "Issue a license",
			text: "Checks, signs with the authority's SM2 key and stores in one step. `credential` is the SD-JWT of docs/credential-profile.md; " +
				"`verification_code` is to be printed on the license.",
			scope: oidc.ScopeLicenseIssue, action: license.ActionIssue, headers: []parameter{key(true)}, status: http.StatusCreated, replays: true, revised: true,
			in: typeOf[license.IssueRequest](), most: largeBody, out: typeOf[license.Issued](), serve: s.issue},
		{method: "POST", path: "/v1/licenses/search", id: "search", tag: "Licenses", summary: "Find licenses of your participant",
			text:  "By identifier, by number and type, by a holder's code, by type, state and day of creation. Newest first, page by page.",
			scope: oidc.ScopeLicenseRead, action: license.ActionSearch,
			in: typeOf[license.SearchRequest](), most: smallBody, out: typeOf[license.SearchResult](), serve: s.search},
		{method: "GET", path: "/v1/licenses/{id}", id: "read", tag: "Licenses", summary: "Read a license",
			scope: oidc.ScopeLicenseRead, action: license.ActionRead, query: []parameter{version}, revised: true, out: typeOf[license.License](), serve: s.read},
		{method: "POST", path: "/v1/licenses/{id}/replace", id: "replace", tag: "Licenses", summary: "Change, renew, correct or reinstate a license",
			text: "Makes the next version from the whole content given; the one before it is superseded in the same step. A suspended license stays suspended. " +
				"A license keeps its holders: 409 `subject_changed`. `If-Match` must name the revision that you read, or the answer is 428 `if_match_missing`. " +
				"Your participant must be among the authorities of the type as it is now.",
			scope: oidc.ScopeLicenseIssue, action: license.ActionReplace, headers: []parameter{key(false), match(true)}, replays: true, revised: true,
			in: typeOf[license.ReplaceRequest](), most: largeBody, out: typeOf[license.Issued](), serve: s.replace},
		{method: "POST", path: "/v1/licenses/{id}/suspend", id: "suspend", tag: "Licenses", summary: "Suspend a license 暂扣",
			text:  "With the legal document it rests on.",
			scope: oidc.ScopeLicenseIssue, action: license.ActionSuspend, headers: changing, replays: true, revised: true,
			in: typeOf[license.SuspendRequest](), most: smallBody, out: typeOf[license.License](), serve: s.suspend},
		{method: "POST", path: "/v1/licenses/{id}/resume", id: "resume", tag: "Licenses", summary: "Put a suspended license back in force",
			text:  "Your participant must be among the authorities of the type as it is now.",
			scope: oidc.ScopeLicenseIssue, action: license.ActionResume, headers: changing, replays: true, revised: true,
			in: typeOf[license.ResumeRequest](), most: smallBody, out: typeOf[license.License](), serve: s.resume},
		{method: "POST", path: "/v1/licenses/{id}/end", id: "end", tag: "Licenses", summary: "End a license for good",
			text:  "注销 cancelled, 撤销 rescinded, 吊销 revoked, 撤回 withdrawn, 失效 lapsed; with the legal document it rests on. Its number is free from then on.",
			scope: oidc.ScopeLicenseIssue, action: license.ActionEnd, headers: changing, replays: true, revised: true,
			in: typeOf[license.EndRequest](), most: smallBody, out: typeOf[license.License](), serve: s.end},
		{method: "GET", path: "/v1/licenses/{id}/history", id: "history", tag: "Licenses", summary: "Read what was done with a license",
			text: "Every change, reading and refusal, oldest first. Where another department read the license by a use code, or its holder looked at it on the portal, " +
				"you see `action`, time, version and whether it was refused: not who, by which grant or for which case. The holder sees that in the access records 用证记录.",
			scope: oidc.ScopeLicenseRead, action: license.ActionHistory,
			query: []parameter{{name: "after", text: "only entries with a greater seq", kind: "integer"}, limitParameter},
			out:   typeOf[history](), serve: s.history},
		{method: "GET", path: "/v1/licenses/{id}/credential", id: "read-credential", tag: "Licenses", summary: "Read the signed credential",
			scope: oidc.ScopeLicenseRead, action: license.ActionCredential, query: []parameter{version},
			media: "application/dc+sd-jwt", serve: s.credential},
	}
}

func (s *Server) verifyEndpoints() []endpoint {
	return []endpoint{
		{method: "POST", path: "/v1/verify", id: "verify", tag: "Verification", action: license.ActionVerify, summary: "Verify a license",
			text: "Either a credential, whole or with fields withheld, or an identifier with the verification code printed on the license. " +
				"Open to everyone, limited per address. An unknown identifier and a wrong code get the same answer.",
			public: true, in: typeOf[verifyRequest](), most: largeBody, out: typeOf[credential.Verification](), serve: s.verify},
	}
}

func (s *Server) trustEndpoints() []endpoint {
	return []endpoint{
		{method: "GET", path: "/v1/trust/anchors", id: "anchors", tag: "Trust", summary: "The root certificates, PEM",
			text: "Compare their fingerprints with those the operator published elsewhere.", public: true, cached: true, media: "application/x-pem-file", serve: s.anchors},
		{method: "GET", path: "/v1/trust/certificates/{kid}", id: "certificate", tag: "Trust", summary: "A key's certificate, PEM",
			text: "By the `kid` of a credential or status list: the thumbprint of its key (RFC 7638, by SM3), or a name of an earlier version.", public: true, cached: true, media: "application/x-pem-file", serve: s.certificate},
		{method: "GET", path: "/v1/trust/crl/{file}", id: "revocation-list", tag: "Trust", summary: "A root's revocation list, DER",
			text:   "The certificates whose keys were revoked (RFC 5280). Certificates name it as their distribution point: the root's key id and `.crl`.",
			public: true, cached: true, media: "application/pkix-crl", serve: s.revocationList},
		{method: "GET", path: "/v1/trust/types/{code}/{version}", id: "type-metadata", tag: "Trust", action: license.ActionMetadata, summary: "SD-JWT VC type metadata of a type",
			text:   "What the `vct` of a credential names: labels of its claims in Chinese and English. A published version doesn't change.",
			public: true, cached: true, out: typeOf[license.TypeMetadata](), serve: s.typeMetadata},
		{method: "GET", path: "/v1/trust/status-lists/{n}", id: "status-list", tag: "Trust", action: license.ActionStatusList, summary: "A status list",
			text: "A signed Token Status List, for verifying offline.", public: true, cached: true, media: "application/statuslist+jwt", serve: s.statusList},
	}
}

var limitParameter = parameter{name: "limit", text: "how many at the most, 1 to 100; default 20", kind: "integer"}

// typeList is one page of the catalog.
type typeList struct {
	Types []license.Type      `json:"types" doc:"the newest version of each, by code"`
	Next  credential.TypeCode `json:"next,omitempty" doc:"the after of the next page; absent on the last"`
}

// history is one page of a license's history.
type history struct {
	Events []license.Event `json:"events" doc:"oldest first"`
	Next   int64           `json:"next,omitzero" doc:"the after of the next page; absent on the last"`
}

// verifyRequest is a credential, or an identifier with its verification code.
type verifyRequest struct {
	Credential       string `json:"credential,omitempty" doc:"an SD-JWT VC of at most 128 KiB; or else the other two"`
	Identifier       string `json:"identifier,omitempty" doc:"电子证照标识, as printed on the license"`
	VerificationCode string `json:"verification_code,omitempty" doc:"查验码, as printed on the license; case, spaces and hyphens don't matter"`
	Audience         string `json:"audience,omitempty" doc:"with credential: your client id, for which the key binding must have been made; nonce must be given too"`
	Nonce            string `json:"nonce,omitempty" doc:"with credential: the nonce that you sent for this reading; audience must be given too"`
}
