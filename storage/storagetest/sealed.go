package storagetest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/access"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/grant"
	"yizheng.internal/license/library"
	"yizheng.internal/license/offer"
	"yizheng.internal/license/party"
	"yizheng.internal/license/registry"
	"yizheng.internal/signing/installation"
	"yizheng.internal/signing/pki"
	"yizheng.internal/storage/storagetest/suite"
)

// Sealed checks that what a registry stored is readable to nobody who has the
// database alone: a license lives through issue, change, suspension and ending,
// is searched and refused; then dump returns all that lies on disk, in which no
// name, number, code, field or reason may be found, however it is encoded. The
// search itself is checked first on planted ones.
func Sealed(t *testing.T, open func(*testing.T) suite.Database, dump func(t *testing.T) []byte) {
	t.Run("the search finds what is planted", searchFinds)
	db := open(t)
	secrets := liveThrough(t, db)
	data := dump(t)
	if !bytes.Contains(data, []byte("license.suspend")) && !bytes.Contains(data, []byte(hex.EncodeToString([]byte("license.suspend")))) {
		t.Fatal("the dump has no event of the license: it isn't of this database")
	}
	for _, s := range found(data, secrets) {
		t.Errorf("in the database, readable: %s", s)
	}
}

// liveThrough leads a license through its life and returns what must not be
// found afterwards.
func liveThrough(t *testing.T, db suite.Database) []string {
	t.Helper()
	ctx := t.Context()
	const authority, code = "11430000006122244L", "11010519491231002X"
	dir := t.TempDir()
	in, err := installation.Open(ctx, installation.Config{
		Dir: dir, Records: db.Keys, RegistryName: "样例证照库", RegistryUSCC: "11110000000021135M",
	}, time.Now())
	suite.Must(t, "living through", err)
	ca, err := installation.OpenRoot(filepath.Join(dir, "root"), "")
	suite.Must(t, "living through", err)
	_, err = in.AddAuthority(ctx, ca, pki.Subject{Name: "样例厅", USCC: authority}, time.Now())
	suite.Must(t, "living through", err)
	r, err := library.New(ctx, library.Config{
		Stores: db.Licenses, Journal: db.Journal, Keyrings: in.Keyrings(), Vault: in.Vault(), Anchors: in.Anchors(), PublicURL: "https://license.example.gov",
		AuthorityName: func(context.Context, party.USCC) (string, error) { return "样例厅", nil },
	})
	suite.Must(t, "living through", err)
	a := audit.Actor{Client: "dept", Participant: "p1", USCC: authority}
	const typ = credential.TypeCode(authority + "032")
	_, _, err = r.Catalog().Types().Put(ctx, a, typ, catalog.Definition{
		Name: "样例证", Numbers: catalog.NumberUnique, Approval: catalog.OneStep, Authorities: []party.USCC{authority},
		Schema:   json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"address":{"type":"string"}}}`),
		Holders:  []catalog.HolderRole{{Role: "holder", Name: "持证人", Min: 1, Max: 1, CodeTypes: []party.CodeType{party.Citizen}}},
		Validity: catalog.Validity{LongTerm: true},
	})
	suite.Must(t, "living through", err)
	_, err = r.Catalog().Types().Publish(ctx, a, typ)
	suite.Must(t, "living through", err)

	today := party.DateOf(time.Now())
	holders := []credential.Holder{{Name: "欧阳样例䶮", CodeType: party.Citizen, Code: code, Role: "holder", Share: "三分之一份额"}}
	out, err := r.Registry.Issue(ctx, a, registry.IssueRequest{
		TypeCode: typ, Number: "SECRETNUMBER0001", Holders: holders, ValidFrom: today, AreaCode: "430000", Fields: json.RawMessage(`{"address":"青禾市样例路八十八号"}`),
	}, "idempotency-key-of-a-case")
	suite.Must(t, "living through", err)
	_, err = r.Registry.Suspend(ctx, a, out.ID, registry.SuspendRequest{
		Reason: "涉嫌样例违规暂扣", Document: license.Document{Number: "青样例扣〔2026〕6号", Date: today, Basis: "样例法第六十九条"},
	}, registry.Terms{Key: "idempotency-key-of-a-suspension"})
	suite.Must(t, "living through", err)
	_, err = r.Registry.Resume(ctx, a, out.ID, registry.ResumeRequest{Reason: "样例核实发还"}, registry.Terms{})
	suite.Must(t, "living through", err)
	second, err := r.Registry.Replace(ctx, a, out.ID, registry.ReplaceRequest{
		Kind: license.Change, Reason: "样例住址变更", Number: "SECRETNUMBER0001", Holders: holders, ValidFrom: today, Fields: json.RawMessage(`{"address":"青禾市新样例巷九号"}`),
	}, registry.Terms{Revisions: []int64{3}})
	suite.Must(t, "living through", err)
	shared := share(t, r, a, typ, code)
	shared = append(shared, persons(t, db, in)...)
	_, err = r.Registry.Search(ctx, a, registry.SearchRequest{Holder: &party.Code{Type: party.Citizen, Value: code}})
	suite.Must(t, "living through", err)
	_, err = r.Registry.End(ctx, a, out.ID, registry.EndRequest{
		Reason: "持证人样例去世", Kind: license.Cancelled, EffectiveFrom: today,
		Document: license.Document{Number: "青样例〔2026〕7号", Date: today, Basis: "样例法第七十条"},
	}, registry.Terms{})
	suite.Must(t, "living through", err)
	return append(shared,
		"欧阳样例䶮", code, "三分之一份额", "SECRETNUMBER0001", "青禾市样例路八十八号", "青禾市新样例巷九号", "idempotency-key-of-a-case",
		"涉嫌样例违规暂扣", "样例核实发还", "样例住址变更", "持证人样例去世", "青样例〔2026〕7号", "样例法第七十条",
		"青样例扣〔2026〕6号", "样例法第六十九条", "idempotency-key-of-a-suspension",
		string(out.Identifier), out.VerificationCode, string(second.Identifier), second.VerificationCode,
		out.Credential[:40], second.Credential[:40], // its header says where certificates are: the whole token would be there
	)
}

// ofShare is the item by which a license is shared.
const ofShare = catalog.ItemCode("11430000006122244L-QH-1")

// share lets a client read the holder's license by consent, and returns what must
// not be found afterwards.
func share(t *testing.T, r *library.Library, a audit.Actor, typ credential.TypeCode, code string) []string {
	t.Helper()
	ctx := t.Context()
	_, _, err := r.Catalog().Items().Put(ctx, a, ofShare, catalog.ItemDefinition{Name: "样例事项", Purpose: "样例用途", Materials: []catalog.Material{{
		ID: "m", Name: "样例材料", Relation: catalog.RelationApplicant,
		Alternatives: []catalog.Alternative{{TypeCode: typ, Fields: []string{"number", "fields/address"}}},
	}}})
	suite.Must(t, "sharing", err)
	_, err = r.Catalog().Items().Publish(ctx, a, ofShare)
	suite.Must(t, "sharing", err)
	ask := offer.Ask{Item: ofShare, Case: "青禾样例办件0001"}
	who := offer.Subject{Party: "opaque-party-0001", Codes: []party.Code{{Type: party.Citizen, Value: code}}, Assurance: 2}
	o, err := r.Offers.Offer(ctx, a, ask, who, nil)
	suite.Must(t, "sharing", err)
	l := o.Materials[0].Licenses[0]
	g, err := r.Grants.Agree(ctx, a, ask, who, grant.Consent{Form: "one-use-id-of-a-form", Shown: o.Hash, Channel: grant.ChannelOnline,
		Chosen: []offer.ChosenLicense{{Material: "m", License: l.ID, Version: l.Version.Version, Fields: l.Fields}}})
	suite.Must(t, "sharing", err)
	d, err := r.Grants.Deliver(ctx, a, g.ID, [32]byte{1})
	suite.Must(t, "sharing", err)
	use := d.Materials[0].UseCode.Reveal()
	officer := &access.Officer{ID: "QINGHE00012", Name: "诸葛样例窗口", Division: "样例审批二处"}
	_, err = r.Readings.Redeem(ctx, a, access.RedeemRequest{UseCode: use, RequestID: "request-of-a-consumer", Nonce: "nonce-of-a-consumer", Officer: officer})
	suite.Must(t, "sharing", err)
	return []string{ask.Case, who.Party, "one-use-id-of-a-form", use[27:], officer.ID, officer.Name, officer.Division, "nonce-of-a-consumer", "request-of-a-consumer"}
}

func searchFinds(t *testing.T) {
	const secret = "欧阳样例䶮"
	var zlibbed, gzipped bytes.Buffer
	for _, w := range []io.WriteCloser{zlib.NewWriter(&zlibbed), gzip.NewWriter(&gzipped)} {
		_, err := w.Write([]byte(strings.Repeat("x", 100) + secret))
		suite.Must(t, "compressing", err)
		suite.Must(t, "compressing", w.Close())
	}
	noise := strings.Repeat("\x00\xff noise ", 20)
	for name, planted := range map[string]string{
		"plain":              secret,
		"hex":                hex.EncodeToString([]byte(secret)),
		"hex, odd place":     "a" + hex.EncodeToString([]byte(secret)),
		"base64url":          base64.RawURLEncoding.EncodeToString([]byte(`["salt","name","` + secret + `"]`)),
		"base64url + 1":      "a" + base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"base64url + 2":      "ab" + base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"base64url + 3":      "abc" + base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"base64":             base64.StdEncoding.EncodeToString([]byte(secret)),
		"base64url in hex":   hex.EncodeToString([]byte(base64.RawURLEncoding.EncodeToString([]byte(secret)))),
		"JSON escapes":       `\u6b27\u9633\u6837\u4f8b\u4dae`,
		"zlib":               zlibbed.String(),
		"zlib in hex":        hex.EncodeToString(zlibbed.Bytes()),
		"zlib in base64url":  base64.RawURLEncoding.EncodeToString(zlibbed.Bytes()),
		"gzip":               gzipped.String(),
		"UTF-16, as on disk": "\x6b\x27\x96\x33\x68\x37\x4f\x8b\x4d\xae",
	} {
		if len(found([]byte(noise+planted+noise), []string{secret})) == 0 {
			t.Errorf("%s: not found", name)
		}
	}
	if got := found([]byte(noise), []string{secret}); got != nil {
		t.Errorf("found in noise: %q", got)
	}
}

var (
	hexRun    = regexp.MustCompile(`[0-9a-fA-F]{16,}`)
	base64Run = regexp.MustCompile(`[A-Za-z0-9_/+-]{12,}`)
)

// found returns which of the secrets are in data: as they are, as UTF-16 or
// JSON escapes, behind hex or base64 at any alignment, or compressed.
func found(data []byte, secrets []string) []string {
	var hits []string
	seek := func(b []byte) {
		for _, s := range secrets {
			if !slices.Contains(hits, s) && (bytes.Contains(b, []byte(s)) || bytes.Contains(b, utf16Of(s)) || bytes.Contains(b, escapesOf(s))) {
				hits = append(hits, s)
			}
		}
	}
	layers := [][]byte{data}
	for range 3 { // of encodings around each other
		var next [][]byte
		for _, layer := range layers {
			seek(layer)
			next = append(next, decoded(layer)...)
		}
		layers = next
	}
	for _, layer := range layers {
		seek(layer)
	}
	slices.Sort(hits)
	return hits
}

// decoded returns what may be encoded in b. What is decoded is joined to one
// piece for each encoding and alignment.
func decoded(b []byte) [][]byte {
	var out [][]byte
	for shift := range 2 {
		var all []byte
		for _, run := range hexRun.FindAll(b, -1) {
			run = run[shift:]
			plain := make([]byte, len(run)/2)
			if _, err := hex.Decode(plain, run[:len(run)/2*2]); err == nil {
				all = append(append(all, plain...), 0)
			}
		}
		out = append(out, all)
	}
	for shift := range 4 {
		var all []byte
		for _, run := range base64Run.FindAll(b, -1) {
			text := strings.NewReplacer("+", "-", "/", "_").Replace(string(run[shift:]))
			if len(text)%4 == 1 {
				text = text[:len(text)-1]
			}
			if plain, err := base64.RawURLEncoding.DecodeString(text); err == nil {
				all = append(append(all, plain...), 0)
			}
		}
		out = append(out, all)
	}
	out = append(out, inflated(b))
	return slices.DeleteFunc(out, func(b []byte) bool { return len(b) == 0 })
}

// inflated returns what zlib and gzip streams in b hold, wherever they begin.
func inflated(b []byte) []byte {
	const enough = 1 << 20
	var all []byte
	for i := range len(b) - 1 {
		var r io.Reader
		var err error
		switch {
		case b[i] == 0x78 && (uint16(b[i])<<8|uint16(b[i+1]))%31 == 0: // RFC 1950 section 2.2
			r, err = zlib.NewReader(bytes.NewReader(b[i:]))
		case b[i] == 0x1f && b[i+1] == 0x8b: // RFC 1952 section 2.3.1
			r, err = gzip.NewReader(bytes.NewReader(b[i:]))
		default:
			continue
		}
		if err != nil {
			continue
		}
		plain, _ := io.ReadAll(io.LimitReader(r, enough)) // what came before an error is worth a look too
		all = append(append(all, plain...), 0)
	}
	return all
}

func utf16Of(s string) []byte {
	var out []byte
	for _, r := range s {
		if r > 0xffff {
			return []byte(s)
		}
		out = append(out, byte(r>>8), byte(r))
	}
	return out
}

func escapesOf(s string) []byte {
	b, _ := json.Marshal(s)
	var out []byte
	for _, r := range string(b[1 : len(b)-1]) {
		if r < 0x80 || r > 0xffff {
			out = append(out, string(r)...)
			continue
		}
		out = append(append(out, `\u`...), hex.EncodeToString([]byte{byte(r >> 8), byte(r)})...)
	}
	return out
}
