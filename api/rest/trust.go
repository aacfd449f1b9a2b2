package rest

import (
	"encoding/pem"
	"errors"
	"net/http"
	"reflect"
	"strconv"

	"yizheng.internal/api/openapi"
	"yizheng.internal/api/problem"
	"yizheng.internal/api/rest/call"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/status"
	"yizheng.internal/signing"
	"yizheng.internal/signing/jose"
	"yizheng.internal/signing/journal"
	"yizheng.internal/signing/pki"
	"yizheng.internal/signing/strictjson"
)

// trust serves what verifying offline takes.
type trust struct {
	types    *catalog.Types
	status   *status.Lists
	keyrings *signing.Keyrings
	roots    *pki.Anchors
	lists    signing.RevocationLists // nil: none are served
	verifier *jose.Verifier
	read     revocationLists
}

func (x *trust) trustEndpoints() []call.Endpoint {
	return []call.Endpoint{
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/trust/anchors", ID: "anchors", Tag: "Trust", Summary: "The root certificates, PEM",
			Text: "Compare their fingerprints with those the operator published elsewhere.", Public: true, Cached: true, Media: "application/x-pem-file"}, Serve: x.anchors},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/trust/certificates/{kid}", ID: "certificate", Tag: "Trust", Summary: "A key's certificate, PEM",
			Text: "By the `kid` of a credential or status list: the thumbprint of its key (RFC 7638, by SM3), or a name of an earlier version.", Public: true, Cached: true, Media: "application/x-pem-file"}, Serve: x.certificate},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/trust/crl/{file}", ID: "revocation-list", Tag: "Trust", Summary: "A root's revocation list, DER",
			Text:   "The certificates whose keys were revoked (RFC 5280). Certificates name it as their distribution point: the root's key id and `.crl`.",
			Public: true, Cached: true, Media: "application/pkix-crl"}, Serve: x.revocationList},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/trust/types/{code}/{version}", ID: "type-metadata", Tag: "Trust", Action: journal.ActionTypeMetadata, Summary: "SD-JWT VC type metadata of a type",
			Text:   "What the `vct` of a credential names: labels of its claims in Chinese and English. A published version doesn't change.",
			Public: true, Cached: true, Out: reflect.TypeFor[catalog.TypeMetadata]()}, Serve: x.typeMetadata},
		{Endpoint: openapi.Endpoint{Method: "GET", Path: "/v1/trust/status-lists/{n}", ID: "status-list", Tag: "Trust", Action: journal.ActionStatusListRead, Summary: "A status list",
			Text: "A signed Token Status List, for verifying offline.", Public: true, Cached: true, Media: "application/statuslist+jwt"}, Serve: x.statusList},
	}
}

func (x *trust) anchors(c *call.Call) error {
	return c.Public(x.roots.PEM(), "public, max-age=3600")
}

// certificate serves certificates of keys that sign what others verify.
func (x *trust) certificate(c *call.Call) error {
	unknown := problem.Refuse(http.StatusNotFound, "certificate_unknown", "There is no certificate of a key with this id.")
	k, err := x.keyrings.ByKID(c.Context(), c.Request.PathValue("kid"))
	if errors.Is(err, signing.ErrNoKey) {
		return unknown
	} else if err != nil {
		return err
	}
	switch k.Purpose {
	case signing.PurposeAuthority, signing.PurposeAttestation, signing.PurposeStatus:
	default:
		return unknown
	}
	var chain []byte
	for _, der := range k.Chain {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return c.Public(chain, "public, max-age=3600")
}

// statusList serves the list as it is now. Earlier lists, which the parameter time asks for,
// are not stored (Token Status List, section 8.4).
func (x *trust) statusList(c *call.Call) error {
	if c.Request.URL.Query().Has("time") {
		return problem.Refuse(http.StatusNotImplemented, "status_list_historical", "Only the present status list is served.")
	}
	n, err := strconv.ParseInt(c.Request.PathValue("n"), 10, 64)
	if err != nil || n < 1 {
		return problem.Refuse(http.StatusNotFound, "status_list_unknown", "There is no status list with this number.")
	}
	token, err := x.status.StatusList(c.Context(), n)
	if err != nil {
		return err
	}
	return c.Public([]byte(token), "public, max-age=60")
}

// typeMetadata serves what a credential's vct names.
func (x *trust) typeMetadata(c *call.Call) error {
	version, err := strconv.ParseInt(c.Request.PathValue("version"), 10, 32)
	if err != nil || strconv.FormatInt(version, 10) != c.Request.PathValue("version") {
		return problem.Refuse(http.StatusNotFound, "type_unknown", "There is no license type with this code and version.")
	}
	m, err := x.types.Metadata(c.Context(), credential.TypeCode(c.Request.PathValue("code")), int(version))
	if err != nil {
		return err
	}
	body, err := strictjson.Marshal(m)
	if err != nil {
		return err
	}
	return c.Public(body, "public, max-age=86400")
}
