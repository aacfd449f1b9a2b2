package offer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"yizheng.internal/license"
	"yizheng.internal/license/audit"
	"yizheng.internal/license/catalog"
	"yizheng.internal/license/credential"
	"yizheng.internal/license/party"
	"yizheng.internal/license/refusal"
	"yizheng.internal/signing"
)

// Bounds of an offer. The holder can look for licenses that aren't offered because of them.
const (
	maxOffered      = 20                // licenses offered for a material
	maxOfferedBytes = 384 << 10         // of all that is offered, as offerSize counts it
	maxLooked       = 1000              // licenses opened for one offer
	maxLookedBytes  = 16 << 20          // of their face fields
	maxActive       = 500               // active licenses of a type that are looked at, expired ones among them
	maxOver         = 100               // licenses that prove nothing, the newest ones, looked at for the reason
	shelfPage       = 100               // records read at a time
	maxFind         = license.MaxNumber // characters of what the holder looks for
)

// Find is what the holder looks for among more licenses than are offered, by material: a
// number, or a text that stands in one of the face fields.
type Find map[string]string

// check checks what was typed.
func (f Find) check() error {
	for _, text := range f {
		if len([]rune(text)) > maxFind || strings.ContainsFunc(text, party.Hidden) || len(f) > catalog.MaxMaterials {
			return refusal.Invalid("find_text", "What is looked for is at most 100 characters, none of them invisible.")
		}
	}
	return nil
}

// Kept returns the texts that hold something to look for, by material; nil if there are none.
func (f Find) Kept() Find {
	var kept Find
	for material, text := range f {
		if license.NumberKey(text) == "" {
			continue
		}
		if kept == nil {
			kept = Find{}
		}
		kept[material] = text
	}
	return kept
}

// offering makes one offer. It reads the subject's licenses of a type once, however many materials take that
// type, the newest first, and no more of them than are needed.
type offering struct {
	r       *Service
	s       *Subject
	now     time.Time
	shelves map[shelfKey]*shelf
	looked  int // licenses opened so far
	bytes   int // of their face fields
}

// shelfKey says whose licenses a shelf has, and of which type.
type shelfKey struct {
	typ      credential.TypeCode
	relation catalog.Relation
}

// shelf has one party's licenses of a type, as far as they were read.
type shelf struct {
	g     *offering
	typ   *catalog.Type // the published version, or nil
	codes []party.Code
	query license.Query // of active ones
	ahead []license.Record
	end   bool   // there are no more records in the store
	read  int    // records taken
	found []held // of the active ones
	over  []held // of those that prove nothing, once read
	asked bool   // over was read
	lost  bool   // some licenses can't be opened
	many  bool   // some licenses weren't looked at
}

// held is a license that was opened for an offer.
type held struct {
	license.License
	why    refusal.Reason             // why it proves nothing now; "": nothing is wrong with it
	fields map[string]json.RawMessage // by name
	text   string                     // what the method has searches, once it was called
}

func (r *Service) newOffering(s *Subject, now time.Time) *offering {
	return &offering{r: r, s: s, now: now, shelves: map[shelfKey]*shelf{}}
}

// shelf returns the shelf for the licenses of a type that the party of a relation has.
func (g *offering) shelf(ctx context.Context, code credential.TypeCode, relation catalog.Relation, typ *catalog.Type) (*shelf, error) {
	key := shelfKey{code, relation}
	if s, ok := g.shelves[key]; ok {
		return s, nil
	}
	codes := g.s.CodesOf(relation)
	keys, err := g.r.c.Records.HolderKeys(ctx, codes)
	if err != nil {
		return nil, err
	}
	s := &shelf{g: g, typ: typ, codes: codes, query: license.Query{Kind: license.LookupHolder, Keys: keys, Type: code, State: license.Active, Limit: shelfPage}}
	g.shelves[key] = s
	return s, nil
}

// at returns the i-th of the active licenses, the newest first. It returns nil if there are no more, or if it
// would take too many to find them, which sets many.
func (s *shelf) at(ctx context.Context, i int) (*held, error) {
	for len(s.found) <= i {
		rec, err := s.next(ctx)
		if rec == nil || err != nil {
			return nil, err
		}
		h, err := s.g.open(ctx, s, rec.ID)
		if err != nil {
			return nil, err
		}
		if h != nil {
			s.found = append(s.found, *h)
		}
	}
	return &s.found[i], nil
}

// next takes the next record. It returns nil if there is none, or if it would be one too many.
func (s *shelf) next(ctx context.Context) (*license.Record, error) {
	if s.end && len(s.ahead) == 0 {
		return nil, nil
	}
	if s.read >= maxActive || s.g.full() {
		s.many = true
		return nil, nil
	}
	if len(s.ahead) == 0 {
		records, err := s.g.search(ctx, s.query)
		if err != nil {
			return nil, err
		}
		s.ahead, s.end = records, len(records) < shelfPage
		if len(records) == 0 {
			return nil, nil
		}
		last := records[len(records)-1]
		s.query.Before = license.Cursor{Created: last.Created, ID: last.ID}
	}
	rec := s.ahead[0]
	s.ahead = s.ahead[1:]
	s.read++
	return &rec, nil
}

// reasons returns the newest suspended licenses, and the newest of any state. It is only asked why these prove
// nothing if none of the active ones is good.
func (s *shelf) reasons(ctx context.Context) ([]held, error) {
	if s.asked {
		return s.over, nil
	}
	for _, state := range []license.State{license.Suspended, ""} {
		if s.g.full() {
			s.many = true
			return s.over, nil
		}
		q := s.query
		q.State, q.Before, q.Limit = state, license.Cursor{}, maxOver
		records, err := s.g.search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, rec := range records {
			if s.g.full() {
				s.many = true
				return s.over, nil
			}
			h, err := s.g.open(ctx, s, rec.ID)
			if err != nil {
				return nil, err
			}
			if h != nil {
				s.over = append(s.over, *h)
			}
		}
	}
	s.asked = true
	return s.over, nil
}

// numbered returns the active licenses with a number, however many others there are.
func (s *shelf) numbered(ctx context.Context, number string) ([]held, error) {
	var found []held
	if s.typ == nil {
		return nil, nil
	}
	for authorities := range slices.Chunk(s.typ.Authorities, shelfPage) {
		if s.g.full() {
			return found, nil
		}
		q := license.Query{Kind: license.LookupNumber, Type: s.query.Type, State: license.Active, Limit: maxOffered}
		for _, a := range authorities {
			keys, err := s.g.r.c.Records.NumberKeys(ctx, s.query.Type, a, number)
			if err != nil {
				return nil, err
			}
			q.Keys = append(q.Keys, keys...)
		}
		records, err := s.g.search(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, rec := range records {
			h, err := s.g.open(ctx, s, rec.ID)
			if err != nil {
				return nil, err
			}
			if h != nil && license.NumberKey(h.Number) == license.NumberKey(number) {
				found = append(found, *h)
			}
		}
	}
	return found, nil
}

func (g *offering) full() bool { return g.looked >= maxLooked || g.bytes >= maxLookedBytes }

// search searches the store. It counts as much as a license that is opened.
func (g *offering) search(ctx context.Context, q license.Query) ([]license.Record, error) {
	g.looked++
	records, err := g.r.c.Records.Search(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("searching licenses of type %s: %w", q.Type, err)
	}
	return records, nil
}

// open opens the newest version of a license; nil if none of the shelf's codes holds it, or
// if it can't be opened.
func (g *offering) open(ctx context.Context, s *shelf, id audit.ID) (*held, error) {
	g.looked++
	rec, v, err := g.r.c.Records.Load(ctx, id, 0)
	if err != nil {
		return nil, fmt.Errorf("loading license %s: %w", id, err)
	}
	l, err := g.r.c.Records.Open(ctx, rec, v)
	if errors.Is(err, signing.ErrSealed) || errors.Is(err, signing.ErrNoKey) {
		g.r.c.Log.ErrorContext(ctx, "a license can't be opened", "license", rec.ID, "error", err)
		s.lost = true
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	// The lookup keys of earlier versions also lead here, and those may have named other holders.
	if !license.HeldBy(l.Holders, "", s.codes) {
		return nil, nil
	}
	h := held{License: l, why: v.Unusable(g.now)}
	if err := json.Unmarshal(l.Version.Fields, &h.fields); err != nil {
		return nil, fmt.Errorf("decoding fields of license %s", l.ID)
	}
	g.bytes += len(l.Version.Fields)
	return &h, nil
}

// has reports whether a text, in the form in which numbers are compared, stands in the
// number or in a face field.
func (h *held) has(text string) bool {
	if h.text == "" {
		var b strings.Builder
		b.WriteString(license.NumberKey(h.Number))
		for _, name := range slices.Sorted(maps.Keys(h.fields)) {
			var v any
			if json.Unmarshal(h.fields[name], &v) == nil {
				writeTexts(&b, v)
			}
		}
		h.text = b.String()
	}
	return strings.Contains(h.text, text)
}

// writeTexts writes the texts and numbers within a JSON value, one on each line, in the form in which license
// numbers are compared.
func writeTexts(b *strings.Builder, v any) {
	switch v := v.(type) {
	case string:
		b.WriteString("\n" + license.NumberKey(v))
	case float64:
		b.WriteString("\n" + strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		for _, e := range v {
			writeTexts(b, e)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			writeTexts(b, v[name])
		}
	}
}

// material finds the licenses of one party that can serve as a material.
func (g *offering) material(ctx context.Context, m catalog.Material, find string) (OfferedMaterial, error) {
	if why := g.s.hindered(&m); why != "" {
		return OfferedMaterial{Material: m, Outcome: why}, nil
	}
	codes := g.s.CodesOf(m.Relation)
	if !g.s.agreesFor(m.Relation) {
		find = "" // or it would tell what stands in the license of somebody who didn't agree
	}
	// If nobody knows the party, such as a spouse, nothing can be said to be missing.
	f := finding{number: find, find: license.NumberKey(find), covered: len(codes) > 0}
	outside := 0
	for _, alt := range m.Alternatives {
		if !g.s.Covers(alt.TypeCode) {
			outside++
			f.covered = false
			continue
		}
		h, err := g.r.c.Types.Heads(ctx, alt.TypeCode)
		if err != nil {
			return OfferedMaterial{}, err
		}
		typ := h.Published()
		f.covered = f.covered && typ != nil && typ.Covered()
		if len(codes) == 0 {
			continue
		}
		s, err := g.shelf(ctx, alt.TypeCode, m.Relation, typ)
		if err == nil {
			err = g.alternative(ctx, &f, s, m, alt)
		}
		if errors.Is(err, license.ErrUnavailable) {
			// Licenses of other types can still be agreed to.
			g.r.c.Log.WarnContext(ctx, "licenses of a type can't be read", "type", alt.TypeCode, "error", err)
			f.unavailable = true
		} else if err != nil {
			return OfferedMaterial{}, err
		}
	}
	if outside == len(m.Alternatives) {
		return OfferedMaterial{Material: m, Outcome: OutcomeOutside}, nil
	}
	om := OfferedMaterial{Material: m, Licenses: f.offers()}
	om.Outcome, om.Dated = f.outcome()
	if om.Outcome == OutcomeChoice {
		om.More = f.more && g.s.agreesFor(m.Relation)
		if f.find != "" {
			om.Find, om.More = find, true
		}
	}
	return om, nil
}

// sorting sorts the licenses of a shelf into a finding, for one alternative.
type sorting struct {
	*finding
	s     *shelf
	m     catalog.Material
	alt   catalog.Alternative
	valid []OfferedLicense
}

// alternative adds to f what a shelf has for an alternative of a material. It looks for the reasons why other
// licenses prove nothing only if none is good. So a good one can't be hidden by many that prove nothing.
func (g *offering) alternative(ctx context.Context, f *finding, s *shelf, m catalog.Material, alt catalog.Alternative) error {
	to := &sorting{finding: f, s: s, m: m, alt: alt}
	defer func() { f.valid = append(f.valid, to.valid) }()
	if f.find != "" {
		exact, err := s.numbered(ctx, f.number)
		if err != nil {
			return err
		}
		for i := range exact {
			if err := to.sort(ctx, &exact[i]); err != nil {
				return err
			}
		}
	}
	if err := to.newest(ctx); err != nil || f.any {
		return err
	}
	over, err := s.reasons(ctx)
	if err != nil {
		return err
	}
	f.unavailable = f.unavailable || s.lost || s.many
	for i := range over {
		if err := to.sort(ctx, &over[i]); err != nil {
			return err
		}
	}
	return nil
}

// newest sorts active licenses, the newest first, up to as many as are offered.
func (to *sorting) newest(ctx context.Context) error {
	exact := slices.Clone(to.valid)
	for i := 0; ; i++ {
		h, err := to.s.at(ctx, i)
		if err != nil {
			return err
		}
		if h == nil {
			to.more = to.more || to.s.many && to.any
			to.unavailable = to.unavailable || to.s.lost || to.s.many
			return nil
		}
		if h.why == "" && license.HeldBy(h.Holders, to.alt.Role, to.s.codes) {
			to.any = true
			if to.find != "" && (!h.has(to.find) || slices.ContainsFunc(exact, func(o OfferedLicense) bool { return o.ID == h.ID })) {
				continue
			}
			if len(to.valid) == maxOffered {
				to.more = true
				return nil
			}
		}
		if err := to.sort(ctx, h); err != nil {
			return err
		}
	}
}

// sort adds a license to the good ones, or adds the reason why it proves nothing.
func (to *sorting) sort(ctx context.Context, h *held) error {
	if !license.HeldBy(h.Holders, to.alt.Role, to.s.codes) {
		return nil
	}
	if h.why != "" {
		to.add(h.why, h.License)
		return nil
	}
	to.any = true
	o, err := to.s.g.r.offered(ctx, to.s.g.s, h, to.m, to.alt, to.s.typ)
	if err == nil {
		to.valid = append(to.valid, o)
	}
	return err
}

// offerSize estimates the size of a page that shows what is asked for of a license.
func offerSize(o *OfferedLicense) int {
	size := 2 << 10
	for _, part := range o.Fields {
		size += 256 + 2*len(part)
	}
	size += 1 << 10 * len(o.Sensitive) // with the reasons
	return size
}

// bound leaves out what is beyond an offer's size. It keeps the first license of each material, then the second
// of each, and so on.
func (o *Offer) bound() {
	size, kept := 0, make([]int, len(o.Materials))
	for round := range maxOffered {
		for i := range o.Materials {
			m := &o.Materials[i]
			if kept[i] < round || len(m.Licenses) <= round {
				continue
			}
			if size += offerSize(&m.Licenses[round]); size > maxOfferedBytes && round > 0 {
				continue
			}
			kept[i]++
		}
	}
	for i := range o.Materials {
		m := &o.Materials[i]
		if len(m.Licenses) > kept[i] {
			m.Licenses, m.More, m.Outcome = m.Licenses[:kept[i]], true, OutcomeChoice
		}
	}
}
